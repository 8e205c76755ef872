"""Where a slice's pixels go in the encoder's input and back: against what `prepare_slices` really does to pictures."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.spec import Preprocess
from radseek.retrieval.errors import UsageError
from radseek.retrieval.heatmaps.cell_geometry import place, spread, to_slice
from radseek.retrieval.heatmaps.heatmap_nifti import write_nifti
from tests.each_support import each

MODES = ("longest", "shortest", "squash")
SIDES = st.integers(40, 260)


def preprocess(mode: str, size: int = 96) -> Preprocess:
    return Preprocess(size=size, resize_mode=mode, interpolation="bilinear")  # type: ignore[arg-type]


def centroid(picture: np.ndarray) -> tuple[float, float]:
    """Centre of brightness in continuous pixels from the outer corner."""
    weights = picture.astype(float)
    rows, columns = weights.sum(1), weights.sum(0)
    return (
        float((np.arange(len(rows)) + 0.5) @ rows / rows.sum()),
        float((np.arange(len(columns)) + 0.5) @ columns / columns.sum()),
    )


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=15, deadline=None)
@given(height=SIDES, width=SIDES, down=st.floats(0.3, 0.7), across=st.floats(0.3, 0.7))
def test_a_block_lands_where_place_says(mode: str, height: int, width: int, down: float, across: float) -> None:
    side = 2 * max(4, max(height, width) // 24)
    # Away from the crop: the block is near the middle of the shorter side's square.
    short = min(height, width)
    top = int((height - short) / 2 + down * short - side / 2)
    left = int((width - short) / 2 + across * short - side / 2)
    slice_ = np.zeros((height, width), np.uint8)
    slice_[top : top + side, left : left + side] = 255
    seen = prepare_slices(slice_[None], preprocess(mode))[0, 0]
    found = place((height, width), preprocess(mode))
    expected = [found.scale[k] * (at + side / 2) + found.offset[k] for k, at in enumerate((top, left))]
    assert_allclose(centroid(seen), expected, atol=0.3)


@each("mode", MODES)
@each("shape", [(96, 96), (120, 80), (61, 200), (512, 512), (40, 41), (30, 900), (7, 5)])
def test_a_prepared_picture_drawn_back_is_the_slice(mode: str, shape: tuple[int, int]) -> None:
    y, x = np.mgrid[: shape[0], : shape[1]]
    smooth = 127 + 60 * np.sin(3 * y / shape[0] + 1) + 60 * np.cos(4 * x / shape[1])
    chosen = preprocess(mode)
    seen = prepare_slices(smooth.astype(np.uint8)[None], chosen)[0, 0]
    back = to_slice(seen.astype(np.float32), place(shape, chosen))
    inside = np.isfinite(back)
    assert back.shape == shape
    assert back.dtype == np.float32
    assert inside.any()
    # bilinear there and back, on slopes of a few grey levels a pixel
    border = max(shape) / 96 * 2
    middle = inside & (y > border) & (y < shape[0] - border) & (x > border) & (x < shape[1] - border)
    assert np.abs(back - smooth)[middle].max(initial=0) < 4


def test_nan_exactly_where_the_crop_took_pixels_away() -> None:
    back = to_slice(np.ones((96, 96), np.float32), place((100, 300), preprocess("shortest")))
    columns = np.isnan(back).all(axis=0)
    assert np.isfinite(back[:, ~columns]).all()
    # 300 columns become 288 and the middle 96 are kept: a third, 100 columns, from 100 on
    assert np.flatnonzero(~columns).tolist() == list(range(100, 200))
    for mode in ("longest", "squash"):
        assert np.isfinite(to_slice(np.ones((96, 96), np.float32), place((100, 300), preprocess(mode)))).all()


def test_padding_is_no_part_of_the_map() -> None:
    over_input = np.zeros((96, 96), np.float32)
    over_input[:30] = 5  # the padding above a wide slice: rows 32 to 63 of the input hold it
    assert to_slice(over_input, place((100, 300), preprocess("longest"))).max() < 1e-6


@given(row=st.integers(0, 5), column=st.integers(0, 5), down=st.floats(-8, 8), across=st.floats(-8, 8))
@settings(max_examples=15, deadline=None)
def test_a_cell_stands_at_its_middle(row: int, column: int, down: float, across: float) -> None:
    grid = np.zeros((6, 6))
    grid[row, column] = 1.0
    drawn = spread(grid, 192, 192, lean=(down, across))
    y, x = np.unravel_index(drawn.argmax(), drawn.shape)
    expected = [32 * (at + 0.5) + lean for at, lean in ((row, down), (column, across))]
    assert_allclose([y + 0.5, x + 0.5], expected, atol=1.0)


def test_a_plane_stays_a_plane_and_a_peak_leans_to_its_higher_neighbour() -> None:
    y, x = np.mgrid[:12, :12]
    drawn = spread(2.0 * y + 3.0 * x, 192, 48)
    at = (np.arange(48) + 0.5) * 12 / 48 - 0.5
    expected = 2 * at[:, None] + 3 * at[None]
    assert_allclose(drawn[8:-8, 8:-8], expected[8:-8, 8:-8], atol=1e-4)
    grid = np.zeros((12, 12))
    grid[5, 5], grid[5, 6] = 1.0, 0.9
    column = spread(grid, 192, 192).max(0).argmax() + 0.5
    assert 16 * 5.5 < column < 16 * 6.5


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_puts_the_peak_at_the_same_place_in_the_world(tmp_path: Path, suffix: str) -> None:
    turn = np.array([[0.96, -0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]]) @ np.diag([0.7, 0.8, 5.0])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn, (-120.5, 33.0, 812.25)
    stacked = np.full((4, 9, 7), np.nan, np.float32)
    stacked[2] = 0.0
    stacked[2, 6, 3] = 9.0  # z, y, x
    read = nib.load(write_nifti(tmp_path / f"map{suffix}", stacked, affine))
    values = np.asanyarray(read.dataobj)
    peak = np.unravel_index(np.nanargmax(values), values.shape)
    lps = affine @ np.array([3, 6, 2, 1.0])
    assert_allclose(nib.affines.apply_affine(read.affine, peak), lps[:3] * [-1, -1, 1], atol=1e-4)
    assert_allclose(read.get_sform(), read.get_qform(), atol=1e-4)
    assert values.shape == (7, 9, 4)
    assert np.isnan(values[:, :, 0]).all()
    assert nib.aff2axcodes(read.affine) == ("L", "P", "S")  # x to the patient's left, as displayed


def test_nifti_refuses_what_has_no_place(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="geometry"):
        write_nifti(tmp_path / "map.nii", np.zeros((1, 2, 2), np.float32), None)
    with pytest.raises(UsageError, match="end in"):
        write_nifti(tmp_path / "map.png", np.zeros((1, 2, 2), np.float32), np.eye(4))
