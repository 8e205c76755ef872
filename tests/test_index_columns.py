"""What is answered from columns is what each row says: filters, keyword scores, equal vectors, an archive's margins."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radseek.retrieval.index import snapshot, store
from radseek.retrieval.index.catalog.bm25 import KeywordIndex
from radseek.retrieval.index.catalog.keywords import query_words
from radseek.retrieval.index.catalog.where import NUMBERS, Clause, Where
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Case, Scope, pages
from radseek.retrieval.index.vectors import exact_search, slice_scan
from radseek.retrieval.index.vectors.exact_search import FlatIndex, cosines, float32_error
from radseek.retrieval.index.vectors.sentence_vectors import SentenceIndex
from radseek.retrieval.scoring.margins import read_finding, study_margins
from radseek.retrieval.scoring.percentiles import FEWEST, Percentiles
from radseek.retrieval.scoring.screening import Screener, choose_findings
from radseek.retrieval.scoring.study_vectors import stored_study
from radseek.retrieval.scoring.text_vectors import TextVectors
from tests.encoder_support import TinyEncoder, tiny_spec
from tests.index_support import key_of, make_record, unit

WORDS = (
    "effusion",
    "effusions",
    "Nodule",
    "nodules",
    "no",
    "右肺",
    "结节",
    "气胸",
    "left",
    "naïve",
    "naive",
    "3",
    "mm",
)
REPORTS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join), max_size=4)
PLACES = {"sex": ("F", "M", ""), "manufacturer": ("SIEMENS", "Siemens Healthineers", "GE"), "site": ("Nord", "süd")}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    """300 studies with gaps in every attribute; some removed, some replaced, none compacted."""
    rng = np.random.default_rng(8)
    made = LocalStore.create(tmp_path_factory.mktemp("columns") / "a.index", tiny_spec())
    kinds = (("CT", "chest"), ("CT", "chest_abdomen"), ("MR", "head"), ("", "chest"), ("ct", ""))
    records = []
    for i in range(300):
        modality, part = kinds[int(rng.integers(len(kinds)))]
        about = {name: str(rng.choice(values)) for name, values in PLACES.items() if rng.random() < 0.8}
        about |= {name: int(rng.integers(0, 12)) for name in NUMBERS if rng.random() < 0.8}
        sentences = [" ".join(rng.choice(WORDS, int(rng.integers(1, 7)))) for _ in range(int(rng.integers(0, 4)))]
        views = [("lung", "soft"), ("percentile",), ("lung",)][i % 3]
        slices = int(rng.integers(1, 40))
        record = make_record(i, modality=modality, body_part=part, views=views, slices=slices, sentences=sentences)
        object.__setattr__(record, "attributes", about)
        records.append(record)
    for start in range(0, 300, 90):
        made.add(records[start : start + 90])
    made.remove([key_of("study", i) for i in range(0, 300, 23)])
    made.add(records[1:5], replace_existing=True)
    return made


def says(case: Case, clause: Clause) -> bool:
    """A clause, as `Where.parse` documents it, of one study."""
    if clause.field in ("modality", "body_part"):
        return any(getattr(one, clause.field).lower() in clause.values for one in case.series)
    if clause.field == "report":
        return ("yes" if case.report else "no") in clause.values
    value = case.attributes.get(clause.field)
    if clause.field in NUMBERS:
        low, high = clause.low, clause.high
        return value is not None and (low is None or value >= low) and (high is None or value <= high)
    if clause.field == "manufacturer":
        return value is not None and any(one in str(value).lower() for one in clause.values)
    return value is not None and str(value).lower() in clause.values


VALUES = ("f", "m", "ct", "mr", "chest", "head", "siemens", "ge", "nord", "süd", "yes", "no", "chest_abdomen")
CLAUSES = st.one_of(
    st.builds(
        lambda field, values: Clause(field, tuple(sorted(values))),
        st.sampled_from(["body_part", "manufacturer", "modality", "report", "sex", "site"]),
        st.sets(st.sampled_from(VALUES), min_size=1, max_size=3),
    ),
    st.builds(
        lambda field, low, high: Clause(field, (), low, high),
        st.sampled_from(sorted(NUMBERS)),
        st.none() | st.integers(-1, 13),
        st.none() | st.integers(-1, 13),
    ),
)


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(
    st.lists(CLAUSES, max_size=3),
    st.sets(st.integers(0, 310), max_size=5),
    st.none() | st.sets(st.integers(0, 310), max_size=200),
    st.none() | st.sampled_from([("CT", "chest"), ("", "chest"), ("CT", "nothing")]),
    st.none() | st.sets(st.sampled_from(["lung", "percentile", "bone"])),
)
def test_a_filter_lets_through_what_each_row_says(archive, clauses, out, only, kind, views) -> None:  # type: ignore[no-untyped-def]
    scope = Scope(
        Where(tuple(clauses)),
        only_studies=None if only is None else frozenset(key_of("study", i) for i in only),
        not_studies=frozenset(key_of("study", i) for i in out if i % 2),
        not_patients=frozenset({"", *(key_of("patient", f"p{i}") for i in out if not i % 2)}),
        with_views=None if views is None else frozenset(views),
        kind=kind,
    )
    expected = [
        case.key
        for case in archive.cases()
        if all(says(case, clause) for clause in clauses)
        and case.key not in scope.not_studies
        and case.patient_key not in scope.not_patients - {""}
        and (only is None or case.key in (scope.only_studies or ()))
        and (kind is None or any((one.modality, one.body_part) == kind for one in case.series))
        and (
            views is None or case.series[0].modality == "" or views & {v.view for v in archive.slice_vectors(case.key)}
        )
    ]
    assert archive.study_keys(scope) == expected
    assert archive.passing(scope) == len(expected)
    assert [case.key for case in archive.cases(scope)] == expected
    assert [case.key for case in archive.cases(scope, offset=3, limit=20)] == expected[3:23]


def test_values_are_counted_once_a_study(archive: LocalStore) -> None:
    cases = archive.cases()
    for field in ("sex", "age", "year", "manufacturer", "site"):
        counted = Counter(str(c.attributes[field]) for c in cases if c.attributes.get(field) not in (None, ""))
        assert archive.values_of(field) == counted
    assert archive.values_of("modality") == Counter(c.series[0].modality for c in cases if c.series[0].modality)
    assert archive.values_of("report") == Counter("yes" if c.report else "no" for c in cases)
    assert archive.kinds() == sorted({(one.modality, one.body_part) for case in cases for one in case.series})


def test_pages_are_the_whole_and_held_one_at_a_time(archive: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_PAGE", 7)
    asked: list[int | None] = []
    real = archive._now.cases
    monkeypatch.setattr(
        archive._now, "cases", lambda scope, offset, limit: asked.append(limit) or real(scope, offset, limit)
    )
    paged = pages(archive)
    first = next(paged)
    assert asked == [7]
    assert [first, *paged] == archive.cases()
    assert set(asked[:-1]) == {7}


@pytest.mark.parametrize(
    "words", ["effusion", "no effusions nodule left", "气", "右肺 结节 naive", "naïve 3 mm", "zebra", "no", "ªº x"]
)
def test_keyword_scores_are_those_of_fts5(archive: LocalStore, words: str) -> None:
    same_as_fts5(archive, words)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([*WORDS, "肺", "zebra"]) | st.text(min_size=1, max_size=4), max_size=5).map(" ".join))
def test_keyword_scores_of_any_words_are_those_of_fts5(archive: LocalStore, words: str) -> None:
    same_as_fts5(archive, words)


def test_threads_that_ask_for_other_words_get_the_scores_of_their_own(archive: LocalStore) -> None:
    asked = [f"{word} {other}" for word in (*WORDS, "zebra") for other in ("effusion", "右肺")]
    keywords = KeywordIndex(archive._catalog)
    alone = [tuple(map(np.ndarray.tolist, keywords.scores(words))) for words in asked]
    turns = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            for _ in range(5):
                together = pool.map(KeywordIndex(archive._catalog).scores, asked)  # has kept no word yet
                assert [tuple(map(np.ndarray.tolist, found)) for found in together] == alone
    finally:
        sys.setswitchinterval(turns)


def same_as_fts5(archive: LocalStore, words: str) -> None:
    rows, scores = KeywordIndex(archive._catalog).scores(words)
    asked = query_words(words)
    sql = "SELECT rowid, -bm25(words) FROM words WHERE words MATCH ? ORDER BY rowid"
    expected = archive._catalog.query(sql, (asked,)) if asked else []
    order = np.argsort(rows)
    assert list(zip(rows[order].tolist(), scores[order].tolist(), strict=True)) == expected  # to the last bit


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 40), st.sampled_from([31, 32]), st.booleans())
def test_equal_sentences_are_ranked_as_if_each_were_compared(seed: int, n: int, k: int, dim: int, some: bool) -> None:
    rng = np.random.default_rng(seed)
    rows = unit(rng, 12, dim)[rng.integers(0, 12, n)]
    allowed = rng.random(n) < 0.6 if some else np.ones(n, bool)
    query = unit(rng, 1, dim)[0].astype(np.float32)
    places, scores = SentenceIndex(rows).search(query, k, allowed)
    every = cosines(rows, query)
    expected = sorted(np.flatnonzero(allowed).tolist(), key=lambda place: (-every[place], place))[:k]
    assert places.tolist() == expected
    assert scores.tolist() == every[expected].tolist()


def test_different_rows_of_one_sum_stay_different(monkeypatch: pytest.MonkeyPatch) -> None:
    class Zeros:
        def integers(self, low: int, high: int, count: int, kind: type) -> np.ndarray:  # type: ignore[type-arg]
            return np.zeros(count, kind)

    rows = unit(np.random.default_rng(4), 9, 32)
    query = rows[7].astype(np.float32)
    monkeypatch.setattr(np.random, "default_rng", lambda seed: Zeros())
    rows[3, 1:], rows[4, 1:] = 0, 0
    monkeypatch.setattr("radseek.retrieval.index.vectors.sentence_vectors._BLOCK", 4)
    places, _ = SentenceIndex(rows).search(query, 1, np.ones(9, bool))
    assert places.tolist() == [7]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(20, 300), st.integers(1, 30), st.floats(0, 3e-4))
def test_near_ties_are_told_apart_exactly(seed: int, n: int, k: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    base = rng.standard_normal(64)
    rows = base + spread * rng.standard_normal((n, 64))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    query = (base / np.linalg.norm(base)).astype(np.float32)
    index = FlatIndex(rows)
    allowed = rng.random(n) < 0.9
    order = rng.permutation(n)
    found, scores = index.search(query, k, allowed, order)
    every = cosines(rows, query)
    expected = sorted(np.flatnonzero(allowed).tolist(), key=lambda row: (-every[row], order[row]))[:k]
    assert found.tolist() == expected
    assert scores.tolist() == every[expected].tolist()
    assert np.array_equal(index.rows, rows)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 300))
def test_float32_is_never_further_off_than_said(seed: int, dim: int) -> None:
    rng = np.random.default_rng(seed)
    rows, query = unit(rng, 200, dim), rng.standard_normal(dim) * 10 ** rng.uniform(-2, 2)
    narrow = rows.astype(np.float32) @ query.astype(np.float32)
    assert np.abs(narrow - cosines(rows, query)).max() <= float32_error(query)
    far, order = exact_search.faiss_here().IndexFlatIP(dim), np.arange(200)
    far.add(rows.astype(np.float32))
    scores, found = far.search(query.astype(np.float32)[None], 200)
    assert np.abs(scores[0] - cosines(rows, query)[found[0]]).max() <= float32_error(query), order


@pytest.mark.parametrize("block", [1, 50, 4096])
def test_an_archives_margins_are_those_of_each_study(
    archive: LocalStore, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slice_scan, "_BLOCK", block)
    monkeypatch.setattr(slice_scan, "_HELD", 4096)
    text_vectors = TextVectors(TinyEncoder())
    findings, _ = choose_findings(["pleural effusion", "lung nodule", "odd thing"])
    pairs = [text_vectors.pair(finding) for finding in findings]
    percentiles = Percentiles(archive, text_vectors)
    percentiles.prepare(findings, "CT", "chest")
    same = [c for c in archive.cases() if any((s.modality, s.body_part) == ("CT", "chest") for s in c.series)]
    assert len(same) > FEWEST
    studies = [stored_study(archive, case) for case in same]
    margins = np.array([study_margins(study, findings, pairs) for study in studies])
    for column, finding in enumerate(findings):
        for row, study in enumerate(studies):
            reading = read_finding(study, finding, pairs[column])
            others = np.delete(margins[:, column], row)
            others = others[~np.isnan(others)]
            if reading is not None:
                expected = 100 * np.sum(others < np.float32(reading.margin)) / len(others)
                found = percentiles.of(finding, study, reading)
                assert found == (pytest.approx(expected, abs=1e-12) if len(others) >= FEWEST else "few_comparable")


def test_the_first_row_waits_for_its_own_finding_only(archive: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real: Callable[..., object] = archive.top_means
    monkeypatch.setattr(
        archive, "top_means", lambda query, scope: asked.append(query.directions.shape[1]) or real(query, scope)
    )
    text_vectors = TextVectors(TinyEncoder())
    findings, _ = choose_findings(["pleural effusion", "lung nodule", "odd thing"])
    screener = Screener(text_vectors, Percentiles(archive, text_vectors))
    case = archive.cases(Scope(kind=("CT", "chest")))[0]
    rows = screener.rows(stored_study(archive, case), findings)
    next(rows)
    assert asked == [1]
    list(rows)
    assert asked == [1, 2]


def test_mapped_pages_can_be_given_back(archive: LocalStore) -> None:
    before = pa.total_allocated_bytes()
    with LocalStore.open(archive.path) as again:
        assert pa.total_allocated_bytes() == before  # Arrow maps files and copies nothing: only so may pages be dropped
        for segment in again._now.segments.values():
            was = segment.array("slices").copy()
            segment.let_go()
            assert np.array_equal(segment.array("slices"), was)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux how much memory is in use")
def test_reading_every_study_holds_few_of_them(archive: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "_MOST_HELD", 1)
    given: list[int] = []
    monkeypatch.setattr(
        "radseek.retrieval.index.segments.segment_folders.give_back", lambda address, size: given.append(size)
    )
    cases = archive.cases()
    for case in cases:
        archive.slice_vectors(case.key)
    assert len(given) >= 3 * len(cases)
