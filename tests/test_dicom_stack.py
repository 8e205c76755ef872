"""Stacking: order, repeats, gaps, tilt and mixed geometries, on synthetic series whose truth is known."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radseek.retrieval.errors import Reason
from radseek.retrieval.imaging.dicom.dicom_series import read_dicom_series
from radseek.retrieval.types import Series
from tests.dicom_support import AXIAL, SAGITTAL, dataset, save, series, stack_positions
from tests.each_support import each


def levels(one: Series) -> list[int]:
    """The value of each slice: which source slice it is."""
    return [int(plane.flat[0]) for plane in one.volume.voxels]


def read_one(paths: list[Path]) -> Series:
    found, skipped = read_dicom_series(paths)
    assert not skipped
    assert len(found) == 1
    return found[0]


def position_of(one: Series, z: int) -> np.ndarray[Any, Any]:
    assert one.volume.affine is not None
    return (one.volume.affine @ (0, 0, z, 1))[:3]


@pytest.mark.slow
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(6)))
def test_order_is_the_position_along_the_normal(tmp_path_factory: pytest.TempPathFactory, order: list[int]) -> None:
    positions = stack_positions(6)
    folder = tmp_path_factory.mktemp("shuffled")
    paths = series(
        folder, [positions[k] for k in order],
        pixels=[np.full((4, 6), k, np.int16) for k in order],
        each=[{"InstanceNumber": 99 - n, "SliceLocation": -k} for n, k in enumerate(order)],
    )  # fmt: skip
    one = read_one(paths)
    assert levels(one) == list(range(6))
    assert np.allclose(one.volume.affine, [[0.75, 0, 0, -10], [0, 0.5, 0, -20], [0, 0, 2, 0], [0, 0, 0, 1]])
    assert one.volume.provenance.spacing == (2.0, 0.5, 0.75)
    assert one.volume.provenance.plane == "axial"


def test_order_of_files_does_not_matter(tmp_path: Path) -> None:
    paths = series(tmp_path, stack_positions(5))
    a, b = read_one(paths), read_one(paths[::-1])
    assert np.array_equal(a.volume.voxels, b.volume.voxels)


def test_a_gap_splits_and_says_so(tmp_path: Path) -> None:
    kept = [0, 1, 2, 3, 6, 7, 8]
    paths = series(tmp_path, [stack_positions(9)[k] for k in kept], pixels=[np.full((4, 6), k, np.int16) for k in kept])
    found, skipped = read_dicom_series(paths)
    assert not skipped
    assert [one.uid for one in found] == ["1.2.3.4", "1.2.3.4#2"]
    assert [levels(one) for one in found] == [[0, 1, 2, 3], [6, 7, 8]]
    for one in found:
        assert any(warning.startswith("gap:") for warning in one.volume.provenance.warnings)
        for z, level in enumerate(levels(one)):
            assert np.allclose(position_of(one, z), (-10, -20, 2 * level))


def test_a_change_of_slice_distance_splits(tmp_path: Path) -> None:
    heights = [0, 5, 10, 15, 20, 30, 40, 50]
    found, skipped = read_dicom_series(series(tmp_path, [(0, 0, h) for h in heights]))
    assert not skipped
    assert [len(one.volume.voxels) for one in found] == [5, 3]
    assert [one.volume.provenance.spacing[0] for one in found if one.volume.provenance.spacing] == [5.0, 10.0]


def test_positions_rounded_to_a_tenth_stay_one_stack(tmp_path: Path) -> None:
    heights = [round(0.625 * k, 1) for k in range(17)]
    one = read_one(series(tmp_path, [(0, 0, h) for h in heights]))
    assert len(one.volume.voxels) == 17
    assert one.volume.provenance.warnings == (one.volume.provenance.warnings or ())
    assert abs(position_of(one, 16)[2] - 10.0) < 1e-9


def test_no_regular_distance_is_mixed_geometry(tmp_path: Path) -> None:
    found, skipped = read_dicom_series(series(tmp_path, [(0, 0, h) for h in (0, 1, 3, 7, 15, 31, 63)]))
    assert not found
    assert [line.reason_code for line in skipped] == [Reason.MIXED_GEOMETRY] * 7


@each(
    ("keyword", "first", "second"),
    [
        ("EchoTime", 4.6, 120.0), ("TemporalPositionIdentifier", 1, 2), ("InversionTime", 150.0, 2500.0),
        ("StackID", "1", "2"), ("ImageType", ["ORIGINAL", "PRIMARY", "M"], ["DERIVED", "PRIMARY", "P"]),
        ("TriggerTime", 10.0, 60.0), ("AcquisitionNumber", 1, 2),
    ],
)  # fmt: skip
def test_repeated_positions_use_the_first_and_name_it(tmp_path: Path, keyword: str, first: Any, second: Any) -> None:
    places = stack_positions(4)
    pixels = [np.full((4, 6), k, np.int16) for k in (10, 11, 12, 13, 0, 1, 2, 3)]
    each = [{keyword: second}] * 4 + [{keyword: first}] * 4
    one = read_one(series(tmp_path, places + places, pixels=pixels, each=each, Modality="MR"))
    assert levels(one) == [0, 1, 2, 3]
    provenance = one.volume.provenance
    assert provenance.dropped_slices == 4
    assert provenance.time_point is not None
    assert provenance.time_point.startswith(f"{keyword}=")
    assert provenance.time_point.endswith("1 of 2")


def test_two_keys_narrow_one_after_the_other(tmp_path: Path) -> None:
    places = stack_positions(3)
    combos = [(echo, time) for echo in (5.0, 80.0) for time in (1, 2)]
    each = [{"EchoTime": e, "TemporalPositionIdentifier": t} for e, t in combos for _ in places]
    pixels = [np.full((4, 6), 10 * n + k, np.int16) for n in range(4) for k in range(3)]
    one = read_one(series(tmp_path, places * 4, pixels=pixels, each=each, Modality="MR"))
    assert levels(one) == [0, 1, 2]
    assert one.volume.provenance.time_point == "TemporalPositionIdentifier=1, 1 of 2; EchoTime=5.0, 1 of 2"


def test_times_that_differ_by_slice_tell_nothing_apart(tmp_path: Path) -> None:
    places = stack_positions(4)
    each = [{"AcquisitionTime": f"1200{n:02d}", "InstanceNumber": n} for n in range(8)]
    one = read_one(series(tmp_path, places + places, each=each))
    assert levels(one) == [1, 2, 3, 4]
    assert one.volume.provenance.time_point == "lowest InstanceNumber, 1 of 2"


def test_the_same_pixels_at_the_same_place_are_duplicates(tmp_path: Path) -> None:
    places, numbers = stack_positions(3), [{"InstanceNumber": n} for n in (1, 2, 3, 1, 2, 3)]
    pixels = [np.full((4, 6), k, np.int16) for k in (0, 1, 2, 0, 1, 2)]
    found, skipped = read_dicom_series(series(tmp_path, places + places, pixels=pixels, each=numbers))
    assert len(found) == 1
    assert [line.reason_code for line in skipped] == [Reason.DUPLICATE] * 3


def test_the_same_instance_twice_is_a_duplicate(tmp_path: Path) -> None:
    one = dataset(np.ones((4, 6), np.int16))
    paths = [save(one, tmp_path / name) for name in ("a.dcm", "b.dcm")]
    found, skipped = read_dicom_series(paths[::-1])
    assert len(found) == 1
    assert [(Path(line.path).name, line.reason_code) for line in skipped] == [("b.dcm", Reason.DUPLICATE)]


def test_a_good_copy_replaces_a_broken_first(tmp_path: Path) -> None:
    one = dataset(np.ones((4, 6), np.int16))
    paths = [save(one, tmp_path / name) for name in ("a.dcm", "b.dcm", "c.dcm")]
    paths[0].write_bytes(paths[0].read_bytes()[:-10])
    found, skipped = read_dicom_series(paths)
    assert len(found) == 1
    assert [line.reason_code for line in skipped] == [Reason.TRUNCATED, Reason.DUPLICATE]


def test_the_same_picture_under_two_names_is_a_duplicate(tmp_path: Path) -> None:
    picture = np.arange(24, dtype=np.uint8).reshape(4, 6)
    paths = [save(dataset(picture, Modality="CR", InstanceNumber=n), tmp_path / f"{n}.dcm") for n in (1, 2)]
    found, skipped = read_dicom_series(paths)
    assert len(found) == 1
    assert [line.reason_code for line in skipped] == [Reason.DUPLICATE]


def test_two_orientations_are_two_series(tmp_path: Path) -> None:
    axial = series(tmp_path / "a", stack_positions(4))
    sagittal = series(tmp_path / "s", [(3.0 * k, 0, 0) for k in range(3)], orientation=SAGITTAL)
    found, skipped = read_dicom_series(axial + sagittal)
    assert not skipped
    assert [(one.uid, one.volume.provenance.plane) for one in found] == [
        ("1.2.3.4", "axial"),
        ("1.2.3.4#2", "sagittal"),
    ]
    assert all(any(w.startswith("split:") for w in one.volume.provenance.warnings) for one in found)


def test_two_matrix_sizes_are_two_series(tmp_path: Path) -> None:
    small = series(tmp_path / "a", stack_positions(2), pixels=[np.ones((4, 6), np.int16)] * 2)
    large = series(tmp_path / "b", stack_positions(3), pixels=[np.ones((8, 8), np.int16)] * 3)
    found, _ = read_dicom_series(small + large)
    assert [one.volume.voxels.shape for one in found] == [(3, 8, 8), (2, 4, 6)]


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(degrees=st.floats(-30, 30).filter(lambda d: abs(d) > 1))
def test_gantry_tilt_is_sheared_and_said(tmp_path_factory: pytest.TempPathFactory, degrees: float) -> None:
    c, s = float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))
    places = [(0.0, 0.0, 3.0 * k) for k in range(5)]  # the table moves along z, the slices are tilted
    one = read_one(series(tmp_path_factory.mktemp("tilt"), places, orientation=(1, 0, 0, 0, c, s)))
    said = [w for w in one.volume.provenance.warnings if w.startswith("gantry_tilt:")]
    told = re.search(r"sheared by (\d+\.\d) degrees", said[0])
    assert told is not None
    assert float(told[1]) == pytest.approx(abs(degrees), abs=0.0501)  # one decimal, either way at a half
    for z in range(5):
        assert np.allclose(position_of(one, z), places[z], atol=1e-5)
    assert one.volume.provenance.spacing is not None
    assert one.volume.provenance.spacing[0] == pytest.approx(3.0 * c, abs=1e-4)


def test_a_broken_slice_is_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    paths = series(tmp_path, stack_positions(6))
    whole = paths[5].read_bytes()
    paths[5].write_bytes(whole[:-20])
    found, skipped = read_dicom_series(paths)
    assert [len(one.volume.voxels) for one in found] == [5]
    assert [(line.path, line.reason_code) for line in skipped] == [(str(paths[5]), Reason.TRUNCATED)]


def test_radiographs_stay_apart_and_pictures_become_z(tmp_path: Path) -> None:
    def write(modality: str, uid: str) -> list[Path]:
        return [
            save(
                dataset(np.full((4, 6), n, np.uint8), Modality=modality, InstanceNumber=n, SeriesInstanceUID=uid),
                tmp_path / f"{modality}{9 - n}.dcm",
            )
            for n in (1, 2, 3)
        ]

    found, skipped = read_dicom_series(write("DX", "1.1") + write("US", "1.2"))
    assert not skipped
    shapes = {one.uid: one.volume.voxels.shape for one in found}
    assert shapes == {"1.1": (1, 4, 6), "1.1#2": (1, 4, 6), "1.1#3": (1, 4, 6), "1.2": (3, 4, 6)}
    assert levels(next(one for one in found if one.uid == "1.2")) == [1, 2, 3]
    assert all(one.volume.affine is None for one in found)


def test_a_single_slice_is_as_deep_as_it_is_thick(tmp_path: Path) -> None:
    one = read_one(series(tmp_path, [(1, 2, 3)], orientation=AXIAL, SliceThickness=7.0))
    assert one.volume.provenance.spacing == (7.0, 0.5, 0.75)


@pytest.mark.parametrize(
    "tags",
    [
        {"ImageOrientationPatient": [0.0] * 6},
        {"ImageOrientationPatient": [1.0, 0, 0, 1.0, 0, 0]},
        {"PixelSpacing": [0.0, 1.0]},
        {"ImagePositionPatient": None},
    ],
)
def test_nonsense_geometry_is_no_geometry(tmp_path: Path, tags: dict[str, Any]) -> None:
    one = read_one(series(tmp_path, stack_positions(2), each=[tags, tags]))
    assert one.volume.affine is None
    assert len(one.volume.voxels) == 2
    assert any(w.startswith("no_geometry:") for w in one.volume.provenance.warnings)
