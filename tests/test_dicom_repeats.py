"""Which images of a series are read: every position, one of each set, nothing dropped without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage, generate_uid

from radseek.retrieval.errors import Reason
from radseek.retrieval.imaging.dicom.dicom_series import read_dicom_series
from radseek.retrieval.imaging.views.series_views import view_names
from radseek.retrieval.types import Series, Skipped
from tests.dicom_support import dataset, functional_group, save, series, shared_group


def write(folder: Path, slices: list[tuple[float, int, dict[str, Any]]], **tags: Any) -> list[Path]:
    """One file a (height, level, tags of its own); the slice holds the level everywhere."""
    return series(
        folder, [(0.0, 0.0, height) for height, _, _ in slices],
        pixels=[np.full((4, 6), level, np.int16) for _, level, _ in slices],
        each=[{"InstanceNumber": n, **own} for n, (_, _, own) in enumerate(slices, start=1)],
        **({"Modality": "MR"} | tags),
    )  # fmt: skip


def read(paths: list[Path]) -> tuple[list[Series], list[Skipped]]:
    """Read, and hold that neither order of the files changes what is read."""
    found, skipped = read_dicom_series(paths)
    again, _ = read_dicom_series(paths[::-1])
    assert [levels(one) for one in again] == [levels(one) for one in found]
    return found, skipped


def levels(one: Series) -> list[int]:
    return [int(plane.flat[0]) for plane in one.volume.voxels]


def words(one: Series) -> set[str]:
    return {warning.split(":")[0] for warning in one.volume.provenance.warnings}


def block(heights: list[float], level: int, tag: str = "AcquisitionNumber", value: Any = 1) -> list[Any]:
    return [(height, level + n, {tag: value}) for n, height in enumerate(heights)]


def heights(start: int, stop: int, step: int = 1) -> list[float]:
    return [float(h) for h in range(start, stop, step)]


# name, slices (height, level, tags), and the levels of each series that must come out
UP = heights(0, 10)
SETS: dict[str, tuple[list[Any], list[list[int]]]] = {
    "overlapping acquisitions": (
        block(heights(0, 7), 100) + block(heights(6, 12), 200, value=2),
        [[*range(100, 107), *range(201, 206)]],
    ),
    "the larger acquisition second": (
        block(heights(0, 4), 100) + block(heights(3, 12), 200, value=2),
        [[100, 101, 102, *range(200, 209)]],
    ),
    "three consecutive acquisitions, one slice shared by each two": (
        block(heights(0, 5), 100) + block(heights(4, 9), 200, value=2) + block(heights(8, 13), 300, value=3),
        [[*range(100, 105), *range(201, 205), *range(301, 305)]],
    ),
    "two stacks that overlap": (
        block(heights(0, 7), 100, "StackID", "1") + block(heights(6, 12), 200, "StackID", "2"),
        [[*range(100, 107), *range(201, 206)]],
    ),
    "one position doubled, nothing but the number differs": (
        [(h, int(h), {}) for h in UP[:5]] + [(4.0, 99, {})] + [(h, int(h), {}) for h in UP[5:]],
        [list(range(10))],
    ),
    "half of the positions doubled": (
        [(h, int(h), {}) for h in UP] + [(h, 100 + int(h), {}) for h in UP[:5]],
        [list(range(10))],
    ),
    "the first time point lacks a slice": (
        block(UP[:4] + UP[5:], 100, "TemporalPositionIdentifier", 1) + block(UP, 200, "TemporalPositionIdentifier", 2),
        [list(range(200, 210))],
    ),
    "the last time point lacks slices": (
        block(UP, 100, "TemporalPositionIdentifier", 1) + block(UP[:6], 200, "TemporalPositionIdentifier", 2),
        [list(range(100, 110))],
    ),
    "each time point lacks another slice": (
        block(UP[:4] + UP[5:], 100, "TemporalPositionIdentifier", 1)
        + block(UP[:7] + UP[8:], 200, "TemporalPositionIdentifier", 2),
        [[100, 101, 102, 103, 204, *range(104, 109)]],
    ),
    "a clock that ticks within each volume": (
        [(h, 100 * t + int(h), {"AcquisitionTime": f"1200{10 * t + int(h) // 3:02d}"}) for t in range(3) for h in UP],
        [list(range(10))],
    ),
    "a clock of two values, by turns": (
        [(h, 100 * t + int(h), {"AcquisitionTime": f"21250{8 + int(h) % 2}"}) for t in range(3) for h in UP],
        [list(range(10))],
    ),
    "a clock that ticks across the end of a volume": (
        [(h, 100 * t + int(h), {"ContentTime": f"1200{(7 * t + int(h)) // 4:02d}"}) for t in range(3) for h in UP[:7]],
        [list(range(7))],
    ),
    "a clock with one value for each volume": (
        [(h, 100 * t + int(h), {"AcquisitionTime": f"12000{t}", "InstanceNumber": 1}) for t in (2, 0, 1) for h in UP],
        [list(range(10))],
    ),
    "numbered position by position": (
        [(h, 100 * t + int(h), {}) for h in UP for t in range(3)],
        [list(range(10))],
    ),
    "trigger times that grow from slice to slice": (
        [(h, 100 * t + int(h), {"TriggerTime": 10 * t + int(h), "InstanceNumber": 1}) for h in UP for t in range(3)],
        [list(range(10))],
    ),
    "three at each position, in three folders of numbers": (
        [(h, 100 * t + int(h), {"AcquisitionNumber": t + 1}) for t in range(3) for h in UP],
        [list(range(10))],
    ),
    "interleaved acquisitions": (
        block(heights(0, 10, 2), 100) + block(heights(1, 10, 2), 200, value=2),
        [[100, 200, 101, 201, 102, 202, 103, 203, 104, 204]],
    ),
    "two distances between slices, some positions shared, by thickness": (
        block(heights(0, 51, 2), 100, "SliceThickness", 2.0) + block(heights(0, 51, 5), 200, "SliceThickness", 5.0),
        [list(range(100, 126)), list(range(200, 211))],
    ),
    "two distances between slices, some positions shared, by acquisition": (
        block(heights(0, 51, 2), 100) + block(heights(0, 51, 5), 200, value=2),
        [list(range(100, 126)), list(range(200, 211))],
    ),
    "two distances between slices, some positions shared, by number alone": (
        [(h, 100 + n, {}) for n, h in enumerate(heights(0, 51, 5))]
        + [(h, 200 + n, {}) for n, h in enumerate(heights(0, 51, 2))],
        [list(range(200, 226)), list(range(100, 111))],
    ),
    "two distances between slices, no position shared": (
        block(heights(0, 50, 5), 100, "SliceThickness", 5.0)
        + block([h + 0.6 for h in heights(0, 50, 3)], 200, "SliceThickness", 3.0),
        [list(range(200, 217)), list(range(100, 110))],
    ),
    "positions that differ by rounding": (
        [(0.625 * n, n, {"EchoTime": 5}) for n in range(10)]
        + [(round(0.625 * n, 1), 100 + n, {"EchoTime": 80}) for n in range(10)],
        [list(range(10))],
    ),
    "slices thinner than the rounding": ([(0.05 * n, n, {}) for n in range(10)], [list(range(10))]),
    "another echo goes further": (
        block(heights(0, 7), 100, "EchoTime", 5.0) + block(heights(5, 10), 200, "EchoTime", 80.0),
        [list(range(100, 107)), list(range(200, 205))],
    ),
    "a kernel of half the positions": (
        block(UP, 100, "ConvolutionKernel", "B60") + block(UP[:5], 200, "ConvolutionKernel", "B30"),
        [list(range(100, 110))],
    ),
    "numbers of one value, written in two ways": (
        [(h, int(h), {"EchoTime": "5" if int(h) % 2 else "5.0"}) for h in UP]
        + [(h, 100 + int(h), {"EchoTime": "80"}) for h in UP],
        [list(range(10))],
    ),
    "a lost position in every time point": (
        [(h, 100 * t + int(h), {"TemporalPositionIdentifier": t + 1}) for t in range(2) for h in UP if h != 4],
        [[5, 6, 7, 8, 9], [0, 1, 2, 3]],
    ),
}  # fmt: skip


@pytest.mark.slow
def test_every_position_is_read_from_one_set(tmp_path: Path) -> None:
    wrong = []
    for n, (name, (slices, expected)) in enumerate(SETS.items()):
        found, skipped = read(write(tmp_path / str(n), slices))
        got = [levels(one) for one in found]
        if got != expected or skipped:
            wrong.append(f"{name}: {got}, expected {expected}; {[line.message for line in skipped]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_whatever_is_left_out_is_counted_in_a_warning(tmp_path: Path) -> None:
    """The number of files is that of the slices read plus the counts in `dropped_slices`, and a warning says why."""
    wrong = []
    for n, (name, (slices, _)) in enumerate(SETS.items()):
        found, _ = read_dicom_series(write(tmp_path / str(n), slices))
        used, dropped = sum(len(one.volume.voxels) for one in found), found[0].volume.provenance.dropped_slices
        said = "\n".join(found[0].volume.provenance.warnings)
        if used + dropped != len(slices) or (dropped and f"{dropped} images" not in said):
            wrong.append(f"{name}: {len(slices)} files, {used} read, {dropped} dropped; {said}")
    assert not wrong, "\n".join(wrong)


def test_one_uid_for_all_slices_drops_none(tmp_path: Path) -> None:
    """An anonymiser was seen to do it; with positions, and without them."""
    places = {"ImagePositionPatient": None}
    for name, tags, count in (("placed", {}, 10), ("loose", places, 10)):
        slices = [(h, int(h), {"SOPInstanceUID": "1.2.9", **tags}) for h in UP]
        found, skipped = read(write(tmp_path / name, slices, Modality="CT"))
        assert not skipped
        assert [levels(one) for one in found] == [list(range(count))]
        assert "shared_uid" in words(found[0])


@pytest.mark.slow
def test_copies_are_the_same_pixels_at_the_same_place(tmp_path: Path) -> None:
    """One UID: copies are duplicates, other pixels are another set. Other UIDs: the same."""
    wrong = []
    for n, (uid, second, duplicates) in enumerate([("1.2.9.1", 0, 10), ("1.2.9.1", 100, 0), ("", 0, 10), ("", 100, 0)]):
        uids = (uid or "1.2.7", uid or "1.2.8")
        first, again = (
            [(h, more + int(h), {"SOPInstanceUID": f"{root}.{int(h)}", "InstanceNumber": 1}) for h in UP]
            for root, more in zip(uids, (0, second), strict=True)
        )
        found, skipped = read_dicom_series(
            write(tmp_path / f"{n}" / "a", first) + write(tmp_path / f"{n}" / "b", again)
        )
        counted = [line.reason_code for line in skipped].count(Reason.DUPLICATE)
        said = bool(words(found[0]) & {"repeats"})
        if [levels(one) for one in found] != [list(range(10))] or counted != duplicates or said != (not duplicates):
            wrong.append((uid, second, counted, [levels(one) for one in found], words(found[0])))
    assert not wrong


def test_air_of_equal_pixels_at_other_places_is_no_duplicate(tmp_path: Path) -> None:
    slices = [(h, 7, {"SOPInstanceUID": "1.2.9"}) for h in UP]
    found, skipped = read(write(tmp_path, slices))
    assert not skipped
    assert len(found[0].volume.voxels) == 10


def test_stations_beside_one_another_are_two_series(tmp_path: Path) -> None:
    """Two sagittal stations of a spine: the same places along the normal, another one within the plane."""
    places = [(3.0 * k, 0.0, z) for z in (0.0, 200.0) for k in range(6)]
    paths = series(tmp_path, places, orientation=(0, 1, 0, 0, 0, -1), Modality="MR")
    found, skipped = read(paths)
    assert not skipped
    assert sorted(levels(one) for one in found) == [[1, 2, 3, 4, 5, 6][::-1], [7, 8, 9, 10, 11, 12][::-1]]


# (mark of magnitude, mark of the other part): tags, and private elements as (group, creator, element, VR, value)
PARTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Siemens phase": ({"ImageType": ["ORIGINAL", "PRIMARY", "M"]}, {"ImageType": ["ORIGINAL", "PRIMARY", "P"]}),
    "derived magnitude": ({"ImageType": ["DERIVED", "PRIMARY", "M"]}, {"ImageType": ["ORIGINAL", "PRIMARY", "I"]}),
    "Philips real": (
        {"ImageType": ["ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"]},
        {"ImageType": ["ORIGINAL", "PRIMARY", "R_FFE", "R", "FFE"]},
    ),
    "Philips phase map": (
        {"ImageType": ["ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"]},
        {"ImageType": ["ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE"]},
    ),
    "standard": ({"ComplexImageComponent": "MAGNITUDE"}, {"ComplexImageComponent": "IMAGINARY"}),
    "standard, against ImageType": (
        {"ImageType": ["ORIGINAL", "PRIMARY", "M"], "ComplexImageComponent": "MAGNITUDE"},
        {"ImageType": ["ORIGINAL", "PRIMARY", "M"], "ComplexImageComponent": "REAL"},
    ),
    "GE real": (
        {"private": (0x0043, "GEMS_PARM_01", 0x2F, "SS", 0)}, {"private": (0x0043, "GEMS_PARM_01", 0x2F, "SS", 2)},
    ),
    "GE phase, no mark on magnitude": ({}, {"private": (0x0043, "GEMS_PARM_01", 0x2F, "SS", 1)}),
    "Philips private": (
        {"private": (0x2005, "Philips MR Imaging DD 001", 0x11, "CS", "M")},
        {"private": (0x2005, "Philips MR Imaging DD 001", 0x11, "CS", "P")},
    ),
}  # fmt: skip


def slices_with(folder: Path, marks: list[tuple[int, dict[str, Any]]], **common: Any) -> list[Path]:
    """Four slices for each (level, tags); tags may hold one `private` element."""
    paths = []
    for n, (level, tags) in enumerate(marks):
        for k in range(4):
            own = dict(tags)
            private = own.pop("private", None)
            found = dataset(
                np.full((4, 6), level + k, np.int16),
                **{
                    "Modality": "MR", "ImagePositionPatient": [0, 0, 3 * k],
                    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [1, 1], "SliceThickness": 3,
                    "InstanceNumber": 4 * n + k + 1, **common, **own,
                },
            )  # fmt: skip
            if private is not None:
                group, creator, element, vr, value = private
                found.private_block(group, creator, create=True).add_new(element, vr, value)
            paths.append(save(found, folder / f"{generate_uid()[-12:]}.dcm"))
    return paths


@pytest.mark.slow
def test_magnitude_is_read_before_other_parts(tmp_path: Path) -> None:
    """The other part is numbered first, so that it wins wherever its mark is not understood."""
    wrong = []
    for name, (magnitude, other) in PARTS.items():
        found, skipped = read_dicom_series(slices_with(tmp_path / name, [(100, other), (0, magnitude)]))
        one = found[0]
        if len(found) != 1 or skipped or levels(one) != [0, 1, 2, 3] or "complex_parts" not in words(one):
            wrong.append((name, [levels(one) for one in found], one.volume.provenance.warnings))
    assert not wrong


def test_a_series_of_another_part_alone_is_read_and_not_called_a_contrast(tmp_path: Path) -> None:
    wrong = []
    for name, (_, other) in PARTS.items():
        found, _ = read_dicom_series(slices_with(tmp_path / name, [(0, other)], SeriesDescription="t1"))
        said = found[0].attributes.get("ComplexImageComponent")
        told = "complex_parts" in words(found[0])
        if levels(found[0]) != [0, 1, 2, 3] or said == "MAGNITUDE" or view_names(found[0]) != ("mr",) or not told:
            wrong.append((name, said, view_names(found[0])))
    assert not wrong


def test_a_private_element_of_another_creator_says_nothing(tmp_path: Path) -> None:
    mark = {"private": (0x0043, "ACME 1.0", 0x2F, "SS", 1)}
    found, _ = read_dicom_series(slices_with(tmp_path, [(0, mark), (100, {})], Manufacturer="GE MEDICAL SYSTEMS"))
    assert levels(found[0]) == [0, 1, 2, 3]
    assert "ComplexImageComponent" not in found[0].attributes


def test_enhanced_magnitude_is_read_before_phase(tmp_path: Path) -> None:
    """Frames of phase first; told apart by Complex Image Component in the frame type alone."""
    groups, planes = [], []
    for n, part in enumerate(("PHASE", "MAGNITUDE")):
        for k in range(3):
            group, kind = functional_group((0, 0, 2 * k)), Dataset()
            kind.ComplexImageComponent, kind.FrameType = part, ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
            group.MRImageFrameTypeSequence = [kind]
            groups.append(group)
            planes.append(np.full((4, 6), 100 * (1 - n) + k, np.uint16))
    one = dataset(
        np.stack(planes), SOPClassUID=EnhancedMRImageStorage, Modality="MR", PerFrameFunctionalGroupsSequence=groups,
        SharedFunctionalGroupsSequence=[shared_group()], ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "MIXED"],
    )  # fmt: skip
    found, _ = read_dicom_series([save(one, tmp_path / "a.dcm")])
    assert [levels(one) for one in found] == [[0, 1, 2]]
    assert "complex_parts" in words(found[0])


def test_enhanced_frames_of_an_unknown_dimension_are_told_apart(tmp_path: Path) -> None:
    groups = []
    for index in (2, 1):
        for k in range(3):
            group = functional_group((0, 0, 2 * k))
            group.FrameContentSequence[0].DimensionIndexValues = [k + 1, index]
            groups.append(group)
    pointers = [Dataset(), Dataset()]
    pointers[0].DimensionIndexPointer, pointers[1].DimensionIndexPointer = 0x00209057, 0x20051055
    one = dataset(
        np.stack([np.full((4, 6), level, np.uint16) for level in (100, 101, 102, 0, 1, 2)]),
        SOPClassUID=EnhancedMRImageStorage, Modality="MR", PerFrameFunctionalGroupsSequence=groups,
        SharedFunctionalGroupsSequence=[shared_group()], DimensionIndexSequence=pointers,
    )  # fmt: skip
    found, _ = read_dicom_series([save(one, tmp_path / "a.dcm")])
    assert [levels(one) for one in found] == [[0, 1, 2]]


def patched(path: Path, tag: bytes, vr: bytes, text: bytes) -> None:
    """Overwrite the value of a short element in a file, as no library writes it."""
    data = path.read_bytes()
    at = data.index(tag + vr)
    length = int.from_bytes(data[at + 6 : at + 8], "little")
    text += b" " * (len(text) % 2)
    path.write_bytes(data[: at + 6] + len(text).to_bytes(2, "little") + text + data[at + 8 + length :])


@pytest.mark.slow
@pytest.mark.parametrize("text", [b"A1", b"first", b"1,5", b"--", b"1e999"])
def test_a_number_that_is_none_refuses_nothing_and_is_named(tmp_path: Path, text: bytes) -> None:
    numbers = {
        "SeriesNumber": (b"\x20\x00\x11\x00", b"IS", 1), "InstanceNumber": (b"\x20\x00\x13\x00", b"IS", 1),
        "AcquisitionNumber": (b"\x20\x00\x12\x00", b"IS", 1), "EchoNumbers": (b"\x18\x00\x86\x00", b"IS", 1),
        "TemporalPositionIdentifier": (b"\x20\x00\x00\x01", b"IS", 1), "EchoTime": (b"\x18\x00\x81\x00", b"DS", 1),
        "TriggerTime": (b"\x18\x00\x60\x10", b"DS", 1), "SliceLocation": (b"\x20\x00\x41\x10", b"DS", 1),
        "InversionTime": (b"\x18\x00\x82\x00", b"DS", 1), "RepetitionTime": (b"\x18\x00\x80\x00", b"DS", 1),
        "SliceThickness": (b"\x18\x00\x50\x00", b"DS", 1), "SpacingBetweenSlices": (b"\x18\x00\x88\x00", b"DS", 1),
    }  # fmt: skip
    wrong = []
    for name, (tag, vr, value) in numbers.items():
        paths = write(tmp_path / name, [(h, int(h), {name: value}) for h in UP])
        for path in paths:
            patched(path, tag, vr, text)
        found, skipped = read_dicom_series(paths)
        said = [w for one in found for w in one.volume.provenance.warnings if w.startswith(f"bad_number: {name} ")]
        if skipped or [levels(one) for one in found] != [list(range(10))] or len(said) != 1:
            wrong.append((name, [levels(one) for one in found], said, [line.message for line in skipped]))
    assert not wrong


def test_slices_without_places_are_ordered_by_the_digits_of_a_number_that_is_none(tmp_path: Path) -> None:
    slices = [(float(n), n, {"ImagePositionPatient": None, "InstanceNumber": n}) for n in (10, 2, 1)]
    paths = write(tmp_path, slices)
    for path, n in zip(paths, (10, 2, 1), strict=True):
        patched(path, b"\x20\x00\x13\x00", b"IS", b"A%d" % n)
    found, skipped = read_dicom_series(paths)
    assert not skipped
    assert levels(found[0]) == [1, 2, 10]
