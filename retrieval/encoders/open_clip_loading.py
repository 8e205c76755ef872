"""An open_clip folder, or the random model, to an `Encoder`. Importing this takes torch's seconds.

open_clip's own classes are built without a network: its `local-dir:` asks the hub for the text tower that the
configuration names (its threads 528, 724, 772); here that name is replaced by the folder before anything is built.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from radseek.retrieval.encoders.checkpoint import Checkpoint, read_checkpoint
from radseek.retrieval.encoders.folder_encoder import folder_encoder, scale_and_bias
from radseek.retrieval.encoders.local_only import offline
from radseek.retrieval.encoders.open_clip_coca import ContrastiveHalf
from radseek.retrieval.encoders.open_clip_import import open_clip
from radseek.retrieval.encoders.open_clip_model import build_model, first_line
from radseek.retrieval.encoders.random_model import RANDOM_PREPROCESS, build_random, random_parts
from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.encoders.text_batches import TextBatcher
from radseek.retrieval.encoders.tower_encoder import TowerEncoder
from radseek.retrieval.encoders.tower_identity import checkpoint_parts, current_imaging_hash
from radseek.retrieval.errors import EncoderError, UsageError

__all__ = [
    "checked_device",
    "default_device",
    "default_precision",
    "load_folder",
    "load_model",
    "load_random",
    "load_tokenizer",
]

_DEVICES: dict[str, Callable[[], bool]] = {
    "cpu": lambda: True,
    "cuda": torch.cuda.is_available,
    "mps": torch.backends.mps.is_available,
}
_BF16_FLAGS = ("avx512_bf16", "amx_bf16")


def default_device() -> str:
    """Return torch's word for where to compute: `cuda`, else `mps`, where there is one, else `cpu`."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def checked_device(device: str | None) -> str:
    """Return the device to compute on: the one named, or the default.

    Raises `UsageError` for a word that torch does not know, and for a device that this machine lacks.
    """
    if device is None:
        return default_device()
    try:
        kind = torch.device(device).type
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        here = [name for name, there in _DEVICES.items() if there()]
        known = " or ".join(here)
        raise UsageError(f"Nothing can be computed on device '{device}' here; use {known}.") from error
    if kind not in _DEVICES:
        raise UsageError(f"Device '{device}' is none that is used here; use one of: {', '.join(_DEVICES)}.")
    return device


def default_precision(device: str) -> str:
    """Return bf16 on GPUs and processors that compute in it, where it is fast; else fp32."""
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.startswith("mps"):
        return "fp32"
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return "fp32"
    return "bf16" if any(flag in flags for flag in _BF16_FLAGS) else "fp32"


def load_folder(folder: Path, name: str, precision: str, device: str) -> TowerEncoder:
    """Load a checkpoint folder. Raises what `load_encoder` does."""
    checkpoint = read_checkpoint(folder)
    parts = checkpoint_parts(checkpoint, precision)
    with offline():
        tokenizer = load_tokenizer(checkpoint)
        model = load_model(checkpoint)
    return folder_encoder(
        folder,
        name,
        model,
        TextBatcher(tokenizer, model, name),
        dim=int(checkpoint.model["embed_dim"]),
        preprocess=checkpoint.preprocess,
        parts=parts,
        precision=precision,
        device=device,
    )


def load_random(precision: str, device: str) -> TowerEncoder:
    """Build the small model whose weights are random and whose scores mean nothing."""
    model, tokenizer = build_random()
    parts = random_parts(precision)
    scale, bias = scale_and_bias(model)
    spec = EncoderSpec(
        name="random",
        dim=int(model.text.output_dim),
        preprocess=RANDOM_PREPROCESS,
        imaging_hash=current_imaging_hash(),
        towers_hash=parts.hash(),
        scale=scale,
        bias=bias,
        precision=precision,
        meaningless=True,
        context=int(tokenizer.context_length),
        towers=parts,
    )
    return TowerEncoder(model, TextBatcher(tokenizer, model, spec.name), spec, device=device)


def load_model(checkpoint: Checkpoint) -> Any:
    """Return open_clip's model of `checkpoint`, in fp32, in evaluation mode, with its weights; of a CoCa two towers.

    Raises `EncoderError` where the configuration or the weights do not fit.
    """
    model = build_model(_local_config(checkpoint), str(checkpoint.folder))
    try:
        open_clip.load_checkpoint(model, str(checkpoint.weights), strict=True)
    except (RuntimeError, SafetensorError, KeyError, StopIteration, OSError) as error:
        raise EncoderError(
            f"{checkpoint.weights} does not fit the towers that open_clip_config.json describes: {first_line(error)} "
            "Weights and configuration must come from the same model."
        ) from error
    two_towers = ContrastiveHalf(model) if isinstance(model, open_clip.CoCa) else model
    return two_towers.eval().requires_grad_(False)


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """Return open_clip's tokenizer of `checkpoint`, read from its folder.

    Raises `EncoderError` where its files cannot be read.
    """
    extra = {"local_files_only": True} if checkpoint.tokenizer_files else {}
    try:
        return open_clip.get_tokenizer(f"local-dir:{checkpoint.folder}", **extra)
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise EncoderError(f"The tokenizer in {checkpoint.folder} cannot be read: {first_line(error)}") from error


def _local_config(checkpoint: Checkpoint) -> dict[str, Any]:
    config = copy.deepcopy(dict(checkpoint.model))
    if checkpoint.text_config is not None:
        config["text_cfg"]["hf_model_name"] = str(checkpoint.folder)
        config["text_cfg"]["hf_model_pretrained"] = False
    if "timm_model_name" in config["vision_cfg"]:
        config["vision_cfg"]["timm_model_pretrained"] = False
    _check_context(checkpoint)
    return config


def _check_context(checkpoint: Checkpoint) -> None:
    context = checkpoint.text.get("context_length", 77)
    positions = (checkpoint.text_config or {}).get("max_position_embeddings", context)
    if context > positions:
        raise EncoderError(
            f"{checkpoint.folder}: context_length {context} is more than the text tower's {positions} positions; "
            "copy the folder again from where the model was published."
        )
