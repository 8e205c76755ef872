"""The towers' identity: what enters the hash that an index is tied to, and what does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from radseek.retrieval.encoders.checkpoint import Checkpoint
from radseek.retrieval.encoders.download.file_hashes import file_sha256
from radseek.retrieval.encoders.spec import Preprocess, TowerParts, canonical_hash, precision_class

__all__ = ["architecture_hash", "checkpoint_parts", "current_imaging_hash", "preprocess_hash"]

# Names of places and library versions: changing them changes no vector.
_TEXT_CFG_NAMES = ("hf_model_name", "hf_tokenizer_name", "hf_model_pretrained")
_VISION_CFG_NAMES = ("timm_model_pretrained",)
_TEXT_CONFIG_NAMES = ("_name_or_path", "transformers_version", "architectures", "torch_dtype", "dtype")


def current_imaging_hash() -> str:
    """Return the hash of the imaging recipe in force (windows, normalisation, slice rule, orientation)."""
    from radseek.retrieval.imaging.views.series_views import (
        imaging_hash,  # late: a spec is also read where no image ever is
    )

    return imaging_hash()


def architecture_hash(model: Mapping[str, Any], text_config: Mapping[str, Any] | None) -> str:
    """Return the hash of open_clip's model configuration and of the text tower's own, without names of places."""
    vision = {k: v for k, v in model["vision_cfg"].items() if k not in _VISION_CFG_NAMES}
    text = {k: v for k, v in model["text_cfg"].items() if k not in _TEXT_CFG_NAMES}
    rest = {k: v for k, v in model.items() if k not in ("vision_cfg", "text_cfg")}
    tower = {k: v for k, v in (text_config or {}).items() if k not in _TEXT_CONFIG_NAMES}
    return canonical_hash({"model": rest, "vision": vision, "text": text, "text_config": tower})


def preprocess_hash(preprocess: Preprocess) -> str:
    """Return the hash of how a slice becomes input pixels."""
    values = asdict(preprocess)
    if preprocess.resize is None:  # so that what was hashed before there was a `resize` keeps its hash
        del values["resize"]
    if not preprocess.full_range:  # the same
        del values["full_range"]
    if preprocess.width is None:  # the same
        del values["width"]
    return canonical_hash(values)


def checkpoint_parts(checkpoint: Checkpoint, precision: str) -> TowerParts:
    """Hash a checkpoint's weights, architecture, tokenizer and preprocessing, and class its precision."""
    tokenizer = {path.name: file_sha256(path) for path in checkpoint.tokenizer_files}
    return TowerParts(
        weights=file_sha256(checkpoint.weights),
        architecture=architecture_hash(checkpoint.model, checkpoint.text_config),
        tokenizer=canonical_hash(tokenizer or "open_clip.SimpleTokenizer"),
        preprocess=preprocess_hash(checkpoint.preprocess),
        precision_class=precision_class(precision),
    )
