"""A drawn mask onto a Volume's grid by geometry alone, in patient LPS, or a refusal with the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.errors import MaskError
from radseek.retrieval.regions.mask_resampling import corners_of, looked_up, same_grid, target_box
from radseek.retrieval.regions.region import Region, bounding_box
from radseek.retrieval.types import Volume

__all__ = ["LEAST_INSIDE", "Drawn", "drawn_of", "inside_share", "is_on_grid", "place"]

LEAST_INSIDE: Final = 0.99  # of the mask's mm3 must fall inside the volume
_CHUNK: Final = 1 << 20  # voxels looked at at once


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """One label as its file has it: `inside (z, y, x)` bool of its box, `affine (4, 4)` from `(x, y, z, 1)` to LPS."""

    label: str
    inside: NDArray[np.bool_]
    affine: NDArray[np.float64]
    caveats: tuple[str, ...] = ()


def drawn_of(
    label: str, voxels: NDArray[np.bool_], affine: NDArray[np.float64], caveats: tuple[str, ...] = ()
) -> Drawn | None:
    """Cut `(Z, Y, X)` bool to its box and move the affine with it; None where nothing is inside."""
    box = bounding_box(voxels)
    if box is None:
        return None
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :3] @ np.array([part.start for part in reversed(box)], np.float64)
    return Drawn(label, np.ascontiguousarray(voxels[box]), moved, caveats)


def place(drawn: Drawn, volume: Volume) -> Region:
    """Return a drawn label as a region of a Volume: a voxel is inside where the mask voxel at its centre is.

    A mask on the Volume's own grid, however flipped or turned in its file, comes out voxel for voxel; any other leaves
    a caveat that begins with "resampled". Raises `MaskError`: no geometry, less than 99 % of the mask's mm3 inside the
    volume, or a mask so thin that no voxel's centre falls in it.
    """
    to_mask = _to_mask(drawn, volume)
    share = inside_share(drawn, volume)
    if share < LEAST_INSIDE:
        raise _misplaced(drawn, volume, share)
    shape = volume.voxels.shape[:3]
    box = target_box(drawn.inside.shape, to_mask, shape)
    found = looked_up(drawn.inside, to_mask, box)
    tight = bounding_box(found)
    if tight is None:
        raise MaskError(
            f"'{drawn.label}' ({_ml(drawn):.3g} ml) is thinner than the images' voxels: no voxel's centre falls in it; "
            "measure it on the images that it was drawn on."
        )
    z, y, x = (low + part.start for (low, _), part in zip(box, tight, strict=True))
    inside = np.ascontiguousarray(found[tight])
    caveats = drawn.caveats if same_grid(to_mask, box) else (*drawn.caveats, _resampled(drawn, volume, inside))
    return Region(drawn.label, inside, (z, y, x), (shape[0], shape[1], shape[2]), caveats)


def inside_share(drawn: Drawn, volume: Volume) -> float:
    """Return which share of a label's mm3, 0 to 1, falls inside a Volume; every mask voxel counts by its centre.

    Raises `MaskError` for a Volume without geometry.
    """
    to_volume = np.linalg.inv(_to_mask(drawn, volume))
    sizes = np.array(volume.voxels.shape[2::-1], np.float64)
    if _within(to_volume, corners_of(drawn.inside.shape), sizes).all():
        return 1.0
    points = np.argwhere(drawn.inside)[:, ::-1]
    parts = (points[at : at + _CHUNK] for at in range(0, len(points), _CHUNK))
    return sum(int(_within(to_volume, part, sizes).sum()) for part in parts) / len(points)


def is_on_grid(drawn: Drawn, volume: Volume) -> bool:
    """Whether the mask's voxels are the Volume's own, but for flips, turns and a cut."""
    to_mask = _to_mask(drawn, volume)
    return same_grid(to_mask, target_box(drawn.inside.shape, to_mask, volume.voxels.shape[:3]))


def _to_mask(drawn: Drawn, volume: Volume) -> NDArray[np.float64]:
    """The `(4, 4)` matrix from the Volume's `(x, y, z, 1)` to the mask's."""
    if volume.affine is None:
        raise MaskError(
            f"The mask '{drawn.label}' cannot be placed: these images do not say where they are in the patient; use "
            "the original DICOM files, or a NIfTI file with its affine."
        )
    matrix: NDArray[np.float64] = np.linalg.inv(drawn.affine) @ volume.affine
    return matrix


def _within(
    matrix: NDArray[np.floating], points: NDArray[np.floating] | NDArray[np.intp], sizes: NDArray[np.floating]
) -> NDArray[np.bool_]:
    mapped = points @ matrix[:3, :3].T + matrix[:3, 3]
    # A thousandth of a voxel more: a centre exactly on the face must not depend on rounding.
    return np.asarray(((mapped >= -0.501) & (mapped <= sizes - 0.499)).all(axis=1), np.bool_)


def _resampled(drawn: Drawn, volume: Volume, inside: NDArray[np.bool_]) -> str:
    affine = np.eye(4) if volume.affine is None else volume.affine
    after = float(inside.sum()) * _mm3(affine) / 1000
    return (
        f"resampled: drawn on voxels of {_spacing(drawn.affine)} mm, put on the images' {_spacing(affine)} mm; "
        f"{_ml(drawn):.4g} ml became {after:.4g} ml"
    )


def _misplaced(drawn: Drawn, volume: Volume, share: float) -> MaskError:
    return MaskError(
        f"'{drawn.label}' does not fit these images: {100 * share:.1f} % of its {_ml(drawn):.3g} ml lies inside them "
        f"and {100 * LEAST_INSIDE:.0f} % must; it spans {_span(drawn.affine, drawn.inside.shape)} and they span "
        f"{_span(volume.affine, volume.voxels.shape[:3])} (patient LPS mm). Bring the mask drawn on this series."
    )


def _span(affine: NDArray[np.float64] | None, shape: tuple[int, ...]) -> str:
    matrix = np.eye(4) if affine is None else affine
    points = corners_of(shape, 0.5) @ matrix[:3, :3].T + matrix[:3, 3]
    ends = zip("LPS", points.min(axis=0), points.max(axis=0), strict=True)
    return ", ".join(f"{name} {low:.0f}..{high:.0f}" for name, low, high in ends)


def _spacing(affine: NDArray[np.float64]) -> str:
    return " x ".join(f"{length:.3g}" for length in np.linalg.norm(affine[:3, :3], axis=0))


def _mm3(affine: NDArray[np.float64]) -> float:
    return abs(float(np.linalg.det(affine[:3, :3])))


def _ml(drawn: Drawn) -> float:
    return float(drawn.inside.sum()) * _mm3(drawn.affine) / 1000
