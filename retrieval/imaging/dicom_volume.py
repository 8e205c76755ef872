"""One stack of frames to one Series: decode, rescale once, unit, warnings, display orientation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import InputError, Reason
from retrieval.imaging.dicom_attributes import series_attributes
from retrieval.imaging.dicom_body_part import body_part_of
from retrieval.imaging.dicom_errors import input_errors
from retrieval.imaging.dicom_frames import Frame
from retrieval.imaging.dicom_kind import burned_in_possible, is_computed_map, modality_of
from retrieval.imaging.dicom_pixels import decode_file
from retrieval.imaging.dicom_rescale import common_type, rescale_frames, rescale_pair, rescale_type
from retrieval.imaging.dicom_stack import Stack
from retrieval.imaging.dicom_suv import suv_factor
from retrieval.imaging.dicom_voi import voi_of
from retrieval.imaging.gate import MAX_DECODED_BYTES
from retrieval.imaging.hounsfield import hu_warnings, reaches_air
from retrieval.imaging.orient import spacing_zyx, to_display
from retrieval.types import Provenance, Series, Unit, Volume

__all__ = ["Failures", "load_stack"]

_HU_TYPES: Final = frozenset({"", "HU", "US"})  # US: unspecified (PS3.3 C.11.1.1.2)


class Failures(Exception):  # noqa: N818 - it carries errors, one a file, and is none itself
    """Files of a stack that could not be decoded, each with its InputError."""

    def __init__(self, errors: dict[Path, InputError]) -> None:
        super().__init__(f"{len(errors)} files could not be decoded")
        self.errors = errors


@dataclass(frozen=True, slots=True, eq=False)
class _Voxels:
    values: NDArray[Any]
    rescale: str
    unit: Unit
    warnings: tuple[str, ...]


def load_stack(stack: Stack, uid: str) -> Series:
    """Return the Series of a stack, display-oriented. Raises Failures naming every file that cannot be decoded."""
    first = stack.frames[0]
    decoded = _decode(stack.frames)
    with input_errors(first.path, "pixels"):
        modality = modality_of(first.header)
        attributes = {**series_attributes(first), **stack.attributes}
        padding = _padding(first)
        if padding is not None:
            attributes["PixelPaddingValue"] = f"{padding:g}"
        voxels = _in_units(decoded, first, modality, padding)
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
                *_other_part(first),
                *voxels.warnings,
                *_burned_in(first),
            ),
        )
        volume = Volume(shown.voxels, shown.affine, voxels.unit, provenance)
        description = str(first.header.get("SeriesDescription") or "").strip()
        return Series(uid, modality, body_part_of(first, attributes), description, volume, attributes, voi_of(first))


def _decode(frames: Sequence[Frame]) -> _Voxels:
    """Decode every file of the frames once, and put each rescaled frame where it belongs."""
    rows = _rows_by_file(frames)
    voxels: NDArray[Any] | None = None
    failed: dict[Path, InputError] = {}
    hows: set[str] = set()
    for path, numbers in rows.items():
        try:
            with input_errors(path, "pixels"):
                _admit_stack(frames)
                part, how = _part(path, [frames[n] for n in numbers])
                voxels = _placed(voxels, part, numbers, len(frames))
                hows.add(how)
        except InputError as error:
            failed[path] = error
    if failed or voxels is None:
        raise Failures(failed)
    how = hows.pop() if len(hows) == 1 else "per_frame"
    if how == "rescale" and len({rescale_pair(frame) for frame in frames}) > 1:
        how = "per_frame"
    return _Voxels(voxels, how, "raw", ())


def _notes(frames: Iterable[Frame]) -> tuple[str, ...]:
    """What the frames' own headers say about how they were read, each thing once."""
    notes = dict.fromkeys(note for frame in frames for note in (*frame.notes, *_other_part(frame)))
    return tuple(notes)


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


def _part(path: Path, frames: Sequence[Frame]) -> tuple[NDArray[Any], str]:
    """The rescaled frames `(n, Y, X[, 3])` of one file that the stack uses."""
    stored = decode_file(path, frames[0].header)
    part, how = rescale_frames(stored[[frame.index for frame in frames]], frames)
    if part.shape[1:3] != frames[0].shape[:2]:
        raise ValueError(f"decoded to {part.shape[1:3]}, the header says {frames[0].shape[:2]}")
    return part, how


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


def _in_units(voxels: _Voxels, frame: Frame, modality: str, padding: float | None) -> _Voxels:
    """Say what the numbers mean: HU for CT, SUV for PET where it can be proven, else raw."""
    if voxels.values.ndim == 4:
        return voxels
    if modality == "CT":
        return _hounsfield(voxels, frame, padding)
    factor = suv_factor(frame.header) if modality == "PT" else None
    if factor is None:
        return voxels
    values = voxels.values.astype(np.float32, copy=False) * np.float32(factor)
    return replace(voxels, values=values, rescale="suv", unit="SUV")


def _hounsfield(voxels: _Voxels, frame: Frame, padding: float | None) -> _Voxels:
    if rescale_type(frame) not in _HU_TYPES:
        return voxels
    if is_computed_map(frame.header):
        warning = "computed_map: ImageType names a quantity computed from CT, so the values are no HU"
        return replace(voxels, warnings=(*voxels.warnings, warning))
    if voxels.rescale == "none" and not reaches_air(voxels.values):
        warning = "hu_suspect: no rescale in the header and no air near -1000, so the unit is unknown"
        return replace(voxels, warnings=(*voxels.warnings, warning))
    found = hu_warnings(voxels.values, padding)
    if padding is not None and padding < -1024 and bool((voxels.values == padding).any()):
        found = (*found, f"padding: voxels outside the scanned field hold {padding:g}, which is no tissue")
    return replace(voxels, unit="HU", warnings=(*voxels.warnings, *found))


def _padding(frame: Frame) -> float | None:
    """PixelPaddingValue in the voxels' own unit."""
    value = frame.header.get("PixelPaddingValue")
    if value is None or isinstance(value, bytes | str):
        return None
    slope, intercept = rescale_pair(frame) or (1.0, 0.0)
    return float(value) * slope + intercept


def _burned_in(frame: Frame) -> tuple[str, ...]:
    if not burned_in_possible(frame.header):
        return ()
    return ("burned_in_possible: nobody said that no name is drawn into the pixels (BurnedInAnnotation)",)
