"""The routes by which another site's question is answered from this archive: by vectors, with scores and pseudonyms.

A token for sites gets no word of a report; one that may read the archive anyway gets them with the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Request

from radseek.retrieval.document import NOTICE
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import EncoderMismatchError, UsageError
from radseek.retrieval.search.sites import site_documents
from radseek.retrieval.search.sites.site import EncoderHashes, ReportsKept
from radseek.retrieval.search.sites.stored_site import StoredSite
from radseek.server import site_answers
from radseek.server.auth import FOR_SITES
from radseek.server.request_context import At
from radseek.server.site_questions import (
    SiteImagesQuestion,
    SiteSentencesQuestion,
    SiteSimilarQuestion,
    SiteWordsQuestion,
)

__all__ = ["site_api"]

_T = TypeVar("_T")
_Question = SiteImagesQuestion | SiteSentencesQuestion | SiteSimilarQuestion | SiteWordsQuestion


def _not_too_often(request: Request, at: At) -> None:
    """Raise 429 for an address that asks more than the settings allow."""
    wait = at.site_rate.wait(request.client.host if request.client else "")
    if wait:
        raise HTTPException(429, f"Too many questions from there; wait {wait} s.", {"Retry-After": str(wait)})


def _may_read(request: Request) -> bool:
    """Say whether the role may read reports."""
    return str(request.state.role) != "site"


MayRead = Annotated[bool, Depends(_may_read)]
site_api = APIRouter(prefix=FOR_SITES.rstrip("/"), dependencies=[Depends(_not_too_often)])


@site_api.post("/similar", response_model=site_answers.SiteCasesAnswer)
def site_similar(question: SiteSimilarQuestion, at: At, may_read: MayRead) -> Any:
    """Find the cases most like a study, given by its vectors."""
    with at.engine() as engine:
        site, hashes, dim = _site(engine, question, may_read)
        asked = _read(lambda: site_documents.similar_asked(question.model_dump(), dim))
        return {**_about(hashes, may_read), **site_documents.cases_document(site.similar(asked))}


@site_api.post("/images", response_model=site_answers.SiteImagesAnswer)
def site_images(question: SiteImagesQuestion, at: At, may_read: MayRead) -> Any:
    """Find the studies that answer words, given by their vector."""
    with at.engine() as engine:
        site, hashes, dim = _site(engine, question, may_read)
        asked = _read(lambda: site_documents.images_asked(question.model_dump(), dim))
        return {**_about(hashes, may_read), **site_documents.images_document(site.images(asked))}


@site_api.post("/words", response_model=site_answers.SiteWordsAnswer)
def site_words(question: SiteWordsQuestion, at: At, may_read: MayRead) -> Any:
    """Say how many sentences of reports have each word, where the role may read them."""
    with at.engine() as engine:
        site, hashes, _ = _site(engine, question, may_read)
        try:
            statistics = asdict(site.word_statistics(question.words))
        except ReportsKept:
            statistics = None
        return {**_about(hashes, may_read), "statistics": statistics}


@site_api.post("/sentences", response_model=site_answers.SiteSentencesAnswer)
def site_sentences(question: SiteSentencesQuestion, at: At, may_read: MayRead) -> Any:
    """Find the sentences of reports nearest to words, where the role may read them."""
    with at.engine() as engine:
        site, hashes, dim = _site(engine, question, may_read)
        asked = _read(lambda: site_documents.sentences_asked(question.model_dump(), dim))
        try:
            found = site_documents.sentences_document(site.sentences(asked))
        except ReportsKept:
            found = {"sentences": [], "notes": []}
        return {**_about(hashes, may_read), **found}


def _site(engine: Engine, question: _Question, may_read: bool) -> tuple[StoredSite, EncoderHashes, int]:
    """Return the archive as a site. Raises where there is none, or where the vectors are of another encoder."""
    if engine.store is None:
        raise UsageError("This server has no archive to ask; ask whoever keeps it to start it with --index.")
    hashes = EncoderHashes.of(engine.encoder.spec)
    differences = hashes.differences(EncoderHashes(**question.encoder.model_dump()))
    if differences:
        raise EncoderMismatchError(
            f"This archive was built with the encoder '{engine.encoder.spec.name}' and is asked with another (other in "
            f"{' and '.join(differences)}), so their vectors cannot be compared."
        )
    return StoredSite("", engine.store, engine.known_closeness, reports=may_read), hashes, engine.encoder.spec.dim


def _read(read: Callable[[], _T]) -> _T:
    try:
        return read()
    except ValueError as error:
        raise UsageError(f"The vectors cannot be used: {error}.") from error


def _about(hashes: EncoderHashes, may_read: bool) -> dict[str, Any]:
    return {"notice": NOTICE, "encoder": asdict(hashes), "reports": may_read}
