"""The picture of a map over its slice: colour where it is high, grey elsewhere, hatched where nothing was seen."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from radseek.pictures.heat_overlay import COLOURS, blend, overlay_png, scale_png, shares
from radseek.retrieval.errors import UsageError

GREY = np.full((60, 80), 100, np.uint8)


def a_map(y: int = 20, x: int = 50) -> np.ndarray:
    down, across = np.mgrid[:60, :80]
    return np.exp(-((down - y) ** 2 + (across - x) ** 2) / 100).astype(np.float32)


def decoded(png: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    assert image.mode == "RGB"
    return np.asarray(image)


def test_the_picture_has_the_slice_s_size_and_its_colour_where_the_map_peaks() -> None:
    shown = decoded(overlay_png(GREY, a_map()))
    assert shown.shape == (60, 80, 3)
    coloured = np.abs(shown.astype(int) - 100).max(axis=2) > 0
    assert coloured[20, 50]
    assert not coloured[50, 5]
    strongest = np.unravel_index(np.abs(shown.astype(int) - 100).sum(axis=2).argmax(), (60, 80))
    assert abs(strongest[0] - 20) <= 2
    assert abs(strongest[1] - 50) <= 2
    assert shown[20, 50, 0] > shown[20, 50, 2]  # warm
    assert (shown[50, 5] == 100).all()  # far from the peak the slice is as it was


def test_a_map_is_drawn_the_same_whatever_its_unit() -> None:
    once, scaled = blend(GREY, a_map()), blend(GREY, 1e-3 * a_map() - 0.05)
    assert np.abs(once.astype(int) - scaled).max() <= 1


def test_a_flat_map_colours_nothing() -> None:
    assert (blend(GREY, np.full((60, 80), 3.0)) == 100).all()
    assert (shares(np.full((4, 4), np.nan)) == 0).all()


def test_shares_run_from_nothing_to_the_peak() -> None:
    found = shares(a_map())
    assert found.min() == 0
    assert found.max() == 1
    assert found[20, 50] == 1
    assert (found > 0).mean() < 0.5


def test_what_was_not_seen_is_dark_and_hatched() -> None:
    heat = a_map()
    heat[:, :10] = np.nan
    shown = blend(GREY, heat)
    assert set(np.unique(shown[:, :10])) == {40, 80}
    assert (shown[50, 15] == 100).all()


def test_colour_slices_and_larger_pictures() -> None:
    shown = decoded(overlay_png(np.repeat(GREY[..., None], 3, 2), a_map(), side=160))
    assert shown.shape == (120, 160, 3)


def test_another_slice_s_map_is_refused() -> None:
    with pytest.raises(UsageError, match="one heat map"):
        blend(GREY, a_map()[:-1])


def test_the_scale_grows_brighter_from_grey() -> None:
    scale = decoded(scale_png()).astype(int)
    assert scale.shape == (12, 160, 3)
    assert (scale[0, 0] == 96).all()
    assert (scale == scale[:1]).all()
    assert (np.diff(COLOURS @ np.array([0.299, 0.587, 0.114])) > 0).all()  # luminance
