"""A study from voxels that are in memory already."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.errors import UsageError
from radseek.retrieval.imaging.hounsfield import hu_warnings, reaches_air
from radseek.retrieval.imaging.modality import named_modality
from radseek.retrieval.imaging.orientation import pixel_warnings, spacing_zyx, to_display, usable
from radseek.retrieval.types import Provenance, Series, Study, Unit, Volume

__all__ = ["study_from_array"]


def study_from_array(
    voxels: NDArray[Any],
    affine: NDArray[np.floating] | None,
    modality: str,
    body_part: str,
    description: str,
    unit: Unit | None,
) -> Study:
    """Return the study of one volume; `Study.from_array` says what is what, and raises."""
    voxels = np.asarray(voxels)
    _check_voxels(voxels)
    voxels = voxels[None] if voxels.ndim == 2 else voxels
    if affine is not None and not usable(np.asarray(affine, np.float64)):
        raise UsageError("The affine is no placing: it must be (4, 4), finite, and of full rank; or leave it out.")
    shown = to_display(voxels, None if affine is None else np.asarray(affine, np.float64))
    named = named_modality(modality)
    if unit is None:
        unit = "HU" if named == "CT" and voxels.ndim == 3 and reaches_air(voxels) else "raw"
    doubts = hu_warnings(voxels) if unit == "HU" else ()
    provenance = Provenance(
        rescale="none",
        orientation=shown.ops,
        spacing=None if shown.affine is None else spacing_zyx(shown.affine),
        plane=shown.plane,
        warnings=(*doubts, *pixel_warnings(shown.affine)),
    )
    volume = Volume(shown.voxels, shown.affine, unit, provenance)
    series = Series("", named, body_part.lower(), description, volume)
    return Study(uid="", content_hash=_digest(shown.voxels, shown.affine), paths=(), series=(series,))


def _check_voxels(voxels: NDArray[Any]) -> None:
    colour = voxels.ndim == 4 and voxels.shape[3] == 3 and voxels.dtype == np.uint8
    if not (voxels.ndim in (2, 3) or colour) or 0 in voxels.shape or voxels.dtype.kind not in "iuf":
        raise UsageError(
            f"Voxels are numbers of shape (Z, Y, X) or (Y, X), or uint8 of shape (Z, Y, X, 3) for colour; "
            f"these are {voxels.dtype} of shape {voxels.shape}. "
            "Convert or reshape them."
        )
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).any():
        raise UsageError("None of the voxels is a finite number; check how they were made.")


def _digest(voxels: NDArray[Any], affine: NDArray[np.float64] | None) -> str:
    """SHA-256 of shape, type, values and place: equal arrays are one study."""
    digest = hashlib.sha256(f"{voxels.shape}{voxels.dtype.str}".encode())
    digest.update(np.ascontiguousarray(voxels).data)
    digest.update(b"" if affine is None else np.ascontiguousarray(affine).data)
    return digest.hexdigest()
