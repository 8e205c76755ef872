"""An index beside labels: figures are those of independent implementations, and the same in a second run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import UnknownNameError, UsageError
from radseek.retrieval.evaluation.archive_retrieval import archive_retrieval, study_similarity
from radseek.retrieval.evaluation.audit_columns import audit_columns
from radseek.retrieval.evaluation.calibrate_index import calibrate_index
from radseek.retrieval.evaluation.checklist import AUTHORS, checklist_markdown, checklist_rows
from radseek.retrieval.evaluation.chosen_studies import chosen_studies
from radseek.retrieval.evaluation.cohort_facts import cohort_facts
from radseek.retrieval.evaluation.index_evaluation import IndexEvaluation, evaluate_index
from radseek.retrieval.evaluation.label_table import LabelTable
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Store
from radseek.retrieval.scoring.own_calibration import own_calibration
from radseek.retrieval.scoring.states import Judge
from radseek.retrieval.scoring.text_vectors import TextVectors
from tests.calibration_support import FILMS, Planted, drawn, plant
from tests.encoder_support import TinyEncoder
from tests.index_support import make_record

EFFUSION, NODULE = FILMS["pleural_effusion"], FILMS["lung_nodule"]
STUDIES = 80


@pytest.fixture(autouse=True)
def _no_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Archives of noise: whether a study is one of its kind is tested elsewhere."""
    monkeypatch.setattr("radseek.retrieval.index.closeness.FEWEST", 10_000)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    folder = tmp_path_factory.mktemp("evaluated")
    made = plant(folder / "a.index", TinyEncoder(), [EFFUSION, NODULE], drawn(STUDIES, [0.5, 0.2]), per_patient=2)
    values = made.labels.values.copy()
    values[:5, 0] = -1
    split = tuple("val" if i % 3 == 0 else "train" for i in range(STUDIES))
    return replace(made, labels=replace(made.labels, values=values, columns={"Split": split}))


@pytest.fixture
def store(planted: Planted) -> Iterator[LocalStore]:
    with LocalStore.open(planted.path) as opened:
        yield opened


def evaluated(store: Store, labels: LabelTable, encoder: TinyEncoder, repeats: int = 20) -> IndexEvaluation:
    texts = TextVectors(encoder)
    judge = Judge(texts, own_calibration(store, encoder.spec))
    by = audit_columns(store, labels, ["sex"])
    return evaluate_index(store, texts, labels, judge, by=by, about={"file": "l.csv", "rows": 9}, repeats=repeats)


def test_figures_are_sklearns_of_the_engines_own_margins(store: LocalStore, planted: Planted) -> None:
    found = evaluated(store, planted.labels, TinyEncoder())
    scores = {row.study: row for row in Engine(TinyEncoder(), store).screen(findings=[EFFUSION]).results}
    known = planted.labels.values[:, 0] >= 0
    truth = planted.labels.values[known, 0]
    margins = [scores[key].margin for key, use in zip(planted.labels.studies, known, strict=True) if use]
    measures = found[0].measures
    assert measures is not None
    assert measures.auroc.value == pytest.approx(roc_auc_score(truth, margins), abs=1e-12)
    assert measures.average_precision.value == pytest.approx(average_precision_score(truth, margins), abs=1e-12)
    assert (measures.unknown, measures.images, found[1].measures is not None) == (5, STUDIES - 5, True)
    states = {state: pair for state, pair in found[0].states.items() if any(pair)}
    assert states == {"abstain": (int(truth.sum()), int((1 - truth).sum()))}
    assert {(row.state, row.reason) for row in scores.values()} == {("abstain", "cannot_judge")}
    assert [audit.column for audit in found[0].audits] == ["sex"]


def test_states_and_probabilities_are_the_engines_after_calibration(planted: Planted, tmp_path: Path) -> None:
    made = plant(tmp_path / "c.index", TinyEncoder(), [EFFUSION], drawn(STUDIES, [0.5]), shift=3.0)
    with LocalStore.open(made.path) as store:
        calibrate_index(store, made.encoder, made.labels)
        found = evaluated(store, made.labels, TinyEncoder())
        rows = {row.study: row for row in Engine(TinyEncoder(), store).screen(findings=[EFFUSION]).results}
    assert found[0].calibrated_by == "index"
    said = [rows[key].probability for key in made.labels.studies]
    assert found.probabilities[:, 0].tolist() == pytest.approx(said, abs=1e-12)
    counted = {state: sum(pair) for state, pair in found[0].states.items()}
    assert counted == {state: sum(row.state == state for row in rows.values()) for state in counted}
    measures = found[0].measures
    assert measures is not None
    truth = made.labels.values[:, 0]
    assert measures.brier is not None
    assert measures.brier.value == pytest.approx(float(np.mean((np.array(said, float) - truth) ** 2)), abs=1e-12)


def test_a_second_run_prints_the_same_and_numbers_are_plain(store: LocalStore, planted: Planted) -> None:
    first, second = (evaluated(store, planted.labels, TinyEncoder()).to_json() for _ in range(2))
    assert first == second
    document = json.loads(first)
    assert document["results"][0]["prompts"]["present"] == list(EFFUSION.present)
    assert document["cohort"]["patients"] == STUDIES // 2
    other = replace(planted.labels, values=1 - planted.labels.values.clip(0, 1))
    assert evaluated(store, other, TinyEncoder()).data_hash != document["data_hash"]


def test_a_finding_of_one_answer_is_a_row_without_measures(store: LocalStore, planted: Planted) -> None:
    values = planted.labels.values.copy()
    values[:, 1] = 0
    found = evaluated(store, replace(planted.labels, values=values), TinyEncoder())
    assert found[1].measures is None
    row = found.records()[1]
    assert (row["finding"], row["auroc"]) == ("lung_nodule", None)
    assert found.to_dict()["results"][1]["measures"] is None
    assert found.to_csv().count("\n") == 3
    with pytest.raises(UsageError, match="No labelled study is in the index"):
        evaluated(store, LabelTable((), (), (EFFUSION,), np.zeros((0, 1), np.int8)), TinyEncoder())


def test_studies_are_chosen_by_the_files_columns_and_the_indexs_filters(store: LocalStore, planted: Planted) -> None:
    val = chosen_studies(planted.labels, store, ["split=VAL"])
    assert set(val.columns["Split"]) == {"val"}
    assert len(val.studies) == len(val.patients) == len(val.values) == 27
    women = chosen_studies(planted.labels, store, ["split=val,train", "sex=F"])
    assert len(women.studies) == STUDIES // 2
    with pytest.raises(UsageError, match="No labelled study has Split=vall; did you mean val"):
        chosen_studies(planted.labels, store, ["split=vall"])
    with pytest.raises(UnknownNameError, match="No filter is called 'fold'"):
        chosen_studies(planted.labels, store, ["fold=1"])


def test_groups_come_from_the_file_the_index_and_their_crossing(store: LocalStore, planted: Planted) -> None:
    found = audit_columns(store, planted.labels, ["Split", "sex,age", "split, sex"])
    assert set(found) == {"Split", "sex,age", "split, sex"}
    assert set(found["sex,age"]) > {"F, 20 to 39"} or any(", " in one for one in found["sex,age"])
    assert {one.split(", ")[0] for one in found["split, sex"]} == {"val", "train"}
    assert set(audit_columns(store, planted.labels)) == {"sex", "age"}
    with pytest.raises(UnknownNameError, match=r"No column is called 'hospital'.*Split"):
        audit_columns(store, planted.labels, ["hospital"])


def test_who_was_measured_is_counted(store: LocalStore, planted: Planted) -> None:
    facts = cohort_facts(store, planted.labels)
    assert (facts["studies"], facts["patients"]) == (STUDIES, STUDIES // 2)
    assert facts["kinds"] == {"DX chest": STUDIES}
    assert facts["sex"] == {"F": STUDIES // 2, "M": STUDIES // 2}
    assert facts["age"]["known"] == STUDIES
    assert facts["year"] is None


def test_the_checklist_fills_what_code_knows_and_names_the_rest(store: LocalStore, planted: Planted) -> None:
    rows = checklist_rows(evaluated(store, planted.labels, TinyEncoder()), "radseek evaluate a.index --labels l.csv")
    assert {row.guideline for row in rows} == {"TRIPOD+AI", "CLAIM", "Model card"}
    assert all(row.said for row in rows)
    assert all(row.is_filled or row.said == AUTHORS for row in rows)
    by_item = {(row.guideline, row.item): row.said for row in rows}
    assert "radseek evaluate a.index" in by_item["TRIPOD+AI", "18e, 18f"]
    assert "5 labels are not known" in by_item["TRIPOD+AI", "11"]
    assert "sex" in by_item["TRIPOD+AI", "14"]
    text = checklist_markdown(rows)
    assert text.count("\n| ") == len(rows) + 1
    assert "Research use only" in text


def test_similarity_is_what_similar_scores(tmp_path: Path) -> None:
    records = [make_record(n, views=("lung", "soft"), slices=3) for n in range(8)]
    records += [make_record(n, views=("lung",), slices=2) for n in range(8, 12)]
    records += [make_record(12, modality="MR", body_part="head", views=("mr_t1",))]
    with LocalStore.create(tmp_path / "a.index", TinyEncoder().spec) as made:
        made.add(records)
    with LocalStore.open(tmp_path / "a.index") as store:
        keys = store.study_keys()
        similarity, _ = study_similarity(store, keys)
        engine = Engine(TinyEncoder(), store)
        for row, key in enumerate(keys):
            for one in engine.similar(key, k=20).results:
                assert similarity[row, keys.index(one.study)] == pytest.approx(one.score, abs=1e-5)


def test_retrieval_leaves_out_the_query_its_patient_and_copies(tmp_path: Path) -> None:
    findings = [EFFUSION, NODULE]
    records = [make_record(n, modality="DX", views=("radiograph",), slices=1, patient=f"p{n // 2}") for n in range(20)]
    copies = [replace(make_record(n + 20, modality="DX", slices=1), series=records[n].series) for n in range(4)]
    with LocalStore.create(tmp_path / "a.index", TinyEncoder().spec) as made:
        made.add(records + copies)
    with LocalStore.open(tmp_path / "a.index") as store:
        keys = tuple(store.study_keys())
        cases = {case.key: case for case in store.cases()}
        values = np.random.default_rng(0).integers(0, 2, (len(keys), 2)).astype(np.int8)
        labels = LabelTable(keys, tuple(cases[key].patient_key for key in keys), tuple(findings), values)
        found = archive_retrieval(store, labels, repeats=20)
        assert found is not None
        (way,) = found.ways
        similarity, whole = study_similarity(store, keys)
        firsts = []
        for q in range(len(keys)):
            out = [
                c for c in range(len(keys))
                if labels.patients[c] == labels.patients[q] or float(whole[q] @ whole[c]) > 1 - 1e-6
            ]  # fmt: skip
            shared = [
                bool((values[c] & values[q]).any() or not (values[c] | values[q]).any()) for c in range(len(keys))
            ]
            either = [max(1, int((values[c] | values[q]).sum())) for c in range(len(keys))]
            worth = [int((values[c] & values[q]).sum()) / n or float(shared[c]) for c, n in enumerate(either)]
            order = [c for c in np.lexsort((worth, -similarity[q])) if c not in out]  # a tie flatters nobody
            shared = [worth[c] > 0 for c in order]
            if any(shared):
                firsts.append(float(shared[0]))
        assert way.at["precision"][0].value == pytest.approx(np.mean(firsts), abs=1e-9)
        assert way.queries == len(keys)
        alone = LabelTable(keys[:1], labels.patients[:1], tuple(findings), values[:1])
        assert archive_retrieval(store, alone) is None
