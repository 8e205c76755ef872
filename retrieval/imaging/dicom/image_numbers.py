"""What a report calls the slices of a stack: SeriesNumber, and the image number of each."""

from __future__ import annotations

from collections.abc import Sequence

from radseek.retrieval.imaging.dicom.frames import Frame
from radseek.retrieval.imaging.dicom.header_values import as_number, as_text, value_of
from radseek.retrieval.imaging.number_runs import write_runs

__all__ = ["image_numbers", "series_number"]


def series_number(frame: Frame) -> int | None:
    """Return the SeriesNumber of a frame's file, None where it has none."""
    number = as_number(value_of(frame.header, "SeriesNumber"))
    return None if number is None or number < 0 else int(number)


def image_numbers(frames: Sequence[Frame], *, flipped: bool) -> str:
    """Return the image number of each frame as runs, in their order or the other way round; "" where it is not clear.

    Of files of one frame it is InstanceNumber (0020,0013), of a file of many the frame's own, from 1. Tiles of a mosaic
    have none, nor have frames of several such files.
    """
    if len({frame.path for frame in frames}) == len(frames):
        known = [bool(as_text(value_of(frame.header, "InstanceNumber")).strip()) for frame in frames]
        numbers = [frame.number for frame in frames] if all(known) and not any(one.index for one in frames) else []
    elif len({frame.path for frame in frames}) == 1 and int(frames[0].header.get("NumberOfFrames") or 1) > 1:
        numbers = [frame.index + 1 for frame in frames]
    else:
        numbers = []
    if len(set(numbers)) < len(numbers) or any(number < 1 for number in numbers):
        return ""
    return write_runs(numbers[::-1] if flipped else numbers)
