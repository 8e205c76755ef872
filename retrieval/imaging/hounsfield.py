"""Whether numbers that claim to be Hounsfield units can be.

Air is near -1000 and tissue near 0. Rescaled twice, they lie near -2000 and -1000; not at all, near 0 and 1000. How
much of an image is air says nothing: a head in a wide field is nearly all air, a spine in a narrow one has none.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["can_be_hu", "hu_warnings", "reaches_air"]

AIR_HU: Final = (-1100.0, -850.0)
TISSUE_HU: Final = (-200.0, 300.0)  # fat to enhanced blood
BELOW_AIR_HU: Final = -1300.0  # noise and streaks of metal pass it, a share of the image never does
FAT_HU: Final = -50.0
LEAST_AIR: Final = 0.001  # share of the voxels
LEAST_TISSUE: Final = 0.10  # share of what is not air
MOST_BELOW_AIR: Final = 0.05  # share of the voxels
LEAST_SHIFTED: Final = 0.005  # share of the voxels near 1000, where tissue lies unless it is rescaled
CUT_OFF: Final = 0.01  # share of the voxels at the very lowest value: the rest of the range was cut
_SPREAD_HU: Final = 200  # lossy compression spreads padding that is far below air by less than this
_SAMPLES: Final = 64  # along each axis: enough for a share, cheap for a volume
_PICTURE: Final = 255


def reaches_air(voxels: NDArray[Any]) -> bool:
    """Whether anything is at -900 or below, as signed CT with air around the patient is."""
    sample = _sample(voxels)
    return bool(sample.size and sample.min() <= -900)


def can_be_hu(voxels: NDArray[Any]) -> bool:
    """Whether values can be HU at all: not the grey levels 0 to 255 of a picture (a capture, 8-bit JPEG)."""
    return not voxels.size or bool(voxels.min() < 0 or voxels.max() > _PICTURE)


def hu_warnings(voxels: NDArray[Any], padding: tuple[float, float] | None = None) -> tuple[str, ...]:
    """Return `("hu_suspect: ...",)` where voxels `(Z, Y, X)` do not look like HU, else `()`.

    `padding`, lowest and highest value, is left out; so is a value below air that fills an undeclared margin.
    """
    sample = _without_margin(_sample(voxels), padding)
    if not sample.size:
        return ("hu_suspect: nothing but padding",)
    found = []
    if _share(sample < BELOW_AIR_HU) >= MOST_BELOW_AIR:
        found.append("much lies far below air")
    dense = sample[sample > AIR_HU[1]]
    if not dense.size or _share(_within(dense, TISSUE_HU)) < LEAST_TISSUE:
        found.append("hardly any tissue near 0")
    if _lacks_air(sample):
        found.append("no air near -1000")
    return (f"hu_suspect: {' and '.join(found)} (rescaled twice, or not at all?)",) if found else ()


def _lacks_air(sample: NDArray[Any]) -> bool:
    """Whether air is missing and something says why: a floor where values were cut, or tissue near 1000 and no fat.

    An image taken inside the body has neither. Where one value alone is air, it may be a margin.
    """
    floor = sample == sample.min()
    rest = sample[~floor]
    shifted = _share(_within(rest, (TISSUE_HU[0] + 1024, TISSUE_HU[1] + 1024)))
    if _share(rest < FAT_HU) < LEAST_AIR and shifted >= LEAST_SHIFTED:
        return True
    return _share(_within(sample, AIR_HU)) < LEAST_AIR and _share(floor) >= CUT_OFF


def _without_margin(sample: NDArray[Any], padding: tuple[float, float] | None) -> NDArray[Any]:
    flat = sample.reshape(-1)
    flat = flat[np.isfinite(flat)] if flat.dtype.kind == "f" else flat
    if padding is not None:
        flat = flat[(flat < padding[0]) | (flat > padding[1])]
        if padding[1] < BELOW_AIR_HU:
            flat = flat[flat > padding[1] + _SPREAD_HU]
    # Outside the reconstructed circle scanners write one value far below air, -2000 or -3024 say; some two of them.
    for _ in range(2):
        held, counts = np.unique(flat[flat < AIR_HU[0]], return_counts=True)
        if counts.size and counts.max() >= CUT_OFF * flat.size:
            flat = flat[flat != held[counts.argmax()]]
    return flat


def _within(values: NDArray[Any], ends: tuple[float, float]) -> NDArray[np.bool_]:
    return (values >= ends[0]) & (values <= ends[1])


def _share(marked: NDArray[np.bool_]) -> float:
    return float(np.mean(marked)) if marked.size else 0.0


def _sample(voxels: NDArray[Any]) -> NDArray[Any]:
    z, y, x = (max(1, length // _SAMPLES) for length in voxels.shape[:3])
    return voxels[::z, ::y, ::x]
