"""A model's name or folder to an `Encoder`. Nothing here asks a network, but the first use of a hub's model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from retrieval.encoders.checkpoint import read_checkpoint
from retrieval.encoders.concepts import concept_names
from retrieval.encoders.fetch import FETCHABLE, fetch, fetched_folder
from retrieval.encoders.identity import checkpoint_parts, current_imaging_hash
from retrieval.encoders.open_clip_encoder import OpenClipEncoder
from retrieval.encoders.open_clip_folder import load_model, load_tokenizer
from retrieval.encoders.pooling import load_pooling, pooling_hash
from retrieval.encoders.protocol import Encoder
from retrieval.encoders.random_model import RANDOM_PREPROCESS, build_random, random_parts
from retrieval.encoders.spec import EncoderSpec
from retrieval.errors import EncoderError, UnknownNameError, UsageError, nearest

__all__ = ["BUILTIN", "NAMES", "default_precision", "load_encoder"]

BUILTIN = Path(__file__).parent / "builtin"
NAMES = ("builtin", "random", *FETCHABLE)
HUB_PREFIX = "hf-hub:"
_BF16_FLAGS = ("avx512_bf16", "amx_bf16")


def load_encoder(
    name_or_path: str | Path = "builtin", *, precision: str | None = None, device: str | None = None
) -> Encoder:
    """Load an encoder: `builtin`, `random`, `biomedclip`, a checkpoint folder, or `hf-hub:OWNER/NAME`.

    `precision` is `fp32` or `bf16`; by default bf16 where the processor computes in it, else fp32. `device` is
    torch's word; by default `cuda` where there is one. A hub's model is fetched once, on first use.

    Raises `UnknownNameError` for a name nothing answers to, `MissingFileError` naming a file that is not there,
    `EncoderError` where the checkpoint cannot be used, and `UsageError` for another precision.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    precision = precision or default_precision(device)
    if precision not in ("fp32", "bf16"):
        raise UsageError(f"Precision '{precision}' is not known; use fp32 or bf16.")
    name = str(name_or_path)
    if name == "random":
        return _load_random(precision, device)
    folder = _folder(name)
    return _load_folder(folder, name if _is_name(name) else str(folder.resolve()), precision, device)


def default_precision(device: str) -> str:
    """Return bf16 on CUDA and on processors that compute in it, where it is fast; else fp32."""
    if device.startswith("cuda"):
        return "bf16"
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return "fp32"
    return "bf16" if any(flag in flags for flag in _BF16_FLAGS) else "fp32"


def _is_name(name: str) -> bool:
    return name in NAMES or name.startswith(HUB_PREFIX)


def _folder(name: str) -> Path:
    if name == "builtin":
        if not (BUILTIN / "open_clip_config.json").is_file():
            raise EncoderError(
                f"The built-in encoder's weights are not in this installation ({BUILTIN}). "
                "Reinstall radseek from its wheel, or use --model biomedclip or a folder."
            )
        return BUILTIN
    if _is_name(name):
        found = fetched_folder(name)
        return found if found is not None else fetch(name)
    path = Path(name).expanduser()
    if not path.is_dir():
        raise UnknownNameError(
            f"No model is called '{name}', and there is no such folder{nearest(name, NAMES) or '.'} "
            f"Known: {', '.join(NAMES)}, a checkpoint folder, or hf-hub:OWNER/NAME."
        )
    return path


def _load_folder(folder: Path, name: str, precision: str, device: str) -> OpenClipEncoder:
    checkpoint = read_checkpoint(folder)
    parts = checkpoint_parts(checkpoint, precision)
    tokenizer = load_tokenizer(checkpoint)
    model = load_model(checkpoint)
    dim = int(checkpoint.model["embed_dim"])
    scale, bias = _scale_and_bias(model)
    spec = EncoderSpec(
        name=name,
        dim=dim,
        preprocess=checkpoint.preprocess,
        imaging_hash=current_imaging_hash(),
        towers_hash=parts.hash(),
        pooling_hash=pooling_hash(folder),
        scale=scale,
        bias=bias,
        precision=precision,
        context=int(tokenizer.context_length),
        concepts=concept_names(folder),
        towers=parts,
    )
    return OpenClipEncoder(model, tokenizer, spec, folder=folder, pooling=load_pooling(folder, dim), device=device)


def _load_random(precision: str, device: str) -> OpenClipEncoder:
    model, tokenizer = build_random()
    parts = random_parts(precision)
    scale, bias = _scale_and_bias(model)
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
    return OpenClipEncoder(model, tokenizer, spec, device=device)


def _scale_and_bias(model: Any) -> tuple[float, float]:
    scale = float(model.logit_scale.detach().exp().reshape(-1)[0])
    bias = 0.0 if model.logit_bias is None else float(model.logit_bias.detach().reshape(-1)[0])
    if not math.isfinite(scale) or not math.isfinite(bias):
        raise EncoderError("The checkpoint's logit scale or bias is not finite; fetch the model again.")
    return scale, bias
