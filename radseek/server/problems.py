"""Errors as problem+json (RFC 9457), with the reason codes that the command prints."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Scope

from radseek.retrieval.disk_errors import is_storage_error
from radseek.retrieval.document import NOTICE
from radseek.retrieval.errors import (
    BusyError,
    EncoderMismatchError,
    IndexBusyError,
    IndexClosedError,
    IndexFolderError,
    InputError,
    MissingExtraError,
    RadseekError,
    Reason,
    StoppedError,
    StorageError,
    SystemLimitError,
    UnknownNameError,
)
from radseek.retrieval.path_text import hide_paths

__all__ = ["CODES", "SHUT", "answer_errors", "failure", "problem", "problem_of", "reason_code"]

_log: Final = logging.getLogger(__name__)
_RETRY: Final = {"Retry-After": "2"}
_FIRST: Final = 8  # faults of a body that are listed
_WORD: Final = re.compile(r"(?<!^)(?=[A-Z])")
_STATUS: Final[tuple[tuple[type[RadseekError], int], ...]] = (
    (UnknownNameError, 404),
    (EncoderMismatchError, 409),
    (IndexFolderError, 503),
    (BusyError, 503),
    (IndexClosedError, 503),
    (StoppedError, 503),
    (SystemLimitError, 503),
    (MissingExtraError, 501),
    (StorageError, 507),
)
_FULL: Final = "The server's disk has no room, or may not be written; tell whoever keeps it, its log says which folder."
_WRITING: Final = "Another process is writing the archive; ask again when it is done. Reading works meanwhile."
SHUT: Final = (
    "The archive cannot be read now: another process changed or removed it. Ask again in a moment; where that does not "
    "help, whoever keeps this server finds why in its log."
)
_LIMIT: Final = "The server has no more open files or memory for this; ask again later, and tell whoever keeps it."
# Every code that stands for a refusal by the server itself, rather than by the engine.
CODES: Final = {
    400: "malformed",
    401: "unauthorized",
    403: "forbidden",
    404: "unknown_name",
    405: "method_not_allowed",
    408: "timeout",
    413: "too_large",
    415: "unsupported_media_type",
    421: "wrong_host",
    422: "usage",
    429: "rate",
    500: "internal",
    503: "busy",
    507: "storage",
}


def problem(
    status: int,
    detail: str,
    *,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> JSONResponse:
    """Return an error answer: `title` of the status, what went wrong and what to do in `detail`, a stable code."""
    code = code or CODES.get(status, "internal")
    body = {
        "type": f"urn:radseek:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": _sent(detail),
    }
    body |= {"reason_code": code, "notice": NOTICE, **(more or {})}
    return JSONResponse(body, status, dict(headers or {}), "application/problem+json")


def reason_code(error: RadseekError) -> str:
    """Return an error's stable code: the reason of a refused input, else the error's own name.

    >>> from radseek.retrieval.errors import UsageError
    >>> reason_code(UsageError("x")), reason_code(EncoderMismatchError("x"))
    ('usage', 'encoder_mismatch')
    """
    if isinstance(error, InputError):
        return str(error.reason)
    return _WORD.sub("_", type(error).__name__.removesuffix("Error")).lower()


def problem_of(error: RadseekError, index: Path | None = None) -> JSONResponse:
    """Return an engine's error as an answer; `skipped` names the files of an input that was refused.

    No answer says where anything lies on this machine; `index` is where its archive does, and the log has it all.
    """
    status = next(
        (code for kind, code in _STATUS if isinstance(error, kind)), 422 if isinstance(error, ValueError) else 500
    )
    if isinstance(error, StorageError | IndexFolderError):
        _log.error("%s", error)
        said = _FULL if isinstance(error, StorageError) else _WRITING if isinstance(error, IndexBusyError) else SHUT
        return problem(status, said, code=reason_code(error), headers=_RETRY if status == 503 else None)
    known = () if index is None else (index, index.parent)
    detail = hide_paths(str(error), *known)
    if detail != str(error):
        _log.error("%s", error)
    if isinstance(error, InputError):
        status = 413 if error.reason is Reason.TOO_LARGE else 422
        lines = [
            {"path": hide_paths(_sent(path)), "reason_code": str(why), "message": hide_paths(_sent(text), *known)}
            for path, why, text in error.lines
        ]
        return problem(status, detail, code=reason_code(error), more={"skipped": lines})
    return problem(status, detail, code=reason_code(error), headers=_RETRY if status == 503 else None)


def failure(scope: Scope) -> JSONResponse:
    """Return the answer to a request that failed as nobody foresaw: where the log says why, and nothing of it."""
    number = scope.get("state", {}).get("request_id", "")
    return problem(500, f"The server failed; its log says why, under {number}.")


def answer_errors(app: FastAPI) -> None:
    """Make every error of an app a problem; an unforeseen one goes on to `radseek.server.headers` and its log."""

    @app.exception_handler(RadseekError)
    async def _radseek(request: Request, error: Exception) -> JSONResponse:
        at = getattr(request.app.state, "at", None)
        index = None if at is None else at.session.index
        return problem_of(error, index) if isinstance(error, RadseekError) else problem(500, "")

    @app.exception_handler(OSError)
    async def _disk(_request: Request, error: Exception) -> JSONResponse:
        if not is_storage_error(error):
            raise error
        return problem_of(StorageError(str(error)))

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: Exception) -> JSONResponse:
        known = error if isinstance(error, HTTPException) else HTTPException(500)
        return problem(known.status_code, str(known.detail), headers=known.headers)

    @app.exception_handler(Exception)
    async def _unforeseen(request: Request, _error: Exception) -> JSONResponse:
        return failure(request.scope)

    @app.exception_handler(RequestValidationError)
    async def _request(_request: Request, error: Exception) -> JSONResponse:
        faults = error.errors() if isinstance(error, RequestValidationError) else []
        return problem(422, f"The request does not fit: {_first_fault(faults)}.", more={"faults": _faults(faults)})


def _faults(faults: Sequence[Any]) -> list[dict[str, str]]:
    """Return where a body does not fit and why, without repeating what was sent."""
    return [{"where": _sent(".".join(map(str, one["loc"]))), "what": _sent(one["msg"])} for one in faults[:_FIRST]]


def _first_fault(faults: Sequence[Any]) -> str:
    listed = _faults(faults)
    return f"{listed[0]['where']}: {listed[0]['what']}" if listed else "it cannot be read"


def _sent(text: str) -> str:
    """Return text that can be written as UTF-8: half a surrogate pair can be sent in JSON, and not be written."""
    return text.encode("utf-8", "replace").decode()
