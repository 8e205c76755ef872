"""A part of a Volume that somebody outlined: a label and which voxels are inside, kept as small as its box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.errors import MaskError
from radseek.retrieval.types import Volume

__all__ = ["Region", "bounding_box", "union"]


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """One label of a mask on a Volume's grid.

    `inside (z, y, x)` bool covers only the region's box, whose first voxel is `start` of the Volume's `shape`
    `(Z, Y, X)`: a label map of a hundred organs on a thin-slice CT would not fit in memory otherwise. `caveats` begin
    with a stable word, such as "resampled: ...".
    """

    label: str
    inside: NDArray[np.bool_]
    start: tuple[int, int, int]
    shape: tuple[int, int, int]
    caveats: tuple[str, ...] = ()

    @classmethod
    def of(cls, label: str, voxels: NDArray[np.bool_], caveats: tuple[str, ...] = ()) -> Region:
        """Return a region on a Volume's grid.

        Args:
            label: what it is called.
            voxels: `(Z, Y, X)` bool on the whole grid.
            caveats: what limits it.

        Raises:
            MaskError: another number of dimensions, or nothing is inside.
        """
        if voxels.ndim != 3:
            raise MaskError(
                f"'{label}' is an array of {voxels.ndim} dimensions; a region has three, (Z, Y, X); give one."
            )
        box = bounding_box(voxels)
        if box is None:
            raise MaskError(f"'{label}' is empty: no voxel is inside; leave this label out or check how it was made.")
        start = tuple(part.start for part in box)
        return cls(label, np.ascontiguousarray(voxels[box]), start, voxels.shape, caveats)

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """Return where in the Volume `inside` lies, one slice an axis."""
        z, y, x = (slice(first, first + size) for first, size in zip(self.start, self.inside.shape, strict=True))
        return z, y, x

    @property
    def voxels(self) -> NDArray[np.bool_]:
        """Return the region on the whole grid, `(Z, Y, X)` bool, made anew at each call."""
        whole = np.zeros(self.shape, np.bool_)
        whole[self.box] = self.inside
        return whole

    def affine_on(self, volume: Volume) -> NDArray[np.float64]:
        """Return the `(4, 4)` affine from `(x, y, z, 1)` of `inside` to patient LPS mm.

        Raises `MaskError` where `volume` has no geometry or another grid than the region.
        """
        if volume.affine is None:
            raise MaskError(
                f"'{self.label}' cannot be measured: these images do not say where they are in the patient, so "
                "millimetres are unknown; use the original DICOM files, or a NIfTI file with its affine."
            )
        shape = volume.voxels.shape[:3]
        if shape != self.shape:
            raise MaskError(
                f"'{self.label}' lies on a grid of {_by(self.shape)} voxels and the images have {_by(shape)}; read the "
                "mask with read_mask(path, volume), which puts it on the volume's grid."
            )
        affine = volume.affine.copy()
        affine[:3, 3] += affine[:3, :3] @ np.array(self.start[::-1], np.float64)
        return affine


def bounding_box(voxels: NDArray[np.bool_]) -> tuple[slice, slice, slice] | None:
    """Return the smallest box that holds every True of `(Z, Y, X)`; None where there is none."""
    parts = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        found = np.flatnonzero(voxels.any(axis=others))
        if not found.size:
            return None
        parts.append(slice(int(found[0]), int(found[-1]) + 1))
    return parts[0], parts[1], parts[2]


def union(regions: Sequence[Region]) -> Region:
    """Return one region of all the voxels of some regions of one Volume; labels are joined by `+`."""
    if len(regions) == 1:
        return regions[0]
    if not regions or len({region.shape for region in regions}) > 1:
        raise MaskError("Only regions of one volume can be joined; read them with one call of read_mask.")
    whole = np.zeros(regions[0].shape, np.bool_)
    for region in regions:
        whole[region.box] |= region.inside
    caveats = tuple(dict.fromkeys(caveat for region in regions for caveat in region.caveats))
    return Region.of(" + ".join(region.label for region in regions), whole, caveats)


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
