"""Whether numbers that claim to be Hounsfield units can be: air near -1000, tissue near 0."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["hu_warnings", "reaches_air"]

AIR_HU: Final = (-1100.0, -850.0)
TISSUE_HU: Final = (-200.0, 300.0)  # fat to enhanced blood
LEAST_AIR: Final = 0.001  # share of the voxels
LEAST_TISSUE: Final = 0.05
_SAMPLES: Final = 64  # along each axis: enough for a share, cheap for a volume


def reaches_air(voxels: NDArray[Any]) -> bool:
    """Whether anything is at -900 or below, as signed CT with air around the patient is."""
    sample = _sample(voxels)
    return bool(sample.size and sample.min() <= -900)


def hu_warnings(voxels: NDArray[Any], padding: float | None = None) -> tuple[str, ...]:
    """Return `("hu_suspect: ...",)` where voxels `(Z, Y, X)` do not look like HU, else `()`.

    Rescaled twice, air lies near -2000 and tissue near -1000; not at all, near 0 and 1000. `padding` is left out.
    """
    sample = _sample(voxels)
    sample = sample[np.isfinite(sample)] if sample.dtype.kind == "f" else sample
    if padding is not None:
        sample = sample[sample != padding]
    if not sample.size:
        return ("hu_suspect: nothing but padding",)
    air = float(np.mean((sample >= AIR_HU[0]) & (sample <= AIR_HU[1])))
    tissue = float(np.mean((sample >= TISSUE_HU[0]) & (sample <= TISSUE_HU[1])))
    found = []
    if air < LEAST_AIR:
        found.append("no air near -1000")
    if tissue < LEAST_TISSUE:
        found.append("hardly any tissue near 0")
    return (f"hu_suspect: {' and '.join(found)} (rescaled twice, or not at all?)",) if found else ()


def _sample(voxels: NDArray[Any]) -> NDArray[Any]:
    z, y, x = (max(1, length // _SAMPLES) for length in voxels.shape[:3])
    return voxels[::z, ::y, ::x]
