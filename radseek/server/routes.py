"""The API's routes. Every answer is the engine's own; nothing is computed here."""

from __future__ import annotations

import logging
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query

from radseek.retrieval.document import NOTICE
from radseek.retrieval.explain.explain_study import narrated
from radseek.server import models
from radseek.server.auth import need_admin
from radseek.server.explain_answer import ExplainAnswer
from radseek.server.forget_route import forget
from radseek.server.original_answer import OriginalAnswer
from radseek.server.problems import SHUT, problem
from radseek.server.questions import (
    ClassifyQuestion,
    ExplainQuestion,
    Key,
    ScreenQuestion,
    SearchQuestion,
    SimilarQuestion,
)
from radseek.server.request_context import At
from radseek.server.streaming import LINES, line_by_line
from radseek.server.study_listing import stored_study, uploaded_study, without_paths

__all__ = ["api", "health"]

_log: Final = logging.getLogger(__name__)
api = APIRouter(prefix="/v1")
health = APIRouter()


@api.post("/screen", response_model=models.ScreenAnswer)
def screen(question: ScreenQuestion, at: At) -> Any:
    """Score findings in one study: no training, any words."""
    with at.engine() as engine:
        result = engine.screen(at.session.target(question.study), at.findings(question))
    return without_paths(result.to_dict())


@api.post("/classify", response_model=models.ClassifyAnswer)
def classify(question: ClassifyQuestion, at: At) -> Any:
    """Share one between labels that exclude each other."""
    with at.engine() as engine:
        result = engine.classify(at.session.target(question.study), question.labels)
    return without_paths(result.to_dict())


@api.post("/similar", response_model=models.SimilarAnswer)
def similar(question: SimilarQuestion, at: At) -> Any:
    """Find the earlier cases most like a study, and their reports."""
    with at.engine() as engine:
        result = engine.similar(
            at.session.target(question.study),
            question.k,
            where=question.where,
            text=question.text,
            contrast=question.contrast,
            include_same_patient=question.include_same_patient,
            sort=question.sort,
            facets=question.facets,
        )
    return without_paths(result.to_dict())


@api.post("/search", response_model=models.SearchAnswer)
def search(question: SearchQuestion, at: At) -> Any:
    """Find studies and report sentences in words."""
    with at.engine() as engine:
        result = engine.search(
            question.text,
            question.k,
            where=question.where,
            within=question.within,
            sort=question.sort,
            facets=question.facets,
        )
    return without_paths(result.to_dict())


@api.post(
    "/explain",
    response_model=ExplainAnswer,
    responses={200: {"content": {LINES: {"schema": {"type": "string", "description": "One JSON value a line."}}}}},
)
def explain(question: ExplainQuestion, at: At) -> Any:
    """Say what is seen in a study and where, with earlier cases and every source."""
    narrator = at.narrator(question.narrator)
    with at.engine() as engine:
        target, findings = at.session.target(question.study), at.findings(question)
        result = engine.explain(target, findings, k=question.k, lang=question.lang)
    # A model speaks when the engine is free again.
    return line_by_line(result, narrator) if question.stream else without_paths(narrated(result, narrator).to_dict())


@api.get("/studies", response_model=models.StudiesAnswer)
def studies(
    at: At,
    offset: Annotated[int, Query(ge=0, le=1_000_000_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Any:
    """List the stored studies."""
    shown = [stored_study(case) for case in at.session.cases(offset, limit)]
    return {"notice": NOTICE, "total": at.session.count(), "offset": offset, "studies": shown}


@api.get("/studies/{study}", response_model=models.StudyAnswer)
def one_study(study: Key, at: At) -> Any:
    """Describe one study, stored or uploaded."""
    findings = at.session.finding_set(study)
    if at.session.is_uploaded(study):
        return {"notice": NOTICE, "study": uploaded_study(at.session, study), "findings": findings, "report": None}
    case = at.session.case(study)
    return {"notice": NOTICE, "study": stored_study(case), "findings": findings, "report": case.report}


@api.get("/studies/{study}/original", response_model=OriginalAnswer, dependencies=[Depends(need_admin)])
def original(study: Key, at: At) -> Any:
    """Say what a stored study is called outside: accession number, date, StudyInstanceUID, path. It names a patient."""
    return {"notice": NOTICE, **at.session.original(study).to_dict()}


@api.delete("/studies/{study}", response_model=models.ForgottenAnswer, dependencies=[Depends(need_admin)])
def delete_study(study: Key, at: At) -> Any:
    """Forget a study: one that was uploaded at once, a stored one from the index and its files for good."""
    return {"notice": NOTICE, "study": study, "stored": forget(at.session, study)}


@health.get("/healthz", response_model=models.HealthAnswer)
async def healthz() -> Any:
    """Say that the process runs."""
    return {"status": "ok"}


@health.get("/readyz", response_model=models.HealthAnswer)
def readyz(at: At) -> Any:
    """Say that questions can be answered: the encoder is loaded, and the index can be read."""
    if trouble := at.session.trouble():
        _log.error("not ready: %s", trouble)
        return problem(503, SHUT, headers={"Retry-After": "2"})
    return {"status": "ready"}
