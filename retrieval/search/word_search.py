"""Answering words from one index: studies by their images, sentences of their reports, in the order asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from radseek.retrieval.encoders.text_tower import images_alone
from radseek.retrieval.index.catalog.where import Where
from radseek.retrieval.index.store import Scope, Store
from radseek.retrieval.language.report_language import unread_notes
from radseek.retrieval.language.spelling import spelling_of
from radseek.retrieval.scoring.text_vectors import TextVectors
from radseek.retrieval.scoring.word_separation import WordSeparation, note
from radseek.retrieval.search.facets import count_facets
from radseek.retrieval.search.filter_check import checked_where, what_is_left
from radseek.retrieval.search.pointed_slices import pointed_slices
from radseek.retrieval.search.ranking import rank_images, rank_sentences
from radseek.retrieval.search.search_results import SearchResult, sentence_row, study_row
from radseek.retrieval.search.sorting import sort_field, sorted_rows
from radseek.retrieval.search.text_query import findings_asked, parse_query, query_vector, similarity_floor

__all__ = ["In", "WordsAsked", "answer_words"]

In = Literal["images", "reports", "both"]


@dataclass(frozen=True, slots=True)
class WordsAsked:
    """A question in words, as `Engine.search` takes it."""

    text: str
    k: int
    where: Where | Sequence[str] = ()
    within: In = "both"
    sort: str = "similarity"
    facets: Sequence[str] = ()


def answer_words(
    store: Store, texts: TextVectors, separation: WordSeparation | None, asked: WordsAsked
) -> SearchResult:
    """Return the studies and the report sentences that answer words best. Raises as `Engine.search` does."""
    encoder, k, within = texts.encoder, asked.k, asked.within
    query, scope = parse_query(asked.text), Scope(checked_where(asked.where, store))
    field = sort_field(asked.sort, store)
    by_words = encoder.spec.text or within == "images"  # which is refused where it cannot be
    vector = query_vector(query, texts) if by_words else None
    asks_images = within in ("images", "both")
    images = rank_images(store, query.findings, vector, k, scope) if vector is not None and asks_images else []
    floor = -1.0 if vector is None else similarity_floor(vector, texts)
    sentences = rank_sentences(store, query, vector, k, scope, floor) if within in ("reports", "both") else []
    found = [*(one.hit.study for one in images), *(one.hit.study for one in sentences)]
    cases = {case.key: case for case in store.cases(studies=found)} if found else {}
    paths = {key: case.path for key, case in cases.items()}
    said = [
        sentence_row(rank, one, paths, images=pointed_slices(one.hit.text, cases[one.hit.study]))
        for rank, one in enumerate(sentences, 1)
    ]
    without = () if by_words else (images_alone(encoder.spec),)
    seen = [one.hit.study for one in images]
    alike = () if separation is None else separation.alike(findings_asked(query), seen)
    unread = unread_notes(one.hit.text for one in sentences)
    return SearchResult(
        encoder.spec,
        sorted_rows([study_row(rank, one, paths) for rank, one in enumerate(images, 1)], field, store),
        sorted_rows(said, field, store),
        {"text": asked.text, "where": scope.where.texts(), "within": within, "sort": asked.sort},
        (*without, *what_is_left(scope, store), *unread, *map(note, alike)),
        spelling_of(asked.text),
        alike,
        facets=count_facets(store, scope, asked.facets, found),
    )
