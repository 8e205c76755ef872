"""A protocol on an index, from the label file to the document: ours beside the published, flawed numbers both ways."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema_rs
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from radseek.html.evaluation_page import render_evaluation
from radseek.index_builder.labels.evaluate_archive import evaluate_archive, evaluated
from radseek.index_builder.labels.label_file import read_labels
from radseek.index_builder.labels.label_join import join_labels
from radseek.index_builder.labels.labelled_index import LabelledIndex
from radseek.retrieval.errors import UnknownNameError
from radseek.retrieval.evaluation.index_evaluation import IndexEvaluation
from radseek.retrieval.evaluation.protocol_file import load_protocol
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.scoring.stored_margins import stored_margins
from radseek.retrieval.scoring.text_vectors import TextVectors
from tests.encoder_support import TinyEncoder
from tests.index_support import KEY, make_record

SCHEMA = json.loads((Path(__file__).resolve().parents[1] / "docs" / "schema" / "evaluate.json").read_text("utf8"))
STUDIES = 40


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RADSEEK_KEY", KEY.decode())
    with LocalStore.create(tmp_path / "a.index", TinyEncoder().spec) as store:
        store.add([make_record(n, modality="DX", views=("radiograph",), slices=1) for n in range(STUDIES)])
    return tmp_path / "a.index"


def measured(index: Path, name: str, table: str) -> tuple[IndexEvaluation, LocalStore]:
    file = index.parent / "labels.csv"
    file.write_text(table, "utf-8")
    protocol = load_protocol(name)
    store = LocalStore.open(index)
    joined = join_labels(read_labels(file, protocol=protocol), store)
    opened = LabelledIndex(store, TinyEncoder(), joined.table, joined.report)
    return evaluated(opened, protocol=protocol, repeats=10), store


@pytest.fixture
def nih(index: Path) -> Iterator[tuple[IndexEvaluation, LocalStore]]:
    rng = np.random.default_rng(0)
    rows = ["Image Index,Finding Labels,Patient ID"]
    for number in range(STUDIES):
        found = [name for name in ("Effusion", "Hernia", "Pneumonia") if rng.random() < 0.4]
        rows.append(f"1.2.3.{number},{'|'.join(found) or 'No Finding'},{number // 2}")
    found = measured(index, "nih14", "\n".join(rows))
    yield found
    found[1].close()


def test_both_prompts_stand_beside_the_published_numbers(nih: tuple[IndexEvaluation, LocalStore]) -> None:
    evaluation, store = nih
    run = evaluation.protocol
    assert run is not None
    assert [one.prompts for one in run.runs] == ["ours", "published"]
    assert set(run.findings) == {"pleural_effusion", "hiatal_hernia", "pneumonia"}
    protocol = load_protocol("nih14")
    table = evaluation.labels
    for one in run.runs:
        findings = [f for f in protocol.findings(one.prompts, table.findings) if f.name in run.findings]
        read = stored_margins(store, TextVectors(TinyEncoder()), findings)
        rows = [read.studies.index(key) for key in table.studies]
        for place, finding in enumerate(findings):
            column = next(i for i, f in enumerate(table.findings) if f.name == finding.name)
            expected = roc_auc_score(table.values[:, column], read.margins[rows, place])
            estimate = one.classes[run.findings.index(finding.name)]
            assert estimate is not None
            assert estimate.value == pytest.approx(expected, abs=1e-9)
    assert len(run.runs[1].against_ours) == 3
    document = evaluation.to_dict()
    assert not [error.message for error in jsonschema_rs.iter_errors(SCHEMA, json.loads(evaluation.to_json()))]
    assert {row["model"] for row in document["protocol"]["published"]} >= {"KAD, a rerun"}
    page = render_evaluation(evaluation, [[] for _ in evaluation.results], title="E")
    for text in ("radseek, published prompts", "KAD, a rerun", "Means over 14 and over 15 classes"):
        assert text in page


def test_a_protocol_that_retrieves_has_its_numbers_both_ways(index: Path) -> None:
    classes = [column for one in load_protocol("ct-rate-retrieval").classes for column in one.columns[:1]]
    rng = np.random.default_rng(1)
    rows = [",".join(["VolumeName", *classes])]
    rows += [",".join([f"1.2.3.{n}", *map(str, rng.integers(0, 2, len(classes)))]) for n in range(STUDIES)]
    evaluation, store = measured(index, "ct-rate-retrieval", "\n".join(rows))
    store.close()
    run = evaluation.protocol
    assert run is not None
    assert run.runs == ()
    assert {one.flaw for one in run.retrieval} <= {"growing_k", "self_in_gallery"}
    assert all(one.published >= one.ours for one in run.retrieval)  # the study itself overlaps wholly
    assert not [error.message for error in jsonschema_rs.iter_errors(SCHEMA, json.loads(evaluation.to_json()))]


def test_an_unknown_protocol_names_the_nearest(index: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean nih14"):
        evaluate_archive(index, index.parent / "labels.csv", protocol="nih-14")
