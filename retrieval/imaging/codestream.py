"""The width and height that a compressed frame itself announces (JPEG, JPEG-LS, JPEG 2000, HTJ2K)."""

from __future__ import annotations

import struct
from typing import Final

__all__ = ["frame_size", "jpeg_precision"]

_SOC_SIZ: Final = b"\xff\x4f\xff\x51"  # JPEG 2000: start of codestream, then SIZ (ISO/IEC 15444-1 A.5.1)
# Start-of-frame markers of JPEG (ISO/IEC 10918-1 B.1.1.3) without DHT, JPG and DAC, and SOF55 of JPEG-LS.
_SOF: Final = (frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}) | {0xF7}
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_JP2_HEADER: Final = 4096  # a JP2 wrapper is shorter than this


def frame_size(frame: bytes) -> tuple[int, int] | None:
    """Return `(width, height)` announced inside a compressed frame, None where there is none (RLE).

    >>> frame_size(bytes.fromhex("ffd8 ffc1 000b 0c 0010 0020 01 01 11 00"))
    (32, 16)
    """
    if frame[:2] == b"\xff\xd8":
        sof = _start_of_frame(frame)
        return (sof[2], sof[1]) if sof else None
    start = frame[:_JP2_HEADER].find(_SOC_SIZ)
    if start < 0 or len(frame) < start + 24:
        return None
    right, bottom, left, top = struct.unpack(">4I", frame[start + 8 : start + 24])
    return (right - left, bottom - top)


def jpeg_precision(frame: bytes) -> int | None:
    """Return the bits a sample of a JPEG or JPEG-LS frame, None for anything else."""
    sof = _start_of_frame(frame) if frame[:2] == b"\xff\xd8" else None
    return sof[0] if sof else None


def _start_of_frame(frame: bytes) -> tuple[int, int, int] | None:
    """Precision, height and width of the first start-of-frame segment."""
    at = 2
    while at + 4 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF or marker in _BARE:  # fill byte, or a marker that stands alone
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _SOF and at + 9 <= len(frame):
            precision, height, width = struct.unpack(">BHH", frame[at + 4 : at + 9])
            return precision, height, width
        at += 2 + struct.unpack(">H", frame[at + 2 : at + 4])[0]
    return None
