"""A probe kept in an index: fitted, written, asked as a finding, refused where it does not belong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from radseek.app.verdict_labels import Label, labels_csv
from radseek.index_builder.labels.label_file import read_labels
from radseek.index_builder.labels.label_join import join_labels
from radseek.prompts.catalogue import find
from radseek.retrieval.encoders.concepts import Concept
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import (
    EncoderMismatchError,
    IndexDamagedError,
    UnknownNameError,
    UsageError,
)
from radseek.retrieval.evaluation.probe_index import ProbeReport, probe_index
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.scoring import probe_files
from radseek.retrieval.scoring.finding_features import finding_feature, stored_features
from radseek.retrieval.scoring.margins import read_finding
from radseek.retrieval.scoring.probe import Probe, ProbedFinding
from radseek.retrieval.scoring.probe_files import asked_finding, list_probes, read_probe, write_probe
from radseek.retrieval.scoring.study_vectors import StudyVectors, stored_study
from radseek.retrieval.scoring.text_vectors import TextVectors
from tests.encoder_support import TinyEncoder
from tests.probe_support import EFFUSION, planted, planted_index, table_of


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of 80 films of 40 patients, with a probe of pleural effusion."""
    path = tmp_path_factory.mktemp("probed") / "a.index"
    table = planted_index(path, 80)
    with LocalStore.open(path) as store:
        write_probe(path, probe_index(store, TextVectors(TinyEncoder()), table, "pleural_effusion", labels="l").probe)
    return path


def fitted(path: Path) -> ProbeReport:
    records, labels = planted(80)
    with LocalStore.open(path) as store:
        table = table_of(records, labels)
        return probe_index(store, TextVectors(TinyEncoder()), table, "pleural effusion", labels="l")


def test_a_study_is_taken_where_its_margin_is(tmp_path: Path) -> None:
    planted_index(tmp_path / "v.index", 4, slices=25)
    pair = TextVectors(TinyEncoder()).pair(EFFUSION)
    with LocalStore.open(tmp_path / "v.index") as store:
        studies = [stored_study(store, case) for case in store.cases()]
        rows = stored_features(store, EFFUSION, pair, [one.key for one in reversed(studies)])[::-1]
    for study, row in zip(studies, rows, strict=True):
        reading = read_finding(study, EFFUSION, pair)
        feature = finding_feature(study, EFFUSION, pair)
        assert reading is not None
        assert feature is not None
        assert row @ pair.directions()[:, 0] == pytest.approx(reading.margin, abs=1e-6)
        assert np.array_equal(row, feature)
    assert finding_feature(studies[0], find("intracranial haemorrhage"), pair) is None


@pytest.mark.slow
def test_a_second_run_is_the_same_file_and_reads_back_to_the_same_numbers(index: Path) -> None:
    first = (index / "probes" / "pleural_effusion.json").read_bytes()
    report = fitted(index)
    assert write_probe(index, report.probe).read_bytes() == first
    again = read_probe(index, "pleural_effusion")
    assert again.hash == report.probe.hash
    assert np.array_equal(again.direction, report.probe.direction)
    assert np.array_equal(again.replicates, report.probe.replicates)
    assert again.words == EFFUSION
    assert (again.present, again.absent, again.patients) == (40, 40, 40)
    assert report.curve.points[-1].labels == 40
    assert report.to_dict()["probe"]["hash"] == again.hash
    assert list_probes(index) == ("pleural_effusion",)


def test_screen_asks_it_of_the_index(index: Path) -> None:
    probe = read_probe(index, "pleural_effusion")
    records, labels = planted(80)
    with LocalStore.open(index) as store:
        rows = Engine(TinyEncoder(), store).screen(findings=["probe:pleural_effusion", "pleural effusion"]).results
    of_probe, of_words = rows[0::2], rows[1::2]
    slices = {one.key: one.series[0].views[0].slices.astype(np.float64) for one in records}
    for row in of_probe:
        assert row.finding == "probe:pleural_effusion"
        assert row.margin == pytest.approx(float((slices[row.study] @ probe.direction)[0]), abs=1e-6)
        each = slices[row.study] @ probe.replicates.T
        assert row.interval == pytest.approx(tuple(np.percentile(each, [10, 90])), abs=1e-6)
        assert (row.state, row.reason, row.probability) == ("uncertain", "uncalibrated", None)
        assert row.prompts["present"] == [f"40 studies labelled 1 in l (probe {probe.hash[:12]})"]
        assert row.key_slice == 0
    truth = dict(zip((one.key for one in records), labels, strict=True))
    aurocs = [roc_auc_score([truth[r.study] for r in some], [r.margin for r in some]) for some in (of_probe, of_words)]
    assert aurocs[0] > aurocs[1] + 0.03


def test_screen_asks_it_of_a_new_study(index: Path) -> None:
    probe = read_probe(index, "pleural_effusion")
    records, _ = planted(1, seed=11)
    with LocalStore.open(index) as store:
        study = stored_study(store, store.cases()[0])
        engine = Engine(TinyEncoder(), store)
        (row,) = engine.screen(study, ["probe:胸腔积液"]).results  # by any name of the finding
        assert (
            engine.screen(study, ["probe:胸腔积液"]).findings_version
            != engine.screen(study, ["胸腔积液"]).findings_version
        )
    assert row.margin == pytest.approx(float((study.views[0].slices.astype(np.float64) @ probe.direction)[0]), abs=1e-6)
    assert records


def test_what_an_encoder_was_taught_says_nothing_of_a_probe(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taught = {"pneumothorax": (Concept("pneumothorax", "real", ("radiograph",), 1.0),)}
    monkeypatch.setattr("radseek.retrieval.scoring.states.concepts_of", lambda encoder: taught)
    with LocalStore.open(index) as store:
        found = Engine(TinyEncoder(), store).screen(stored_of(index), ["probe:pleural_effusion", "pleural effusion"])
    assert [row.reason for row in found.results] == ["uncalibrated", "cannot_judge"]


def test_another_encoder_refuses_it(index: Path) -> None:
    asked = asked_finding("probe:pleural_effusion", index)
    with pytest.raises(EncoderMismatchError, match="radseek probe"):
        TextVectors(TinyEncoder(seed=3)).pair(asked)
    assert isinstance(asked, ProbedFinding)
    assert asked == asked_finding("probe:pleural effusion", index)
    assert hash(asked) == hash(asked_finding("probe:pleural effusion", index))


def test_what_is_not_there_is_said(index: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"it has probe:pleural_effusion.*radseek probe"):
        asked_finding("probe:pneumothorax", index)
    with pytest.raises(UnknownNameError, match="it has none"):
        read_probe(tmp_path, "pneumothorax")
    with pytest.raises(UsageError, match="--index"):
        asked_finding("probe:pneumothorax", None)
    with pytest.raises(UsageError, match="--index"):
        Engine(TinyEncoder()).screen(stored_of(index), ["probe:pneumothorax"])


def stored_of(index: Path) -> StudyVectors:
    with LocalStore.open(index) as store:
        return stored_study(store, store.cases()[0])


def test_a_file_that_is_not_what_was_written_is_refused(index: Path, tmp_path: Path) -> None:
    probe = read_probe(index, "pleural_effusion")
    path = write_probe(tmp_path, probe)
    document = json.loads(path.read_text("utf8"))
    for name, value in (("present", 41), ("direction", [0.5]), ("words", {}), ("sha256", "0"), ("prompts", "0")):
        path.write_text(json.dumps({**document, name: value}), "utf8")
        with pytest.raises(IndexDamagedError, match="fit it again"):
            read_probe(tmp_path, "pleural_effusion")
    path.write_text("[", "utf8")
    with pytest.raises(IndexDamagedError):
        read_probe(tmp_path, "pleural_effusion")


def test_it_is_written_whole_or_not_at_all(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = read_probe(index, "pleural_effusion")
    path = write_probe(tmp_path, probe)
    before = path.read_bytes()

    def cut(document: object, file: object, **_: object) -> None:
        file.write("{")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr(probe_files.json, "dump", cut)
    with pytest.raises(KeyboardInterrupt):
        write_probe(tmp_path, probe)
    assert path.read_bytes() == before
    assert list_probes(tmp_path) == ("pleural_effusion",)


@pytest.mark.slow
def test_without_evidence_the_probe_is_the_words(tmp_path: Path) -> None:
    path = tmp_path / "w.index"
    table = planted_index(path, 60, words=1.0, signal=0.0)
    with LocalStore.open(path) as store:
        text_vectors = TextVectors(TinyEncoder())
        probe = probe_index(store, text_vectors, table, "pleural_effusion", labels="l").probe
        assert probe.strength is None
        write_probe(path, probe)
        rows = Engine(TinyEncoder(), store).screen(findings=["probe:pleural_effusion", "pleural effusion"]).results
    for of_probe, of_words in zip(rows[0::2], rows[1::2], strict=True):
        assert (of_probe.margin, of_probe.interval) == (of_words.margin, of_words.interval)


@pytest.mark.slow
def test_readers_verdicts_are_labels(index: Path, tmp_path: Path) -> None:
    records, labels = planted(80)
    table = tmp_path / "verdicts.csv"
    said = (Label(one.key, "pleural_effusion", int(label)) for one, label in zip(records, labels, strict=True))
    table.write_text(labels_csv(said), "utf8")
    with LocalStore.open(index) as store:
        joined = join_labels(read_labels(table), store)
        text_vectors = TextVectors(TinyEncoder())
        found: Probe = probe_index(store, text_vectors, joined.table, "pleural_effusion", labels="l").probe
    assert found.hash == read_probe(index, "pleural_effusion").hash
