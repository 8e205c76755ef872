"""The archive that the page is tried on: phantoms, one of them with an earlier study of the same patient.

`make_archive(FOLDER)` writes twenty phantoms of four kinds, an earlier copy of the first chest CT (another day, other
accession, fewer slices) and one study that the archive does not hold; what is there already is used as it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import pydicom
from pydicom.uid import generate_uid

from tests.web_support import ROOT, environment

STUDIES: Final = 20
SEED: Final = 7
LAST_WEEK: Final = 5  # days ago
BEFORE: Final = 190  # days between the study and its prior
MISSING: Final = 4  # slices that the prior has less, at its lower end
ACCESSION: Final = "CHEST-5521"
PRIOR_ACCESSION: Final = "CHEST-1204"


@dataclass(frozen=True)
class TriedArchive:
    """Where the archive is, what lies beside it, and the environment that its keys are of."""

    index: Path
    studies: Path
    reports: Path
    labels: Path
    to_add: Path
    env: dict[str, str]


def make_archive(folder: Path) -> TriedArchive:
    """Make the archive in a folder, or return the one that is there.

    Args:
        folder: any folder; some 200 MB.

    Returns:
        Where everything is.
    """
    made, index, done = folder / "made", folder / "archive.index", folder / "done"
    env = environment(folder / "home")
    found = TriedArchive(index, made / "studies", made / "reports.csv", made / "labels.csv", folder / "to-add", env)
    if done.exists():
        return found
    folder.mkdir(parents=True, exist_ok=True)
    if not made.exists():
        _radseek(env, "phantoms", made, "--kind", "mixed", "--studies", str(STUDIES), "--seed", str(SEED))
    if not found.to_add.exists():
        shutil.move(made / "studies" / "chest_ct_0008", found.to_add)
    today = date.today()
    recent = made / "studies" / "chest_ct_0000"
    _prior(recent, made / "studies" / "chest_ct_0000_prior", today - timedelta(LAST_WEEK + BEFORE))
    _stamp(recent, today - timedelta(LAST_WEEK), ACCESSION)
    _radseek(env, "build", made / "studies", "--index", index, "--reports", made / "reports.csv")
    done.touch()
    return found


def _radseek(env: dict[str, str], *words: object) -> None:
    subprocess.run([sys.executable, "-m", "radseek", *map(str, words)], env=env, check=True, cwd=ROOT)


def _stamp(study: Path, day: date, accession: str) -> None:
    for path in study.rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.StudyDate, dataset.AccessionNumber = day.strftime("%Y%m%d"), accession
        dataset.save_as(path)


def _prior(study: Path, target: Path, day: date) -> None:
    """Write a copy of a study under UIDs of its own, without its lowest slices."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    read = [pydicom.dcmread(path) for path in study.rglob("*.dcm")]
    read.sort(key=lambda one: (str(one.SeriesInstanceUID), float(one.ImagePositionPatient[2])))
    uids: dict[str, str] = {}
    for n, dataset in enumerate(read[MISSING:]):
        for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            old = str(getattr(dataset, name))
            setattr(dataset, name, uids.setdefault(old, generate_uid(prefix="2.25.", entropy_srcs=[old, "prior"])))
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.StudyDate, dataset.AccessionNumber = day.strftime("%Y%m%d"), PRIOR_ACCESSION
        dataset.save_as(target / f"{n:04d}.dcm")


if __name__ == "__main__":
    os.umask(0o077)
    make_archive(Path(sys.argv[1]))
