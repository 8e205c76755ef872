"""Planes of the viewer: where every voxel lands, what the letters say, which window is offered first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from radseek.demo.viewer.planes import PLANES, edge_letters, plane_names, planes_of
from radseek.demo.viewer.window_choices import Preset, presets_of
from radseek.retrieval.errors import UnknownNameError
from radseek.retrieval.imaging.orientation import spacing_zyx, to_display
from radseek.retrieval.imaging.picture_file import PICTURE_MARK
from radseek.retrieval.imaging.views.series_views import make_views
from radseek.retrieval.imaging.views.windows import window
from radseek.retrieval.types import Provenance, Series, Voi, Volume
from tests.each_support import each
from tests.imaging_support import make_series

# Directions in LPS that rows and columns of a DICOM file of each plane commonly run to, and the slice step.
FILES = {
    "axial": ([1, 0, 0], [0, 1, 0], [0, 0, 5]),
    "coronal": ([1, 0, 0], [0, 0, -1], [0, 3, 0]),
    "sagittal": ([0, 1, 0], [0, 0, -1], [-4, 0, 0]),
    "upside down": ([-1, 0, 0], [0, -1, 0], [0, 0, 5]),
}
RUNS = {"axial": ((0, 1), (1, 1), (2, 1)), "coronal": ((0, 1), (2, -1), (1, 1)), "sagittal": ((1, 1), (2, -1), (0, -1))}


def displayed(voxels: NDArray[Any], affine: NDArray[np.float64] | None, **more: Any) -> Volume:
    shown = to_display(voxels, affine)
    spacing = None if shown.affine is None else spacing_zyx(shown.affine)
    return Volume(shown.voxels, shown.affine, "raw", Provenance("none", plane=shown.plane, spacing=spacing, **more))


def volume_of(kind: str, shape: tuple[int, int, int] = (6, 8, 10)) -> Volume:
    """Voxels that hold their own number, in a file of that orientation."""
    across, down, step = (np.array(v, float) for v in FILES[kind])
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = across * 0.7, down * 0.9, step
    affine[:3, 3] = (-31.0, 12.0, 400.0)
    return displayed(np.arange(np.prod(shape), dtype=np.int16).reshape(shape), affine)


@pytest.mark.slow
@each("kind", FILES)
@each("plane", PLANES)
def test_every_voxel_keeps_its_value_and_its_place(kind: str, plane: str) -> None:
    volume = volume_of(kind)
    assert volume.affine is not None
    places = {
        int(volume.voxels[z, y, x]): (volume.affine @ (x, y, z, 1))[:3] for z, y, x in np.ndindex(volume.voxels.shape)
    }
    planes = planes_of(volume, plane)
    assert planes.affine is not None
    seen = 0
    for k in range(len(planes.voxels)):
        cut = planes.cut(k)
        drawn = np.frombuffer(cut.data, "<i2").reshape(cut.rows, cut.columns)
        for (row, column), value in np.ndenumerate(drawn):
            assert np.allclose((planes.affine @ (column, row, k, 1))[:3], places[int(value)])
            seen += 1
    assert seen == volume.voxels.size


@each("kind", FILES)
@each("plane", PLANES)
def test_planes_run_as_radiologists_look_at_them(kind: str, plane: str) -> None:
    affine = planes_of(volume_of(kind), plane).affine
    assert affine is not None
    for column, (axis, sign) in enumerate(RUNS[plane]):
        assert np.argmax(np.abs(affine[:3, column])) == axis
        assert affine[axis, column] * sign > 0
    letters = {"axial": ("R", "L", "A", "P"), "coronal": ("R", "L", "H", "F"), "sagittal": ("A", "P", "H", "F")}
    assert edge_letters(affine) == letters[plane]


def test_spacing_follows_the_axes() -> None:
    volume = volume_of("axial")
    assert planes_of(volume, "axial").spacing() == pytest.approx((5.0, 0.9, 0.7))
    assert planes_of(volume, "coronal").spacing() == pytest.approx((0.9, 5.0, 0.7))
    assert planes_of(volume, "sagittal").spacing() == pytest.approx((0.7, 5.0, 0.9))


def test_an_oblique_edge_takes_a_second_letter() -> None:
    angle = np.deg2rad(20)
    affine = np.eye(4)
    affine[:3, 1] = (0, np.cos(angle), -np.sin(angle))
    assert edge_letters(affine) == ("R", "L", "AH", "PF")
    affine[:3, 1] = (0, np.cos(angle / 2), -np.sin(angle / 2))
    assert edge_letters(affine) == ("R", "L", "A", "P")
    assert edge_letters(None) == ("", "", "", "")


def test_no_geometry_gives_a_stack_and_few_slices_only_their_own_plane() -> None:
    stack = displayed(np.zeros((9, 4, 4), np.int16), None)
    assert plane_names(stack) == ("stack",)
    assert planes_of(stack, "stack").centres() is None
    assert plane_names(volume_of("coronal", (2, 8, 8))) == ("coronal",)
    with pytest.raises(UnknownNameError, match="it has stack"):
        planes_of(stack, "axial")
    with pytest.raises(UnknownNameError, match="planes 0 to 8"):
        planes_of(stack, "stack").cut(9)


@each(
    ("voxels", "kind", "dtype"),
    [
        (np.array([[[0, 255]]], np.uint8), "int16", "<i2"),
        (np.array([[[0, 32767]]], np.uint16), "int16", "<i2"),
        (np.array([[[0, 65535]]], np.uint16), "float32", "<f4"),
        (np.array([[[-70000, 70000]]], np.int32), "float32", "<f4"),
        (np.array([[[0.5, 2.25]]], ">f4"), "float32", "<f4"),
        (np.array([[[[1, 2, 3], [4, 5, 6]]]], np.uint8), "rgb", "u1"),
    ],
)
def test_bytes_are_little_endian_and_lossless(voxels: NDArray[Any], kind: str, dtype: str) -> None:
    cut = planes_of(displayed(voxels, None), "stack").cut(0)
    assert (cut.kind, cut.rows, cut.columns) == (kind, 1, 2)
    assert np.array_equal(np.frombuffer(cut.data, dtype).reshape(voxels[0].shape), voxels[0])


def shown(preset: Preset, voxels: NDArray[Any], *, inverted: bool) -> NDArray[np.uint8]:
    """What the browser draws; tests/test_viewer_browser.py holds its own arithmetic to the same."""
    if preset.table is not None:
        index = np.clip(voxels.astype(np.float32) - preset.table_first, 0, len(preset.table) - 1).astype(int)
        levels = preset.table[index]
    else:
        levels = window(voxels, preset.level, preset.width, preset.function)
    return 255 - levels if inverted else levels


def ramp(low: int, high: int) -> NDArray[np.int16]:
    return np.linspace(low, high, 4 * 20 * 20).reshape(4, 20, 20).astype(np.int16)


CASES: dict[str, Series] = {
    "chest CT": make_series(ramp(-1000, 1500), "CT", unit="HU", body_part="chest"),
    "MR": make_series(ramp(0, 900), "MR", description="T2 FLAIR"),
    "radiograph, window": make_series(ramp(0, 4000), "DX", voi=Voi(1800.0, 2000.0, "LINEAR")),
    "radiograph, sigmoid": make_series(ramp(0, 4000), "DX", voi=Voi(1800.0, 2000.0, "SIGMOID")),
    "radiograph, inverted": make_series(ramp(0, 4000), "CR", voi=Voi(1800.0, 2000.0), inverted=True),
    "radiograph, table": make_series(
        ramp(0, 900), "DX", voi=Voi(lut=np.linspace(0, 1, 800, dtype=np.float32) ** 2, lut_first=40.0)
    ),
    "radiograph, nonsense": make_series(ramp(0, 4000), "DX", voi=Voi(1e6, 10.0)),
    "radiograph, padded": make_series(ramp(0, 4000), "DX", attributes={"PixelPaddingValue": "0"}),
    "PET, SUV": make_series((ramp(0, 2000) / 100).astype(np.float32), "PT", unit="SUV"),
    "PET, raw": make_series(ramp(0, 2000), "PT"),
    "NM": make_series(ramp(0, 2000), "NM"),
    "ultrasound": make_series(ramp(0, 255), "US"),
    "picture": make_series(ramp(0, 255), attributes={PICTURE_MARK: "png"}),
    "no modality": make_series(ramp(0, 2000)),
}


@each("name", CASES)
def test_what_is_offered_first_is_what_was_scored(name: str) -> None:
    series = CASES[name]
    presets = {preset.name: preset for preset in presets_of(series)}
    views = make_views(series)
    assert next(iter(presets)) == views[0].name
    for view in views:
        drawn = shown(presets[view.name], series.volume.voxels[view.z], inverted=series.volume.provenance.inverted)
        assert np.array_equal(drawn, view.slices)


def test_ct_has_every_window_the_files_own_and_the_full_range() -> None:
    series = make_series(ramp(-1000, 1500), "CT", unit="HU", body_part="head", voi=Voi(35.0, 110.0))
    names = [preset.name for preset in presets_of(series)]
    assert names == ["brain", "subdural", "bone", "lung", "soft", "liver", "file", "full"]
    assert presets_of(make_series(np.zeros((1, 4, 4, 3), np.uint8), "US")) == ()


def test_a_constant_volume_is_shown_without_error() -> None:
    (first, *_) = presets_of(make_series(np.full((4, 8, 8), 7, np.int16), "MR"))
    assert first.width > 0
