"""What may be decoded at all: limits that are checked on headers, before any pixel is.

A header of a few bytes can ask for terabytes, and a deflated file of 1 MB can hold one of 1 GB; nothing
here allocates more than a small buffer.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames, parse_basic_offsets, parse_fragments
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from radseek.retrieval.errors import InputError, Reason
from radseek.retrieval.imaging.dicom.codestream import frame_size

__all__ = [
    "MAX_DECODED_BYTES",
    "MAX_FILE_BYTES",
    "MAX_INFLATED_BYTES",
    "MAX_RATIO",
    "MAX_SIDE",
    "RATIO_FREE_BYTES",
    "admit_dicom",
    "admit_file",
    "admit_inflated",
    "admit_nifti",
    "admit_payload",
]

GIB: Final = 1024**3
MAX_FILE_BYTES: Final = 4 * GIB  # one file on disk
MAX_DECODED_BYTES: Final = 4 * GIB  # one file's voxels as stored: Rows x Columns x Frames x Samples x bytes
MAX_SIDE: Final = 32_768  # pixels or frames; mammograms stay under 6,000, stitched radiographs under 15,000
MAX_INFLATED_BYTES: Final = 1 * GIB  # a deflated DICOM file, whole
MAX_RATIO: Final = 200  # inflated : stored, once RATIO_FREE_BYTES are passed
RATIO_FREE_BYTES: Final = 64 * 1024**2  # small files may compress as well as they like
_RLE_RATIO: Final = 64  # two bytes stand for 128 at most (PS3.5 G.3.1)
_LEAST_FRAME: Final = 8  # bytes of a compressed frame: its item's tag and length
_VIDEO: Final = "1.2.840.10008.1.2.4.10"  # MPEG: all frames in one piece
_CHUNK: Final = 1024**2
_BITS: Final = (1, 8, 16, 32, 64)


def admit_file(path: Path) -> int:
    """Return the size of a file in bytes; InputError `too_large`, `truncated` (empty) or `bad_header`."""
    try:
        size = path.stat().st_size
    except OSError as error:
        message = f"{path.name}: cannot be read ({error.strerror}); check the path and its permissions"
        raise InputError(Reason.BAD_HEADER, message, path=str(path)) from error
    if size == 0:
        raise _refuse(path, Reason.TRUNCATED, "the file is empty", "copy it again")
    if size > MAX_FILE_BYTES:
        raise _refuse(path, Reason.TOO_LARGE, f"{size:,} bytes, above {MAX_FILE_BYTES:,}", "split it")
    return size


def admit_inflated(path: Path, start: int) -> None:
    """Inflate a deflated DICOM file from byte `start` chunk by chunk, keeping none, until a limit is passed.

    Raises InputError `too_large` as soon as the inflated size exceeds what the stored size allows.
    """
    stored = max(path.stat().st_size - start, 1)
    limit = min(MAX_INFLATED_BYTES, max(RATIO_FREE_BYTES, stored * MAX_RATIO))
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    total = 0
    with path.open("rb") as file:
        file.seek(start)
        while chunk := file.read(_CHUNK):
            # What follows the stream's end (PS3.5 A.5 pads an odd one with a zero byte) is never consumed.
            while chunk and not inflater.eof:
                total += len(inflater.decompress(chunk, _CHUNK))
                chunk = inflater.unconsumed_tail
                if total > limit:
                    rule = f"{stored:,} deflated bytes hold more than {limit:,}"
                    raise _refuse(path, Reason.TOO_LARGE, rule, "export it undeflated")
            if inflater.eof:
                return


def admit_dicom(header: Dataset, path: Path) -> None:
    """Check the size that a DICOM header asks for, `Rows x Columns x Frames x Samples x bytes`.

    Raises InputError: `no_pixels` without Rows or Columns, `bad_header` for sizes that cannot be,
    `too_large` above a limit.
    """
    if header.get("Rows") is None or header.get("Columns") is None:
        raise _refuse(path, Reason.NO_PIXELS, "no Rows and Columns", "leave it out")
    rows, columns, frames, samples, bits = _sizes(header)
    if min(rows, columns, frames) < 1 or samples not in (1, 3, 4) or bits not in _BITS:
        rule = f"{rows} x {columns}, {frames} frames, {samples} samples of {bits} bits cannot be an image"
        raise _refuse(path, Reason.BAD_HEADER, rule, "check the header with dcmdump")
    _within(path, (frames, rows, columns, samples), bits)
    if frames > 1:
        _admit_number(header, path)


def _admit_number(header: Dataset, path: Path) -> None:
    """Refuse more frames than the file has bytes for, before any is looked at: a number is changed easily."""
    syntax = getattr(header, "file_meta", Dataset()).get("TransferSyntaxUID")
    if syntax is None or syntax == DeflatedExplicitVRLittleEndian or not path.is_file():
        return
    rows, columns, frames, samples, bits = _sizes(header)
    if syntax.is_encapsulated:
        each: float = 0 if syntax.startswith(_VIDEO) else _LEAST_FRAME
    else:
        each = rows * columns * samples * bits / 8
        each = each * 2 / 3 if header.get("PhotometricInterpretation") == "YBR_FULL_422" else each
    if (held := path.stat().st_size) < int(each * frames):
        rule = f"{frames} frames are announced, and {held:,} bytes cannot hold them"
        raise _refuse(path, Reason.TRUNCATED, rule, "copy it again from its source")


def admit_nifti(shape: Sequence[int], itemsize: int, path: Path, *, file_bytes: int) -> None:
    """Check the size that a NIfTI header asks for: `shape` voxels of `itemsize` bytes.

    `file_bytes` is the size on disk, compressed or not; an array far larger than it could hold is refused.
    Raises InputError `bad_header` or `too_large`.
    """
    if not 1 <= len(shape) <= 7 or min(shape) < 1:
        raise _refuse(path, Reason.BAD_HEADER, f"shape {tuple(shape)} cannot be", "check it with nib-ls")
    _within(path, tuple(int(n) for n in shape), 8 * itemsize)
    total = math.prod(int(n) for n in shape) * itemsize
    if path.name.endswith(".gz") and total > max(RATIO_FREE_BYTES, file_bytes * MAX_RATIO):
        rule = f"{file_bytes:,} bytes would have to hold {total:,}"
        raise _refuse(path, Reason.TOO_LARGE, rule, "decompress it with gunzip if it is what it says")


def admit_payload(dataset: Dataset, path: Path) -> tuple[str, ...]:
    """Check that the pixel data is there, long enough, and of the size that the header says; return what is odd.

    Raises InputError: `no_pixels`, `truncated`, `too_large` where a compressed frame is larger than the header says, or
    the pixels are far larger than so few bytes hold.
    """
    native = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}
    name = next((k for k in ("PixelData", *native) if dataset.get(k)), None)
    if name is None:
        raise _refuse(path, Reason.NO_PIXELS, "no pixel data", "leave it out, or copy it again if cut short")
    data: bytes = dataset[name].value
    rows, columns, frames, samples, bits = _sizes(dataset)
    if name == "PixelData" and dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        present = _admit_count(data, frames, path)
        _admit_ratio(dataset, len(data), path)
        if dataset.file_meta.TransferSyntaxUID != RLELossless:  # its frames announce no size
            _admit_frames(dataset, frames, path)
            return ()
        return _more_frames(present, frames)
    bits = native.get(name, bits)
    pixels = rows * columns * frames * samples
    if dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
        pixels = pixels * 2 // 3
    if len(data) < math.ceil(pixels * bits / 8):
        whole = f"{math.ceil(pixels * bits / 8):,} are announced" + (f" for {frames} frames" if frames > 1 else "")
        rule = f"{len(data):,} bytes of pixels where {whole}"
        raise _refuse(path, Reason.TRUNCATED, rule, "copy it again from its source")
    return _more_frames(len(data) // max(1, math.ceil(pixels * bits / 8 / frames)), frames)


def _more_frames(present: int, frames: int) -> tuple[str, ...]:
    if present <= frames:
        return ()
    return (f"more_frames: {present} frames are stored, NumberOfFrames says {frames}; the first of them are read",)


def _admit_count(data: bytes, frames: int, path: Path) -> int:
    """Return how many pieces compressed pixels have; each frame is one at least."""
    # The offset table comes first; what is left of the buffer are the pieces.
    buffer = BytesIO(data)
    parse_basic_offsets(buffer)
    present, _ = parse_fragments(buffer)
    if present < frames:
        rule = f"{present} compressed frames are there, {frames} are announced"
        raise _refuse(path, Reason.TRUNCATED, rule, "copy it again from its source")
    return present


def _admit_ratio(dataset: Dataset, stored: int, path: Path) -> None:
    rows, columns, frames, samples, bits = _sizes(dataset)
    asked = math.ceil(rows * columns * frames * samples * bits / 8)
    if dataset.file_meta.TransferSyntaxUID == RLELossless:
        if asked > stored * _RLE_RATIO:
            rule = f"{stored:,} run-length coded bytes cannot hold the {asked:,} that are announced"
            raise _refuse(path, Reason.TRUNCATED, rule, "copy it again from its source")
    elif asked > max(RATIO_FREE_BYTES, stored * MAX_RATIO):
        rule = f"{stored:,} compressed bytes would have to hold {asked:,}"
        raise _refuse(path, Reason.TOO_LARGE, rule, "export it uncompressed if it is what it says")


def _admit_frames(dataset: Dataset, frames: int, path: Path) -> None:
    """Each compressed frame must be of the header's size: codecs trust their own, and gdcm aborts where they differ."""
    rows, columns, _, samples, bits = _sizes(dataset)
    for number, frame in enumerate(generate_frames(dataset.PixelData, number_of_frames=frames)):
        inside = frame_size(frame)
        if inside is None:
            rule = f"frame {number} does not start as {dataset.file_meta.TransferSyntaxUID.name} does"
            raise _refuse(path, Reason.DECODE_FAILED, rule, "export it again")
        if inside.width * inside.height > columns * rows:
            rule = f"frame {number} is {inside.width} x {inside.height} inside, {columns} x {rows} in the header"
            raise _refuse(path, Reason.TOO_LARGE, rule, "export it again")
        same = (inside.width, inside.height, inside.samples) == (columns, rows, samples)
        if not same or inside.precision > bits:
            rule = f"frame {number} holds {inside}, the header says {columns} x {rows} x {samples} of {bits} bits"
            raise _refuse(path, Reason.DECODE_FAILED, rule, "export it again")


def _sizes(header: Dataset) -> tuple[int, int, int, int, int]:
    """Rows, columns, frames, samples, bits allocated; an absent optional one as its default."""
    frames = header.get("NumberOfFrames")
    return (
        int(header.Rows),
        int(header.Columns),
        1 if frames in (None, "") else int(frames),
        int(header.get("SamplesPerPixel") or 1),
        int(header.get("BitsAllocated") or 16),
    )


def _within(path: Path, shape: tuple[int, ...], bits: int) -> None:
    size = math.ceil(math.prod(shape) * bits / 8)
    if size > MAX_DECODED_BYTES:
        rule = f"{' x '.join(map(str, shape))} of {bits} bits is {size:,} bytes, above {MAX_DECODED_BYTES:,}"
        raise _refuse(path, Reason.TOO_LARGE, rule, "split it")
    if max(shape) > MAX_SIDE:
        raise _refuse(path, Reason.TOO_LARGE, f"a side of {max(shape)}, above {MAX_SIDE}", "split it")


def _refuse(path: Path, reason: Reason, rule: str, remedy: str) -> InputError:
    return InputError(reason, f"{path.name}: {rule}; {remedy}", path=str(path))
