"""One contract for whatever answers from an index: LocalStore, MilvusStore, several sites. The same ids, by NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radseek.retrieval.engine import Engine
from radseek.retrieval.index.catalog.where import Where
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.milvus.milvus_store import MilvusStore, push_index
from radseek.retrieval.index.store import Scope, StudyRecord
from radseek.retrieval.many_sites import ManySites
from radseek.retrieval.search.sites.stored_site import StoredSite
from tests.encoder_support import TinyEncoder
from tests.index_support import key_of, make_record, unit
from tests.milvus_support import KINDS, milvus_of
from tests.site_support import archive_records, query_of, stranger, write_site

pytestmark = pytest.mark.slow
MAKERS = ("SIEMENS", "Siemens Healthineers", 'GE "Signa" {view}', "飞利浦\\", "")
ASKED = (
    *([], ["sex=F"], ["modality=MR"], ["modality=CT,MR"], ["body_part=head"], ["age=30-50"], ["age=-40", "sex=M"]),
    *(["year=2020-"], ["manufacturer=siemens"], ["manufacturer=signa"], ["manufacturer=飞利浦"], ["site=north"]),
    *(["report=yes"], ["report=no", "modality=CT"], ["grade=2-3"], ["grade=1", "sex=F"], ["age=30"], ["site=x"]),
)
QUERIES = unit(np.random.default_rng(3), 3)


def records() -> list[StudyRecord]:
    made = []
    for number in range(150):
        modality, part, views = [("CT", "chest", ("lung", "soft")), ("MR", "head", ("mr_t1", "lung"))][number % 7 == 3]
        said = ["A small effusion.", f"Nodule of {number} mm."] if number % 4 == 1 else []
        about: dict[str, Any] = {"year": 2015 + number % 9, "manufacturer": MAKERS[number % 5], "own:grade": number % 4}
        about |= {"site": "North" if number % 3 else "south"} if number % 10 else {}
        one = make_record(number, modality=modality, body_part=part, views=views, sentences=said, slices=2, **about)
        made.append(one if number % 11 else replace(one, attributes={"sex": "F"}))
    twin = make_record(1, slices=2).series[0].views
    return [*made, *(_of_views(number, twin) for number in range(500, 530))]


def _of_views(number: int, views: Any) -> StudyRecord:
    series = replace(make_record(number, slices=2).series[0], views=views)
    return replace(make_record(number, slices=2), series=(series,))


RECORDS = records()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_site(tmp_path_factory.mktemp("contract") / "all.index", RECORDS)


@pytest.fixture(scope="module", params=["local", *KINDS])
def store(
    request: pytest.FixtureRequest, index: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalStore]:
    with ExitStack() as stack:
        if request.param == "local":
            yield stack.enter_context(LocalStore.open(index))
            return
        uri = stack.enter_context(milvus_of(request.param, tmp_path_factory.mktemp("milvus")))
        push_index(index, uri)
        yield stack.enter_context(MilvusStore.connect(index, uri))


def nearest(keys: set[str], query: np.ndarray, view: str = "lung") -> list[tuple[float, str]]:  # type: ignore[type-arg]
    """By NumPy over every vector: the studies of these keys, best first, ties by key."""
    return sorted(
        (-float(v.pooled.astype(np.float64) @ query.astype(np.float64)), r.key)
        for r in RECORDS
        if r.key in keys
        for s in r.series
        for v in s.views
        if v.view == view
    )


def same(store: LocalStore, scope: Scope, keys: set[str], k: int) -> None:
    for query, hits in zip(QUERIES, store.search_views("lung", QUERIES, k, scope), strict=True):
        wanted = nearest(keys, query)[:k]
        assert [hit.study for hit in hits] == [key for _, key in wanted]
        assert np.allclose([hit.similarity for hit in hits], [-score for score, _ in wanted], atol=1e-9)


def test_the_nearest_views_of_every_filter(store: LocalStore, index: Path) -> None:
    with LocalStore.open(index) as plain:
        for texts in ASKED:
            scope = Scope(Where.parse(texts, plain.own_columns()))
            keys = set(plain.study_keys(scope))
            for k in (1, 10, 400):
                same(store, scope, keys, k)
    asked = getattr(getattr(store, "_collection", None), "asked", None)
    assert asked is None or asked > len(ASKED)


def test_studies_patients_kinds_and_views_that_are_left_out(store: LocalStore) -> None:
    every = {one.key for one in RECORDS}
    out, patient = frozenset({key_of("study", 1), key_of("study", 501)}), key_of("patient", "p8")
    same(store, Scope(not_studies=out, not_patients=frozenset({patient})), every - out - {key_of("study", 8)}, 20)
    same(store, Scope(only_studies=out), set(out), 5)
    heads = {one.key for one in RECORDS if one.series[0].modality == "MR"}
    same(store, Scope(kind=("MR", "head")), heads, 12)
    same(store, Scope(with_views=frozenset({"mr_t1"})), heads, 12)
    same(store, Scope(Where.parse(["sex=F"]), not_studies=out), {
        one.key for one in RECORDS if one.attributes["sex"] == "F"
    } - out, 30)  # fmt: skip


def test_a_run_of_equal_vectors_is_in_key_order(store: LocalStore) -> None:
    query = RECORDS[1].series[0].views[0].pooled[None]
    for k in (1, 3, 25, 60):
        (hits,) = store.search_views("lung", query, k)
        assert [hit.study for hit in hits] == [key for _, key in nearest({one.key for one in RECORDS}, query[0])[:k]]
    assert store.search_views("brain", QUERIES, 4) == [[]] * len(QUERIES)


def test_all_else_is_what_the_folder_says(store: LocalStore, index: Path) -> None:
    with LocalStore.open(index) as plain:
        assert (store.generation, store.counts(), store.kinds()) == (plain.generation, plain.counts(), plain.kinds())
        assert store.cases(limit=9) == plain.cases(limit=9)
        assert store.search_slices(QUERIES[0], 9) == plain.search_slices(QUERIES[0], 9)
        assert store.search_sentences(QUERIES[0], "effusion", 5) == plain.search_sentences(QUERIES[0], "effusion", 5)
        one, other = store.slice_vectors(RECORDS[4].key), plain.slice_vectors(RECORDS[4].key)
        assert all(np.array_equal(a.slices, b.slices) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("kind", ["sites", *KINDS])
def test_similar_and_search_of_an_archive(kind: str, tmp_path: Path) -> None:
    # Of fewer, Milvus is not asked; of more, each site has a floor of its own, which differs from that of the whole.
    studies = archive_records(14 if kind == "sites" else 120)
    whole = write_site(tmp_path / "all.index", studies)
    with ExitStack() as stack:
        plain = Engine(TinyEncoder(), stack.enter_context(LocalStore.open(whole)))
        asked: Engine | ManySites
        if kind == "sites":
            paths = [write_site(tmp_path / f"{part}.index", studies[part::3]) for part in range(3)]
            stores = [stack.enter_context(LocalStore.open(path)) for path in paths]
            sites = [StoredSite(str(path), one) for path, one in zip(paths, stores, strict=True)]
            asked = ManySites(Engine(TinyEncoder()), sites)
        else:
            uri = stack.enter_context(milvus_of(kind, tmp_path))
            push_index(whole, uri)
            store = stack.enter_context(MilvusStore.connect(whole, uri))
            asked = Engine(TinyEncoder(), store)
        for query in (stranger(), query_of(studies[2]), query_of(studies[4])):
            for options in ({}, {"text": "nodule"}, {"where": ["modality=CT"]}, {"include_same_patient": True}):
                one, other = plain.similar(query, 5, **options), asked.similar(query, 5, **options)  # type: ignore[arg-type]
                assert [(row.study, row.score, row.matches, row.report) for row in other.results] == [
                    (row.study, row.score, row.matches, row.report) for row in one.results
                ]
        for text in ("nodule", "no nodule", "结节"):
            found, wanted = asked.search(text, 4), plain.search(text, 4)
            assert [row.study for row in found.studies] == [row.study for row in wanted.studies]
            assert [row.text for row in found.sentences] == [row.text for row in wanted.sentences]
        assert kind == "sites" or store._collection.asked > 12  # type: ignore[union-attr]
