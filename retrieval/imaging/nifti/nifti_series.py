"""One NIfTI file to one Series: the affine is the truth, the scaling is applied once."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.errors import InputError, Reason
from radseek.retrieval.imaging.body_part import body_part
from radseek.retrieval.imaging.hounsfield import hu_warnings
from radseek.retrieval.imaging.nifti.nifti_header import NiftiHeader, read_nifti_header
from radseek.retrieval.imaging.nifti.nifti_voxels import read_voxels
from radseek.retrieval.imaging.nifti.sidecar import Sidecar, read_sidecar
from radseek.retrieval.imaging.orientation import Oriented, pixel_warnings, spacing_zyx, to_display
from radseek.retrieval.imaging.views.intensity import not_finite
from radseek.retrieval.types import Provenance, Series, Unit, Volume

__all__ = ["AIR_HU", "read_nifti"]

AIR_HU: Final = -900  # a CT in Hounsfield units reaches at least this low: there is air around every patient

# What a sidecar may say of the body part beside its description; dcm2niix's names for DICOM's texts.
_BODY_PART: Final = ("ProtocolName", "ProcedureStepDescription", "StudyDescription")
_SUV_UNITS: Final = frozenset({"GML", "G/ML", "SUV", "SUVBW"})


def read_nifti(path: Path, modality: str = "", sidecar: Sidecar | None = None) -> Series:
    """Return the Series in a NIfTI file, display-oriented; of several time points the first.

    `modality` ("CT", "MR", ...) goes before the sidecar's, `sidecar` before the JSON beside the file.
    The unit is HU only for a CT whose values reach -900, SUV only for a PET whose sidecar says so; else raw.

    Raises:
        InputError: see `read_nifti_header` and `read_voxels`; `no_pixels` where no voxel is a finite number.
    """
    beside = read_sidecar(path) if sidecar is None else sidecar
    header = read_nifti_header(path)
    voxels = read_voxels(header)
    gaps = _gaps(voxels, path)
    shown, reordered = _orient(voxels, header)
    modality = modality or beside.modality
    unit, doubts = _unit(modality, voxels, beside.attributes.get("Units", ""))
    volume = Volume(
        voxels=shown.voxels,
        affine=shown.affine,
        unit=unit,
        provenance=Provenance(
            rescale="none" if header.slope == 1 and header.inter == 0 else "scl_slope",
            orientation=(*reordered, *shown.ops),
            spacing=None if shown.affine is None else spacing_zyx(shown.affine),
            plane=shown.plane,
            time_point=f"1 of {header.repeats}" if header.repeats > 1 else None,
            warnings=(*header.warnings, *gaps, *beside.warnings, *doubts, *pixel_warnings(shown.affine)),
        ),
    )
    said = beside.attributes
    part = body_part(said.get("BodyPartExamined", ""), beside.description, *(said.get(key, "") for key in _BODY_PART))
    return Series("", modality, part, beside.description, volume, dict(said))


def _gaps(voxels: NDArray[Any], path: Path) -> tuple[str, ...]:
    """What is said of voxels that are no numbers."""
    count = not_finite(voxels)
    if count and count == voxels.size:
        rule = f"{path.name}: none of its {count:,} voxels is a finite number; check its scl_slope, or export it again"
        raise InputError(Reason.NO_PIXELS, rule, path=str(path))
    said = f"not_finite: {count:,} of {voxels.size:,} voxels are NaN or infinite; they are shown as the lowest value"
    return (said,) if count else ()


def _orient(voxels: NDArray[Any], header: NiftiHeader) -> tuple[Oriented, tuple[str, ...]]:
    """Bring the acquired slices to axis 0, then orient for display."""
    affine, axis = header.affine, header.slice_axis
    if axis == 2:
        return to_display(voxels, affine), ()
    # Array axes run (Z, Y, X) against the file's (x, y, z).
    rest = [column for column in (0, 1, 2) if column != axis]
    order = [2 - axis, 2 - rest[1], 2 - rest[0]]
    voxels = voxels.transpose(*order, *range(3, voxels.ndim))
    if affine is not None:
        affine = affine[:, [*rest, axis, 3]]
    return to_display(voxels, affine), (f"slices along {'xyz'[axis]} of the file",)


def _unit(modality: str, voxels: NDArray[Any], stated: str) -> tuple[Unit, tuple[str, ...]]:
    if voxels.ndim == 4:
        return "raw", ()
    if modality == "PT":
        return _uptake(stated)
    if modality != "CT":
        return "raw", ()
    lowest = voxels.min(where=np.isfinite(voxels), initial=np.inf) if voxels.dtype.kind == "f" else voxels.min()
    if lowest <= AIR_HU:
        return "HU", hu_warnings(voxels)
    return "raw", (f"hu_suspect: the lowest value is {lowest:g}, no air near -1000; read by percentiles",)


def _uptake(stated: str) -> tuple[Unit, tuple[str, ...]]:
    """SUV where the sidecar's Units say so, as BIDS or dcm2niix write them; NIfTI has nothing to compute it from."""
    if stated.strip().upper() in _SUV_UNITS:
        return "SUV", ()
    what = f"Units are {stated[:16]}" if stated else "no sidecar names Units"
    return "raw", (f"suv_unknown: {what}; the values are as stored and shown by percentiles",)
