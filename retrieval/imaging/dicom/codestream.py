"""The width and height that a compressed frame itself announces (JPEG, JPEG-LS, JPEG 2000, HTJ2K)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

__all__ = ["FrameSize", "frame_size"]

_SOC_SIZ: Final = b"\xff\x4f\xff\x51"  # JPEG 2000: start of codestream, then SIZ (ISO/IEC 15444-1 A.5.1)
# Start-of-frame markers of JPEG (ISO/IEC 10918-1 B.1.1.3) without DHT, JPG and DAC, and SOF55 of JPEG-LS.
_SOF: Final = (frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}) | {0xF7}
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_JP2_HEADER: Final = 4096  # a JP2 wrapper is shorter than this


@dataclass(frozen=True, slots=True)
class FrameSize:
    """What one compressed frame says of itself; `precision` in bits a sample."""

    width: int
    height: int
    samples: int
    precision: int


def frame_size(frame: bytes) -> FrameSize | None:
    """Return what a compressed frame announces, None where it announces nothing (RLE).

    >>> frame_size(bytes.fromhex("ffd8 ffc1 000b 0c 0010 0020 01 01 11 00"))
    FrameSize(width=32, height=16, samples=1, precision=12)
    """
    if frame[:2] == b"\xff\xd8":
        return _start_of_frame(frame)
    start = frame[:_JP2_HEADER].find(_SOC_SIZ)
    if start < 0 or len(frame) < start + 43:
        return None
    right, bottom, left, top = struct.unpack(">4I", frame[start + 8 : start + 24])
    samples, precision = struct.unpack(">HB", frame[start + 40 : start + 43])
    return FrameSize(right - left, bottom - top, samples, (precision & 0x7F) + 1)


def _start_of_frame(frame: bytes) -> FrameSize | None:
    """The first start-of-frame segment of JPEG or JPEG-LS."""
    at = 2
    while at + 4 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF or marker in _BARE:  # fill byte, or a marker that stands alone
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _SOF and at + 10 <= len(frame):
            precision, height, width, samples = struct.unpack(">BHHB", frame[at + 4 : at + 10])
            return FrameSize(width, height, samples, precision)
        at += 2 + struct.unpack(">H", frame[at + 2 : at + 4])[0]
    return None
