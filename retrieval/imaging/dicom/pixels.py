"""Decode the pixels of one DICOM file: stored values as they are, or RGB where it is colour.

pydicom's own decoders do it, on Pillow, pylibjpeg-openjpeg and python-gdcm. They refuse 12-bit extended JPEG; gdcm
itself reads it, and tests hold its result equal to dcmtk's, so that one goes to gdcm directly. gdcm aborts its process
on some damaged frames, which no Python can catch: it is always given them in a worker, which then costs one file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gdcm
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    JPEG2000,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

from radseek.retrieval.errors import InputError, Reason
from radseek.retrieval.imaging.admission import admit_dicom, admit_payload
from radseek.retrieval.imaging.dicom.codestream import frame_size
from radseek.retrieval.imaging.dicom.dicom_header import read_header, read_pixel_tags
from radseek.retrieval.imaging.dicom.mosaic import mosaic_of, unfold
from radseek.retrieval.imaging.dicom.palette import palette_to_rgb
from radseek.retrieval.imaging.dicom.pixel_layout import mend_layout
from radseek.retrieval.imaging.reading_errors import input_errors
from radseek.retrieval.workers import call_apart

__all__ = ["Decoded", "decode", "decode_file", "frames_of_file", "may_abort"]

_COLOUR_BITS: Final = 8
# Where several plug-ins decode the same, not gdcm. Lossless JPEG, JPEG-LS and 12 bits are left to it.
_PLUGINS: Final = {
    JPEGBaseline8Bit: "pillow",
    JPEGExtended12Bit: "pillow",  # of 8 bits
    JPEG2000: "pylibjpeg",
    JPEG2000Lossless: "pylibjpeg",
}
_BY_GDCM: Final = frozenset({JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless})
_SECONDS: Final = 8.0  # that gdcm may take for the smallest file, and one more
_BYTES_A_SECOND: Final = 4_000_000  # for so many decoded bytes: a tenth of its speed


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """Frames `(N, Y, X)` of stored values, or `(N, Y, X, 3)` uint8 RGB, and what had to be mended to read them."""

    frames: NDArray[Any]
    warnings: tuple[str, ...] = ()


def decode_file(path: Path, header: Dataset | None = None) -> NDArray[Any]:
    """Return the frames of a file alone; see `decode`."""
    return decode(path, header).frames


def decode(path: Path, header: Dataset | None = None) -> Decoded:
    """Return the frames of a file: `(N, Y, X)` stored values, or `(N, Y, X, 3)` uint8 RGB; a mosaic unfolded.

    `header` saves reading it again where it is at hand.
    Raises InputError: `no_pixels`, `truncated`, `too_large`, `unsupported_syntax`, `decode_failed`, and those of
    the header.
    """
    dataset = read_pixel_tags(path)
    with input_errors(path, "header"):
        admit_dicom(dataset, path)
        mosaic = mosaic_of(read_header(path) if header is None else header)
    with input_errors(path, "pixels"):
        _ensure_decoder(dataset, path)
        mended = mend_layout(dataset)
        doubts = admit_payload(dataset, path)
        frames, odd = _frames_apart(dataset, path) if may_abort(dataset) else _frames(dataset, path)
        if mosaic is not None:
            frames = unfold(frames[0], mosaic)
        return Decoded(frames.astype(frames.dtype.newbyteorder("="), copy=False), (*mended, *doubts, *odd))


def frames_of_file(path: Path) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return the decoded frames of an admitted file, and what is odd about them; what a worker does for `decode`."""
    dataset = read_pixel_tags(path)
    with input_errors(path, "pixels"):
        mend_layout(dataset)
        return _frames(dataset, path)


def may_abort(dataset: FileDataset) -> bool:
    """Whether a data set's pixels are for gdcm, and so for a worker."""
    syntax = dataset.file_meta.TransferSyntaxUID
    return syntax in _BY_GDCM or (syntax == JPEGExtended12Bit and _is_12_bit(dataset))


def _frames_apart(dataset: FileDataset, path: Path) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Decode in a worker, which may die of it; the next file is given to another."""
    values = int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("NumberOfFrames") or 1)
    seconds = _SECONDS + values * int(dataset.SamplesPerPixel) * int(dataset.BitsAllocated) / 8 / _BYTES_A_SECOND
    try:
        found: tuple[NDArray[Any], tuple[str, ...]] = call_apart(
            "radseek.retrieval.imaging.dicom.pixels:frames_of_file", path.absolute(), time_limit=seconds
        )
    except InputError as error:
        if error.path:
            raise
        raise InputError(error.reason, f"{path.name}: {error}", path=str(path)) from error
    return found


def _ensure_decoder(dataset: FileDataset, path: Path) -> None:
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        get_decoder(syntax)
    except NotImplementedError as error:
        message = f"{path.name}: {syntax.name} cannot be decoded; export it as Explicit VR Little Endian"
        raise InputError(Reason.UNSUPPORTED_SYNTAX, message, path=str(path)) from error


def _frames(dataset: FileDataset, path: Path) -> tuple[NDArray[Any], tuple[str, ...]]:
    syntax = dataset.file_meta.TransferSyntaxUID
    extended = syntax == JPEGExtended12Bit and _is_12_bit(dataset)
    stored = _by_gdcm(dataset, path) if extended else pixel_array(dataset, decoding_plugin=_PLUGINS.get(syntax, ""))
    colour = int(dataset.SamplesPerPixel) > 1
    frames = stored if stored.ndim == (4 if colour else 3) else stored[None]
    if str(dataset.PhotometricInterpretation) == "PALETTE COLOR":
        return palette_to_rgb(frames, dataset)
    return (_to_8_bits(frames[..., :3], int(dataset.BitsStored)) if colour else frames), ()


def _to_8_bits(frames: NDArray[Any], stored: int) -> NDArray[np.uint8]:
    """Samples of `stored` bits as 8: the highest of more, or fewer spread over 0..255."""
    if stored > _COLOUR_BITS:
        frames = frames >> (stored - _COLOUR_BITS)
    elif stored < _COLOUR_BITS:
        most = (1 << stored) - 1
        frames = (frames.astype(np.uint16) * 255 + most // 2) // most
    return frames.astype(np.uint8)


def _is_12_bit(dataset: FileDataset) -> bool:
    first = next(generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames") or 1)), b"")
    announced = frame_size(first)
    return announced is not None and announced.precision == 12


def _by_gdcm(dataset: FileDataset, path: Path) -> NDArray[np.uint16]:
    """Decode 12-bit extended JPEG, one sample a pixel, by gdcm; `(N, Y, X)` uint16."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    if not reader.Read():
        raise ValueError("gdcm cannot decode this extended JPEG")
    buffer = reader.GetImage().GetBuffer()
    # The binding hands bytes back as text with surrogate escapes.
    data = buffer if isinstance(buffer, bytes) else buffer.encode("utf-8", "surrogateescape")
    frames = int(dataset.get("NumberOfFrames") or 1)
    return np.frombuffer(data, "<u2").reshape(frames, int(dataset.Rows), int(dataset.Columns))
