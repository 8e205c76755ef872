"""Files changed at random, by kind: what a broken disk, a broken exporter or somebody who means ill would send.

`mutant(seed, number)` is a pure function: the same two numbers give the same bytes on every machine with the same
pydicom. Bases are pydicom's own test files and small files made here; none is anybody's scan.
"""

from __future__ import annotations

import gzip
import io
import random
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import nibabel as nib
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, RLELossless

__all__ = ["KINDS", "Mutant", "mutant", "own_slices"]

_LARGEST: Final = 400_000  # bytes of a base; larger ones only cost time
_VRS: Final = (
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"OB", b"OD", b"OF", b"OL",
    b"OV", b"OW", b"PN", b"SH", b"SL", b"SQ", b"SS", b"ST", b"SV", b"TM", b"UC", b"UI", b"UL", b"UN", b"UR", b"US",
    b"UT", b"UV", b"XX", b"\0\0", b"zz",
)  # fmt: skip
_LONG: Final = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_SYNTAXES: Final = (
    "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.5", "1.2.3.4", "",
)  # fmt: skip
_VALUES: Final = (
    b"", b"\0\0", b"\xff\xff", b"\xff\xff\xff\x7f", b"-1", b"0 ", b"1e400 ", b"NaN ", b"inf ", b"99999999", b"A1",
    b"1\\2\\3 ", b"\\\\\\ ", b"\xff\xfe\xfd\xfc", b"\0" * 64, b"9" * 400, b"1.2.3.4.5.6", b"HFS ", b"YBR_FULL_422",
    b"PALETTE COLOR ", b"ISO 2022 IR 87", b"20269999", b"PT", b"CT", b"DERIVED\\MOSAIC",
)  # fmt: skip
_PIXELS: Final = b"\xe0\x7f\x10\x00"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed file: what it would be called, how it was changed, and its bytes."""

    name: str
    kind: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _Element:
    """Where one explicit little-endian element stands: from `start`, its value `value:stop`."""

    start: int
    value: int
    stop: int


def mutant(seed: int, number: int) -> Mutant:
    """Return mutant `number` of a seed; numbers from 0 on, without an end."""
    rng = random.Random(f"{seed}:{number}")
    names = list(KINDS)
    kind = names[number % len(names)]
    suffix, pool, change = KINDS[kind]
    base, data = rng.choice(pool())
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = change(data, rng)
    return Mutant(f"{number:06d}_{kind}_{Path(base).stem}{suffix}", kind, data)


def _flip_bits(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(rng.choice((1, 2, 8, 64))):
        at = _somewhere(changed, rng)
        changed[at] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _overwrite(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    at, count = _somewhere(changed, rng), rng.choice((1, 2, 4, 16, 200))
    fill = rng.choice((b"\0", b"\xff", b"A", rng.randbytes(1)))
    changed[at : at + count] = rng.choice((fill * count, rng.randbytes(count)))
    return bytes(changed)


def _cut(data: bytes, rng: random.Random) -> bytes:
    at = _somewhere(data, rng)
    return rng.choice((data[:at], data[:at] + data[at + rng.randrange(1, 400) :], data[: max(1, len(data) - 1)]))


def _somewhere(data: bytes | bytearray, rng: random.Random) -> int:
    """An offset, as often among the first bytes, where headers stand, as anywhere."""
    return rng.randrange(min(len(data), rng.choice((400, 2_000, len(data)))) or 1)


def _elements(data: bytes) -> list[_Element]:
    """The top-level elements of an explicit little-endian file, as far as they can be walked."""
    found, at = [], 132 if data[128:132] == b"DICM" else 0
    while at + 8 <= len(data):
        long = data[at + 4 : at + 6] in _LONG
        value = at + (12 if long else 8)
        length = int.from_bytes(data[at + 8 : at + 12] if long else data[at + 6 : at + 8], "little")
        if length == 0xFFFFFFFF:
            end = data.find(b"\xfe\xff\xdd\xe0", value)
            length = (end if end >= 0 else len(data)) - value
        if value + length > len(data):
            break
        found.append(_Element(at, value, value + length))
        at = value + length + (8 if data[value + length : value + length + 4] == b"\xfe\xff\xdd\xe0" else 0)
    return found


def _one(data: bytes, rng: random.Random) -> _Element:
    elements = _elements(data)
    return rng.choice(elements) if elements else _Element(0, min(8, len(data)), min(12, len(data)))


def _other_vr(data: bytes, rng: random.Random) -> bytes:
    at = _one(data, rng).start
    return data[: at + 4] + rng.choice(_VRS) + data[at + 6 :]


def _other_length(data: bytes, rng: random.Random) -> bytes:
    one = _one(data, rng)
    width = 4 if one.value - one.start == 12 else 2
    length = one.stop - one.value
    new = rng.choice((0, 1, length + 1, length - 1, length * 2, 0x7FFF, 0xFFFF, 0xFFFFFFFF, 0x7FFFFFFF))
    written = (new & ((1 << 8 * width) - 1)).to_bytes(width, "little")
    return data[: one.value - width] + written + data[one.value :]


def _other_value(data: bytes, rng: random.Random) -> bytes:
    one = _one(data, rng)
    value = rng.choice((*_VALUES, rng.randbytes(rng.choice((1, 2, 8, 30)))))
    if rng.random() < 0.5:  # of the same length, so that all that follows stays in place
        value = (value * (1 + (one.stop - one.value) // max(1, len(value))))[: one.stop - one.value]
        return data[: one.value] + value + data[one.stop :]
    width = 4 if one.value - one.start == 12 else 2
    return data[: one.value - width] + len(value).to_bytes(width, "little") + value + data[one.stop :]


def _other_tag(data: bytes, rng: random.Random) -> bytes:
    one, other = _one(data, rng), _one(data, rng)
    return data[: one.start] + data[other.start : other.start + 4] + data[one.start + 4 :]


def _delete(data: bytes, rng: random.Random) -> bytes:
    one = _one(data, rng)
    return data[: one.start] + data[one.stop :]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    one, place = _one(data, rng), _one(data, rng)
    return data[: place.start] + data[one.start : one.stop] + data[place.start :]


def _nest(data: bytes, rng: random.Random) -> bytes:
    levels = rng.choice((1, 5, 60, 400, 3_000))
    opening = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closing = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    at = _one(data, rng).start
    return data[:at] + opening * levels + closing * rng.choice((levels, levels // 2, 0)) + data[at:]


def _other_syntax(data: bytes, rng: random.Random) -> bytes:
    at = data.find(b"\x02\x00\x10\x00UI")
    if at < 0:
        return _other_value(data, rng)
    length = int.from_bytes(data[at + 6 : at + 8], "little")
    uid = rng.choice(_SYNTAXES).encode()
    uid += b"\0" * (len(uid) % 2)
    return data[: at + 6] + len(uid).to_bytes(2, "little") + uid + data[at + 8 + length :]


def _other_frames(data: bytes, rng: random.Random) -> bytes:
    """Another NumberOfFrames, Rows, Columns, SamplesPerPixel or BitsAllocated, before everything else of its group."""
    count = rng.choice((b"0 ", b"-1", b"2 ", b"7 ", b"300 ", b"30000 ", b"9999999 ", b"A ", b"1\\2 "))
    element, value = rng.choice(
        ((b"\x28\x00\x08\x00IS", count), *((b"\x28\x00" + tag + b"US", struct.pack("<H", rng.choice((0, 1, 2, 3, 5, 8,
          12, 16, 32, 64, 255, 4_096, 20_000, 65_535)))) for tag in (b"\x02\x00", b"\x10\x00", b"\x11\x00",
          b"\x00\x01", b"\x01\x01", b"\x02\x01", b"\x03\x01", b"\x06\x00")))
    )  # fmt: skip
    new = element + len(value).to_bytes(2, "little") + value
    for one in _elements(data):
        if data[one.start : one.start + 4] == element[:4]:
            return data[: one.start] + new + data[one.stop :]
    at = data.find(b"\x28\x00")
    return data[:at] + new + data[at:] if at >= 0 else _other_value(data, rng)


def _pixel_bytes(data: bytes, rng: random.Random) -> bytes:
    """Changes inside the pixel data: what a codec is given."""
    start = data.find(_PIXELS)
    if start < 0 or start + 40 > len(data):
        return _flip_bits(data, rng)
    inside = bytearray(data[start:])
    for _ in range(rng.choice((1, 3, 20))):
        at = rng.randrange(8, min(len(inside), rng.choice((60, 300, len(inside)))))
        inside[at] = rng.choice((0, 0xFF, rng.randrange(256), inside[at] ^ (1 << rng.randrange(8))))
    if rng.random() < 0.2:
        del inside[rng.randrange(20, len(inside)) :]
    return data[:start] + bytes(inside)


def _nifti_field(data: bytes, rng: random.Random) -> bytes:
    """One or several header fields of NIfTI-1 set to what no scanner writes."""
    zipped = data[:2] == b"\x1f\x8b"
    changed = bytearray(gzip.decompress(data) if zipped else data)
    template = nib.Nifti1Header.template_dtype
    for _ in range(rng.choice((1, 1, 3))):
        name = rng.choice(template.names or ())
        field, at = template.fields[name][:2] if template.fields else (np.dtype("u1"), 0)
        item = field.base
        at += item.itemsize * rng.randrange(max(1, field.itemsize // item.itemsize))
        if item.kind == "f":
            value = struct.pack("<f", rng.choice((np.nan, np.inf, -np.inf, 0.0, -1.0, 1e30, 1e-30, 352.0, 3e5)))
        elif item.kind in "iu":
            value = rng.choice((-1, 0, 1, 2, 4, 7, 8, 16, 64, 128, 512, 768, 1024, 2304, 30_000, 32_767)).to_bytes(
                item.itemsize, "little", signed=True) if item.itemsize > 1 else rng.randbytes(1)  # fmt: skip
        else:
            value = rng.randbytes(item.itemsize)
        changed[at : at + len(value)] = value
    return gzip.compress(bytes(changed), 1) if zipped else bytes(changed)


def _zip_members(data: bytes, rng: random.Random) -> bytes:
    """A zip of members, some of them changed; or the archive's own bytes changed."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    name = rng.choice(list(members))
    members[name] = rng.choice((_flip_bits, _cut, _other_value, _other_vr, _overwrite))(members[name], rng)
    if rng.random() < 0.3:
        members[rng.choice(("../x.dcm", "/x.dcm", "a/../b", "x\0y", "é.dcm", "d/" * 80 + "x", "CON", "x" * 300))] = b"1"
    packed = _zip(members, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
    return rng.choice((_flip_bits, _cut, _overwrite))(packed, rng) if rng.random() < 0.6 else packed


def _zip(members: dict[str, bytes], packing: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def _zip_once(data: bytes, rng: random.Random) -> bytes:
    """A zip changed a second time is read no more as one: its bytes are changed then."""
    try:
        return _zip_members(data, rng)
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, RuntimeError):
        return _flip_bits(data, rng)
    except Exception:  # noqa: BLE001 - Python's own reader of zips fails on some in ways of its own
        return _cut(data, rng)


def _gzipped(data: bytes, rng: random.Random) -> bytes:
    """A gzip file changed, or what is in it."""
    try:
        inside = gzip.decompress(data)
    except Exception:  # noqa: BLE001 - changed before
        return _flip_bits(data, rng)
    if rng.random() < 0.5:
        return gzip.compress(rng.choice((_flip_bits, _cut, _overwrite))(inside, rng), 1)
    return rng.choice((_flip_bits, _cut, _overwrite))(data, rng)


@cache
def _dicom() -> list[tuple[str, bytes]]:
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    paths = sorted(one for one in folder.glob("*.dcm") if one.stat().st_size <= _LARGEST)
    return [*((path.name, path.read_bytes()) for path in paths), *_own_dicom()]


def _compressed() -> list[tuple[str, bytes]]:
    return [(name, data) for name, data in _dicom() if any(mark in name for mark in _CODECS)]


_CODECS: Final = ("JPEG", "jpeg", "jpg", "JPG", "jls", "jp2", "J2K", "j2k", "RLE", "rle", "ls_lossless", "jpg")


def _own_dicom() -> list[tuple[str, bytes]]:
    """A slice with every attribute that the reader looks at, as stored, deflated and run-length coded; many frames."""
    ramp = (np.arange(64 * 64, dtype=np.int16).reshape(64, 64) % 400) - 200
    many = np.stack([ramp + 10 * k for k in range(6)])
    found = []
    for name, pixels, syntax in (
        ("own_ct", ramp, ExplicitVRLittleEndian),
        ("own_deflated", ramp, DeflatedExplicitVRLittleEndian),
        ("own_rle", ramp, RLELossless),
        ("own_frames", many, ExplicitVRLittleEndian),
        ("own_frames_rle", many, RLELossless),
    ):
        found.append((f"{name}.dcm", _bytes_of(_own(pixels), syntax)))
    return found


def own_slices(count: int) -> list[bytes]:
    """Return a good study of `count` slices, a file each, with UIDs that no mutant has."""
    made = []
    for z in range(count):
        one = _own((np.arange(64 * 64, dtype=np.int16).reshape(64, 64) + z) % 400 - 200)
        one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID = "1.9.1", "1.9.1.1", f"1.9.1.1.{z + 1}"
        one.ImagePositionPatient, one.InstanceNumber = [0, 0, 2.0 * z], z + 1
        made.append(_bytes_of(one, ExplicitVRLittleEndian))
    return made


def _own(pixels: NDArray[np.int16]) -> FileDataset:
    made = FileDataset("", {}, file_meta=FileMetaDataset(), preamble=b"\0" * 128)
    values = {
        "SOPClassUID": CTImageStorage, "SOPInstanceUID": "1.2.3.4.5", "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4", "Modality": "CT", "PatientID": "p", "PatientSex": "F", "PatientAge": "040Y",
        "StudyDate": "20260101", "SeriesDescription": "head", "BodyPartExamined": "HEAD", "Manufacturer": "SIEMENS",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "InstanceNumber": 1, "ImagePositionPatient": [0, 0, 0],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [0.5, 0.5], "SliceThickness": 2,
        "SpacingBetweenSlices": 2, "RescaleSlope": 1, "RescaleIntercept": -1024, "RescaleType": "HU",
        "WindowCenter": [40, 300], "WindowWidth": [80, 1500], "EchoTime": 10, "RepetitionTime": 100,
        "AcquisitionTime": "101010.5", "ContentTime": "101011", "TriggerTime": 1, "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15,
        "PixelRepresentation": 1, "Rows": pixels.shape[-2], "Columns": pixels.shape[-1], "PatientWeight": 70,
    }  # fmt: skip
    for keyword, value in values.items():
        setattr(made, keyword, value)
    if pixels.ndim == 3:
        made.NumberOfFrames = len(pixels)
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "12738006", "SCT", "Brain"
    made.AnatomicRegionSequence = [code]
    made.PixelData = pixels.tobytes()
    return made


def _bytes_of(made: FileDataset, syntax: UID) -> bytes:
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if syntax == RLELossless:
        made.compress(syntax, generate_instance_uid=False)
    else:
        made.file_meta.TransferSyntaxUID = syntax
    out = io.BytesIO()
    made.save_as(out, enforce_file_format=True)
    return out.getvalue()


@cache
def _niftis() -> list[tuple[str, bytes]]:
    found = []
    for kind in ("int16", "uint8", "float32", "float64", "int32"):
        voxels = (np.arange(12 * 11 * 7).reshape(12, 11, 7) % 300 - 100).astype(kind)
        image = nib.Nifti1Image(voxels, np.diag([2.0, 2.0, 3.0, 1.0]))
        image.header.set_xyzt_units("mm", "sec")
        found.append((f"nifti_{kind}.nii", image.to_bytes()))
    four = nib.Nifti1Image(np.zeros((8, 8, 5, 3), np.int16), np.eye(4))
    two = nib.Nifti2Image(np.arange(8 * 8 * 5, dtype=np.int16).reshape(8, 8, 5), np.eye(4))
    return [*found, ("nifti_4d.nii", four.to_bytes()), ("nifti_2.nii", two.to_bytes())]


@cache
def _niftis_gz() -> list[tuple[str, bytes]]:
    return [(f"{name}.gz", gzip.compress(data, 1)) for name, data in _niftis()]


@cache
def _gz() -> list[tuple[str, bytes]]:
    return [(f"{name}.gz", gzip.compress(data, 1)) for name, data in _dicom()[::4]]


@cache
def _zips() -> list[tuple[str, bytes]]:
    own = dict(_own_dicom()[:3])
    beside = {"a/1.nii.gz": _niftis_gz()[0][1], "b/x.txt": b"text", "c.dcm": _dicom()[3][1]}
    return [("some.zip", _zip({**own, **beside}, zipfile.ZIP_DEFLATED))]


@cache
def _pictures() -> list[tuple[str, bytes]]:
    from PIL import Image

    found = []
    for form, mode in (("PNG", "L"), ("PNG", "RGBA"), ("PNG", "I;16"), ("JPEG", "L"), ("JPEG", "RGB")):
        out = io.BytesIO()
        Image.new(mode, (40, 30), 77 if mode in ("L", "I;16") else (9, 8, 7, 6)[: len(mode)]).save(out, form)
        found.append((f"picture_{mode.replace(';', '')}.{form.lower()}", out.getvalue()))
    return found


Change = Callable[[bytes, random.Random], bytes]
KINDS: Final[dict[str, tuple[str, Callable[[], list[tuple[str, bytes]]], Change]]] = {
    "bits": (".dcm", _dicom, _flip_bits),
    "vr": (".dcm", _dicom, _other_vr),
    "length": (".dcm", _dicom, _other_length),
    "value": (".dcm", _dicom, _other_value),
    "cut": (".dcm", _dicom, _cut),
    "overwrite": (".dcm", _dicom, _overwrite),
    "tag": (".dcm", _dicom, _other_tag),
    "delete": (".dcm", _dicom, _delete),
    "repeat": (".dcm", _dicom, _repeat),
    "nest": (".dcm", _dicom, _nest),
    "syntax": (".dcm", _dicom, _other_syntax),
    "frames": (".dcm", _dicom, _other_frames),
    "pixels": (".dcm", _compressed, _pixel_bytes),
    "nifti": (".nii", _niftis, _nifti_field),
    "nifti_gz": (".nii.gz", _niftis_gz, _nifti_field),
    "nifti_bytes": (".nii", _niftis, _overwrite),
    "gz": (".dcm.gz", _gz, _gzipped),
    "zip": (".zip", _zips, _zip_once),
    "picture": ("", _pictures, _overwrite),
}
