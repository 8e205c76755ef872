"""`slice_pooling.safetensors`: an adapter's tensors, with its form and its shape in the header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from safetensors import safe_open
from safetensors.torch import save

__all__ = ["ADAPTER", "ADAPTER_PICKLES", "read_adapter", "write_adapter"]

ADAPTER: Final = "slice_pooling.safetensors"
ADAPTER_PICKLES: Final = ("slice_pooling.pth", "slice_pooling.pt", "slice_pooling.bin")  # as one may be published


def write_adapter(path: Path, form: str, shape: Mapping[str, int], tensors: Mapping[str, torch.Tensor]) -> None:
    """Write an adapter: equal adapters give equal bytes."""
    kept = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    data = save(kept, metadata={"format": form, "shape": json.dumps(dict(shape))})
    size = int.from_bytes(data[:8], "little")  # of the JSON header, whose keys come in any order
    header = json.dumps(json.loads(data[8 : 8 + size]), sort_keys=True, separators=(",", ":"))
    path.write_bytes(data[:8] + header.encode().ljust(size) + data[8 + size :])


def read_adapter(path: Path) -> tuple[str, dict[str, int], dict[str, torch.Tensor]]:
    """Return an adapter's form, shape and tensors, in fp32.

    Raises `SafetensorError`, `OSError`, `ValueError` or `KeyError` where the file holds none.
    """
    with safe_open(str(path), framework="pt") as file:
        header = file.metadata() or {}
        if "format" not in header or "shape" not in header:
            raise ValueError("its header names no form and no shape")
        tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        return header["format"], json.loads(header["shape"]), tensors
