"""The imaging recipe: everything between voxels and uint8 slices that changes a vector, and its hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, fields
from typing import Any, Final

from radseek.retrieval.imaging.modality import VIEW_OF_MODALITY
from radseek.retrieval.imaging.orientation import ORIENTATION_RULE
from radseek.retrieval.imaging.views.intensity import MR_RULE, PERCENTILES_HIGH, PERCENTILES_LOW, SAMPLE_VOXELS
from radseek.retrieval.imaging.views.slice_rule import MAX_GAP_MM, MAX_SLICES
from radseek.retrieval.imaging.views.windows import CT_VIEWS, CT_WINDOWS, SUV_WINDOW
from radseek.retrieval.types import OUR_RECIPE, ImagingRecipe, VolumeGrid

__all__ = ["IMAGING_RECIPE", "RECIPE_VERSION", "imaging_hash", "recipe_hash"]

# Raise it whenever code changes what a slice looks like without changing a constant below.
RECIPE_VERSION: Final = 2
VOLUME_VERSION: Final = 1  # likewise, of what a volume encoder is given

IMAGING_RECIPE: Final[dict[str, Any]] = {
    "version": RECIPE_VERSION,
    "window_formula": "PS3.3 C.11.2.1.3.2 LINEAR_EXACT to 0..255, rounded half up",
    "ct_windows": {name: list(values) for name, values in CT_WINDOWS.items()},
    "ct_views": {part: list(names) for part, names in CT_VIEWS.items()},
    "views": dict(VIEW_OF_MODALITY),
    "mr": {"rule": MR_RULE, "percentiles": [PERCENTILES_LOW, PERCENTILES_HIGH]},
    "presented": "VOI LUT, else the file's first sane window, else percentiles of all voxels but the padding",
    "pictures": "8 bits: VOI LUT, else the file's first sane window, else the whole range of the stored bits",
    "percentiles": [PERCENTILES_LOW, PERCENTILES_HIGH],
    "sample_voxels": SAMPLE_VOXELS,
    "suv_window": list(SUV_WINDOW),
    "monochrome1": "inverted after windowing",
    "not_finite": "finite minimum of the volume",
    "slices": {"max_gap_mm": MAX_GAP_MM, "max_count": MAX_SLICES},
    "orientation": ORIENTATION_RULE,
}


def imaging_hash(recipe: dict[str, Any] | None = None) -> str:
    """Return the SHA-256, in hex, of the canonical JSON of a recipe; of our own by default."""
    chosen = IMAGING_RECIPE if recipe is None else recipe
    text = json.dumps(chosen, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def recipe_hash(recipe: ImagingRecipe) -> str:
    """Return the hash of what an encoder asks to be shown: our own recipe's where it asks for nothing else."""
    if recipe == OUR_RECIPE:
        return imaging_hash()
    if recipe.volume is not None:
        volume = asdict(recipe.volume)
        for one in fields(VolumeGrid):  # so that what was hashed before there were these keeps its hash
            if one.name in ("fit", "odd_first") and volume[one.name] == one.default:
                del volume[one.name]
        return imaging_hash({"version": VOLUME_VERSION, "volume": volume})
    own = {"slices": {"max_gap_mm": recipe.max_gap_mm, "max_count": recipe.max_slices}}
    channels = {"ct_channels": [list(one) for one in recipe.ct_channels]} if recipe.ct_channels else {}
    return imaging_hash({**IMAGING_RECIPE, **own, **channels})
