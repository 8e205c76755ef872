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
from tests.index_support import KEY, key_of, make_record

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


def test_reports_and_images_find_each_other_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADSEEK_KEY", KEY.decode())
    said = [f"Report of {n // 2}." for n in range(12)]  # two studies of one wording
    with LocalStore.create(tmp_path / "a.index", TinyEncoder().spec) as store:
        view = {"modality": "DX", "views": ("radiograph",), "slices": 1}
        store.add([make_record(n, sentences=[said[n]], **view) for n in range(12)])  # type: ignore[arg-type]
    table = "\n".join(["Path,Atelectasis", *(f"1.2.3.{n},{n % 2}" for n in range(12))])
    evaluation, store = measured(tmp_path / "a.index", "cxr-retrieval", table)
    assert evaluation.protocol is not None
    found = {one.measure: one for one in evaluation.protocol.retrieval}
    assert {one.flaw for one in found.values()} == {"one_sided_duplicates"}

    image = {n: next(iter(make_record(n, **view).series[0].views)).pooled for n in range(12)}  # type: ignore[arg-type]
    text = {n: store.sentence_vectors(key_of("study", n))[0].astype(float) for n in range(12)}
    store.close()
    cosine = np.array([[text[a] @ image[b] for b in range(12)] for a in range(12)])
    own = [1 + sum(cosine[a, b] >= cosine[a, a] for b in range(12) if b != a) for a in range(12)]
    assert found["text to image, mean rank"].published == pytest.approx(np.mean(own))
    best = [max(cosine[a, a], cosine[a, a ^ 1]) for a in range(12)]
    either = [1 + sum(cosine[a, b] >= best[a] for b in range(12) if b not in (a, a ^ 1)) for a in range(12)]
    assert found["text to image, mean rank"].ours == pytest.approx(np.mean(either))


def test_each_structure_is_recalled_by_the_nearest_of_another_patient(index: Path) -> None:
    held = np.random.default_rng(5).integers(0, 2, (STUDIES, 2))
    rows = ["study,liver,spleen", *(f"1.2.3.{n},{a},{b}" for n, (a, b) in enumerate(held))]
    evaluation, store = measured(index, "totalseg-cbir", "\n".join(rows))
    store.close()
    assert evaluation.protocol is not None
    image = [make_record(n, modality="DX", views=("radiograph",), slices=1).series[0].views[0] for n in range(STUDIES)]
    cosine = np.array([one.pooled for one in image]) @ np.array([one.pooled for one in image]).T
    np.fill_diagonal(cosine, -1)
    nearest = cosine.argmax(1)
    expected = {held[nearest[held[:, f] == 1], f].mean() for f in (0, 1)}
    assert {one.measure for one in evaluation.protocol.retrieval} == {"recall at 1"}
    assert {round(one.ours, 6) for one in evaluation.protocol.retrieval} == {round(one, 6) for one in expected}


def test_an_unknown_protocol_names_the_nearest(index: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean nih14"):
        evaluate_archive(index, index.parent / "labels.csv", protocol="nih-14")
