"""Siemens mosaics: one file whose image is a sheet of tiles, each tile a slice.

The layout and the correction of the position follow nibabel's `dicom_mosaic` notes: the header's position is
that of the sheet as if it were one slice, so the first tile's corner lies half the surplus further in.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

__all__ = ["Mosaic", "mosaic_of", "unfold"]

_TILES_TAG: Final = (0x0019, 0x100A)  # NumberOfImagesInMosaic, where no CSA header is left


@dataclass(frozen=True, slots=True, eq=False)
class Mosaic:
    """`count` slices of `rows x columns` on a square sheet of `grid x grid` tiles.

    `origin (3,)`: LPS mm of the first slice's first pixel; `step (3,)`: mm from one slice to the next.
    """

    count: int
    grid: int
    rows: int
    columns: int
    origin: NDArray[np.float64]
    step: NDArray[np.float64]


def mosaic_of(header: Dataset) -> Mosaic | None:
    """Return the layout of a mosaic, None for any other image. Raises ValueError where the count is missing."""
    image_type = header.get("ImageType") or ()
    if "MOSAIC" not in image_type or "ImagePositionPatient" not in header:
        return None
    csareader = _csareader()
    try:
        csa = csareader.get_csa_header(header, "image")
    except csareader.CSAReadError as error:
        raise ValueError(f"its Siemens header cannot be read: {error}") from error
    count = _count(header, csareader.get_n_mosaic(csa) if csa else None)
    grid = math.ceil(math.sqrt(count))
    rows, columns = int(header.Rows) // grid, int(header.Columns) // grid
    across = np.array(header.ImageOrientationPatient[:3], dtype=np.float64)
    down = np.array(header.ImageOrientationPatient[3:], dtype=np.float64)
    spacing_y, spacing_x = (float(v) for v in header.PixelSpacing)
    surplus = (int(header.Columns) - columns) / 2 * spacing_x * across + (
        int(header.Rows) - rows
    ) / 2 * spacing_y * down
    origin = np.array(header.ImagePositionPatient, dtype=np.float64) + surplus
    gap = float(header.get("SpacingBetweenSlices") or header.SliceThickness)
    said = csareader.get_slice_normal(csa) if csa else None
    return Mosaic(count, grid, rows, columns, origin, gap * _normal(said, across, down))


def unfold(sheet: NDArray[Any], mosaic: Mosaic) -> NDArray[Any]:
    """Return the slices `(count, rows, columns)` of a sheet `(Rows, Columns)`, row by row of tiles.

    >>> tiles = Mosaic(3, 2, 1, 1, np.zeros(3), np.ones(3))
    >>> unfold(np.array([[1, 2], [3, 0]]), tiles).ravel().tolist()
    [1, 2, 3]
    """
    grid, rows, columns = mosaic.grid, mosaic.rows, mosaic.columns
    tiles = sheet[: grid * rows, : grid * columns].reshape(grid, rows, grid, columns)
    return tiles.swapaxes(1, 2).reshape(grid * grid, rows, columns)[: mosaic.count]


def _csareader() -> Any:
    """The reader of Siemens headers in nibabel; importing it warns that it is experimental, which tests cover."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        from nibabel.nicom import csareader
    return csareader


def _count(header: Dataset, said: Any) -> int:
    count = said or (header[_TILES_TAG].value if _TILES_TAG in header else None)
    if not count or int(count) < 1:
        raise ValueError("a mosaic whose header does not say how many slices it holds")
    return int(count)


def _normal(said: Any, across: NDArray[np.float64], down: NDArray[np.float64]) -> NDArray[np.float64]:
    """The direction of growing slices: Siemens's own, which may point against the cross product."""
    computed = np.cross(across, down)
    if said is None:
        return computed
    # Only the sign is taken: the header's copy is rounded differently from the orientation.
    return computed if float(np.dot(np.asarray(said, dtype=np.float64), computed)) >= 0 else -computed
