"""A HLIP folder, read and checked before anything is loaded: open_clip's configuration, weights, and CXR-BERT's files.

HLIP is an open_clip model whose image tower is a class of its authors', registered by a name. Of these the tower of one
scan is known here by that name, which says what neither its configuration nor the weights' shapes do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from radseek.retrieval.encoders.bert_files import BertFiles, read_bert, tokenizer_hash
from radseek.retrieval.encoders.checkpoint import CONFIG, read_json
from radseek.retrieval.encoders.download.file_hashes import check_manifest, file_sha256
from radseek.retrieval.encoders.local_only import check_links
from radseek.retrieval.encoders.spec import Preprocess, TowerParts, canonical_hash, precision_class
from radseek.retrieval.encoders.tower_identity import preprocess_hash
from radseek.retrieval.encoders.transformers_checkpoint import find_transformers_weights
from radseek.retrieval.errors import EncoderError
from radseek.retrieval.types import ImagingRecipe, VolumeGrid

__all__ = ["HlipCheckpoint", "HlipTower", "hlip_parts", "hlip_recipe", "is_hlip_folder", "read_hlip"]

_SPACING: Final = (3.0, 1.0, 1.0)  # mm, as the authors resampled CT-RATE and Rad-ChestCT
_RANGE: Final = (-1150.0, 350.0)  # HU
_MEAN, _STD = 0.449, 0.226  # of ImageNet, all three colours together
_HLIP: Final = re.compile(r"(ablate_\w+_)?vit_\w+_(singlescan|multiscan|scan_study|slice_scan\w*)_\w+")
_TEXT: Final = {"hf_pooler_type": "cls_last_hidden_state_pooler", "hf_proj_type": "linear"}


@dataclass(frozen=True, slots=True)
class HlipTower:
    """What a registered name says: heads, and the blocks whose tokens look at their own slice alone."""

    heads: int = 12
    of_slices: tuple[int, ...] = (0, 1, 3, 4, 6, 7, 9, 10)


_TOWERS: Final = {  # one tower by its two names: of the first publication, and of the later code
    "vit_base_singlescan_h2_token2744": HlipTower(),
    "vit_base_slice_scan_token2744": HlipTower(),
}


@dataclass(frozen=True, slots=True)
class HlipCheckpoint:
    """A folder whose files have been checked; `width` of the vectors, `context` in tokens."""

    folder: Path
    tower: HlipTower
    width: int
    context: int
    bert: BertFiles
    weights: Path


def hlip_recipe(shape: tuple[int, int, int]) -> ImagingRecipe:
    """Return what a tower of `shape` `(Z, Y, X)` voxels is shown: HU of -1150 to 350, normalised, -1150 around."""
    scaled = ((0 - _MEAN) / _STD, (1 - _MEAN) / _STD)
    grid = VolumeGrid(
        modalities=("CT",),
        axes="SPL",
        spacing=_SPACING,
        shape=shape,
        ranges=(_RANGE,),
        scaled_to=scaled,
        outside=_RANGE[0],
        fit="whole",
        odd_first=False,
    )
    return ImagingRecipe(volume=grid)


def is_hlip_folder(folder: Path) -> bool:
    """Return whether a folder's open_clip configuration names one of HLIP's image towers."""
    return (folder / CONFIG).is_file() and _HLIP.fullmatch(_name(_model(folder / CONFIG))) is not None


def read_hlip(folder: Path) -> HlipCheckpoint:
    """Check `folder` and return what it holds.

    Raises `MissingFileError` naming the absent file, and `EncoderError` where a file is malformed, is a pickle, leads
    out of the folder, differs from the one fetched, asks for code, or is of a tower that is not known.
    """
    check_manifest(folder)
    check_links(folder)
    path = folder / CONFIG
    model = _model(path)
    name = _name(model)
    if name not in _TOWERS:
        raise EncoderError(
            f"{path}: HLIP's tower '{name}' is not read. Known: {', '.join(_TOWERS)}, which see one CT of the chest; "
            "the others see a study of many scans, each prepared in its own way. "
            "Take the configuration of one of these."
        )
    text = model.get("text_cfg")
    if not isinstance(text, dict) or any(text.get(key) != value for key, value in _TEXT.items()):
        said = ", ".join(f"{key} {value}" for key, value in _TEXT.items())
        raise EncoderError(f"{path}: HLIP's text tower has {said}; copy its configuration from where it was published.")
    width, context = model.get("embed_dim"), text.get("context_length", 77)
    if not isinstance(width, int) or not isinstance(context, int) or width < 1 or context < 3:
        raise EncoderError(f"{path}: embed_dim and context_length must be whole numbers, at least 1 and 3.")
    bert = read_bert(folder)
    return HlipCheckpoint(
        folder, _TOWERS[name], width, min(context, bert.context), bert, find_transformers_weights(folder)
    )


def hlip_parts(checkpoint: HlipCheckpoint, precision: str) -> TowerParts:
    """Hash a checkpoint's weights, architecture and tokenizer, and class its precision; the grid is the recipe's."""
    tower = {"heads": checkpoint.tower.heads, "of_slices": list(checkpoint.tower.of_slices)}
    return TowerParts(
        weights=file_sha256(checkpoint.weights),
        architecture=canonical_hash({"hlip": tower, "text": dict(checkpoint.bert.config)}),
        tokenizer=tokenizer_hash(checkpoint.bert),
        preprocess=preprocess_hash(Preprocess()),
        precision_class=precision_class(precision),
    )


def _model(path: Path) -> Mapping[str, Any]:
    """Return open_clip's model configuration, which HLIP publishes without what a folder has around it."""
    whole = read_json(path)
    inner = whole.get("model_cfg")
    return inner if isinstance(inner, dict) else whole


def _name(model: Mapping[str, Any]) -> str:
    vision = model.get("vision_cfg")
    return str(vision.get("timm_model_name", "")) if isinstance(vision, dict) else ""
