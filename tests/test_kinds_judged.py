"""A score is judged only in the kind of study that its finding was taught on and its calibrator fitted on."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from radseek.prompts.catalogue import find
from radseek.retrieval.encoders.concepts import load_concepts
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import EncoderError
from radseek.retrieval.scoring.calibration import load_calibrator
from radseek.retrieval.scoring.margins import read_finding
from radseek.retrieval.scoring.screening import Screener
from radseek.retrieval.scoring.states import Judge
from radseek.retrieval.scoring.study_vectors import SeriesVectors, StudyVectors
from radseek.retrieval.scoring.text_vectors import TextVectors
from tests.conftest import DATA
from tests.dicom_support import series as write_series
from tests.each_support import each
from tests.encoder_support import TinyEncoder
from tests.index_support import key_of, make_view
from training.export import FOLDER

ROOT = Path(__file__).resolve().parents[1]
TUMOUR = find("brain tumour")
VIEWS = ["mr", "mr_t1"]
ABSTAINING = (
    "no_view", "meaningless_encoder", "cannot_judge", "phantom_only", "slice_only", "other_kind",
    "out_of_domain", "no_text_tower",
)  # fmt: skip


UNCERTAIN = ("unknown_modality", "uncalibrated", "other_words", "near_threshold", "undecided")


@pytest.fixture
def taught(tmp_path: Path) -> Callable[..., TinyEncoder]:
    """An encoder taught a finding by `taught` (who, how many slices) and calibrated on `fitted` (what, many)."""

    def make(taught: list[tuple[str, list[str]]], fitted: list[tuple[str | None, bool]]) -> TinyEncoder:
        encoder = TinyEncoder()
        concepts = [
            {"finding": TUMOUR.name, "taught_by": by, "views": VIEWS, "self_test": 1.0, "slices": slices}
            for by, slices in taught
        ]
        entries = [
            {"finding": TUMOUR.name, "views": VIEWS, "many": many, "a": 0.0, "b": 3.0, "fitted_on": on}
            for on, many in fitted
        ]
        (tmp_path / "concepts.json").write_text(json.dumps({"concepts": concepts}))
        (tmp_path / "calibration.json").write_text(json.dumps({"towers": encoder.spec.towers_hash, "entries": entries}))
        encoder.folder = tmp_path
        return encoder

    return make


def study_of(*depths: int, phantom: bool = False, view: str = "mr_t1") -> StudyVectors:
    """A study of a series a depth."""
    rng = np.random.default_rng(1)
    made = tuple(
        SeriesVectors(key_of("series", k), "MR", "head", (make_view(rng, view, depth, f"s{k}"),))
        for k, depth in enumerate(depths)
    )
    return StudyVectors(key_of("study", 1), "", None, made, {"model": "synthetic"} if phantom else {})


REAL_ONE, PHANTOM_BOTH = ("real", ["one"]), ("phantom", ["one", "many"])
BOTH = ([REAL_ONE, PHANTOM_BOTH], [("real", False), ("phantom", True)])  # as the built-in encoder has it


@each(
    "know, study, state, reason",
    [
        (BOTH, study_of(1), "present", None),
        (BOTH, study_of(20), "abstain", "slice_only"),
        (BOTH, study_of(2), "abstain", "slice_only"),
        (BOTH, study_of(*[1] * 20), "abstain", "slice_only"),  # a volume in series of one slice each
        (BOTH, study_of(20, phantom=True), "present", None),
        (BOTH, study_of(1, phantom=True), "abstain", "other_kind"),  # taught, and calibrated on volumes alone
        (([REAL_ONE], [("real", False)]), study_of(1, phantom=True), "abstain", "other_kind"),
        (([PHANTOM_BOTH], [("phantom", True)]), study_of(20), "abstain", "phantom_only"),
        (([("real", ["many"])], [("real", True)]), study_of(1), "abstain", "other_kind"),
        (([("real", ["one", "many"])], [("phantom", True)]), study_of(20), "abstain", "other_kind"),
        (([("real", ["one", "many"])], [("real", False)]), study_of(20), "abstain", "other_kind"),
        (([("real", ["one", "many"])], []), study_of(20), "uncertain", "uncalibrated"),
        (([("real", ["one", "many"])], [(None, True)]), study_of(20), "present", None),
    ],
)
def test_a_state_needs_the_kind_that_was_taught_and_fitted(taught, know, study, state, reason) -> None:
    (row,) = Screener(TextVectors(taught(*know)), None).rows(study, [TUMOUR])
    assert (row.state, row.reason) == (state, reason)
    assert (row.probability is None) == (state != "present")
    assert row.margin is not None


def test_several_films_of_a_study_are_films_and_no_volume() -> None:
    text_vectors = TextVectors(TinyEncoder())
    effusion = replace(find("pleural effusion"), views=())
    films = study_of(1, 1, view="radiograph")
    assert read_finding(films, effusion, text_vectors.pair(effusion)).slices == 1
    assert read_finding(study_of(1, 1, view="lung"), effusion, text_vectors.pair(effusion)).slices == 2


@each("broken", [{"slices": []}, {"slices": ["some"]}, {"slices": ["one", "few"]}])
def test_a_count_of_slices_that_is_none_names_the_file(tmp_path: Path, broken: dict[str, list[str]]) -> None:
    concept = {"finding": "glioma", "taught_by": "real", "views": ["mr"], "self_test": 1.0, **broken}
    (tmp_path / "concepts.json").write_text(json.dumps({"concepts": [concept]}))
    with pytest.raises(EncoderError, match=r"concepts\.json.*slices"):
        load_concepts(tmp_path)


def test_a_source_that_is_none_names_the_file(tmp_path: Path) -> None:
    entry = {"finding": "glioma", "views": ["mr"], "many": True, "a": 1.0, "b": 0.0, "fitted_on": "hearsay"}
    (tmp_path / "calibration.json").write_text(json.dumps({"towers": "t", "entries": [entry]}))
    with pytest.raises(EncoderError, match=r"calibration\.json.*hearsay"):
        load_calibrator(tmp_path, "t")


def test_the_built_in_encoder_says_of_everything_what_taught_and_fitted_it() -> None:
    for row in json.loads((FOLDER / "concepts.json").read_text())["concepts"]:
        assert row["slices"] == (["one"] if row["taught_by"] == "real" else ["one", "many"]), row
    for row in json.loads((FOLDER / "calibration.json").read_text())["entries"]:
        assert row["fitted_on"] in ("real", "phantom")
        assert row["fitted_on"] == "phantom" or not row["many"], "no real volume was ever fitted on"


@each("reason", ABSTAINING)
def test_every_reason_has_words_wherever_it_is_shown(reason: str) -> None:
    for name, tables in (
        ("retrieval/explain/claims/sentences.toml", ("abstained", "reasons")),
        ("radseek/html/explain_words.toml", ("reason",)),
        ("demo/page/page_words.toml", ("reason",)),
    ):
        words = tomllib.loads((ROOT / name).read_text(encoding="utf-8"))
        for table in tables:
            assert len(words[table][reason]) == 2, (name, table)
    viewer = (ROOT / "demo/viewer/words.js").read_text(encoding="utf-8")
    assert len(re.findall(rf"\b{reason}: ", viewer)) == 2


@each("reason", UNCERTAIN)
def test_every_reason_of_doubt_has_words_wherever_it_is_shown(reason: str) -> None:
    for name, table in (
        ("retrieval/explain/claims/sentences.toml", "finding"),
        ("radseek/html/explain_words.toml", "reason"),
        ("demo/page/page_words.toml", "reason"),
    ):
        assert len(tomllib.loads((ROOT / name).read_text(encoding="utf-8"))[table][reason]) == 2, name


def test_no_reason_is_without_a_test_of_its_words() -> None:
    certain, doubt = str(Judge.verdict.__globals__["Verdict"].__doc__).split("Of `uncertain`")
    assert set(re.findall(r"`(\w+)`", certain)) - {"abstain"} == set(ABSTAINING)
    assert set(re.findall(r"`(\w+)`", doubt)) - {"out_of_domain"} == set(UNCERTAIN)


# ---------------------------------------------------------------- real scans


@pytest.fixture(scope="module")
def builtin() -> Encoder:
    return load_encoder("builtin")


@pytest.fixture
def engine(builtin: Encoder) -> Engine:
    return Engine(builtin)  # a test's own: each has a key of its own


@pytest.fixture(scope="module")
def volunteer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A normal volunteer's T1, every fifth slice, as DICOM: one series, and the same as a series a slice."""
    folder = tmp_path_factory.mktemp("volunteer")
    image = nib.load(DATA / "volumes" / "chris_t1.nii.gz")  # type: ignore[attr-defined]
    voxels = np.asarray(image.dataobj)[:, ::-1, ::5]  # to rows that run to posterior
    slices = [np.ascontiguousarray(voxels[..., k].T).astype(np.int16) for k in range(voxels.shape[2])]
    places = [(0.0, 0.0, 5.0 * k) for k in range(len(slices))]
    tags = {"Modality": "MR", "BodyPartExamined": "HEAD", "SeriesDescription": "T1 MPRAGE"}
    tags |= {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4", "PixelSpacing": [1.0, 1.0]}
    write_series(folder / "whole", places, pixels=slices, **tags)
    for k, (place, pixels) in enumerate(zip(places, slices, strict=True)):
        own = {**tags, "StudyInstanceUID": "1.2.4", "SeriesInstanceUID": f"1.2.4.{k + 1}"}
        write_series(folder / "apart", [place], pixels=[pixels], **own)
    return folder


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.parametrize("layout", ["whole", "apart"])
def test_a_normal_volunteer_has_no_tumour_with_any_probability(engine: Engine, volunteer: Path, layout: str) -> None:
    rows = {row.finding: row for row in engine.screen(volunteer / layout, "brain_mr").results}
    assert rows["brain_tumour"].view == "mr_t1"
    assert rows["brain_tumour"].margin is not None
    for name in ("brain_tumour", "glioma", "pituitary_tumour"):
        assert (rows[name].state, rows[name].reason) == ("abstain", "slice_only"), name
    assert rows["meningioma"].reason == "cannot_judge"  # its words fail their own test (docs/results.md)
    assert {row.state for row in rows.values()} == {"abstain"}
    assert {row.probability for row in rows.values()} == {None}


@pytest.mark.real_data
@pytest.mark.slow
def test_no_colours_are_laid_over_what_is_not_judged(engine: Engine, volunteer: Path) -> None:
    found = engine.heat_map(volunteer / "whole", "brain tumour", every_slice=True)
    assert found.map is None
    assert found.peak is None
    assert (found.check.passes, found.check.reason) == (False, "slice_only")
    assert np.isnan(found.maps.stacked()).all()  # nothing to draw them from either
    from radseek.demo.viewer.heat_layer import layer_of

    layer = layer_of(found, TUMOUR.names)
    assert (layer.pictures, layer.reason) == ({}, "slice_only")
    assert layer.to_dict("token")["token"] == ""


@pytest.mark.real_data
@pytest.mark.slow
def test_a_real_slice_is_still_judged(engine: Engine) -> None:
    image = sorted((DATA / "brain_mr" / "images").iterdir())[0]
    row = engine.screen(image, ["brain tumour"], modality="MR").results[0]
    assert row.probability is not None
    assert engine.heat_map(image, "brain tumour", modality="MR").check.slices > 0
