"""A heat map outside the body, or on metal, is measured as such; one in a lung is not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.heatmaps.hot_places import body_of, hot_places


def slice_of() -> NDArray[np.int16]:
    """A body of 40 HU with two lungs, on a thin table, with a lead's metal in its wall."""
    rows, columns = np.indices((128, 128))
    hu = np.full((128, 128), -1000, np.int16)
    hu[((rows - 60) / 40) ** 2 + ((columns - 64) / 55) ** 2 <= 1] = 40
    for middle in (44, 84):
        hu[((rows - 58) / 22) ** 2 + ((columns - middle) / 14) ** 2 <= 1] = -850
    hu[112:114, 10:118] = 100
    hu[30:34, 60:64] = 3000
    return hu


def spot(row: int, column: int) -> NDArray[np.float32]:
    rows, columns = np.indices((128, 128))
    return np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 30).astype(np.float32)


def test_the_body_has_its_lungs_and_not_the_table() -> None:
    body = body_of(slice_of())
    assert body[58, 44]
    assert body[60, 64]
    assert not body[112:114].any()
    assert not body[5, 5]


def test_where_a_map_is_hot_is_measured() -> None:
    hu = slice_of()
    lung, table, metal = hot_places(spot(58, 44), hu), hot_places(spot(118, 64), hu), hot_places(spot(32, 62), hu)
    assert lung is not None
    assert table is not None
    assert metal is not None
    assert (lung.outside, lung.metal) == (0.0, 0.0)
    assert table.outside == 1.0
    assert metal.metal > 0.5
    assert metal.outside == 0.0


def test_nothing_hot_or_no_body_is_not_measured() -> None:
    assert hot_places(np.full((128, 128), np.nan, np.float32), slice_of()) is None
    assert hot_places(spot(60, 60), np.full((128, 128), -1000, np.int16)) is None
