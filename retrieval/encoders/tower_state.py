"""Weights of towers that are built here from what a file's names and shapes say: read, renamed, made still."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from radseek.retrieval.encoders.open_clip_model import first_line
from radseek.retrieval.errors import EncoderError

__all__ = ["NOT_FITTING", "one_width", "read_state", "renamed", "still"]

# What a tower raises that is built or filled from a state which is not its own.
NOT_FITTING: Final = (TypeError, ValueError, KeyError, RuntimeError, AssertionError, AttributeError, IndexError)
_Tower = TypeVar("_Tower", bound=nn.Module)


def read_state(path: Path, model: str, again: str) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file. Raises `EncoderError` naming the `model`, and what to do `again`."""
    try:
        state: dict[str, torch.Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise EncoderError(f"{path} does not fit {model}: {first_line(error)} {again}") from error
    return state


def renamed(state: Mapping[str, torch.Tensor], names: Mapping[str, str]) -> dict[str, torch.Tensor]:
    """Return a state whose names begin as ours do: `names` holds beginnings in the file, and what stands for them."""
    found = {}
    for key, value in state.items():
        start = next((theirs for theirs in names if key.startswith(theirs)), None)
        found[key if start is None else names[start] + key.removeprefix(start)] = value  # unknown: said when loaded
    return found


def one_width(folder: Path, images: int, texts: int) -> int:
    """Return the width of the vectors of both towers. Raises `EncoderError` where there is no one width."""
    if images != texts:
        raise EncoderError(
            f"{folder}: image vectors are {images} wide and text vectors {texts}; they are not of one model. "
            "Copy the folder again from where the model was published."
        )
    return images


def still(tower: _Tower) -> _Tower:
    """Return a tower in fp32 that answers and no longer learns."""
    return tower.float().eval().requires_grad_(False)
