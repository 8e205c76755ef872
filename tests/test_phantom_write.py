"""A cohort on disk says what its phantoms say: valid DICOM, the same geometry back, masks in place, tables in step."""

from __future__ import annotations

import csv
import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from radseek.demo.phantoms.make import make_phantom
from radseek.demo.phantoms.phantom import Phantom, PhantomSeries
from radseek.demo.phantoms.write.cohort import phantom_seed, study_kinds, write_cohort
from radseek.demo.phantoms.write.phantom_dicom import stored_order
from radseek.retrieval.errors import UnknownNameError, UsageError
from radseek.retrieval.imaging import read_study

pytestmark = pytest.mark.cohort

KINDS = ("head_ct", "brain_mr", "chest_xray")
SEED = 11


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort") / "c"
    written = write_cohort(folder, ",".join(KINDS), 4, SEED)
    assert len(written.studies) == 4
    return folder


@pytest.fixture(scope="module")
def phantoms(cohort: Path) -> dict[str, Phantom]:
    found = {}
    for k, place in enumerate(sorted((cohort / "studies").iterdir(), key=lambda p: p.name[-4:])):
        kind = place.name[:-5]
        found[place.name] = make_phantom(kind, phantom_seed(SEED, kind, k))
    return found


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_dciodvfy_finds_no_error(cohort: Path) -> None:
    tool = shutil.which("dciodvfy")
    if tool is None:
        pytest.skip("dciodvfy (Debian: dicom3tools) is not installed")
    files = sorted((cohort / "studies").rglob("*.dcm"))
    said = [
        subprocess.run([tool, str(f)], capture_output=True, text=True, check=False) for f in [*files[::25], files[-1]]
    ]
    errors = {line for run in said for line in run.stderr.splitlines() if line.startswith("Error")}
    assert errors == set()
    assert all("Image" in run.stderr for run in said)  # it did recognise them


def test_dciodvfy_would_notice(cohort: Path, tmp_path: Path) -> None:
    tool = shutil.which("dciodvfy")
    if tool is None:
        pytest.skip("dciodvfy (Debian: dicom3tools) is not installed")
    ds = pydicom.dcmread(next((cohort / "studies").rglob("*.dcm")))
    del ds.ImageType
    ds.save_as(tmp_path / "bad.dcm")
    run = subprocess.run([tool, str(tmp_path / "bad.dcm")], capture_output=True, text=True, check=False)
    assert "Error" in run.stderr


def test_studies_read_back_as_they_were_made(cohort: Path, phantoms: dict[str, Phantom]) -> None:
    for name, phantom in phantoms.items():
        study = read_study(cohort / "studies" / name)
        assert not study.skipped
        assert len(study.series) == len(phantom.series)
        for made in phantom.series:
            same = [s for s in study.series if s.volume.voxels.shape == made.voxels.shape]
            match = [s for s in same if made.modality == "DX" or np.array_equal(s.volume.voxels, made.voxels)]
            assert match, f"{name}/{made.name} came back otherwise"
            assert match[0].volume.unit == made.unit
            if made.modality != "DX":
                np.testing.assert_allclose(match[0].volume.affine, made.affine, atol=1e-3)


def test_a_radiograph_comes_back_whichever_way_it_is_stored(cohort: Path, phantoms: dict[str, Phantom]) -> None:
    from radseek.retrieval.imaging import make_views

    name = next(n for n in phantoms if n.startswith("chest_xray"))
    [series] = read_study(cohort / "studies" / name).series
    [view] = make_views(series)
    made = phantoms[name].series[0].voxels[0].astype(float).ravel()
    assert np.corrcoef(made, view.slices[0].astype(float).ravel())[0, 1] > 0.9


def test_nifti_copies_and_masks_lie_where_the_phantom_does(cohort: Path, phantoms: dict[str, Phantom]) -> None:
    checked = 0
    for name, phantom in phantoms.items():
        first = phantom.series[0]
        tail = f"_{first.name}" if len(phantom.series) > 1 else ""
        volume = nib.load(cohort / "nifti" / f"{name}{tail}.nii.gz")
        np.testing.assert_array_equal(np.asanyarray(volume.dataobj).transpose(2, 1, 0), first.voxels)
        for lesion in phantom.lesions:
            mask = nib.load(cohort / "masks" / f"{name}_{lesion.finding}.nii.gz")
            np.testing.assert_allclose(mask.affine, volume.affine)
            assert (np.asanyarray(mask.dataobj).transpose(2, 1, 0)[lesion.mask] > 0).all()
            checked += 1
        found = {path.name for path in (cohort / "masks").glob(f"{name}_*")}
        assert len(found) == sum(phantom.labels.values())
    assert checked


@pytest.mark.parametrize("seed", [4, 21])
def test_a_left_lesion_is_on_the_left_in_nifti(seed: int, tmp_path: Path) -> None:
    from radseek.demo.phantoms.write.cohort import _save_nifti

    phantom = make_phantom("head_ct", seed, findings=["subdural_haematoma"])
    lesion = phantom.lesions[0]
    _save_nifti(tmp_path / "m.nii.gz", lesion.mask.astype(np.uint8), phantom.series[0].affine)
    mask = nib.load(tmp_path / "m.nii.gz")
    points = np.argwhere(np.asanyarray(mask.dataobj) > 0)
    right = nib.affines.apply_affine(mask.affine, points)[:, 0].mean()  # RAS: to the right is plus
    assert (right < 0) == (lesion.side == "left")


def test_tables_agree_with_the_files(cohort: Path, phantoms: dict[str, Phantom]) -> None:
    labels, reports = rows(cohort / "labels.csv"), rows(cohort / "reports.csv")
    uids = {}
    for name in phantoms:
        headers = [pydicom.dcmread(p, stop_before_pixels=True) for p in (cohort / "studies" / name).glob("*.dcm")]
        assert len({h.StudyInstanceUID for h in headers}) == 1
        assert len({h.SOPInstanceUID for h in headers}) == len(headers)
        assert all(h.SOPInstanceUID.startswith("2.25.") and len(h.SOPInstanceUID) <= 64 for h in headers)
        uids[name] = (str(headers[0].StudyInstanceUID), str(headers[0].PatientID))
    assert [(r["study"], r["patient"]) for r in reports] == [uids[name] for name in phantoms]
    assert all(r["report"].strip() for r in reports)
    for name, phantom in phantoms.items():
        told = {r["finding"]: int(r["label"]) for r in labels if r["path"] == f"studies/{name}"}
        assert told == phantom.labels


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_cohort(tmp_path / name, "chest_xray", 1, 5)
    write_cohort(tmp_path / "c", "chest_xray", 1, 6)
    pixels = {name: [p.read_bytes() for p in sorted((tmp_path / name / "studies").rglob("*.dcm"))] for name in "abc"}
    assert pixels["a"] == pixels["b"] != pixels["c"]
    assert (tmp_path / "a" / "reports.csv").read_bytes() == (tmp_path / "b" / "reports.csv").read_bytes()


def test_every_stored_order_tells_where_its_voxels_are() -> None:
    rng = np.random.default_rng(0)
    voxels = rng.integers(0, 999, (4, 5, 6)).astype(np.int16)
    affine = np.array([[1.5, 0, 0, -7], [0, 1.2, 0.1, 3], [0, -0.1, 4.0, 2], [0, 0, 0, 1.0]])
    series = PhantomSeries("CT", "x", voxels, (4.0, 1.2, 1.5), affine, "HU")
    seen = set()
    for seed in range(60):
        stored = stored_order(series, np.random.default_rng(seed))
        seen.add(stored.affine.tobytes())
        inverse = np.linalg.inv(affine)
        for z, y, x in np.ndindex(stored.voxels.shape):
            at = np.rint(inverse @ stored.affine @ (x, y, z, 1)).astype(int)
            assert stored.voxels[z, y, x] == voxels[at[2], at[1], at[0]]
    assert len(seen) > 5


def test_progress_counts_to_the_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_cohort(tmp_path / "d", "chest_xray", 2, 1, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_refusals(tmp_path: Path, cohort: Path) -> None:
    with pytest.raises(UnknownNameError, match="head_ct"):
        write_cohort(tmp_path / "x", "head_mri", 1, 1)
    with pytest.raises(UsageError, match="already"):
        write_cohort(cohort, "head_ct", 1, 1)
    with pytest.raises(UsageError, match="at least one"):
        write_cohort(tmp_path / "y", "head_ct", 0, 1)
    assert not (tmp_path / "x").exists()


def test_kinds_take_turns() -> None:
    assert study_kinds("mixed", 5) == ["chest_ct", "chest_xray", "head_ct", "brain_mr", "chest_ct"]
    assert study_kinds("head_ct, brain_mr", 3) == ["head_ct", "brain_mr", "head_ct"]


def test_cohorts_of_other_seeds_share_nobody() -> None:
    train = {phantom_seed(1, "head_ct", k) for k in range(500)}
    test = {phantom_seed(2, "head_ct", k) for k in range(500)}
    assert len(train) == 500
    assert train.isdisjoint(test)
