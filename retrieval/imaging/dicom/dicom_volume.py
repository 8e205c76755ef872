"""One stack of frames to one Series: decode, rescale once, unit, warnings, display orientation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from radseek.retrieval.errors import InputError, Reason
from radseek.retrieval.imaging.admission import MAX_DECODED_BYTES
from radseek.retrieval.imaging.dicom.dicom_body_part import body_part_of
from radseek.retrieval.imaging.dicom.frames import Frame
from radseek.retrieval.imaging.dicom.header_words import series_attributes
from radseek.retrieval.imaging.dicom.image_numbers import image_numbers, series_number
from radseek.retrieval.imaging.dicom.object_kind import burned_in_possible, intent_warnings, modality_doubt, modality_of
from radseek.retrieval.imaging.dicom.pixel_padding import padding_of
from radseek.retrieval.imaging.dicom.pixels import decode
from radseek.retrieval.imaging.dicom.rescale import Rescaled, common_type, rescale_frames, rescale_pair
from radseek.retrieval.imaging.dicom.stacks import Stack
from radseek.retrieval.imaging.dicom.units import in_units
from radseek.retrieval.imaging.dicom.voi import voi_of
from radseek.retrieval.imaging.orientation import spacing_zyx, to_display
from radseek.retrieval.imaging.reading_errors import input_errors
from radseek.retrieval.imaging.views.intensity import not_finite
from radseek.retrieval.types import Provenance, Series, Volume

__all__ = ["Failures", "load_stack"]


class Failures(Exception):  # noqa: N818 - it carries errors, one a file, and is none itself
    """Files of a stack that could not be decoded, each with its InputError."""

    def __init__(self, errors: dict[Path, InputError]) -> None:
        super().__init__(f"{len(errors)} files could not be decoded")
        self.errors = errors


def load_stack(stack: Stack, uid: str) -> Series:
    """Return the Series of a stack, display-oriented. Raises Failures naming every file that cannot be decoded."""
    first = stack.frames[0]
    decoded = _decode(stack.frames)
    with input_errors(first.path, "pixels"):
        modality = modality_of(first.header)
        padding, doubts = padding_of(stack.frames, decoded.values)
        voxels = in_units(decoded.values, decoded.how, first, modality, padding)
        attributes = {**series_attributes(first), **stack.attributes, **voxels.attributes}
        voi, odd = voi_of(first)
        shown = to_display(voxels.values, stack.affine)
        provenance = Provenance(
            rescale=voxels.rescale,
            orientation=shown.ops,
            spacing=None if shown.affine is None else spacing_zyx(shown.affine),
            plane=shown.plane,
            dropped_slices=stack.dropped,
            time_point=stack.time_point,
            inverted=first.shape[2] == "MONOCHROME1",
            warnings=(
                *stack.warnings,
                *_notes(stack.frames),
                *decoded.warnings,
                *odd,
                *doubts,
                *voxels.warnings,
                *_gaps(shown.voxels),
                *_about(first.header),
            ),
            series_number=series_number(first),
            images=image_numbers(stack.frames, flipped="flip z" in shown.ops),
        )
        volume = Volume(shown.voxels, shown.affine, voxels.unit, provenance)
        description = str(first.header.get("SeriesDescription") or "").strip()
        return Series(uid, modality, body_part_of(first, attributes), description, volume, attributes, voi)


def _decode(frames: Sequence[Frame]) -> Rescaled:
    """Decode every file of the frames once, and put each rescaled frame where it belongs."""
    rows = _rows_by_file(frames)
    voxels: NDArray[Any] | None = None
    failed: dict[Path, InputError] = {}
    hows: set[str] = set()
    said: dict[str, None] = {}
    for path, numbers in rows.items():
        try:
            with input_errors(path, "pixels"):
                _admit_stack(frames)
                part = _part(path, [frames[n] for n in numbers])
                voxels = _placed(voxels, part.values, numbers, len(frames))
                hows.add(part.how)
                said.update(dict.fromkeys(part.warnings))
        except InputError as error:
            failed[path] = error
    if failed or voxels is None:
        raise Failures(failed)
    how = hows.pop() if len(hows) == 1 else "per_frame"
    if how == "rescale" and len({rescale_pair(frame) for frame in frames}) > 1:
        how = "per_frame"
    return Rescaled(voxels, how, tuple(said))


def _notes(frames: Iterable[Frame]) -> tuple[str, ...]:
    """What the frames' own headers say about how they were read, each thing once."""
    notes = dict.fromkeys(note for frame in frames for note in (*frame.notes, *_other_part(frame)))
    return tuple(notes)


def _gaps(voxels: NDArray[Any]) -> tuple[str, ...]:
    count = not_finite(voxels)
    said = f"not_finite: {count:,} of {voxels.size:,} voxels are NaN or infinite; they are shown as the lowest value"
    return (said,) if count else ()


def _other_part(frame: Frame) -> tuple[str, ...]:
    part = frame.keys.get("ComplexImageComponent", "MAGNITUDE")
    if part == "MAGNITUDE":
        return ()
    return (f"complex_parts: {part.lower()} images, for the series holds no magnitude images of these positions",)


def _rows_by_file(frames: Iterable[Frame]) -> dict[Path, list[int]]:
    rows: dict[Path, list[int]] = {}
    for number, frame in enumerate(frames):
        rows.setdefault(frame.path, []).append(number)
    return rows


def _admit_stack(frames: Sequence[Frame]) -> None:
    """Refuse a stack that is too large as a whole, though each of its files is not."""
    height, width, _ = frames[0].shape
    size = len(frames) * height * width * 2
    if size > MAX_DECODED_BYTES:
        message = f"{frames[0].path.name}: its series needs {size:,} bytes, above {MAX_DECODED_BYTES:,}; split it"
        raise InputError(Reason.TOO_LARGE, message, path=str(frames[0].path))


def _part(path: Path, frames: Sequence[Frame]) -> Rescaled:
    """The rescaled frames `(n, Y, X[, 3])` of one file that the stack uses."""
    decoded = decode(path, frames[0].header)
    part = rescale_frames(decoded.frames[[frame.index for frame in frames]], frames)
    if part.values.shape[1:3] != frames[0].shape[:2]:
        raise ValueError(f"decoded to {part.values.shape[1:3]}, the header says {frames[0].shape[:2]}")
    return replace(part, warnings=(*decoded.warnings, *part.warnings))


def _placed(voxels: NDArray[Any] | None, part: NDArray[Any], numbers: Sequence[int], count: int) -> NDArray[Any]:
    """Write a part into the volume, which is made on first use and widened when a part needs it."""
    if voxels is None:
        voxels = part if len(part) == count else np.empty((count, *part.shape[1:]), part.dtype)
    wanted = common_type([voxels.dtype, part.dtype]) if part.ndim == 3 else voxels.dtype
    if wanted != voxels.dtype:
        voxels = voxels.astype(wanted)
    if voxels is not part:
        voxels[list(numbers)] = part
    return voxels


def _about(header: Dataset) -> tuple[str, ...]:
    """What the kind of object makes a reader of its scores want to know."""
    found = [*intent_warnings(header)]
    if meant := modality_doubt(header):
        found.append(
            f"modality_doubt: Modality says {modality_of(header)}, and the kind of file is of {meant}; "
            f"`--modality {meant}` takes it as that"
        )
    if burned_in_possible(header):
        found.append("burned_in_possible: nobody said that no name is drawn into the pixels (BurnedInAnnotation)")
    return tuple(found)
