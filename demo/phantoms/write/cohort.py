"""A synthetic cohort on disk: DICOM studies, NIfTI copies, masks, reports and labels, the same for the same seed.

DIR/studies/<id>/*.dcm       DIR/nifti/<id>[_<series>].nii.gz      DIR/masks/<id>_<finding>.nii.gz
DIR/reports.csv              study, report, patient
DIR/labels.csv               study, finding, label, patient, size_mm, side, kind, path
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from radseek.demo.phantoms.make import make_phantom
from radseek.demo.phantoms.phantom import KINDS, Lesion, Phantom
from radseek.demo.phantoms.reports.phantom_reports import write_report
from radseek.demo.phantoms.write.phantom_dicom import Visit, write_series
from radseek.retrieval.errors import UnknownNameError, UsageError

__all__ = ["Cohort", "phantom_seed", "study_kinds", "write_cohort"]

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_DESCRIPTIONS = {
    "chest_ct": "CT chest", "chest_xray": "XR chest", "head_ct": "CT head", "brain_mr": "MRI brain"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cohort:
    """What was written: the folder, the studies' ids in order, and how many DICOM files they are."""

    folder: Path
    studies: tuple[str, ...]
    files: int


def study_kinds(kind: str, studies: int) -> list[str]:
    """The kind of each study: `kind` may be one, a comma list or "mixed", which takes turns."""
    names = list(KINDS) if kind == "mixed" else [name.strip() for name in kind.split(",") if name.strip()]
    for name in names:
        if name not in KINDS:
            raise UnknownNameError(f"phantom kind {name!r} is not known; use one of {', '.join(KINDS)}, or mixed")
    if not names or studies < 1:
        raise UsageError("a cohort needs a kind and at least one study; give --kind and --studies")
    return [names[k % len(names)] for k in range(studies)]


def phantom_seed(seed: int, kind: str, number: int) -> int:
    """The phantom's own seed: cohorts of different seeds share no patient."""
    digest = hashlib.sha256(f"radseek cohort/{seed}/{kind}/{number}".encode()).digest()
    return int.from_bytes(digest[:6], "big")


def _visit(phantom: Phantom, study: str, seed: int, number: int) -> Visit:
    """Made-up names and dates; nobody is 90 or older on paper."""
    rng = np.random.default_rng([phantom.seed, 4177])
    date = f"{rng.integers(2016, 2025)}{rng.integers(1, 13):02d}{rng.integers(1, 29):02d}"
    time = f"{rng.integers(7, 21):02d}{rng.integers(0, 60):02d}{rng.integers(0, 60):02d}"
    mark = f"{phantom.seed % 10**8:08d}"
    return Visit(
        seed, study, f"PH{mark}", f"A{number:05d}{mark[:6]}", date, time, phantom.sex, min(phantom.age, 89),
        _DESCRIPTIONS[phantom.kind],
    )  # fmt: skip


def _save_nifti(path: Path, voxels: NDArray[np.generic], affine: NDArray[np.float64]) -> None:
    """`voxels (Z, Y, X)` with an LPS affine as NIfTI: (X, Y, Z) and RAS."""
    image = nib.Nifti1Image(np.asarray(voxels).transpose(2, 1, 0), _LPS_TO_RAS @ affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(image.affine, code="scanner")
    image.set_qform(image.affine, code="scanner")
    nib.save(image, path)


def _save_copies(phantom: Phantom, study: str, folder: Path) -> None:
    """NIfTI of every series, and of each finding's mask: lesions of one finding are numbered from 1."""
    for series in phantom.series:
        tail = f"_{series.name}" if len(phantom.series) > 1 else ""
        _save_nifti(folder / "nifti" / f"{study}{tail}.nii.gz", series.voxels, series.affine)
    first = phantom.series[0]
    for finding in dict.fromkeys(lesion.finding for lesion in phantom.lesions):
        marked = np.zeros(first.voxels.shape, np.uint8)
        for number, lesion in enumerate(_of(phantom, finding), 1):
            marked[lesion.mask] = min(number, 255)
        _save_nifti(folder / "masks" / f"{study}_{finding}.nii.gz", marked, first.affine)


def _of(phantom: Phantom, finding: str) -> list[Lesion]:
    return [lesion for lesion in phantom.lesions if lesion.finding == finding]


def _label_rows(phantom: Phantom, visit: Visit) -> Iterator[list[str | int | float]]:
    """One row a finding: 0 or 1, and of the largest lesion its size, of all of them the side."""
    for finding, label in phantom.labels.items():
        lesions = _of(phantom, finding)
        sides = sorted({lesion.side for lesion in lesions})
        size = max((lesion.size_mm for lesion in lesions), default="")
        side = sides[0] if len(sides) == 1 else "bilateral" if sides else ""
        yield [visit.study_uid, finding, label, visit.patient, size, side, phantom.kind, f"studies/{visit.study}"]


def _write_study(folder: Path, study: str, phantom: Phantom, visit: Visit) -> int:
    """DICOM, NIfTI and masks of one study; gives the number of DICOM files."""
    place = folder / "studies" / study
    place.mkdir(parents=True)
    rng = np.random.default_rng([phantom.seed, 6007])
    files = [write_series(series, place, visit, k, rng) for k, series in enumerate(phantom.series, 1)]
    _save_copies(phantom, study, folder)
    return sum(map(len, files))


def write_cohort(
    folder: Path | str, kind: str, studies: int, seed: int, progress: Callable[[int, int], None] | None = None
) -> Cohort:
    """Write `studies` phantoms of `kind` under `folder`; `progress(done, total)` is called after each.

    Raises `UnknownNameError` for a kind that is not known, `UsageError` where `folder` holds a cohort already.
    """
    folder, kinds = Path(folder), study_kinds(kind, studies)
    if (folder / "studies").exists() or (folder / "labels.csv").exists():
        raise UsageError(f"{folder} holds a cohort already; name another folder or remove this one")
    for name in ("studies", "nifti", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    ids, files = [], 0
    with (
        (folder / "reports.csv").open("w", newline="", encoding="utf-8") as shown,
        (folder / "labels.csv").open("w", newline="", encoding="utf-8") as known,
    ):
        reports, labels = csv.writer(shown), csv.writer(known)
        reports.writerow(["study", "report", "patient"])
        labels.writerow(["study", "finding", "label", "patient", "size_mm", "side", "kind", "path"])
        for number, this in enumerate(kinds):
            phantom = make_phantom(this, phantom_seed(seed, this, number))
            study = f"{this}_{number:04d}"
            visit = _visit(phantom, study, seed, number)
            files += _write_study(folder, study, phantom, visit)
            report = write_report(phantom, np.random.default_rng([phantom.seed, 9173]))
            reports.writerow([visit.study_uid, str(report), visit.patient])
            labels.writerows(_label_rows(phantom, visit))
            ids.append(study)
            if progress is not None:
                progress(number + 1, studies)
    return Cohort(folder, tuple(ids), files)
