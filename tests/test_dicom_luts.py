"""Modality LUT, rescale, VOI LUT, windows and padding, each on its own (PS3.3 C.11.1, C.11.2, C.7.5.1.1.2).

Expected values are the tables themselves, looked up by hand, and what dcmtk and pydicom make of the same files.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels.processing import apply_modality_lut
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRBigEndian, ImplicitVRLittleEndian

from radseek.retrieval.imaging.dicom.dicom_series import read_dicom_series
from radseek.retrieval.imaging.views.series_views import make_views, unpadded
from radseek.retrieval.types import Series
from tests.dicom_support import dataset, save

RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)
SIGNED = (RAMP.astype(np.int32) - 2048).astype(np.int16)


def radiograph(pixels: NDArray[Any] = RAMP, *, bits: int = 12, **tags: Any) -> FileDataset:
    common = {"SOPClassUID": ComputedRadiographyImageStorage, "Modality": "CR", "BitsStored": bits, "HighBit": bits - 1}
    return dataset(pixels, **(common | tags))


def item(descriptor: Any, data: Any, *, vr: str = "OW", descriptor_vr: str = "US", kind: str = "US") -> Dataset:
    found = Dataset()
    found.add_new(0x00283002, descriptor_vr, descriptor)
    found.add_new(0x00283006, vr, data)
    found.ModalityLUTType = kind
    return found


def words(values: NDArray[Any]) -> bytes:
    return values.astype("<u2").tobytes()


def curve(count: int, bits: int) -> NDArray[np.int64]:
    """A table that rises as a root, from 0 to the most that `bits` hold."""
    return (np.sqrt(np.linspace(0, 1, count)) * (2**bits - 1)).astype(np.int64)


def read(path: Path) -> Series:
    found, skipped = read_dicom_series([path])
    assert not skipped, skipped
    return found[0]


def codes(series: Series) -> list[str]:
    return [warning.split(":")[0] for warning in series.volume.provenance.warnings]


def tables() -> dict[str, tuple[Dataset, NDArray[Any], NDArray[np.int64], int, int]]:
    """Name: item, the stored pixels it is for, its entries, its first value, its bits."""
    made: dict[str, tuple[Dataset, NDArray[Any], NDArray[np.int64], int, int]] = {}
    for bits in (8, 10, 12, 14, 16):
        entries = curve(4096, bits)
        made[f"{bits} bits as OW"] = item([4096, 0, bits], words(entries)), RAMP, entries, 0, bits
        made[f"{bits} bits as US"] = item([4096, 0, bits], entries.tolist(), vr="US"), RAMP, entries, 0, bits
    small, part = curve(4096, 8), curve(2048, 12)
    packed = small.astype(np.uint8).tobytes()
    made["packed two a word"] = item([4096, 0, 8], packed), RAMP, small, 0, 8
    made["packed, said to be 16"] = item([4096, 0, 16], packed), RAMP, small, 0, 8
    made["starts above 0"] = item([2048, 1000, 12], words(part)), RAMP, part, 1000, 12
    whole = curve(4096, 12)
    made["signed first value"] = item([4096, -2048, 12], words(whole), descriptor_vr="SS"), SIGNED, whole, -2048, 12
    made["signed, written unsigned"] = item([4096, 63_488, 12], words(whole)), SIGNED, whole, -2048, 12
    made["65,536 entries, written 0"] = item([0, 0, 16], words(curve(65_536, 16))), RAMP, curve(65_536, 16), 0, 16
    made["fewer than announced"] = item([4096, 0, 12], words(curve(3000, 12))), RAMP, curve(3000, 12), 0, 12
    made["more than announced"] = item([3000, 0, 12], words(whole)), RAMP, whole, 0, 12
    made["bits 0"] = item([4096, 0, 0], words(whole)), RAMP, whole, 0, 12
    return made


def looked_up(pixels: NDArray[Any], entries: NDArray[np.int64], first: int) -> list[int]:
    return [int(entries[min(max(int(value) - first, 0), len(entries) - 1)]) for value in pixels.ravel()]


@pytest.mark.slow
def test_tables_of_every_depth_and_packing(tmp_path: Path) -> None:
    wrong = []
    for name, (one, pixels, entries, first, bits) in tables().items():
        expected = np.array(looked_up(pixels, entries, first)).reshape(64, 64)
        by_modality = read(save(radiograph(pixels, ModalityLUTSequence=[one]), tmp_path / f"m {name}.dcm"))
        if not np.array_equal(by_modality.volume.voxels[0], expected) or by_modality.volume.provenance.rescale != (
            "modality_lut"
        ):
            wrong.append(f"modality, {name}")
        by_voi = read(save(radiograph(pixels, VOILUTSequence=[one]), tmp_path / f"v {name}.dcm"))
        shown = make_views(by_voi)[0].slices[0]
        if not np.array_equal(shown, np.floor(expected / (2**bits - 1) * 255 + 0.5)):
            wrong.append(f"VOI, {name}")
        said = "lut_mended" in codes(by_voi)
        if said != (name in {"fewer than announced", "more than announced", "bits 0"}):
            wrong.append(f"warning, {name}: {codes(by_voi)}")
    assert not wrong


@pytest.mark.slow
def test_tables_equal_those_of_dcmtk(tmp_path: Path) -> None:
    """Within one level, for dcmtk rounds to eight bits in another place."""
    if shutil.which("dcm2pnm") is None:
        pytest.skip("dcm2pnm is not installed (Debian package dcmtk)")
    wrong = {}
    for name, (one, pixels, *_) in tables().items():
        if name == "packed, said to be 16":  # dcmtk shows it black
            continue
        path = save(radiograph(pixels, VOILUTSequence=[one]), tmp_path / "a.dcm")
        subprocess.run(["dcm2pnm", "+Wl", "1", str(path), str(tmp_path / "a.pgm")], check=True, capture_output=True)
        theirs = np.asarray(Image.open(tmp_path / "a.pgm")).astype(int)
        if (far := int(np.abs(theirs - make_views(read(path))[0].slices[0]).max())) > 1:
            wrong[name] = far
    assert not wrong


@pytest.mark.parametrize("bits", [8, 16])
def test_modality_tables_equal_those_of_pydicom(tmp_path: Path, bits: int) -> None:
    path = save(radiograph(ModalityLUTSequence=[item([4096, 0, bits], words(curve(4096, bits)))]), tmp_path / "a.dcm")
    stored = pydicom.dcmread(path)
    assert np.array_equal(read(path).volume.voxels[0], apply_modality_lut(stored.pixel_array, stored))


def test_other_transfer_syntaxes_hold_the_same_tables(tmp_path: Path) -> None:
    """Big-endian words, and implicit VR, where nothing says whether the data are US or OW."""
    entries = curve(4096, 12)
    for syntax, order in ((ExplicitVRBigEndian, ">u2"), (ImplicitVRLittleEndian, "<u2")):
        table = item([4096, 0, 12], entries.astype(order).tobytes())
        made = radiograph(RAMP, syntax=syntax, ModalityLUTSequence=[table], PixelData=RAMP.astype(order).tobytes())
        bare = Dataset()
        bare.update(made)
        bare.file_meta = made.file_meta
        pydicom.dcmwrite(tmp_path / "a.dcm", bare, enforce_file_format=True)
        assert np.array_equal(read(tmp_path / "a.dcm").volume.voxels[0].ravel(), entries), syntax.name


EMPTY = (Dataset(), item(None, None), item([], b""))
GOOD: dict[str, Any] = {"RescaleSlope": 2, "RescaleIntercept": -100, "WindowCenter": 1500, "WindowWidth": 1000}
# A table nobody can use: two numbers, no data, one value everywhere, one entry.
BROKEN = (
    item([4096, 0], b"\0\0" * 4096),
    item([4096, 0, 12], None),
    item([4096, 0, 12], b"\7\0" * 4096),
    item([1, 0, 12], b"\1\0"),
)


def test_what_is_empty_counts_as_absent(tmp_path: Path) -> None:
    plain = read(save(radiograph(**GOOD), tmp_path / "plain.dcm"))
    wrong = []
    for number, nothing in enumerate(EMPTY):
        for tag in ("ModalityLUTSequence", "VOILUTSequence"):
            one = read(save(radiograph(**GOOD, **{tag: [nothing]}), tmp_path / f"{number}{tag}.dcm"))
            same = np.array_equal(one.volume.voxels, plain.volume.voxels) and one.voi == plain.voi
            wrong += [] if same or one.voi is not None else [f"{number} {tag}"]
            wrong += [f"{number} {tag} said {codes(one)}"] if codes(one) else []
            assert np.array_equal(make_views(one)[0].slices, make_views(plain)[0].slices), (number, tag)
    for tag in GOOD:
        one = read(save(radiograph(**(GOOD | {tag: ""})), tmp_path / f"{tag}.dcm"))
        wrong += [f"{tag} said {codes(one)}"] if codes(one) not in ([], ["rescale_slope"], ["window_ignored"]) else []
    assert not wrong


def test_a_bad_one_takes_no_good_one_with_it(tmp_path: Path) -> None:
    """Each of the four broken in turn, by what writers were seen to write, the others kept."""
    plain = read(save(radiograph(**GOOD), tmp_path / "plain.dcm"))
    shown = make_views(plain)[0].slices
    wrong = []
    for number, broken in enumerate(BROKEN):
        for tag, word in (("ModalityLUTSequence", "modality_lut_ignored"), ("VOILUTSequence", "voi_lut_ignored")):
            one = read(save(radiograph(**GOOD, **{tag: [broken]}), tmp_path / f"{number}{tag}.dcm"))
            if codes(one) != [word] or not np.array_equal(make_views(one)[0].slices, shown):
                wrong.append((number, tag, codes(one)))
    usable = item([4096, 0, 12], words(curve(4096, 12)))
    second = read(save(radiograph(VOILUTSequence=[BROKEN[0], usable]), tmp_path / "second.dcm"))
    assert second.voi is not None
    assert second.voi.lut is not None, "the second table of a VOI LUT sequence is tried where the first is broken"
    assert not wrong


@pytest.mark.parametrize(
    ("written", "bad", "word", "slope", "intercept", "window"),
    [
        ("7.77", "x.yz", "rescale_ignored", 1, 3.25, (150.0, 99.5)),
        ("3.25", "1,25", "rescale_ignored", 7.77, 0, (150.0, 99.5)),
        ("150.", "mid.", "window_ignored", 7.77, 3.25, None),
        ("99.5", "wide", "window_ignored", 7.77, 3.25, None),
    ],
)
def test_text_where_a_number_belongs(
    tmp_path: Path,
    written: str,
    bad: str,
    word: str,
    slope: float,
    intercept: float,
    window: tuple[float, float] | None,
) -> None:
    tags = {"RescaleSlope": "7.77", "RescaleIntercept": "3.25", "WindowCenter": "150.", "WindowWidth": "99.5"}
    path = save(radiograph(**tags), tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes().replace(written.encode(), bad.encode()))
    one = read(path)
    assert word in codes(one)
    assert np.allclose(one.volume.voxels[0], RAMP * slope + intercept, rtol=1e-6)
    assert (None if one.voi is None else (one.voi.center, one.voi.width)) == window


def test_a_slope_of_zero_leaves_the_intercept(tmp_path: Path) -> None:
    """As GDCM reads it: the slope is one, and the warning says so."""
    one = read(save(radiograph(RescaleSlope=0, RescaleIntercept=-1000), tmp_path / "a.dcm"))
    assert one.volume.voxels[0, 0, :3].tolist() == [-1000, -999, -998]
    assert codes(one) == ["rescale_ignored", "rescale_slope"]


def test_the_first_sane_window_is_used(tmp_path: Path) -> None:
    """PS3.3 C.11.2.1.2: several windows are alternatives; one that shows nothing is none."""
    wrong = []
    for centers, widths, used in (
        ([2000, 1500], [1000, 500], (2000, 1000)),
        ([2000, 1500], [0, 500], (1500, 500)),
        ([2000, 1500], [65_536, 500], (1500, 500)),
        ([90_000, 1500], [400, 500], (1500, 500)),
        ([2000, 1500, 1400], [0.5, -3, 600], (1400, 600)),
        ([2000, 1500], [500], (2000, 500)),
        ([2000, 1500], [0, 0], None),
        ([2000, 1500], [0.25, 65_536], None),
    ):
        one = read(save(radiograph(WindowCenter=centers, WindowWidth=widths), tmp_path / "a.dcm"))
        alone = {} if used is None else {"WindowCenter": used[0], "WindowWidth": used[1]}
        expected = read(save(radiograph(**alone), tmp_path / "b.dcm"))
        if not np.array_equal(make_views(one)[0].slices, make_views(expected)[0].slices):
            wrong.append((centers, widths))
    assert not wrong


def test_names_of_the_window_function(tmp_path: Path) -> None:
    wrong = []
    for said, function, warned in (
        ("LINEAR", "LINEAR", False), ("sigmoid", "SIGMOID", False), ("Linear Exact", "LINEAR_EXACT", False),
        ("linear-exact", "LINEAR_EXACT", False), ("", "LINEAR", False), ("CUBIC", "LINEAR", True),
    ):  # fmt: skip
        made = radiograph(WindowCenter=2000, WindowWidth=1000, VOILUTFunction="LINEAR_EXACT")
        path = save(made, tmp_path / "a.dcm")
        path.write_bytes(path.read_bytes().replace(b"LINEAR_EXACT", said.ljust(12).encode()))
        one = read(path)
        if one.voi is None or one.voi.function != function or ("voi_function" in codes(one)) != warned:
            wrong.append(said)
    assert not wrong


def padded(value: int, limit: int | None, **tags: Any) -> FileDataset:
    """A signed ramp -500..499 inside a margin that runs through -2000..-1801."""
    image = np.concatenate([np.arange(-2000, -1800), np.arange(-500, 500)]).astype(np.int16).reshape(40, 30)
    found = radiograph(image, bits=16, **tags)
    found.add_new(0x00280120, "SS", value)
    if limit is not None:
        found.add_new(0x00280121, "SS", limit)
    return found


def test_a_padding_range_is_no_part_of_the_image(tmp_path: Path) -> None:
    wrong = []
    for name, value, limit, slope, intercept, left in (
        ("range", -2000, -1801, 1, 0, range(-500, 500)),
        ("the other order", -1801, -2000, 1, 0, range(-500, 500)),
        ("a part of the margin", -2000, -1901, 1, 0, [*range(-1900, -1800), *range(-500, 500)]),
        ("rescaled", -2000, -1801, 2, -100, range(-1100, 900, 2)),
        ("a falling slope", -2000, -1801, -1, 0, range(-499, 501)),
        ("one value", -2000, None, 1, 0, [*range(-1999, -1800), *range(-500, 500)]),
    ):
        tags = {"RescaleSlope": slope, "RescaleIntercept": intercept}
        one = read(save(padded(value, limit, **tags), tmp_path / "a.dcm"))
        kept = unpadded(one, one.volume.voxels)
        if sorted(kept.tolist()) != sorted(left) or codes(one):
            wrong.append((name, codes(one), int(kept.min()), int(kept.max())))
        # Windows come from what is left: the ramp fills the display.
        shown = make_views(one)[0].slices[0].reshape(-1)[200:]
        if name == "range" and (shown.min(), shown.max()) != (0, 255):
            wrong.append((name, int(shown.min()), int(shown.max())))
    assert not wrong


def test_padding_amid_the_image_is_not_followed(tmp_path: Path) -> None:
    """The standard puts padding outside the range of the image's values; a header that errs is said to."""
    wrong = []
    for name, value, limit in (("amid", 0, None), ("a range amid", -100, 100), ("all of it", -2000, 2000)):
        one = read(save(padded(value, limit), tmp_path / "a.dcm"))
        if codes(one) != ["padding_ignored"] or unpadded(one, one.volume.voxels).size != one.volume.voxels.size:
            wrong.append((name, codes(one)))
    assert not wrong


def test_padding_above_the_image_and_through_a_table(tmp_path: Path) -> None:
    """MONOCHROME1 pads at the top of the range; a modality LUT maps padding as it maps pixels."""
    image = np.concatenate([np.full(200, 4095), np.arange(1000, 2000)]).astype(np.uint16).reshape(40, 30)
    tags = {"PixelPaddingValue": 4095, "PhotometricInterpretation": "MONOCHROME1"}
    above = read(save(radiograph(image, **tags), tmp_path / "above.dcm"))
    assert unpadded(above, above.volume.voxels).max() == 1999
    falling = item([4096, 0, 12], words(4095 - np.arange(4096)))
    mapped = read(save(radiograph(image, ModalityLUTSequence=[falling], **tags), tmp_path / "mapped.dcm"))
    kept = unpadded(mapped, mapped.volume.voxels)
    assert (kept.size, int(kept.min()), int(kept.max())) == (1000, 4095 - 1999, 4095 - 1000)
