"""Queries are read as typed, and studies and sentences come in the order that numpy and plain rules give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radseek.retrieval.errors import RadseekError, UsageError
from radseek.retrieval.index.catalog.where import Where
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Scope, StudyRecord
from radseek.retrieval.language.report_findings import denies_only
from radseek.retrieval.scoring.margins import is_read_in
from radseek.retrieval.scoring.text_vectors import TextVectors
from radseek.retrieval.search import ranking
from radseek.retrieval.search.ranking import QueryView, match_slices, rank_images, rank_sentences, rank_studies
from radseek.retrieval.search.text_query import Term, parse_query, query_vector, similarity_floor
from tests.each_support import each
from tests.encoder_support import TinyEncoder, tiny_spec
from tests.index_support import key_of, make_record, make_records, make_view, unit


@pytest.fixture(scope="module")
def records() -> list[StudyRecord]:
    made = make_records(300)
    made += [make_record(i, views=("lung",)) for i in range(300, 340)]
    made += [make_record(i, views=("brain",), modality="MR") for i in range(340, 360)]
    series = made[7].series[0]
    for i in range(400, 410):  # twins of one study
        twin = type(series)(key_of("series", i), "CT", "chest", series.views)
        made.append(StudyRecord(key=key_of("study", i), series=(twin,)))
    return made


@pytest.fixture(scope="module")
def store(records: list[StudyRecord], tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    made = LocalStore.create(tmp_path_factory.mktemp("search") / "a.index", tiny_spec())
    made.add(records[:200])
    made.add(records[200:])
    return made


def dot(one: np.ndarray, other: np.ndarray) -> float:  # type: ignore[type-arg]
    return float(one.astype(np.float64) @ other.astype(np.float64))


def brute_force(records: list[StudyRecord], views: list[QueryView], k: int) -> list[tuple[str, float]]:
    names = {v.view for v in views}
    found = []
    for record in records:
        stored = [v for s in record.series for v in s.views]
        if names & {v.view for v in stored}:
            best = [
                max(
                    (
                        float(v.pooled.astype(np.float64) @ q.vector.astype(np.float64))
                        for v in stored
                        if v.view == q.view
                    ),
                    default=0.0,
                )
                for q in views
            ]
            found.append((record.key, sum(best) / len(best)))
    return sorted(found, key=lambda one: (-one[1], one[0]))[:k]


@pytest.mark.slow
@each("k", [1, 5, 40, 1000])
@each("names", ["lung", "lung soft", "soft lung lung", "lung brain", "liver"])
@each("first", [1, 64])
def test_similar_equals_numpy(
    store: LocalStore,
    records: list[StudyRecord],
    k: int,
    names: str,
    first: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ranking, "_FIRST_FETCH", first)
    rows = unit(np.random.default_rng(5), len(names.split()))
    rows[0] = records[7].series[0].views[0].pooled
    views = [QueryView(name, row) for name, row in zip(names.split(), rows, strict=True)]
    expected = brute_force(records, views, k)
    found = rank_studies(store, views, k, Scope())
    assert [one.study for one in found] == [key for key, _ in expected]
    assert np.allclose([one.score for one in found], [score for _, score in expected], atol=1e-9)


def test_filter_first_so_k_is_k(store: LocalStore, records: list[StudyRecord]) -> None:
    views = [QueryView("lung", unit(np.random.default_rng(6), 1)[0])]
    chosen = [r for r in records if r.attributes.get("age") == 33]
    found = rank_studies(store, views, 4, Scope(Where.parse(["age=33"])))
    assert len(found) == 4
    assert [one.study for one in found] == [key for key, _ in brute_force(chosen, views, 4)]


@each("words", ["pleural effusion", "no cerebral infarct", '"glioma" - "pneumothorax"', "odd thing"])
@each("k", [3, 330, 1000])
def test_images_in_which_the_finding_is_read_come_first(
    store: LocalStore, records: list[StudyRecord], words: str, k: int
) -> None:
    findings = parse_query(words).findings
    vector = unit(np.random.default_rng(8), 1)[0]
    expected = []
    for record in records:
        (series,) = record.series
        read = not findings or any(is_read_in(f, v.view, series.modality) for f in findings for v in series.views)
        expected.append((not read, -max(dot(row, vector) for v in series.views for row in v.slices), record.key))
    expected.sort()
    found = rank_images(store, findings, vector, k, Scope())
    assert [(not one.is_read, one.hit.study) for one in found] == [(last, key) for last, _, key in expected[:k]]
    assert np.allclose([one.hit.similarity for one in found], [-score for _, score, _ in expected[:k]], atol=1e-9)


def test_findings_of_a_query_are_those_that_are_added() -> None:
    def named(text: str) -> list[str]:
        return [finding.name for finding in parse_query(text).findings]

    assert named("no pneumothorax") == ["pneumothorax"]
    assert named('"胸腔积液" + "pacemaker" - "pneumothorax"') == ["pleural_effusion", "support_devices"]
    assert named("odd thing") == []


def test_matches_are_the_best_pairs() -> None:
    rng = np.random.default_rng(3)
    one, other = make_view(rng, "lung", 6, "a"), make_view(rng, "lung", 9, "b")
    matches = match_slices([one], [make_view(rng, "soft", 3, "b"), other])
    similarity = one.slices.astype(np.float64) @ other.slices.astype(np.float64).T
    row, column = np.unravel_index(similarity.argmax(), similarity.shape)
    assert (matches[0].query_slice, matches[0].case_slice) == (one.z[row], other.z[column])
    assert matches[0].similarity == pytest.approx(similarity.max())
    assert [m.similarity for m in matches] == sorted((m.similarity for m in matches), reverse=True)
    assert len({m.query_slice for m in matches}) == len({m.case_slice for m in matches}) == len(matches) <= 3


def test_query_algebra() -> None:
    query = parse_query('"effusion" + "pacemaker" - “no pneumothorax”')
    assert query.terms == (Term("effusion"), Term("pacemaker"), Term("no pneumothorax", -1))
    text_vectors = TextVectors(TinyEncoder())
    parts = [TinyEncoder().encode_texts([t.text])[0].astype(np.float64) * t.weight for t in query.terms]
    total = np.sum(parts, axis=0)
    assert np.allclose(query_vector(query, text_vectors), total / np.linalg.norm(total), atol=1e-6)
    assert np.array_equal(
        query_vector(parse_query("effusion"), text_vectors), TinyEncoder().encode_texts(["effusion"])[0]
    )
    with pytest.raises(UsageError, match="takes away"):
        query_vector(parse_query('"a nodule" - "a nodule"'), text_vectors)


def test_chinese_words_are_put_into_english() -> None:
    text_vectors = TextVectors(TinyEncoder())
    assert np.array_equal(
        query_vector(parse_query("气胸"), text_vectors), query_vector(parse_query("pneumothorax"), text_vectors)
    )


@each("text", ["", "  ", "...", '"a" "b"', '"a', '+ ""', '"a" + b', 'nodule - "effusion"'])
def test_what_cannot_be_read(text: str) -> None:
    with pytest.raises(UsageError):
        parse_query(text)


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(['"a"', "+", "-", " ", '"', "b"])).map("".join)))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        query = parse_query(text)
    except RadseekError:
        return
    assert query.terms
    query.is_denied_by("No pneumothorax.")


SENTENCES = {
    0: ["No pneumothorax.", "The heart is normal."],
    1: ["There is a large left pneumothorax."],
    2: ["No evidence of pneumothorax or effusion."],
    3: ["Pneumothorax cannot be excluded."],
    4: ["未见气胸。", "右侧胸腔积液。"],
    5: ["左侧气胸。"],
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    encoder = TinyEncoder()
    made = LocalStore.create(tmp_path_factory.mktemp("reports") / "r.index", tiny_spec())
    for number, sentences in SENTENCES.items():
        vectors = encoder.encode_texts(sentences).astype(np.float16)
        made.add(
            [
                StudyRecord(
                    key=key_of("study", number),
                    report=" ".join(sentences),
                    sentences=tuple(sentences),
                    sentence_vectors=vectors,
                )
            ]
        )
    return made


def said(store: LocalStore, text: str, k: int = 20) -> list[tuple[str, str | None]]:
    query = parse_query(text)
    vector = query_vector(query, TextVectors(TinyEncoder()))
    return [(one.hit.text, one.polarity) for one in rank_sentences(store, query, vector, k, Scope())]


def test_no_pneumothorax_is_not_pneumothorax(reports: LocalStore) -> None:
    found = said(reports, "pneumothorax")
    assert {p for _, p in found} == {"present", "uncertain", None}
    assert {t for t, p in found if p == "present"} == {SENTENCES[1][0], SENTENCES[5][0]}
    assert found[0][1] in ("present", "uncertain")


def test_no_pneumothorax_finds_its_denials(reports: LocalStore) -> None:
    for text in ("no pneumothorax", "没有气胸", '- "pneumothorax"'):
        found = said(reports, text)
        assert {t for t, p in found if p == "absent"} == {SENTENCES[0][0], SENTENCES[2][0], SENTENCES[4][0]}
        assert "present" not in {p for _, p in found}


def test_chinese_query_finds_both_languages(reports: LocalStore) -> None:
    assert {t for t, p in said(reports, "气胸") if p == "present"} == {SENTENCES[1][0], SENTENCES[5][0]}


def test_chinese_words_are_looked_up_in_both_languages(reports: LocalStore) -> None:
    assert parse_query("气胸").words == "气胸 pneumothorax"
    hits = reports.search_sentences(unit(np.random.default_rng(1), 1)[0], parse_query("气胸").words, 20)
    assert sum(hit.keyword_rank is not None for hit in hits) == 6


def test_fusion_is_reciprocal_rank(reports: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    query = parse_query("heart normal")
    vector = query_vector(query, TextVectors(TinyEncoder()))
    (best,) = rank_sentences(reports, query, vector, 1, Scope())
    assert best.hit.text == "The heart is normal."
    assert (best.hit.dense_rank, best.hit.keyword_rank) == (1, 1)
    assert best.score == pytest.approx(2 / 61)
    monkeypatch.setattr(ranking, "_DEPTH", 1)  # however few are fetched at first, denials do not cost results
    assert len(said(reports, "pneumothorax", 4)) == 4


def test_the_query_is_safe_on_an_empty_index(tmp_path: Path) -> None:
    with LocalStore.create(tmp_path / "e.index", tiny_spec()) as empty:
        assert said(empty, "pneumothorax") == []
        assert rank_studies(empty, [QueryView("lung", unit(np.random.default_rng(1), 1)[0])], 3, Scope()) == []


# What a query for something that nobody has must not bring, and what names it in other words.
HEADS = {
    0: ["No acute intracranial process.", "The ventricles are normal."],
    1: ["The lungs are clear.", "未见异常。", "心肺膈未见明显异常"],
    2: ["No acute cardiopulmonary abnormality.", "Small pleural effusion."],
}


def test_what_is_not_there_is_not_answered_with_denials(tmp_path: Path) -> None:
    encoder = TinyEncoder()
    with LocalStore.create(tmp_path / "h.index", tiny_spec()) as store:
        for number, sentences in HEADS.items():
            vectors = encoder.encode_texts(sentences).astype(np.float16)
            record = StudyRecord(key=key_of("study", number), report=" ".join(sentences), sentences=tuple(sentences))
            store.add([replace(record, sentence_vectors=vectors)])
        for text in ("颅内出血", "intracranial haemorrhage", "气胸", "pneumothorax", "rib fracture"):
            query = parse_query(text)
            vector = query_vector(query, TextVectors(encoder))
            for floor in (-1.0, 0.5):
                found = [one.hit.text for one in rank_sentences(store, query, vector, 9, Scope(), floor)]
                assert not {"No acute intracranial process.", "The lungs are clear."} & set(found), (text, found)
            assert found == [], text  # the effusion lies below the floor
        query = parse_query("the lungs are clear")
        vector = query_vector(query, TextVectors(encoder))
        assert "The lungs are clear." in [one.hit.text for one in rank_sentences(store, query, vector, 9, Scope(), 0.5)]


def test_words_of_no_finding_are_found_where_most_of_them_stand() -> None:
    query = parse_query("linear artefact from clothing")
    assert query.wants[0].finding is None
    answers = {
        "Artefacts of clothing over the left shoulder, linear.": False,  # one word is in another form: half, not more
        "A linear artefact, likely from a shirt.": True,
        "Linear clothing artefact.": True,
        "The clothing was taken off.": False,
        "No linear artefact from clothing.": False,  # says the opposite
    }
    for sentence, is_answer in answers.items():
        assert query.is_answered_by(sentence, is_near=False) is is_answer, sentence
    assert parse_query("线状伪影").is_answered_by("左肩见线状伪影。", is_near=False)
    assert not parse_query("pneumothorax").is_answered_by("The lungs are clear.", is_near=False)


def test_what_denies_only() -> None:
    denials = [
        "There is no acute process.",
        "Normal head CT.",
        "Bones intact, lungs clear.",
        "未见异常。",
        "颅内未见异常密度影",
    ]
    others = ["Blood in the frontal lobe, no shift.", "Large bleed without shift.", "Collapsed lung.", "右侧高密度影。"]
    assert [text for text in denials if not denies_only(text)] == []
    assert [text for text in others if denies_only(text)] == []


def test_the_floor_is_half_way_from_unrelated_words() -> None:
    text_vectors = TextVectors(TinyEncoder())
    vector = query_vector(parse_query("pneumothorax"), text_vectors)
    assert 0.2 < similarity_floor(vector, text_vectors) < 0.9
    assert float(text_vectors.text("pneumothorax") @ vector) > similarity_floor(vector, text_vectors)
