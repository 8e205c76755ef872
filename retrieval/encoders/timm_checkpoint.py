"""A timm folder, read and checked before anything is loaded: `config.json` with its architecture, `model.safetensors`.

The form in which hubs hold timm's models (`timm.models.push_to_hf_hub` writes it). They see images alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from radseek.retrieval.encoders.checkpoint import CONFIG, TEXT_CONFIG, read_json
from radseek.retrieval.encoders.download.file_hashes import check_manifest, file_sha256
from radseek.retrieval.encoders.local_only import check_links, check_transformers_config, is_timm_name
from radseek.retrieval.encoders.spec import Preprocess, TowerParts, canonical_hash, precision_class
from radseek.retrieval.encoders.tower_identity import preprocess_hash
from radseek.retrieval.encoders.transformers_checkpoint import find_transformers_weights
from radseek.retrieval.errors import EncoderError

__all__ = ["TimmCheckpoint", "is_timm_folder", "read_timm", "timm_parts"]

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # timm's own, where config.json leaves them out
_CROP: Final = 0.875
_INTERPOLATIONS: Final[dict[str, Literal["bicubic", "bilinear"]]] = {"bicubic": "bicubic", "bilinear": "bilinear"}
_WORD: Final = re.compile(r"\w+")
# Arguments of timm's factory that would read another file, ask a network, or make a model that gives no vector.
_NO_ARGUMENTS: Final = frozenset(
    ("cache_dir", "checkpoint_path", "exportable", "features_only", "no_jit", "pretrained", "pretrained_cfg",
     "pretrained_cfg_overlay", "pretrained_strict", "scriptable")
)  # fmt: skip
_OURS: Final = ("in_chans", "num_classes")  # three, and none


@dataclass(frozen=True, slots=True)
class TimmCheckpoint:
    """A folder whose files have been checked. `arguments` are the factory's; `classifier` names layers left out."""

    folder: Path
    architecture: str
    arguments: Mapping[str, Any]
    classifier: tuple[str, ...]
    preprocess: Preprocess
    weights: Path


def is_timm_folder(folder: Path) -> bool:
    """Return whether a folder holds a timm model, and neither an open_clip nor a transformers one."""
    if (folder / CONFIG).is_file() or not (folder / TEXT_CONFIG).is_file():
        return False
    config = read_json(folder / TEXT_CONFIG)
    return "architecture" in config and "model_type" not in config


def read_timm(folder: Path) -> TimmCheckpoint:
    """Check `folder` and return what it holds.

    Raises `MissingFileError` naming the absent file, and `EncoderError` where a file is malformed, is a pickle, leads
    out of the folder, differs from the one fetched, or asks for anything that is not in the folder or in timm.
    """
    check_manifest(folder)
    check_links(folder)
    path = folder / TEXT_CONFIG
    config = read_json(path)
    check_transformers_config(path, config)
    if not is_timm_name(config["architecture"]):
        raise EncoderError(
            f"{path}: architecture '{config['architecture']}' is not one of timm's; take a model that timm builds."
        )
    about = config.get("pretrained_cfg", config)  # old files have one level
    arguments = config.get("model_args") or {}
    if not isinstance(about, dict) or not isinstance(arguments, dict):
        raise EncoderError(f"{path}: pretrained_cfg and model_args must be objects, as timm saves them.")
    arguments = _arguments(path, arguments)
    try:
        preprocess = _preprocess(path, about)
    except (TypeError, ValueError, KeyError, IndexError, ZeroDivisionError, OverflowError) as error:
        raise EncoderError(f"{path}: pretrained_cfg holds a value that timm does not know ({error!r}).") from error
    classifier = about.get("classifier") or ()
    return TimmCheckpoint(
        folder=folder,
        architecture=config["architecture"].partition(".")[0],  # what follows the dot names weights
        arguments=arguments,
        classifier=(classifier,) if isinstance(classifier, str) else tuple(map(str, classifier)),
        preprocess=preprocess,
        weights=find_transformers_weights(folder),
    )


def timm_parts(checkpoint: TimmCheckpoint, precision: str) -> TowerParts:
    """Hash a checkpoint's weights, architecture and preprocessing, and class its precision."""
    return TowerParts(
        weights=file_sha256(checkpoint.weights),
        architecture=canonical_hash({"timm": checkpoint.architecture, "arguments": dict(checkpoint.arguments)}),
        tokenizer=canonical_hash(None),
        preprocess=preprocess_hash(checkpoint.preprocess),
        precision_class=precision_class(precision),
    )


def _arguments(path: Path, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the factory is given. Raises `EncoderError` for what would reach beyond the folder and timm."""
    if arguments.get("in_chans", 3) != 3:
        raise EncoderError(
            f"{path}: pictures of {arguments['in_chans']} channels are not read; 3 are. Take a model of three."
        )
    for name, value in arguments.items():
        values = value if isinstance(value, list) else [value]
        plain = all(
            one is None or isinstance(one, int | float) or (isinstance(one, str) and _WORD.fullmatch(one))
            for one in values
        )
        if name in _NO_ARGUMENTS or not plain:
            raise EncoderError(
                f"{path}: model_args may not hold {name} = {str(value)[:80]!r}; take a folder without it."
            )
    return {name: value for name, value in arguments.items() if name not in _OURS}


def _preprocess(path: Path, about: Mapping[str, Any]) -> Preprocess:
    """Return what timm's transform for evaluation does, as our `Preprocess`; what that cannot say is refused."""
    channels, *sides = about.get("input_size") or (3, 224, 224)
    size, share = sides[0], float(about.get("crop_pct") or _CROP)
    if channels != 3 or sides != [size, size] or not isinstance(size, int) or size < 1:
        raise EncoderError(
            f"{path}: input_size {about['input_size']} is not 3 channels of one whole number squared; "
            "take a model of square pictures."
        )
    if not 0 < share <= 1:
        raise EncoderError(f"{path}: crop_pct {share} is not above 0 and at most 1.")
    mode, interpolation = about.get("crop_mode") or "center", about.get("interpolation") or "bicubic"
    if mode not in ("center", "squash") or interpolation not in _INTERPOLATIONS:
        raise EncoderError(
            f"{path}: crop_mode '{mode}' with interpolation '{interpolation}' is not read; center and squash, bicubic "
            "and bilinear are. Take a model of those."
        )
    mean, std = (tuple(map(float, about.get(key) or own)) for key, own in (("mean", _MEAN), ("std", _STD)))
    if not len(mean) == len(std) == 3 or min(std) <= 0:
        raise EncoderError(f"{path}: mean and std need three numbers each, std above 0.")
    side = math.floor(size / share)
    return Preprocess(
        size=size,
        resize_mode="shortest" if mode == "center" else "squash",
        interpolation=_INTERPOLATIONS[interpolation],
        mean=mean,
        std=std,
        resize=None if side == size else side,
    )
