"""What a header says of the layout of its pixels, mended where it is missing or cannot be, before anything is decoded.

What is missing is taken from what is there (PS3.3 C.7.6.3.1), and each repair is a provenance warning. Uncompressed
pixels only, where bytes themselves decide: YBR_FULL_422 with three bytes a pixel, and stored bits that do not start
at bit 0 (PS3.5 8.1.1).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.uid import JPEGBaseline8Bit

from radseek.retrieval.imaging.dicom.header_numbers import whole_number
from radseek.retrieval.imaging.dicom.lookup_table import is_little_endian

__all__ = ["mend_layout"]

_GREY: Final = frozenset({"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"})
_SAMPLE_BITS: Final = (8, 16, 32)
_NEAR_GREY: Final = 8  # levels of 255 by which the channels of a grey pixel may differ
_CLEARLY: Final = 1.5  # times as many grey pixels in one colour model as in the other


def mend_layout(dataset: FileDataset) -> tuple[str, ...]:
    """Mend the data set in place, and return what was mended, `("pixel_header: ...", ...)`."""
    doubts = [*_samples(dataset), *_bits(dataset)]
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated and isinstance(dataset.get("PixelData"), bytes):
        doubts += [*_colour_of_422(dataset), *_high_bit(dataset)]
    return tuple(f"pixel_header: {doubt}" for doubt in doubts)


def _samples(dataset: FileDataset) -> list[str]:
    """SamplesPerPixel, PhotometricInterpretation and PlanarConfiguration, made to agree."""
    doubts = []
    said = str(dataset.get("PhotometricInterpretation") or "").strip().upper()
    samples = whole_number(dataset, "SamplesPerPixel", 0) or (1 if not said or said in _GREY else 3)
    look = said
    if samples == 1 and said not in _GREY:
        look = "MONOCHROME2"
    elif samples > 1 and (not said or said in _GREY):
        look = "YBR_FULL_422" if dataset.file_meta.TransferSyntaxUID == JPEGBaseline8Bit else "RGB"
    if look != said:
        what = f"is {said}" if said else "is missing"
        doubts.append(f"PhotometricInterpretation {what} with {samples} sample(s) a pixel; {look} is taken")
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = samples, look
    if samples > 1 and whole_number(dataset, "PlanarConfiguration", -1) not in (0, 1):
        doubts.append("PlanarConfiguration is missing; colour by pixel is taken")
        dataset.PlanarConfiguration = 0
    return doubts


def _bits(dataset: FileDataset) -> list[str]:
    """BitsAllocated, BitsStored and PixelRepresentation."""
    if dataset.get("FloatPixelData") or dataset.get("DoubleFloatPixelData"):
        return []
    doubts = []
    allocated = whole_number(dataset, "BitsAllocated", 0)
    stored = whole_number(dataset, "BitsStored", 0)
    if allocated == 0:
        allocated = 16 if stored > 8 else 8
        doubts.append(f"BitsAllocated is missing; {allocated} is taken")
    if not 1 <= stored <= allocated:
        doubts.append(f"BitsStored is {stored or 'missing'}; BitsAllocated, {allocated}, is taken")
        stored = allocated
    signed = whole_number(dataset, "PixelRepresentation", -1)
    if signed not in (0, 1):
        doubts.append("PixelRepresentation is missing; unsigned is taken")
        signed = 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.PixelRepresentation = allocated, stored, signed
    return doubts


def _colour_of_422(dataset: FileDataset) -> list[str]:
    """YBR_FULL_422 holds two bytes a pixel (PS3.3 C.7.6.3.1.2); with three it is another model, under a wrong name.

    Readers that take the first two thirds for 4:2:2 show a scrambled picture, so they are taken for it only where the
    last third is empty. Else grey pixels distinguish the models: equal channels in RGB, chroma near 128 in YBR_FULL.
    """
    pixels = math.prod(whole_number(dataset, keyword, 1) for keyword in ("Rows", "Columns", "NumberOfFrames"))
    data = dataset.PixelData
    named = str(dataset.PhotometricInterpretation) == "YBR_FULL_422" and whole_number(dataset, "BitsAllocated", 8) == 8
    if not named or len(data) < 3 * pixels:
        return []
    whole = np.frombuffer(data, np.uint8, count=3 * pixels)
    if not whole[2 * pixels :].any():
        dataset.PixelData = data[: 2 * pixels]
        return ["three bytes a pixel where YBR_FULL_422 has two, the last third empty; read as YBR_FULL_422"]
    dataset.PhotometricInterpretation = model = _model(whole, pixels, planar=int(dataset.PlanarConfiguration) == 1)
    return [f"three bytes a pixel where YBR_FULL_422 has two; read as {model}"]


def _model(data: NDArray[np.uint8], pixels: int, *, planar: bool) -> str:
    colour = data.reshape(-1, 3, pixels)[0].T if planar and len(data) == 3 * pixels else data.reshape(-1, 3)
    colour = colour[:: max(1, len(colour) // 100_000)].astype(np.int16)
    as_rgb = np.ptp(colour, axis=1) <= _NEAR_GREY
    as_ybr = (np.abs(colour[:, 1:] - 128) <= _NEAR_GREY).all(axis=1)
    return "RGB" if as_rgb.sum() > _CLEARLY * max(1, as_ybr.sum()) else "YBR_FULL"


def _high_bit(dataset: FileDataset) -> list[str]:
    """Move stored bits that end at HighBit down to bit 0; pydicom takes them to be there already.

    A header whose HighBit is wrong is found by its values: they fit into BitsStored as they are.
    """
    allocated, stored = int(dataset.BitsAllocated), int(dataset.BitsStored)
    shift = whole_number(dataset, "HighBit", stored - 1) - (stored - 1)
    if allocated not in _SAMPLE_BITS or not 0 < shift <= allocated - stored:
        return []
    order = "<" if is_little_endian(dataset) else ">"
    data: bytes = dataset.PixelData
    size = allocated // 8
    words: NDArray[Any] = np.frombuffer(data[: len(data) // size * size], f"{order}u{size}")
    signed = words.view(f"{order}i{size}")
    low, high = (int(signed.min()), int(signed.max())) if int(dataset.PixelRepresentation) else (0, int(words.max()))
    top = 1 << (stored - 1 if int(dataset.PixelRepresentation) else stored)
    if (low >= -top and high < top) or not words.size:
        return [f"HighBit is {shift + stored - 1}, the values end at bit {stored - 1}; they are read as they are"]
    dataset.PixelData = (words >> shift).astype(words.dtype).tobytes()
    return []
