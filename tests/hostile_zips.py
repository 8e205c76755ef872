"""Zip archives that mean harm, each by name: what they try is to write elsewhere, to fill the disk, or to confuse."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom

__all__ = ["HOSTILE", "write_hostile"]

EVIL = b"an upload wrote this outside its folder"
Writer = Callable[[zipfile.ZipFile], None]


def write_hostile(name: str, path: Path, outside: Path) -> Path:
    """Write one of `HOSTILE` to `path`; `outside` is an absolute path that it tries to reach."""
    path.write_bytes(HOSTILE[name](outside))
    return path


def _zip(*entries: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return buffer.getvalue()


def _special(name: str, mode: int, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, mode << 16
        archive.writestr(info, data)
        through = zipfile.ZipInfo(f"{name}/evil.dcm")
        archive.writestr(through, EVIL)
    return buffer.getvalue()


def _twice(name: str) -> bytes:
    """Two members of one name: `zipfile` only warns, so the second name is written over by hand."""
    other = name[:-1] + ("x" if name[-1] != "x" else "y")
    return _zip((name, EVIL), (other, EVIL)).replace(other.encode(), name.encode())


def _nul() -> bytes:
    return _zip(("evil_dcm.png", EVIL)).replace(b"evil_dcm.png", b"evil\x00dcm.png")


def _central(data: bytes, offset: int, form: str, value: int) -> bytes:
    """Write over a field of the first central-directory entry."""
    place = data.index(b"PK\x01\x02") + offset
    return data[:place] + struct.pack(form, value) + data[place + struct.calcsize(form) :]


def _overlapping(count: int = 50) -> bytes:
    """Many names in the directory, all of one member's bytes (after Fifield's construction)."""
    whole = _zip(("0000.dcm", b"\0" * 1_000_000), method=zipfile.ZIP_DEFLATED)
    start = whole.index(b"PK\x01\x02")
    end = whole.index(b"PK\x05\x06")
    entry = whole[start:end]
    entries = b"".join(entry.replace(b"0000.dcm", f"{n:04d}.dcm".encode()) for n in range(count))
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(entries), start, 0)
    return whole[:start] + entries + tail


def _bomb(size: int = 100_000_000) -> bytes:
    return _zip(("bomb.dcm", b"\0" * size), method=zipfile.ZIP_DEFLATED)


def _lzma_bomb() -> bytes:
    return _zip(("bomb.nii", b"\0" * 30_000_000), method=zipfile.ZIP_LZMA)


def _many(count: int = 12_000) -> bytes:
    return _zip(*((f"{n}.dcm", b"") for n in range(count)))


def _big_total(count: int = 100, size: int = 60_000_000) -> bytes:
    """Every member passes alone; the directory announces 6 GB together."""
    data = b"\0" * size
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("0000.dcm", data)
        first = archive.infolist()[0]
        for number in range(1, count):  # the same stored bytes again, without deflating them again
            info = zipfile.ZipInfo(f"{number:04d}.dcm")
            info.compress_type = zipfile.ZIP_DEFLATED
            _append_raw(archive, info, buffer, first)
    return buffer.getvalue()


def _append_raw(archive: zipfile.ZipFile, info: zipfile.ZipInfo, buffer: io.BytesIO, like: zipfile.ZipInfo) -> None:
    start = like.header_offset + 30 + len(like.filename)
    raw = buffer.getbuffer()[start : start + like.compress_size].tobytes()
    info.header_offset = archive.start_dir
    info.CRC, info.compress_size, info.file_size = like.CRC, like.compress_size, like.file_size
    buffer.seek(archive.start_dir)
    buffer.write(info.FileHeader(zip64=False) + raw)
    archive.start_dir = buffer.tell()
    archive.filelist.append(info)
    archive.NameToInfo[info.filename] = info


def _nested(depth: int = 5) -> bytes:
    data = _zip(("bomb.dcm", b"\0" * 10_000_000), method=zipfile.ZIP_DEFLATED)
    for level in range(depth):
        data = _zip((f"level{level}.zip", data), ("more.zip", data))
    return data


def _deflated_dicom() -> bytes:
    """A DICOM file whose dataset is 200 MB of zeros, deflated."""
    import zlib

    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = pydicom.uid.CTImageStorage, "1.2.3"
    head = io.BytesIO()
    pydicom.filewriter.write_file_meta_info(head, meta, enforce_standard=True)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packer.compress(struct.pack("<HH2sHL", 0x7FE0, 0x10, b"OB", 0, 200_000_000))
    body += b"".join(packer.compress(b"\0" * 1_000_000) for _ in range(200)) + packer.flush()
    return _zip(("small.dcm", b"\0" * 128 + b"DICM" + head.getvalue() + body))


def _huge_rows() -> bytes:
    """A DICOM header that asks for terabytes."""
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = pydicom.uid.CTImageStorage, "1.2.3"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.Modality = "1.2", "1.2.1", "CT"
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 65535, 65535, "2000"
    dataset.SamplesPerPixel, dataset.BitsAllocated, dataset.BitsStored = 1, 16, 16
    dataset.HighBit, dataset.PixelRepresentation, dataset.PhotometricInterpretation = 15, 0, "MONOCHROME2"
    dataset.PixelData = b"\0" * 16
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    out = io.BytesIO()
    pydicom.dcmwrite(out, dataset, enforce_file_format=True)
    return _zip(("huge.dcm", out.getvalue()))


def _nifti_bomb() -> bytes:
    import gzip

    import nibabel as nib

    header = nib.Nifti1Header()
    header.set_data_shape((30_000, 30_000, 30_000))
    header.set_data_dtype(np.float64)
    return _zip(("huge.nii.gz", gzip.compress(header.binaryblock + b"\0" * 1000)))


HOSTILE: dict[str, Callable[[Path], bytes]] = {
    "absolute": lambda outside: _zip((str(outside), EVIL)),
    "absolute_windows": lambda outside: _zip((f"C:{outside}", EVIL)),
    "absolute_drive_backslash": lambda _: _zip(("C:\\evil.dcm", EVIL)),
    "unc": lambda _: _zip(("\\\\host\\share\\evil.dcm", EVIL)),
    "parent": lambda _: _zip(("../evil.dcm", EVIL)),
    "parent_deep": lambda _: _zip(("a/b/../../../../../evil.dcm", EVIL)),
    "parent_backslash": lambda _: _zip(("..\\..\\evil.dcm", EVIL)),
    "parent_to_outside": lambda outside: _zip(("../" * 12 + str(outside).lstrip("/"), EVIL)),
    "parent_beside_image": lambda _: _zip(("a.png", b"\x89PNG\r\n\x1a\n"), ("../evil.png", EVIL)),
    "link_absolute": lambda outside: _special("link", stat.S_IFLNK | 0o777, str(outside.parent).encode()),
    "link_relative": lambda _: _special("link", stat.S_IFLNK | 0o777, b"../.."),
    "device": lambda _: _special("null", stat.S_IFCHR | 0o666, b""),
    "fifo": lambda _: _special("pipe", stat.S_IFIFO | 0o666, b""),
    "same_name": lambda _: _twice("scan.dcm"),
    "nul_in_name": lambda _: _nul(),
    "overlapping": lambda _: _overlapping(),
    "bomb": lambda _: _bomb(),
    "bomb_lzma": lambda _: _lzma_bomb(),
    "many_members": lambda _: _many(),
    "big_together": lambda _: _big_total(),
    "forged_small": lambda _: _central(_bomb(80_000_000), 24, "<L", 100),
    "forged_large": lambda _: _central(_zip(("a.dcm", EVIL)), 24, "<L", 0xFFFFFFF0),
    "nested": lambda _: _nested(),
    "encrypted": lambda _: _central(_zip(("a.dcm", EVIL)), 8, "<H", 1),
    "truncated": lambda _: _zip(("a.dcm", EVIL * 100))[:-60],
    "wrong_sum": lambda _: _central(_zip(("a.dcm", EVIL)), 16, "<L", 12345),
    "directory_elsewhere": lambda _: _central(_zip(("a.dcm", EVIL)), 42, "<L", 1_000_000),
    "file_and_folder": lambda _: _zip(("a", EVIL), ("a/b.dcm", EVIL)),
    "long_name": lambda _: _zip(("n" * 5000 + ".dcm", EVIL)),
    "long_path": lambda _: _zip(("/".join(["d"] * 3000) + "/a.dcm", EVIL)),
    "terminal_codes": lambda _: _zip(("\x1b[2J\x1b]0;owned\x07.dcm", EVIL)),
    "html_name": lambda _: _zip(("<img src=x onerror=alert(1)>.dcm", EVIL)),
    "empty": lambda _: _zip(),
    "dicom_deflated": lambda _: _deflated_dicom(),
    "dicom_huge": lambda _: _huge_rows(),
    "nifti_huge": lambda _: _nifti_bomb(),
}
