"""What a user says that images are of: taken where files do not say it or cannot be right, and never left unsaid."""

from __future__ import annotations

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from radseek.cli.main import run
from radseek.index_builder import build_index
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import UnknownNameError, UsageError
from radseek.retrieval.imaging.stated_kind import StatedKind, stated_kind
from radseek.retrieval.imaging.study_reader import read_study
from radseek.retrieval.scoring import kind_guess
from radseek.retrieval.scoring.kind_guess import guess_kind
from radseek.retrieval.scoring.study_vectors import embed_study
from radseek.retrieval.scoring.text_vectors import TextVectors
from tests.build_support import sphere, write_ct, write_nifti
from tests.each_support import each
from tests.encoder_support import TinyEncoder


@pytest.fixture(autouse=True)
def _one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADSEEK_KEY", "a key for kinds of image")


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A CT, the same kind exported with Modality NM, and a NIfTI file that says nothing."""
    folder = tmp_path / "scans"
    write_ct(folder / "ct", 1)
    write_ct(folder / "odd", 2)
    for path in (folder / "odd").iterdir():
        one = pydicom.dcmread(path)
        one.Modality = "NM"
        one.save_as(path)
    write_nifti(folder / "head.nii.gz", 3)
    return folder


def test_kinds_are_named_in_the_usual_words() -> None:
    assert stated_kind("ct", "Brain") == StatedKind("CT", "head")
    assert str(stated_kind("CT", "chest/abdomen")) == "CT of the chest and abdomen"
    assert not stated_kind(None)
    with pytest.raises(UnknownNameError, match="head, neck, spine"):
        stated_kind("CT", "blorb")


def test_what_files_do_not_say_is_taken_and_what_they_say_stays(scans: Path) -> None:
    study = read_study(scans / "head.nii.gz", modality="CT", body_part="head")
    assert [(one.modality, one.body_part, one.volume.unit) for one in study.series] == [("CT", "head", "HU")]
    kept = read_study(scans / "ct", modality="MR", body_part="head")
    assert [(one.modality, one.body_part) for one in kept.series] == [("CT", "chest")]


def test_a_modality_that_cannot_be_right_is_said_once_and_gives_way(scans: Path) -> None:
    (odd,) = read_study(scans / "odd").series
    assert odd.modality == "NM"
    assert [one for one in odd.volume.provenance.warnings if one.startswith("modality_doubt: Modality says NM")]
    (mended,) = read_study(scans / "odd", modality="CT").series
    assert (mended.modality, mended.volume.unit) == ("CT", "HU")
    (whole,) = read_study(scans / "ct").series
    assert not any("modality" in one for one in (*mended.volume.provenance.warnings, *whole.volume.provenance.warnings))
    assert np.isfinite(mended.volume.voxels).all()


@pytest.mark.slow
def test_a_build_names_each_thing_once(scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = tmp_path / "a.index"
    stated = ["--modality", "CT", "--body-part", "head"]
    assert run(["build", str(scans), "--index", str(index), "--model", "random"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("odd: Modality says NM, and the kind of file is of CT; `--modality CT` takes it as that.") == 1
    assert "Of 1 study modality or body part is not known" in said
    assert run(["build", str(scans), "--index", str(tmp_path / "b.index"), "--model", "random", *stated]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "Modality says" not in said
    assert "ct and 1 more study: the files say something else than CT of the head, and stay what they say" in said
    with Engine.open(tmp_path / "b.index") as engine:
        assert engine.store is not None
        kinds = {case.path: [(s.modality, s.body_part) for s in case.series] for case in engine.store.cases()}
    assert kinds == {"ct": [("CT", "chest")], "odd": [("CT", "chest")], "head.nii.gz": [("CT", "head")]}


@pytest.mark.slow
def test_a_ct_without_hounsfield_units_is_told_why_no_window_shows_it(tmp_path: Path) -> None:
    for seed in range(2):
        raised = np.transpose(sphere(seed), (2, 1, 0)) + 2000  # above 0, as some tools save CT
        nib.Nifti1Image(raised, np.diag([-0.9, -0.9, 5.0, 1.0])).to_filename(tmp_path / f"raised{seed}.nii.gz")
    report = build_index(
        tmp_path, tmp_path / "a.index", encoder=TinyEncoder(), workers=1, modality="CT", body_part="head"
    )
    (note,) = [one for one in report.notes if "not taken for Hounsfield units" in one]
    assert re.match(r"raised\d.nii.gz and 1 more study: CT .*no air near -1000.*\(no_view\)", note)


def test_a_table_says_it_of_each_file(scans: Path, tmp_path: Path) -> None:
    rows = "head.nii.gz,CT,head", "odd,CT,abdomen", "ct,MR,chest"
    (tmp_path / "m.csv").write_text("\n".join(["study,modality,body_part", *rows]))
    report = build_index(scans, tmp_path / "a.index", model="random", metadata=tmp_path / "m.csv")
    with Engine.open(tmp_path / "a.index") as engine:
        assert engine.store is not None
        assert [one for one in report.notes if one.startswith("ct: the files say something else than MR")]
        kinds = {case.path: (case.series[0].modality, case.series[0].body_part) for case in engine.store.cases()}
    assert kinds == {"ct": ("CT", "chest"), "odd": ("CT", "abdomen"), "head.nii.gz": ("CT", "head")}


@pytest.mark.slow
def test_of_studies_of_an_index_it_is_refused(scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = tmp_path / "a.index"
    report = build_index(scans / "ct", index, model="random")
    assert report.studies == 1
    for command in (
        ["screen", str(index), "--finding", "a coin", "--body-part", "head"],
        ["classify", str(index), "--label", "a", "--label", "b", "--modality", "CT"],
        ["explain", str(index), "--finding", "a coin", "--modality", "CT"],
    ):
        assert run(command) == 2
        assert "is not taken for them; build them again" in capsys.readouterr().err
    with Engine.open(index) as engine, pytest.raises(UsageError, match="'CT of the head' is not taken"):
        engine.screen(findings=["a coin"], modality="CT", body_part="head")
    where = ["--index", str(index), "--finding", "a coin", "--model", "random"]
    assert run(["screen", str(scans / "head.nii.gz"), "--modality", "CT", "--body-part", "head", *where]) == 0


@each("share", [0.9, 0.5])
def test_a_guess_is_told_where_one_kind_has_most_of_it(
    share: float, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = TinyEncoder()
    views = embed_study(read_study(scans / "head.nii.gz"), tiny, b"key", "head.nii.gz").views
    shares = np.full(11, (1 - share) / 10)
    shares[1] = share
    monkeypatch.setattr(kind_guess, "label_probabilities", lambda *_: shares)
    guess = guess_kind(views, TextVectors(tiny))
    assert (guess is not None) is (share > 0.8)
    if guess is not None:
        said = str(guess)
        assert "looks like CT of the head to the encoder, a guess (0.90) that is not used: --modality CT" in said


@pytest.mark.slow
def test_random_weights_guess_nothing(scans: Path) -> None:
    encoder = load_encoder("random")
    views = embed_study(read_study(scans / "head.nii.gz"), encoder, b"key", "").views
    assert guess_kind(views, TextVectors(encoder)) is None
