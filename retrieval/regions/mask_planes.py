"""The frames of a segment to one block of voxels: on the Volume's own slices where they lie there, else stacked.

Frames without a voxel are usually left out of the file, so a distance between two frames is not the distance between
slices. Where the frames lie on the Volume's slices that does not matter, and a tilted gantry does not either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.errors import MaskError
from radseek.retrieval.regions.mask_placing import Drawn, drawn_of
from radseek.retrieval.regions.mask_seg import Plane, Segmentation
from radseek.retrieval.types import Volume

__all__ = ["drawn_on"]

_ON_SLICE: Final = 0.1  # of a slice's distance: a frame nearer than this lies on the slice
_REGULAR: Final = 0.1  # of a step: how far a frame may lie from a whole number of steps


def drawn_on(segmentation: Segmentation, volume: Volume) -> tuple[Drawn, ...]:
    """Return every segment as a block of voxels with its affine, ready to be placed on the Volume.

    Raises `MaskError` for frames that are not parallel or whose distances cannot be known.
    """
    everything = [plane for segment in segmentation.segments for plane in segment.planes]
    found = []
    for segment in segmentation.segments:
        block = _on_slices(segment.planes, volume)
        voxels, affine = block if block is not None else _stacked(segment.planes, everything, segmentation.name)
        drawn = drawn_of(segment.label, voxels, affine, segmentation.caveats)
        if drawn is not None:
            found.append(drawn)
    return tuple(found)


def _on_slices(planes: Sequence[Plane], volume: Volume) -> tuple[NDArray[np.bool_], NDArray[np.float64]] | None:
    """The block `(Z, Y, X)` with the Volume's own step between its slices; None where a frame lies elsewhere."""
    if volume.affine is None:
        return None
    to_volume = np.linalg.inv(volume.affine)
    first = planes[0]
    heights = []
    for plane in planes:
        z = _corners(plane) @ to_volume[2, :3] + to_volume[2, 3]
        height = int(np.round(z[0]))
        heights.append(height)
        moved = first.place.origin + (height - heights[0]) * volume.affine[:3, 2]
        aside = float(np.linalg.norm(plane.place.origin - moved))
        if not _parallel(first, plane) or np.abs(z - height).max() > _ON_SLICE or aside > _ON_SLICE * _smallest(volume):
            return None
    affine = _affine(first, volume.affine[:3, 2])
    affine[:3, 3] += (min(heights) - heights[0]) * volume.affine[:3, 2]
    return _block(planes, [height - min(heights) for height in heights], affine)


def _stacked(
    planes: Sequence[Plane], everything: Sequence[Plane], name: str
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """The block with a step of its own, found from all segments' frames."""
    first = planes[0]
    if not all(_parallel(first, plane) for plane in everything):
        raise MaskError(f"{name}: its frames are not parallel; bring the images that the mask was drawn on.")
    step, size = _step(everything, name)
    normal = first.place.normal
    numbers = [float((plane.place.origin - first.place.origin) @ normal) / size for plane in planes]
    rows = [round(number) for number in numbers]
    if max(abs(number - row) for number, row in zip(numbers, rows, strict=True)) > _REGULAR:
        raise MaskError(f"{name}: its frames are not evenly spaced; bring the images that the mask was drawn on.")
    affine = _affine(first, step)
    affine[:3, 3] += min(rows) * step
    return _block(planes, [row - min(rows) for row in rows], affine)


def _step(planes: Sequence[Plane], name: str) -> tuple[NDArray[np.float64], float]:
    """From one slice to the next `(3,)`, and its part along the normal, in mm."""
    first = planes[0]
    normal, origins = first.place.normal, np.stack([plane.place.origin for plane in planes])
    heights = (origins - origins[0]) @ normal
    apart = np.diff(np.unique(np.round(heights, 3)))
    size = first.place.thickness
    if not first.gap_declared and apart.size:
        smallest = float(apart.min())
        if smallest > (1 + _REGULAR) * size:
            raise MaskError(
                f"{name}: its frames are {smallest:g} mm apart and {size:g} mm thick, so whether slices between them "
                "are empty or were never there cannot be known; bring the images that the mask was drawn on."
            )
        size = smallest
    low, high = int(heights.argmin()), int(heights.argmax())
    span = heights[high] - heights[low]
    # Over the whole span, so that a tilted gantry's shear is in it.
    step = normal * size if span < size / 2 else (origins[high] - origins[low]) * (size / span)
    return step, size


def _block(
    planes: Sequence[Plane], slices: Sequence[int], affine: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """The planes' boxes in one box of all, and the frames' affine moved to where that begins."""
    corners = np.array([plane.corner for plane in planes])
    top, left = corners.min(axis=0)
    bottom, right = (corners + [plane.inside.shape for plane in planes]).max(axis=0)
    block = np.zeros((max(slices) + 1, bottom - top, right - left), np.bool_)
    for plane, z in zip(planes, slices, strict=True):
        (row, column), (height, width) = plane.corner - np.array([top, left]), plane.inside.shape
        block[z, row : row + height, column : column + width] |= plane.inside
    affine[:3, 3] += left * affine[:3, 0] + top * affine[:3, 1]
    return block, affine


def _affine(plane: Plane, step: NDArray[np.float64]) -> NDArray[np.float64]:
    place, affine = plane.place, np.eye(4)
    affine[:3, 0] = place.across * place.spacing[1]
    affine[:3, 1] = place.down * place.spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = place.origin
    return affine


def _smallest(volume: Volume) -> float:
    """The shortest side of a voxel, mm."""
    return 0.0 if volume.affine is None else float(np.linalg.norm(volume.affine[:3, :3], axis=0).min())


def _corners(plane: Plane) -> NDArray[np.float64]:
    """The centres of a frame's corner pixels `(4, 3)`, LPS mm."""
    rows, columns = plane.shape
    affine = _affine(plane, np.zeros(3))
    ends = np.array([(x, y, 0, 1) for x in (0, columns - 1) for y in (0, rows - 1)], np.float64)
    return ends @ affine[:3].T


def _parallel(one: Plane, other: Plane) -> bool:
    a, b = one.place, other.place
    turned = max(float(np.abs(a.across - b.across).max()), float(np.abs(a.down - b.down).max()))
    scaled = max(abs(a.spacing[0] - b.spacing[0]), abs(a.spacing[1] - b.spacing[1]))
    return one.shape == other.shape and turned < 1e-3 and scaled < 1e-3
