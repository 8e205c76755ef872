"""The ways a Series is looked at: CT under its windows, MR under one normalisation, a radiograph as presented."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from radseek.prompts.finding import CT_CHANNELS, VOLUME_VIEWS
from radseek.prompts.finding import VIEW_NAMES as _NAMES
from radseek.retrieval.imaging.modality import VIEW_OF_MODALITY
from radseek.retrieval.imaging.mr_sequence import mr_view
from radseek.retrieval.imaging.orientation import spacing_zyx
from radseek.retrieval.imaging.picture_file import PICTURE_MARK
from radseek.retrieval.imaging.views.display import Display, from_file, from_percentiles, of_range
from radseek.retrieval.imaging.views.intensity import finite, sample
from radseek.retrieval.imaging.views.recipe import imaging_hash
from radseek.retrieval.imaging.views.slice_rule import choose_slices
from radseek.retrieval.imaging.views.windows import CT_WINDOWS, SUV_WINDOW, ct_views
from radseek.retrieval.types import OUR_RECIPE, ImagingRecipe, Series, View, Volume

__all__ = [
    "VIEW_NAMES",
    "display_of",
    "imaging_hash",
    "iter_views",
    "make_views",
    "shown_view",
    "slice_positions",
    "unpadded",
    "view_names",
]

VIEW_NAMES: Final = frozenset((*_NAMES, CT_CHANNELS, *VOLUME_VIEWS.values()))

_PRESENTED: Final = frozenset({"radiograph", "mammogram", "angiogram", "ultrasound", "capture", "picture"})
_PICTURES: Final = frozenset({"ultrasound", "capture", "picture"})
_ABOVE_OTSU: Final = frozenset({"nm"})


def view_names(series: Series, recipe: ImagingRecipe = OUR_RECIPE) -> tuple[str, ...]:
    """Return the names of the views that a Series has under an encoder's recipe, in a fixed order."""
    modality, volume = series.modality, series.volume
    if volume.is_colour:
        named = VIEW_OF_MODALITY.get(modality, "capture")
        return (named if modality else "picture",)
    if modality == "CT" and volume.unit == "HU":
        return (CT_CHANNELS,) if recipe.ct_channels else ct_views(series.body_part)
    if modality == "CT" and "BitsStored" in series.attributes and _is_8_bit(series, volume.voxels):
        return ("capture",)  # a picture of a CT: its levels are nobody's HU
    if modality == "MR":
        return (mr_view(series.description, series.attributes),)
    if not modality and PICTURE_MARK in series.attributes:
        return ("picture",)
    return (VIEW_OF_MODALITY.get(modality, "percentile"),)


def iter_views(
    series: Series, z: NDArray[np.int32] | None = None, recipe: ImagingRecipe = OUR_RECIPE
) -> Iterator[View]:
    """Yield the views of a Series one at a time, so that only one lies in memory.

    Slices are uint8; NaN and infinities count as the finite minimum, and a constant volume gives zeros. `z` names
    slices to show instead of those that the recipe chooses; the display is the whole volume's either way. `recipe`: an
    encoder's own.
    """
    volume = series.volume
    if z is None:
        gap = None if volume.affine is None else spacing_zyx(volume.affine)[0]
        z = choose_slices(volume.voxels.shape[0], gap, recipe.max_gap_mm, recipe.max_slices)
    voxels = finite(volume.voxels)
    for name in view_names(series, recipe):
        if name == CT_CHANNELS:
            yield View(name, series, _in_channels(series, voxels, z, recipe.ct_channels), z)
            continue
        display = display_of(name, series, voxels)
        slices = np.empty((len(z), *voxels.shape[1:]), np.uint8)
        for row, index in enumerate(z):
            slices[row] = display.apply(voxels[index])
        yield View(name, series, slices, z)


def shown_view(series: Series, name: str) -> str:
    """Return the view in which people are shown what an encoder saw as `name`: its own, or the body part's first."""
    own = view_names(series)
    return own[0] if name not in own and name in (CT_CHANNELS, *VOLUME_VIEWS.values()) else name


def make_views(series: Series, recipe: ImagingRecipe = OUR_RECIPE) -> list[View]:
    """Return every view of a Series, `series`, under an encoder's `recipe`; see `iter_views`."""
    return list(iter_views(series, recipe=recipe))


def _in_channels(
    series: Series, voxels: NDArray[Any], z: NDArray[np.int32], ranges: tuple[tuple[float, float], ...]
) -> NDArray[np.uint8]:
    """Return slices `(N, H, W, 3)` of a CT whose colours are ranges of HU; a constant volume gives zeros."""
    levels = [((low + high) / 2, high - low) for low, high in ranges]
    inverted = series.volume.provenance.inverted
    shown = [_unless_constant(voxels, Display(*one, inverted=inverted)) for one in levels]
    slices = np.empty((len(z), *voxels.shape[1:], len(shown)), np.uint8)
    for row, index in enumerate(z):
        for channel, display in enumerate(shown):
            slices[row, ..., channel] = display.apply(voxels[index])
    return slices


def slice_positions(volume: Volume, z: NDArray[np.int32]) -> tuple[tuple[float, float, float], ...]:
    """Return the centre of each slice `z (N,)` in patient LPS mm; () for a Volume without geometry."""
    if volume.affine is None:
        return ()
    rows, columns = volume.voxels.shape[1:3]
    points = np.stack([np.full(len(z), (columns - 1) / 2), np.full(len(z), (rows - 1) / 2), z, np.ones(len(z))])
    return tuple((float(x), float(y), float(w)) for x, y, w in (volume.affine @ points)[:3].T)


def display_of(name: str, series: Series, voxels: NDArray[Any]) -> Display:
    """Return how a series' finite voxels, or a sample of them, are shown in its view of that name."""
    volume = series.volume
    inverted = volume.provenance.inverted
    if volume.is_colour:
        return _unless_constant(voxels, Display(as_is=True))
    if name in CT_WINDOWS:
        return _unless_constant(voxels, Display(*CT_WINDOWS[name], inverted=inverted))
    if name == "pet" and volume.unit == "SUV":
        return _unless_constant(voxels, Display(*SUV_WINDOW, inverted=inverted))
    if name in _PRESENTED:
        asked = _as_presented(name, series, voxels)
        if asked is not None:
            return asked
    above = name == "mr" or name.startswith("mr_") or name in _ABOVE_OTSU
    return from_percentiles(unpadded(series, sample(voxels)), above_otsu=above, inverted=inverted)


def _as_presented(name: str, series: Series, voxels: NDArray[Any]) -> Display | None:
    """As the file asks (PS3.3 C.11.2); pictures of 8 bits that ask for nothing, over the range of their stored bits."""
    inverted = series.volume.provenance.inverted
    own = unpadded(series, voxels)
    if name not in _PICTURES or not _is_8_bit(series, voxels):
        return from_file(series.voi, own, inverted=inverted)
    low, high = _stored_range(series, voxels)
    asked = from_file(series.voi, own, inverted=inverted, widest=high - low + 1)
    return asked or _unless_constant(voxels, of_range(low, high, inverted=inverted))


def _stored_range(series: Series, voxels: NDArray[Any]) -> tuple[int, int]:
    """The lowest and highest value that 8 bits, or the fewer that BitsStored names, can hold."""
    bits = _bits_stored(series)
    bits = bits if 1 <= bits < 8 and voxels.max() < 1 << bits else 8
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if voxels.min() < 0 else (0, (1 << bits) - 1)


def _is_8_bit(series: Series, voxels: NDArray[Any]) -> bool:
    """Whether all values are those of a byte; of a signed one only where the file says that it stores bytes."""
    if voxels.dtype.kind not in "iu" or not voxels.size:
        return False
    low, high = voxels.min(), voxels.max()
    signed = 1 <= _bits_stored(series) <= 8 and low >= -128 and high <= 127
    return bool((low >= 0 and high <= 255) or signed)


def _bits_stored(series: Series) -> int:
    said = series.attributes.get("BitsStored", "")
    return int(said) if said.isdecimal() else 0


def _unless_constant(voxels: NDArray[Any], display: Display) -> Display:
    return display if voxels.size and voxels.min() < voxels.max() else Display()


def unpadded(series: Series, voxels: NDArray[Any]) -> NDArray[Any]:
    """Return voxels without the padding that the file declares, a value or a range of them (PS3.3 C.7.5.1.1.2).

    With all of it where nothing would remain.
    """
    value = series.attributes.get("PixelPaddingValue", "")
    try:
        ends = [np.float32(value), np.float32(series.attributes.get("PixelPaddingRangeLimit", value))]
    except ValueError:
        return voxels
    kept = voxels[(voxels < min(ends)) | (voxels > max(ends))]
    return kept if kept.size else voxels
