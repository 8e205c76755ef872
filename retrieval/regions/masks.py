"""The mask a user brings, DICOM SEG or a NIfTI label map, as regions of a Volume of the study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from radseek.retrieval.errors import InputError, MaskError
from radseek.retrieval.imaging.dicom.dicom_header import looks_like_dicom
from radseek.retrieval.imaging.dicom.gzipped_file import gunzipped
from radseek.retrieval.regions.mask_nifti import read_label_map
from radseek.retrieval.regions.mask_placing import LEAST_INSIDE, Drawn, inside_share, is_on_grid, place
from radseek.retrieval.regions.mask_planes import drawn_on
from radseek.retrieval.regions.mask_seg import Segmentation, read_segmentation
from radseek.retrieval.regions.region import Region
from radseek.retrieval.types import Series, Study, Volume

__all__ = ["Region", "choose_regions", "fit_series", "read_mask"]

_Mask = Segmentation | tuple[Drawn, ...]


def read_mask(path: str | Path, volume: Volume, *, frame_of_reference: str = "") -> tuple[Region, ...]:
    """Return the labels of a mask file on a Volume's grid, by nearest neighbour through both affines, in LPS.

    Args:
        path: DICOM SEG or NIfTI labels.
        volume: the Volume whose grid is wanted.
        frame_of_reference: the images' FrameOfReferenceUID, where they have one; a DICOM SEG with another is refused.

    Raises:
        MaskError: the file is no mask, is empty, or does not fit the volume; says the numbers and the remedy.
        MissingExtraError: a DICOM SEG without highdicom (extra `seg`).
    """
    return _regions(_read(Path(path)), volume, frame_of_reference)


def fit_series(path: str | Path, study: Study) -> tuple[Series, tuple[Region, ...]]:
    """Return the series of a study that a mask belongs to, and the mask's labels on its grid.

    A DICOM SEG says which series it was drawn on; otherwise the series with the mask's own grid, or else the one that
    holds most of it, the first of equals. Raises as `read_mask` does.
    """
    path = Path(path)
    mask = _read(path)
    candidates = [series for series in study.series if series.volume.affine is not None]
    if not candidates:
        raise MaskError(
            f"{path.name} cannot be placed: no series of this study says where it is in the patient; use the original "
            "DICOM files, or a NIfTI file with its affine."
        )
    named = _named(mask, candidates)
    chosen = named or _best(mask, candidates)
    regions = _regions(mask, chosen.volume, _frame_of_reference(chosen))
    if named is None and isinstance(mask, Segmentation) and mask.series:
        words = "other_series: the mask was drawn on a series that is not here; it was placed by geometry"
        regions = tuple(replace(region, caveats=(*region.caveats, words)) for region in regions)
    return chosen, regions


def choose_regions(regions: tuple[Region, ...], labels: tuple[str, ...] = ()) -> tuple[Region, ...]:
    """Return the regions of the labels named, in that order; without names all of them.

    Raises `MaskError` for a label that the mask does not have, or has no voxel of.
    """
    known = {region.label.casefold(): region for region in regions}
    for label in labels:
        if label.casefold() not in known:
            there = ", ".join(f"'{region.label}'" for region in regions[:12])
            raise MaskError(f"The mask has no voxel labelled '{label}'; it has {there}.")
    return tuple(known[label.casefold()] for label in labels) or regions


def _read(path: Path) -> _Mask:
    if path.is_dir():
        raise MaskError(f"{path} is a folder; a mask is one file, DICOM SEG or NIfTI. Name it.")
    if not path.is_file():
        raise MaskError(f"{path} does not exist; give a mask file, DICOM SEG or NIfTI.")
    try:
        with gunzipped({"mask": path}) as opened:
            found = opened["mask"]
            return read_segmentation(found) if looks_like_dicom(found) else read_label_map(found)
    except InputError as error:
        raise MaskError(f"The mask cannot be read: {error}") from error


def _regions(mask: _Mask, volume: Volume, frame_of_reference: str) -> tuple[Region, ...]:
    if isinstance(mask, Segmentation):
        _check_frame(mask, frame_of_reference)
    return tuple(place(drawn, volume) for drawn in _drawn(mask, volume))


def _drawn(mask: _Mask, volume: Volume) -> tuple[Drawn, ...]:
    return drawn_on(mask, volume) if isinstance(mask, Segmentation) else mask


def _named(mask: _Mask, candidates: list[Series]) -> Series | None:
    """The series that a SEG says it was drawn on; of a series that was split, the part that holds it."""
    if not isinstance(mask, Segmentation):
        return None
    found = [series for series in candidates if series.uid.split("#")[0] in mask.series]
    return _best(mask, found) if found else None


def _best(mask: _Mask, candidates: list[Series]) -> Series:
    return max(candidates, key=lambda series: _fit(mask, series))


def _fit(mask: _Mask, series: Series) -> tuple[bool, bool, float]:
    """How well a series suits: one frame of reference, then fitting on its own grid, then how much lies inside."""
    ours = isinstance(mask, Segmentation) and mask.frame_of_reference == _frame_of_reference(series)
    drawn = _drawn(mask, series.volume)
    share = min(inside_share(one, series.volume) for one in drawn)
    return ours, share >= LEAST_INSIDE and all(is_on_grid(one, series.volume) for one in drawn), share


def _frame_of_reference(series: Series) -> str:
    return series.attributes.get("FrameOfReferenceUID", "")


def _check_frame(mask: Segmentation, frame_of_reference: str) -> None:
    theirs = mask.frame_of_reference
    if theirs and frame_of_reference and theirs != frame_of_reference:
        raise MaskError(
            f"{mask.name} was drawn in another frame of reference (it ends in {theirs[-8:]}, the images' in "
            f"{frame_of_reference[-8:]}), so its millimetres are not these images'; bring the mask of this series, or "
            "register the two first."
        )
