"""The API's own description (OpenAPI 3.1): errors as problem+json, and which role each operation needs."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from radseek.retrieval.document import NOTICE
from radseek.server.auth import FOR_SITES, OPEN
from radseek.server.models import Problem

__all__ = ["describe"]

_ADMIN: Final = ("delete",)  # methods that only the admin token allows
_ADMIN_PATHS: Final = ("/v1/studies/{study}/original",)
_ERRORS: Final = {
    400: "The request cannot be read.",
    401: "No token, or one that is not known.",
    403: "The role may not do this, or another site's page asked.",
    404: "No such study or name.",
    405: "No such method here.",
    408: "The body stopped coming.",
    409: "The index was built with another encoder.",
    413: "More than may be sent at once.",
    421: "This server is not asked by that name.",
    422: "The request makes no sense; `reason_code` says why.",
    429: "Too many wrong tokens, or questions of another site, from there: come back after `Retry-After` seconds.",
    500: "The server failed.",
    503: "Busy, or the index cannot be read now: come back after `Retry-After` seconds.",
    507: "The server's disk has no room.",
}
_OPEN_ERRORS: Final = (405, 413, 421, 500, 503)


def describe(app: FastAPI) -> dict[str, Any]:
    """Return an app's description; made once."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=NOTICE, routes=app.routes)
        parts = document.setdefault("components", {})
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        parts.setdefault("schemas", {}).update({**problem.pop("$defs", {}), "Problem": problem})
        for unused in ("HTTPValidationError", "ValidationError"):
            parts["schemas"].pop(unused, None)
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                _complete(operation, path in OPEN, _role(path, method))
        app.openapi_schema = document
    return app.openapi_schema


def _role(path: str, method: str) -> str:
    """Return the least role that may ask."""
    if path.startswith(FOR_SITES):
        return "site"
    return "admin" if method in _ADMIN or path in _ADMIN_PATHS else "read"


def _complete(operation: dict[str, Any], is_open: bool, role: str) -> None:
    """Add what may go wrong, and who may ask."""
    statuses = _OPEN_ERRORS if is_open else _ERRORS
    for status in statuses:
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        operation["responses"][str(status)] = {"description": _ERRORS[status], "content": content}
    if is_open:
        operation["responses"].pop("422", None)
    operation["security"] = [] if is_open else [{"token": [role]}]
