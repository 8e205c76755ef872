"""Labels calibrate an index: what is kept in it, what it answers for afterwards, and what it does not answer for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from radseek.prompts.finding import Finding
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import EncoderMismatchError, IndexBusyError, IndexDamagedError, UsageError
from radseek.retrieval.evaluation import calibration_fit
from radseek.retrieval.evaluation.calibrate_index import CalibrationReport, calibrate_index
from radseek.retrieval.evaluation.calibration_fit import Aims, Fit
from radseek.retrieval.evaluation.label_table import LabelTable
from radseek.retrieval.index.index_calibration import CALIBRATION_FILE, read_calibration
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.scoring.own_calibration import OwnCalibration, own_calibration
from radseek.retrieval.scoring.score_results import FindingScore
from radseek.retrieval.scoring.screening import Screener
from radseek.retrieval.scoring.states import Judge, conformal_state
from radseek.retrieval.scoring.study_vectors import stored_study
from radseek.retrieval.scoring.text_vectors import TextVectors
from tests.calibration_support import FILMS, SCANS, Planted, drawn, plant
from tests.each_support import each
from tests.encoder_support import TinyEncoder

EFFUSION, CARDIOMEGALY, NODULE = FILMS["pleural_effusion"], FILMS["cardiomegaly"], FILMS["lung_nodule"]
STUDIES = 120


@pytest.fixture(autouse=True)
def _no_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Archives of noise: whether a study is one of its kind is tested elsewhere."""
    monkeypatch.setattr("radseek.retrieval.index.closeness.FEWEST", 10_000)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    folder = tmp_path_factory.mktemp("planted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration_fit, "_REPEATS", 20)
        made = plant(folder / "a.index", TinyEncoder(), [EFFUSION, CARDIOMEGALY], drawn(STUDIES, [0.5, 0.4]), shift=3.0)
        kept = replace(made, path=Path(shutil.copytree(made.path, folder / "b.index")))
        fit(kept)
        yield made


@pytest.fixture
def planted(once: Planted, tmp_path: Path) -> Planted:
    """An index of a test's own; its linkage stays behind, as where a folder is copied."""
    return replace(once, path=Path(shutil.copytree(once.path, tmp_path / "a.index")))


@pytest.fixture
def fitted(once: Planted, tmp_path: Path) -> Planted:
    """The same, calibrated."""
    return replace(once, path=Path(shutil.copytree(once.path.with_name("b.index"), tmp_path / "b.index")))


def fit(planted: Planted, labels: LabelTable | None = None, aims: Aims | None = None) -> CalibrationReport:
    with LocalStore.open(planted.path) as store:
        return calibrate_index(store, planted.encoder, labels or planted.labels, aims)


def only(labels: LabelTable, column: int, finding: Finding | None = None) -> LabelTable:
    return replace(labels, findings=(finding or labels.findings[column],), values=labels.values[:, [column]])


def screened(
    planted: Planted, finding: Finding, encoder: TinyEncoder | None = None, most: int = 30
) -> dict[str, FindingScore]:
    """The rows of the first studies, by study, as the engine makes them, but without percentiles."""
    texts = TextVectors(encoder or planted.encoder)
    with LocalStore.open(planted.path) as store:
        screener = Screener(texts, None, judge=Judge(texts, own_calibration(store, texts.encoder.spec)))
        cases = store.cases(limit=most)
        return {case.key: next(screener.rows(stored_study(store, case), [finding])) for case in cases}


def test_probabilities_and_states_exist_from_then_on(planted: Planted) -> None:
    before = screened(planted, EFFUSION)
    assert {row.probability for row in before.values()} == {None}
    report = fit(planted)
    assert report.fitted == 2
    with LocalStore.open(planted.path) as store:
        after = {row.study: row for row in Engine(planted.encoder, store).screen(findings=[EFFUSION]).results}
    truth = dict(zip(planted.labels.studies, planted.labels.values[:, 0], strict=True))
    called = {key: row.state for key, row in after.items() if row.state in ("present", "absent")}
    assert set(called.values()) == {"present", "absent"}
    right = np.mean([(state == "present") == bool(truth[key]) for key, state in called.items()])
    assert right > 0.8
    for key, row in after.items():
        assert key not in before or row.margin == before[key].margin
        assert row.probability is not None
        assert (row.reason == "undecided") == (row.state == "uncertain")
        assert row.state in ("present", "absent", "uncertain")
    found = report.rows[0].found
    assert isinstance(found, Fit)
    assert {row.state for row in after.values()} == {
        conformal_state(row.probability, found.accepted) for row in after.values()
    }


def test_the_row_says_what_was_fitted_on_what(planted: Planted) -> None:
    row = fit(planted, aims=Aims(sensitivity=0.9)).to_dict()["results"][0]
    assert (row["finding"], row["view_class"], row["views"], row["many"]) == (
        "pleural_effusion",
        "radiograph",
        ["radiograph"],
        False,
    )
    assert (row["fitted_on"], row["studies"], row["present"]) == (
        "real",
        STUDIES,
        int(planted.labels.values[:, 0].sum()),
    )
    assert [one["rule"] for one in row["operating_points"]] == ["youden", "sensitivity"]
    assert row["not_told_apart"] is False  # what was planted lies along these words alone
    assert row["check"]["auroc"] == row["check"]["auroc_before"]


def test_a_second_run_is_bit_identical(planted: Planted) -> None:
    first = fit(planted).to_dict()
    kept = (planted.path / CALIBRATION_FILE).read_bytes()
    assert fit(planted).to_dict() == first
    assert (planted.path / CALIBRATION_FILE).read_bytes() == kept
    assert not list(planted.path.glob(".calibration*"))


def test_an_index_with_a_calibration_is_verified_compacted_and_copied(fitted: Planted, tmp_path: Path) -> None:
    with LocalStore.open(fitted.path, read_only=False) as store:
        store.verify()
        store.remove([fitted.labels.studies[0]])
        store.compact()
        store.verify()
    copy = replace(fitted, path=Path(shutil.copytree(fitted.path, tmp_path / "copy.index")))
    assert all(row.probability is not None for row in screened(copy, CARDIOMEGALY).values())
    text = (fitted.path / CALIBRATION_FILE).read_text("utf8")
    assert not any(key in text for key in (*fitted.labels.studies, *fitted.labels.patients))


def test_a_changed_byte_is_found_and_fitting_again_mends_it(fitted: Planted) -> None:
    file = fitted.path / CALIBRATION_FILE
    good = file.read_bytes()
    for broken in (good.replace(b"pleural", b"plural", 1), good[:-40], b"[]", b"\xff"):
        file.write_bytes(broken)
        with pytest.raises(IndexDamagedError, match="radseek calibrate"):
            screened(fitted, EFFUSION)
        with LocalStore.open(fitted.path) as store, pytest.raises(IndexDamagedError, match=r"calibration\.json"):
            store.verify()
    fit(fitted)
    assert file.read_bytes() == good


def test_without_the_file_nothing_is_claimed(fitted: Planted) -> None:
    (fitted.path / CALIBRATION_FILE).unlink()
    assert {row.probability for row in screened(fitted, EFFUSION).values()} == {None}


def test_another_encoder_or_pooling_is_refused(fitted: Planted, tmp_path: Path) -> None:
    other = plant(tmp_path / "other.index", TinyEncoder(1), [EFFUSION], drawn(40, [0.5]))
    shutil.copy(fitted.path / CALIBRATION_FILE, other.path)
    with pytest.warns(UserWarning, match=r"another towers \(.*radseek calibrate"):
        rows = screened(other, EFFUSION)
    assert {row.probability for row in rows.values()} == {None}
    pooled = TinyEncoder()
    pooled.spec = replace(pooled.spec, pooling_hash="0" * 64)
    with pytest.warns(UserWarning, match="another pooling"):
        rows = screened(fitted, EFFUSION, pooled)
    assert {row.probability for row in rows.values()} == {None}
    with pytest.raises(EncoderMismatchError, match="pooled otherwise"):
        fit(replace(fitted, encoder=pooled))
    with pytest.raises(EncoderMismatchError):
        fit(replace(fitted, encoder=TinyEncoder(1)))


def test_other_words_do_not_answer(fitted: Planted) -> None:
    assert fitted.encoder.folder is None
    other = replace(EFFUSION, present=(*EFFUSION.present[:-1], "A widget is seen."))
    rows = screened(fitted, other).values()
    assert {row.probability for row in rows} == {None}
    assert {(row.state, row.reason) for row in rows} <= {("uncertain", "other_words"), ("abstain", "cannot_judge")}
    more_names = replace(EFFUSION, synonyms={"en": ("fluid",), "zh": ()})
    assert all(row.probability is not None for row in screened(fitted, more_names).values())
    on_scans_too = replace(EFFUSION, views=("soft", "radiograph"))  # as the catalogue gives it, of all its sets
    assert all(row.probability is not None for row in screened(fitted, on_scans_too).values())


@each("change, reason", [
    ({}, None), ({"slices": 2}, "other_kind"), ({"model": "synthetic"}, "other_kind"),
    ({"modality": ""}, "unknown_modality"), ({"view": "percentile", "modality": "CT"}, "no_view"),
])  # fmt: skip
def test_only_the_kind_of_study_that_was_fitted_is_answered(
    fitted: Planted, tmp_path: Path, change: dict[str, str | int], reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radseek.retrieval.scoring.states.PASS_MARK", 0.0)  # the tiny encoder hears little
    other = plant(tmp_path / "other.index", TinyEncoder(), [EFFUSION], drawn(3, [0.5]), **change)  # type: ignore[arg-type]
    shutil.copy(fitted.path / CALIBRATION_FILE, other.path)
    rows = screened(other, EFFUSION).values()
    if reason is None:
        assert all(row.probability is not None for row in rows)
    else:
        assert {(row.reason, row.probability) for row in rows} == {(reason, None)}


@pytest.fixture
def claims(tmp_path: Path) -> Callable[[str, float], TinyEncoder]:
    def make(taught_by: str, b: float) -> TinyEncoder:
        """An encoder like the built-in one: it claims a finding, and has a pair of numbers of its own for it."""
        encoder = TinyEncoder()
        about = {"finding": EFFUSION.name, "views": ["radiograph"]}
        concepts = [{**about, "taught_by": taught_by, "self_test": 1.0}]
        entries = [{**about, "many": False, "a": 0.0, "b": b}]
        (tmp_path / "concepts.json").write_text(json.dumps({"concepts": concepts}))
        (tmp_path / "calibration.json").write_text(json.dumps({"towers": encoder.spec.towers_hash, "entries": entries}))
        encoder.folder = tmp_path
        return encoder

    return make


@each("taught_by, before", [("phantom", {("abstain", "phantom_only")}), ("real", {("present", None)})])
def test_labels_are_asked_before_what_the_encoder_says_of_itself(
    planted: Planted, claims: Callable[[str, float], TinyEncoder], taught_by: str, before: set[tuple[str, str | None]]
) -> None:
    (planted.path / CALIBRATION_FILE).unlink(missing_ok=True)  # the case before
    encoder = claims(taught_by, 5.0)
    assert {(row.state, row.reason) for row in screened(planted, EFFUSION, encoder).values()} == before
    fit(planted)
    after = screened(planted, EFFUSION, encoder).values()
    assert {row.state for row in after} >= {"present", "absent"}
    assert all(row.probability is not None for row in after)


def test_random_weights_are_not_calibrated_and_abstain_beside_a_calibration(fitted: Planted) -> None:
    noise = TinyEncoder()
    noise.spec = replace(noise.spec, meaningless=True)
    with pytest.raises(UsageError, match="weights are random"):
        fit(replace(fitted, encoder=noise))
    rows = screened(fitted, EFFUSION, noise).values()
    assert {(row.state, row.reason) for row in rows} == {("abstain", "meaningless_encoder")}


def names_of(planted: Planted) -> set[str]:
    return {one["finding"] for one in (read_calibration(planted.path) or {})["entries"]}


def test_what_this_run_did_not_meet_stays_and_what_it_could_not_fit_goes(fitted: Planted) -> None:
    half = np.arange(STUDIES) % 2 == 0
    fewer = replace(fitted.labels, values=np.where(half[:, None], fitted.labels.values, -1).astype(np.int8))
    fit(fitted, only(fewer, 0), Aims(coverage=0.8))
    assert names_of(fitted) == {"pleural_effusion", "cardiomegaly"}
    nothing = replace(fitted.labels, values=np.zeros_like(fitted.labels.values))
    report = fit(fitted, only(nothing, 0))
    assert report.fitted == 0
    assert report.to_dict()["results"][0]["reason"] == "few_present"
    assert names_of(fitted) == {"cardiomegaly"}


def test_an_open_engine_says_that_it_was_calibrated_again(planted: Planted) -> None:
    with LocalStore.open(planted.path) as store:
        judge = Judge(TextVectors(planted.encoder), own_calibration(store, planted.encoder.spec))
        assert judge.is_current()
        fit(planted)
        assert not judge.is_current()
    assert Judge(TextVectors(planted.encoder), OwnCalibration()).is_current()


def test_beside_a_writer_nothing_is_kept(planted: Planted) -> None:
    with LocalStore.open(planted.path, read_only=False) as writer:
        with pytest.raises(IndexBusyError):
            fit(planted)
        assert writer.counts()["studies"] == STUDIES
    assert read_calibration(planted.path) is None


def test_labels_that_no_fit_can_use_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration_fit, "_REPEATS", 5)
    made = plant(
        tmp_path / "c.index", TinyEncoder(), [EFFUSION, SCANS["emphysema"]], drawn(60, [0.5, 0.5]), modality=""
    )
    labels = replace(made.labels, studies=(*made.labels.studies, "z" * 64), patients=(*made.labels.patients, "z"),
                     values=np.r_[made.labels.values, [[1, -1]]].astype(np.int8))  # fmt: skip
    report = fit(made, labels)
    assert report.rows == ()
    one, other = report.to_dict()["left_out"]
    assert one == {"finding": "pleural_effusion", "labels": 61, "not_stored": 1, "unknown_modality": 60, "no_view": 0}
    assert other["labels"] == other["unknown_modality"] == 60
    films = plant(tmp_path / "d.index", TinyEncoder(), [EFFUSION, SCANS["emphysema"]], drawn(60, [0.5, 0.5]))
    assert fit(films).to_dict()["left_out"][1]["no_view"] == 60
    with pytest.raises(UsageError, match="None of the 1 labelled"):
        fit(films, LabelTable(("z" * 64,), ("z",), (EFFUSION,), np.ones((1, 1), np.int8)))


def test_words_that_order_studies_as_nonsense_does_are_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every text is one word to this encoder, heard louder or less loud: one direction answers all."""
    monkeypatch.setattr(calibration_fit, "_REPEATS", 5)

    class OneWord(TinyEncoder):
        def encode_texts(self, texts: object) -> np.ndarray:
            rows = np.zeros((len(texts), 32), np.float32)  # type: ignore[arg-type]
            for row, text in zip(rows, texts, strict=True):  # type: ignore[call-overload]
                angle = (0.3 if " no " in f" {text.lower()} " or "without" in text.lower() else 1.2) + 0.001 * len(text)
                row[:2] = np.cos(angle), np.sin(angle)
            return rows

    made = plant(tmp_path / "e.index", OneWord(), [EFFUSION], drawn(120, [0.5]), shift=3.0)
    (row,) = fit(made).rows
    assert isinstance(row.found, Fit)
    assert row.not_told_apart is True
