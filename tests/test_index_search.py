"""Search is exact: the same ids and scores as numpy over every vector, filters and ties included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radseek.retrieval.index.catalog.where import Where
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Scope, StudyRecord
from radseek.retrieval.index.vectors import exact_search, slice_scan
from tests.each_support import each
from tests.encoder_support import tiny_spec
from tests.index_support import key_of, make_record, make_records, unit

SENTENCES = (
    "Small left pleural effusion.",
    "No pneumothorax.",
    "右肺下叶结节，考虑炎症。",
    "The heart is not enlarged.",
)


@pytest.fixture(scope="module")
def records() -> list[StudyRecord]:
    made = make_records(400)
    made += [make_record(i, sentences=SENTENCES, modality="MR", views=("mr_t1", "lung")) for i in range(400, 420)]
    made += [make_record(i, modality="", views=("percentile", "lung")) for i in range(420, 424)]
    # Twins: the same vectors under other keys, so that ties must be broken.
    twin = make_record(1)
    for i in range(500, 530):
        series = twin.series[0]
        made.append(
            StudyRecord(
                key=key_of("study", i),
                patient_key="",
                series=(type(series)(key_of("series", i), "CT", "chest", series.views),),
            )
        )
    return made


@pytest.fixture(scope="module")
def store(records: list[StudyRecord], tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    made = LocalStore.create(tmp_path_factory.mktemp("search") / "a.index", tiny_spec())
    for start in range(0, len(records), 150):
        made.add(records[start : start + 150])
    return made


def views_of(records: list[StudyRecord], name: str, allowed: set[str]) -> list[tuple[str, np.ndarray, np.ndarray]]:  # type: ignore[type-arg]
    return [
        (r.key, v.pooled.astype(np.float64), v.slices.astype(np.float64))
        for r in records
        if r.key in allowed
        for s in r.series
        for v in s.views
        if v.view == name
    ]


SCOPES = {
    "all": (Scope(), lambda r: True),
    "half": (Scope(Where.parse(["sex=F"])), lambda r: r.attributes.get("sex") == "F"),
    "narrow": (Scope(Where.parse(["modality=MR"])), lambda r: r.series[0].modality == "MR"),
    "few out": (
        Scope(not_patients=frozenset({key_of("patient", "p5")}), not_studies=frozenset({key_of("study", 1)})),
        lambda r: r.key not in {key_of("study", 1), key_of("study", 5)},
    ),
    "seen": (
        Scope(with_views=frozenset({"mr_t1", "brain"})),
        lambda r: any(s.modality == "" or v.view in {"mr_t1", "brain"} for s in r.series for v in s.views),
    ),
    "nobody": (Scope(Where.parse(["year=1950"])), lambda r: False),
}


@each("scope", SCOPES)
@each("k", [1, 10, 25, 1000])
def test_view_search_equals_numpy(store: LocalStore, records: list[StudyRecord], scope: str, k: int) -> None:
    asked, rule = SCOPES[scope]
    allowed = {r.key for r in records if rule(r)}
    everything = views_of(records, "lung", allowed)
    queries = np.concatenate([unit(np.random.default_rng(3), 4), records[1].series[0].views[0].pooled[None]])
    for query, hits in zip(queries, store.search_views("lung", queries, k, asked), strict=True):
        ranked = sorted((-float(v @ query.astype(np.float64)), key) for key, v, _ in everything)[:k]
        assert [h.study for h in hits] == [key for _, key in ranked]
        assert np.allclose([h.similarity for h in hits], [-score for score, _ in ranked], atol=1e-9)
        assert len(hits) == min(k, len(everything))  # k asked is k returned
    assert store.search_views("brain", queries, k, asked) == [[]] * len(queries)


@pytest.mark.slow
@each("scope", SCOPES)
@each("k", [1, 10, 25, 1000])
@each("block", [65536, 37])
def test_slice_search_equals_numpy(
    store: LocalStore, records: list[StudyRecord], scope: str, k: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slice_scan, "_BLOCK", block)
    asked, rule = SCOPES[scope]
    query = unit(np.random.default_rng(11), 1)[0].astype(np.float32)
    best: list[tuple[float, str, int, str]] = []
    for r in records:
        if rule(r):
            options = [
                (float(row.astype(np.float64) @ query.astype(np.float64)), int(z), v.view)
                for s in r.series
                for v in s.views
                for row, z in zip(v.slices, v.z, strict=True)
            ]
            score, z, view = max(options, key=lambda o: o[0])
            best.append((-score, r.key, z, view))
    best.sort()
    hits = store.search_slices(query, k, asked)
    assert [(h.study, h.z, h.view) for h in hits] == [(key, z, view) for _, key, z, view in best[:k]]
    assert np.allclose([h.similarity for h in hits], [-b[0] for b in best[:k]], atol=1e-9)


def test_a_study_does_not_change_its_score_with_its_company(store: LocalStore, records: list[StudyRecord]) -> None:
    queries = unit(np.random.default_rng(5), 8)
    together = store.search_views("lung", queries, 10)
    alone = [store.search_views("lung", q[None], 10)[0] for q in queries]
    assert together == alone
    wide = {h.study: h.similarity for h in store.search_views("lung", queries[:1], 500)[0]}
    assert all(wide[h.study] == h.similarity for h in together[0])


def test_faiss_selector_is_used_and_right(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_search, "_NARROW", 0.0)
    query = unit(np.random.default_rng(8), 1)
    scope = Scope(Where.parse(["modality=MR"]))
    with monkeypatch.context() as context:
        context.setattr(exact_search, "_EXTRA", 0)
        selected = store.search_views("lung", query, 5, scope)
    monkeypatch.setattr(exact_search, "_NARROW", 1.0)
    assert selected == store.search_views("lung", query, 5, scope)


def test_sentences_by_meaning_and_by_word(store: LocalStore, records: list[StudyRecord]) -> None:
    query = unit(np.random.default_rng(2), 1)[0]
    hits = store.search_sentences(query, "effusions", 7)
    everything = sorted(
        (-float(v.astype(np.float64) @ query.astype(np.float64)), r.key, i)
        for r in records
        if r.sentence_vectors is not None
        for i, v in enumerate(r.sentence_vectors)
    )
    dense = sorted((h.dense_rank, h.study, h.ordinal) for h in hits if h.dense_rank is not None)
    assert [(key, i) for _, key, i in dense] == [(key, i) for _, key, i in everything[:7]]
    # Every study has the same effusion sentence: equal keyword scores are ranked by key.
    keyword = sorted((h.keyword_rank, h.study, h.text) for h in hits if h.keyword_rank is not None)
    keys = sorted(r.key for r in records if r.sentences)
    assert [(key, text) for _, key, text in keyword] == [(key, SENTENCES[0]) for key in keys[:7]]


@each(
    ("text", "found"),
    [
        ("结节", True),
        ("下叶", True),
        ("症", True),
        ("胸水", False),
        ("ENLARGED heart", True),
        ("no the of", False),
        ("", False),
    ],
)
def test_keywords_in_two_languages(store: LocalStore, text: str, found: bool) -> None:
    hits = store.search_sentences(unit(np.random.default_rng(2), 1)[0], text, 3, Scope(Where.parse(["report=yes"])))
    assert any(h.keyword_rank for h in hits) is found


def test_keyword_query_cannot_break_the_syntax(store: LocalStore) -> None:
    query = unit(np.random.default_rng(2), 1)[0]
    for text in ('"', "NEAR(", "a AND", "body:x", "-x", "*", "x" * 10000, "^'; DROP TABLE words"):
        store.search_sentences(query, text, 3)


def test_empty_index(tmp_path: Path) -> None:
    with LocalStore.create(tmp_path / "e.index", tiny_spec()) as empty:
        query = unit(np.random.default_rng(2), 2)
        assert empty.search_views("lung", query, 3) == [[], []]
        assert empty.search_slices(query[0], 3) == []
        assert empty.search_sentences(query[0], "effusion", 3) == []
        assert empty.cases() == []
        assert empty.verify()["studies"] == 0
