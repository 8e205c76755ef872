"""Grids: one file whose image is a sheet of tiles, each tile a slice. Siemens mosaics and United Imaging's VFRAME.

Siemens: a square sheet; the layout and the correction of the position follow nibabel's `dicom_mosaic` notes: the
header's position is that of the sheet as if it were one slice, so the first tile's corner lies half the surplus
further in. United Imaging (UIH): as many columns as the square root of the count, rounded up, and only the rows
that are needed; (0065,1050) counts the slices and (0065,1051) holds one item with its place for each.
"""

from __future__ import annotations

import math
import struct
import warnings
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from radseek.retrieval.imaging.dicom.frame_geometry import Place, place_from
from radseek.retrieval.imaging.dicom.header_values import as_number, as_text, private_value, value_of

__all__ = ["Mosaic", "grid_note", "mosaic_of", "siemens_csa", "unfold"]

_GRID_TYPES: Final = frozenset({"MOSAIC", "VFRAME"})
_TILES_TAG: Final = (0x0019, 0x100A)  # NumberOfImagesInMosaic, where no CSA header is left
_TIMES_TAG: Final = (0x0019, 0x1029)  # MosaicRefAcqTimes, one a slice
_DAMAGED: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, struct.error)
_UIH: Final = ("Image Private Header", "UIH")


@dataclass(frozen=True, slots=True, eq=False)
class Mosaic:
    """`count` slices of `rows x columns`, row by row on a sheet; `places`: one a slice, () without geometry."""

    count: int
    rows: int
    columns: int
    places: tuple[Place, ...] = ()


def mosaic_of(header: Dataset) -> Mosaic | None:
    """Return the layout of a grid whose header says it, None for any other image."""
    types = _types(header)
    uih = _uih(header, types)
    return uih if uih is not None or "MOSAIC" not in types else _siemens(header)


def grid_note(header: Dataset, mosaic: Mosaic | None) -> tuple[str, ...]:
    """Return the warning for a grid that is read as one picture, or unfolded without geometry; () for the others."""
    if mosaic is not None:
        missing = "grid: unfolded into its slices, but the header does not say where they lie, so without geometry"
        return () if mosaic.places else (missing,)
    if not _types(header) & _GRID_TYPES:
        return ()
    return (
        "grid: ImageType says that this is a sheet of several slices and the header does not say how many; "
        "read as one picture, without geometry",
    )


def unfold(sheet: NDArray[Any], mosaic: Mosaic) -> NDArray[Any]:
    """Return the slices `(count, rows, columns[, 3])` of a sheet `(Rows, Columns[, 3])`, row by row of tiles.

    >>> unfold(np.array([[1, 2], [3, 0]]), Mosaic(3, 1, 1)).ravel().tolist()
    [1, 2, 3]
    """
    rows, columns = mosaic.rows, mosaic.columns
    down, across = sheet.shape[0] // rows, sheet.shape[1] // columns
    tiles = sheet[: down * rows, : across * columns].reshape(down, rows, across, columns, *sheet.shape[2:])
    return tiles.swapaxes(1, 2).reshape(down * across, rows, columns, *sheet.shape[2:])[: mosaic.count]


def siemens_csa(header: Dataset) -> dict[str, Any] | None:
    """Return the Siemens image header (CSA), None where there is none that can be read."""
    csareader = _csareader()
    try:
        csa: dict[str, Any] | None = csareader.get_csa_header(header, "image")
    except (csareader.CSAReadError, *_DAMAGED):
        return None
    return csa


def _types(header: Dataset) -> frozenset[str]:
    return frozenset(as_text(value_of(header, "ImageType")).upper().split("\\"))


def _siemens(header: Dataset) -> Mosaic | None:
    csa = siemens_csa(header)
    csareader = _csareader()
    count = _count(header, csareader.get_n_mosaic(csa) if csa else None)
    if count is None:
        return None
    grid = math.ceil(math.sqrt(count))
    rows, columns = int(header.Rows) // grid, int(header.Columns) // grid
    if min(rows, columns) < 1:
        return None
    said = csareader.get_slice_normal(csa) if csa else None
    return Mosaic(count, rows, columns, _siemens_places(header, count, rows, columns, said))


def _siemens_places(header: Dataset, count: int, rows: int, columns: int, said: Any) -> tuple[Place, ...]:
    depth = as_number(value_of(header, "SpacingBetweenSlices")) or as_number(value_of(header, "SliceThickness"))
    sheet = place_from(
        value_of(header, "ImagePositionPatient"), value_of(header, "ImageOrientationPatient"),
        value_of(header, "PixelSpacing"), depth,
    )  # fmt: skip
    if sheet is None or not depth:
        return ()
    surplus = (int(header.Columns) - columns) / 2 * sheet.spacing[1] * sheet.across
    surplus = surplus + (int(header.Rows) - rows) / 2 * sheet.spacing[0] * sheet.down
    step = abs(depth) * _normal(said, sheet.normal)
    return tuple(
        Place(sheet.origin + surplus + k * step, sheet.across, sheet.down, sheet.spacing, abs(depth))
        for k in range(count)
    )


def _count(header: Dataset, said: Any) -> int | None:
    """How many slices a Siemens mosaic holds: its CSA header, (0019,100A), or one acquisition time a slice."""
    counted = as_number(said) or as_number(header[_TILES_TAG].value if _TILES_TAG in header else None)
    if counted is None or counted < 1:
        times = header[_TIMES_TAG].value if _TIMES_TAG in header else None
        counted = len(times) if times is not None and not isinstance(times, str | bytes | float) else None
    return int(counted) if counted and counted >= 1 else None


def _normal(said: Any, computed: NDArray[np.float64]) -> NDArray[np.float64]:
    """The direction of growing slices: Siemens's own, which may point against the cross product."""
    if said is None:
        return computed
    # Only the sign is taken: the header's copy is rounded differently from the orientation.
    return computed if float(np.dot(np.asarray(said, dtype=np.float64), computed)) >= 0 else -computed


def _uih(header: Dataset, types: frozenset[str]) -> Mosaic | None:
    items = private_value(header, 0x0065, 0x51, *_UIH)
    items = [] if items is None or isinstance(items, str | bytes) else list(items)
    counted = as_number(private_value(header, 0x0065, 0x50, *_UIH))
    count = int(counted or len(items))
    if count < 2 or not (types & _GRID_TYPES or len(items) == count):
        return None
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    if int(header.Rows) % rows or int(header.Columns) % columns:
        return None
    places = [_uih_place(header, item) for item in items[:count]]
    found = tuple(place for place in places if place is not None)
    layout = (count, int(header.Rows) // rows, int(header.Columns) // columns)
    return Mosaic(*layout, found if len(found) == count else ())


def _uih_place(header: Dataset, item: Dataset) -> Place | None:
    def said(keyword: str) -> Any:
        own = value_of(item, keyword)
        return value_of(header, keyword) if own is None else own

    thickness = as_number(said("SpacingBetweenSlices")) or said("SliceThickness")
    orientation, spacing = said("ImageOrientationPatient"), said("PixelSpacing")
    return place_from(value_of(item, "ImagePositionPatient"), orientation, spacing, thickness)


def _csareader() -> Any:
    """The reader of Siemens headers in nibabel; importing it warns that it is experimental, which tests cover."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        from nibabel.nicom import csareader
    return csareader
