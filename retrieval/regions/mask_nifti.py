"""A NIfTI label map to its labels: from nnU-Net, MONAI, TotalSegmentator, MedSAM or by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radseek.retrieval.errors import InputError, MaskError
from radseek.retrieval.imaging.nifti.nifti_header import NiftiHeader, read_nifti_header
from radseek.retrieval.imaging.nifti.nifti_voxels import read_voxels
from radseek.retrieval.regions.mask_names import Names, name_of_file, read_names
from radseek.retrieval.regions.mask_placing import Drawn, drawn_of

__all__ = ["MOST_LABELS", "read_label_map"]

MOST_LABELS: Final = 1024  # more numbers than this are no labels
_HIGHEST: Final = 65_535  # FreeSurfer's numbers stay under 15,000
_WHOLE: Final = 1e-3  # how far a label stored as a float may lie from a whole number


def read_label_map(path: Path) -> tuple[Drawn, ...]:
    """Return the labels of a NIfTI file, by rising number; 0 is background. Names: see `mask_names`.

    Labels stored as floats are read where they are whole numbers. Raises `MaskError`: not a NIfTI file of one volume
    of labels, no affine, probabilities instead of labels, or no voxel but background.
    """
    try:
        header = read_nifti_header(path)
        _refuse(header)
        values = _whole(read_voxels(header), path)
    except InputError as error:
        raise MaskError(f"The mask cannot be read: {error}") from error
    if header.affine is None:
        raise MaskError(
            f"{path.name}: neither sform nor qform places the mask in the patient; save it with the affine of the "
            "images that it was drawn on."
        )
    labels = _labels(values, header.affine, _named(path, header, values))
    if not labels:
        raise MaskError(f"{path.name}: the mask is empty, every voxel is 0; nothing can be measured.")
    return labels


def _refuse(header: NiftiHeader) -> None:
    if header.repeats > 1:
        raise MaskError(
            f"{header.path.name}: {header.repeats} volumes in one file (4D), and a mask has one; save one "
            "label map of whole numbers, or one file a label."
        )
    if header.dtype.names is not None:
        raise MaskError(f"{header.path.name}: a colour picture, not labels; save the mask as whole numbers.")


def _whole(values: NDArray[Any], path: Path) -> NDArray[np.int32]:
    """The voxels as labels. NaN is background."""
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, copy=False, nan=0.0, posinf=1e9, neginf=-1e9)
        rounded = np.rint(values)
        off = np.abs(values - rounded)
        if off.max(initial=0) > _WHOLE:
            example = float(values.reshape(-1)[int(off.argmax())])
            raise MaskError(
                f"{path.name}: holds {example:.3g}, and labels are whole numbers; where these are probabilities, "
                "cut them at 0.5 and save 0 and 1; where the mask was resampled, use nearest neighbour."
            )
        values = rounded
    low, high = (float(edge) for edge in (values.min(initial=0), values.max(initial=0)))
    if low < 0 or high > _HIGHEST:
        raise MaskError(f"{path.name}: values from {low:g} to {high:g} are no labels; label from 1 up, background 0.")
    return values.astype(np.int32, copy=False)


def _named(path: Path, header: NiftiHeader, values: NDArray[np.int32]) -> Names:
    """A name for every number that is there."""
    numbers = np.unique(values)
    present = [int(number) for number in numbers if number > 0]
    if len(present) > MOST_LABELS:
        raise MaskError(
            f"{path.name}: {len(present)} different values, and a mask has at most {MOST_LABELS} labels; this looks "
            "like an image. Give the mask."
        )
    known = {
        name: here
        for name, wanted in read_names(path, header.offset).items()
        if (here := tuple(n for n in wanted if n in present))
    }
    unnamed = [n for n in present if not any(n in wanted for wanted in known.values())]
    alone = name_of_file(path) if len(present) == 1 else ""
    return {**known, **{(alone or f"label {n}"): (n,) for n in unnamed}}


def _labels(values: NDArray[np.int32], affine: NDArray[np.float64], names: Names) -> tuple[Drawn, ...]:
    boxes = ndimage.find_objects(values)
    found = []
    for name, numbers in sorted(names.items(), key=lambda one: min(one[1])):
        parts = [boxes[number - 1] for number in numbers]
        box = tuple(slice(min(p[a].start for p in parts), max(p[a].stop for p in parts)) for a in range(3))
        moved = affine.copy()
        moved[:3, 3] += affine[:3, :3] @ np.array([part.start for part in reversed(box)], np.float64)
        drawn = drawn_of(name, np.isin(values[box], numbers), moved)
        if drawn is not None:
            found.append(drawn)
    return tuple(found)
