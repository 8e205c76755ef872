"""One PNG or JPEG to one Series of one slice, without geometry."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from radseek.retrieval.errors import InputError, Reason
from radseek.retrieval.imaging.admission import MAX_SIDE, admit_file
from radseek.retrieval.types import Provenance, Series, Volume

__all__ = ["FORMATS", "MAX_PIXELS", "PICTURE_MARK", "is_picture", "read_picture"]

FORMATS: Final = ("PNG", "JPEG")  # of the formats that Pillow knows, the two that are opened here
MAX_PIXELS: Final = 100_000_000  # a 10,000 x 10,000 scan of a film; more is a decompression bomb
PICTURE_MARK: Final = "SourceFormat"  # attribute that says a Series came from a picture file
_MAGIC: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_SIXTEEN_BIT: Final = frozenset({"I;16", "I;16B", "I;16L", "I"})

# What damaged files were seen to raise inside Pillow's PNG, JPEG and EXIF readers.
_MALFORMED: Final = (
    OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError,
    struct.error, zlib.error,
)  # fmt: skip


def is_picture(head: bytes) -> bool:
    """Whether the first bytes are those of a PNG or a JPEG."""
    return head.startswith(_MAGIC)


def read_picture(path: Path, modality: str = "") -> Series:
    """Return a PNG or JPEG as a Series with a Volume of Z = 1, as it is meant to be seen.

    Grey stays grey, `(1, Y, X)` int16 (int32 for 16-bit files); colour is `(1, Y, X, 3)` uint8 RGB. Colour
    whose three channels are equal is grey. EXIF orientation is applied, transparency lies on black, of an
    animation the first frame counts. With `modality` ("DX", ...) the picture is grey and read as that.

    Raises:
        InputError: `not_an_image`, `too_large` (by its header, before decoding), `truncated`, `decode_failed`.
    """
    admit_file(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large images and odd EXIF; the gate below decides
        pixels, source, turned = _decoded(path)
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    elif pixels.ndim == 3 and modality not in ("", "US", "SC", "OT"):
        pixels = _luma(pixels)
    if pixels.ndim == 2:
        pixels = pixels.astype(np.int16 if pixels.dtype == np.uint8 else np.int32)
    provenance = Provenance(rescale="none", orientation=("exif orientation",) if turned else ())
    volume = Volume(pixels[np.newaxis], None, "raw", provenance)
    return Series("", modality, "", "", volume, {PICTURE_MARK: source})


def _decoded(path: Path) -> tuple[NDArray[Any], str, bool]:
    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
                rule = f"{width} x {height} pixels, above {MAX_PIXELS:,} or a side above {MAX_SIDE:,}; downsample it"
                raise _failed(path, Reason.TOO_LARGE, rule)
            image.load()
            upright = ImageOps.exif_transpose(image)
            return _pixels(upright), str(image.format), upright.size != image.size or _turned(image)
    except Image.DecompressionBombError as error:
        raise _failed(path, Reason.TOO_LARGE, f"{error}; downsample it") from error
    except UnidentifiedImageError as error:
        raise _failed(path, Reason.NOT_AN_IMAGE, "neither PNG nor JPEG; convert it to PNG") from error
    except _MALFORMED as error:
        if isinstance(error, InputError):
            raise
        cut = "truncated" in str(error).lower() or isinstance(error, EOFError)
        reason = Reason.TRUNCATED if cut else Reason.DECODE_FAILED
        raise _failed(path, reason, f"cannot be decoded ({error}); save it again as PNG") from error
    except MemoryError as error:
        raise _failed(path, Reason.TOO_LARGE, "does not fit in memory; downsample it") from error


def _pixels(image: Image.Image) -> NDArray[Any]:
    if image.mode in _SIXTEEN_BIT:
        return np.clip(np.asarray(image, dtype=np.int32), 0, 65535)
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    if image.has_transparency_data:
        solid = Image.new("RGBA", image.size, (0, 0, 0, 255))
        solid.alpha_composite(image.convert("RGBA"))
        image = solid
    return np.asarray(image.convert("RGB"))


def _turned(image: Image.Image) -> bool:
    return image.getexif().get(0x0112, 1) not in (0, 1)


def _luma(rgb: NDArray[Any]) -> NDArray[np.uint8]:
    # ITU-R BT.601, the weights that JPEG itself uses; a tinted radiograph is still a radiograph.
    weighted = rgb.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return (weighted + np.float32(0.5)).astype(np.uint8)


def _failed(path: Path, reason: Reason, rule: str) -> InputError:
    return InputError(reason, f"{path.name}: {rule}", path=str(path))
