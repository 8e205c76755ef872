"""Grey levels to display levels: the windows CT is read in, and the three window functions of DICOM."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["CT_VIEWS", "CT_WINDOWS", "SUV_WINDOW", "WINDOW_FUNCTIONS", "ct_views", "window"]

# (level, width) in HU.
CT_WINDOWS: Final[dict[str, tuple[float, float]]] = {
    "lung": (-600.0, 1500.0),
    "soft": (40.0, 400.0),
    "bone": (500.0, 2000.0),
    "brain": (40.0, 80.0),
    "subdural": (75.0, 215.0),
    "liver": (60.0, 160.0),
}
# Which of them a body part is read in; "" is a part nobody named.
CT_VIEWS: Final[dict[str, tuple[str, ...]]] = {
    "chest": ("lung", "soft", "bone"),
    "head": ("brain", "subdural", "bone"),
    "abdomen": ("soft", "liver", "bone"),
    "pelvis": ("soft", "bone"),
    "neck": ("soft", "bone"),
    "spine": ("bone", "soft"),
    "extremity": ("bone", "soft"),
    "breast": ("soft", "lung", "bone"),
    "heart": ("soft", "lung", "bone"),
    "": ("lung", "soft", "bone"),
}
# FDG PET is commonly shown from 0 to about 10 g/ml; fixed, so that two patients compare.
SUV_WINDOW: Final = (5.0, 10.0)
WINDOW_FUNCTIONS: Final = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def ct_views(body_part: str) -> tuple[str, ...]:
    """Return the windows for a canonical body part ("chest", "chest_abdomen", ""), without repeats."""
    parts = [part for part in body_part.split("_") if part in CT_VIEWS] or [""]
    return tuple(dict.fromkeys(name for part in parts for name in CT_VIEWS[part]))


def window(voxels: NDArray[Any], level: float, width: float, function: str = "LINEAR_EXACT") -> NDArray[np.uint8]:
    """Map finite `voxels`, any shape, to uint8 0..255 by a DICOM window; `level` and `width` in voxel units.

    Formulas, x a voxel, c the level, w the width, y in 0..255:

    - LINEAR_EXACT (PS3.3 C.11.2.1.3.2): `((x - c) / w + 0.5) * 255`, clipped.
    - LINEAR (PS3.3 C.11.2.1.2.1): the same with c - 0.5 for c and w - 1 for w.
    - SIGMOID (PS3.3 C.11.2.1.3.1): `255 / (1 + exp(-4 (x - c) / w))`.

    A LINEAR window of width 1 is a step at c - 0.5. Results are rounded to nearest, halves up.

    Raises:
        ValueError: width not positive (LINEAR: under 1), or an unknown function.
    """
    if function not in WINDOW_FUNCTIONS:
        raise ValueError(f"window function {function!r} is not one of {', '.join(WINDOW_FUNCTIONS)}")
    if not width > 0 or (function == "LINEAR" and width < 1):
        raise ValueError(f"window width {width} must be positive, and at least 1 for LINEAR")
    if function == "SIGMOID":
        # exp(88) is the largest that float32 holds; beyond +-80 the result is 0 or 255 anyway.
        steep = np.clip((voxels.astype(np.float32) - np.float32(level)) * np.float32(-4 / width), -80, 80)
        return _to_uint8(np.float32(1) / (np.float32(1) + np.exp(steep)))
    if function == "LINEAR":
        level, width = level - 0.5, width - 1
        if width == 0:
            return np.where(voxels > level, np.uint8(255), np.uint8(0))
    return _linear(voxels, level, width)


def _linear(voxels: NDArray[Any], level: float, width: float) -> NDArray[np.uint8]:
    low, high = np.float32(level - width / 2), np.float32(level + width / 2)
    # Clipping first keeps huge values from overflowing; the second clip is for widths below float32's step.
    inside = np.clip(voxels.astype(np.float32), low, high)
    inside -= low
    inside /= np.float32(width)
    return _to_uint8(np.clip(inside, 0, 1, out=inside))


def _to_uint8(unit: NDArray[np.float32]) -> NDArray[np.uint8]:
    return (unit * np.float32(255) + np.float32(0.5)).astype(np.uint8)
