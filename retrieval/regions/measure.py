"""What can be measured of a region that the user brought: size, intensities, pieces and side. Nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radseek.retrieval.imaging.orientation import plane_of
from radseek.retrieval.regions.axial_diameter import axial_diameters
from radseek.retrieval.regions.body_side import MIDLINE_BAND_MM, Body, find_body, side_of
from radseek.retrieval.regions.region import Region
from radseek.retrieval.types import Unit, Volume

__all__ = ["Measurement", "measure", "measure_all"]

_TOUCHING: Final = np.ones((3, 3, 3), np.bool_)  # the 26 neighbours
_ROUNDED: Final = 3  # decimals of millimetres in details


@dataclass(frozen=True, slots=True)
class Measurement:
    """One quantity of one label: a `value` in `unit`, or a word in `text`. `details` are JSON-able.

    `details["caveats"]`, where it is there, says what limits the quantity; each begins with a stable word.
    """

    label: str
    quantity: str
    value: float | None
    unit: str
    text: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def measure(region: Region, volume: Volume) -> tuple[Measurement, ...]:
    """Return everything that can be said of `region`, a region on `volume`'s grid, in a fixed order.

    `volume` (ml): voxels times the affine's determinant, so oblique and sheared slices count right.
    `longest_axial_diameter` and `short_axis` (mm): see `measure_axial`; where the slices are not axial the first is
    called `longest_coronal_diameter` or `longest_sagittal_diameter`, for it is measured in the slices as acquired.
    `mean`, `sd` (of the population), `p5`, `p50`, `p95`: of the finite voxels, in HU or SUV; "raw" has no unit.
    `components`: connected by their 26 neighbours. `laterality` (a word): see `measure_side`.

    Raises `MaskError` where the Volume has no geometry, or another grid than the region.
    """
    return measure_all([region], volume)


def measure_all(regions: Iterable[Region], volume: Volume) -> tuple[Measurement, ...]:
    """Measure every region of a Volume, region by region; the patient's mid-line is looked for once."""
    body: Body | None = None
    rows: list[Measurement] = []
    for region in regions:
        affine = region.affine_on(volume)
        body = body or find_body(volume)
        rows += [_with(row, region.caveats) for row in _measured(region, volume, affine, body)]
    return tuple(rows)


def _measured(region: Region, volume: Volume, affine: NDArray[np.float64], body: Body) -> Iterator[Measurement]:
    pieces, count = ndimage.label(region.inside, _TOUCHING)
    yield _with(_volume(region, affine), _single_slice(volume))
    yield from _diameters(region, affine)
    yield from _intensities(region, volume)
    yield _components(region, affine, pieces, int(count))
    yield _laterality(region, affine, pieces, body)


def _volume(region: Region, affine: NDArray[np.float64]) -> Measurement:
    voxels = int(region.inside.sum())
    each = _mm3(affine)
    details = {"voxels": voxels, "voxel_mm3": round(each, 6)}
    return Measurement(region.label, "volume", voxels * each / 1000, "ml", None, details)


def _diameters(region: Region, affine: NDArray[np.float64]) -> tuple[Measurement, Measurement]:
    found = axial_diameters(region.inside, affine)
    z = found.z + region.start[0]
    plane = plane_of(affine)
    voxel = round(float(max(np.linalg.norm(affine[:3, :2], axis=0))), _ROUNDED)
    shared = {"slice": z, "plane": plane, "voxel_mm": voxel}
    longest = {**shared, "ends": _points(found.longest_ends), "rule": "RECIST 1.1"}
    short = {**shared, "ends": _points(found.short_ends), "rule": "RECIST 1.1"}
    name = f"longest_{plane}_diameter"
    return (
        Measurement(region.label, name, found.longest, "mm", None, longest),
        Measurement(region.label, "short_axis", found.short, "mm", None, short),
    )


def _intensities(region: Region, volume: Volume) -> tuple[Measurement, ...]:
    """Mean, spread and percentiles; none of colours, and none where no voxel is finite."""
    if volume.is_colour:
        return ()
    values = volume.voxels[region.box][region.inside].astype(np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        return ()
    p5, p50, p95 = np.percentile(values, (5, 50, 95))
    named = {"mean": values.mean(), "sd": values.std(), "p5": p5, "p50": p50, "p95": p95}
    details: dict[str, Any] = {"voxels": int(values.size), **_unitless(volume.unit)}
    return tuple(
        Measurement(region.label, name, float(value), volume.unit, None, details) for name, value in named.items()
    )


def _components(region: Region, affine: NDArray[np.float64], pieces: NDArray[np.integer], count: int) -> Measurement:
    sizes = np.sort(np.bincount(pieces.reshape(-1))[1:])[::-1]
    details = {"largest_ml": [round(float(size) * _mm3(affine) / 1000, 6) for size in sizes[:5]], "neighbours": 26}
    return Measurement(region.label, "components", float(count), "count", None, details)


def _laterality(region: Region, affine: NDArray[np.float64], pieces: NDArray[np.integer], body: Body) -> Measurement:
    z = _heights(region, affine)
    midline = body.midline(float(z.min()), float(z.max()))
    sides = side_of(region.inside, pieces, affine, midline.x)
    details: dict[str, Any] = {
        "left_share": round(sides.left, _ROUNDED),
        "right_share": round(sides.right, _ROUNDED),
        "offset_mm": round(sides.offset, _ROUNDED),
        "midline_mm": round(midline.x, _ROUNDED),
        "midline_from": midline.source,
        "band_mm": MIDLINE_BAND_MM,
    }
    if midline.source == "volume":
        words = "midline_assumed: the patient's sides are not both in the image, so its centre stands for the mid-line"
        details["caveats"] = [words]
    return Measurement(region.label, "laterality", None, "", sides.side, details)


def _heights(region: Region, affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """LPS z of the corners of the region's box."""
    ends = [(0, size - 1) for size in reversed(region.inside.shape)]
    corners = np.array(np.meshgrid(*ends), np.float64).reshape(3, -1)
    heights: NDArray[np.float64] = affine[2, :3] @ corners + affine[2, 3]
    return heights


def _single_slice(volume: Volume) -> tuple[str, ...]:
    if volume.voxels.shape[0] > 1:
        return ()
    return ("single_slice: the image is one slice, so the volume rests on the slice thickness in its header",)


def _unitless(unit: Unit) -> dict[str, Any]:
    if unit != "raw":
        return {}
    return {"caveats": ["unitless: these values have no unit and do not compare between scans"]}


def _with(row: Measurement, caveats: Sequence[str]) -> Measurement:
    if not caveats:
        return row
    return replace(row, details={**row.details, "caveats": [*row.details.get("caveats", []), *caveats]})


def _points(ends: tuple[tuple[float, float, float], ...]) -> list[list[float]]:
    return [[round(value, _ROUNDED) for value in point] for point in ends]


def _mm3(affine: NDArray[np.float64]) -> float:
    return abs(float(np.linalg.det(affine[:3, :3])))
