"""The files of the Archive tab: plotly from disk, and the exports, written when they are asked for."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, JSONResponse, Response

from radseek.app.archive_state import archive_of
from radseek.app.session import Session
from radseek.app.verdict_labels import labels_csv, labels_of
from radseek.app.worklist import worklist_csv
from radseek.prompts.shipped_sets import all_findings

__all__ = ["archive_routes"]

_CSV = "text/csv; charset=utf-8"


def archive_routes(session: Session, base: str = "") -> APIRouter:
    """Return what the page asks for under `/archive`; whatever guards the app guards it too."""
    router = APIRouter(prefix=f"{base}/archive", include_in_schema=False)

    @router.get("/plotly.js")
    def plotly() -> Response:
        """Return plotly's script as its package has it."""
        path = Path(str(files("plotly").joinpath("package_data", "plotly.min.js")))
        return FileResponse(
            path, media_type="text/javascript; charset=utf-8", headers={"Cache-Control": "max-age=86400"}
        )

    @router.get("/archive.js")
    def script() -> Response:
        """Return the map's script."""
        content = files("radseek.demo.page").joinpath("archive.js").read_text("utf8").replace('"./', f'"{base}/web/')
        return Response(content, media_type="text/javascript; charset=utf-8", headers={"Cache-Control": "no-cache"})

    @router.get("/terms.json")
    def terms() -> Response:
        """Return the catalogue's findings with every word for them, for suggestions while a reader types."""
        known = [
            {"names": [one.names["en"], one.names["zh"]], "words": list(dict.fromkeys(map(str, one.terms)))}
            for one in all_findings().values()
        ]
        return JSONResponse(known, headers={"Cache-Control": "max-age=3600"})

    @router.get("/worklist.csv")
    def worklist() -> Response:
        """Return the worklist of what was screened so far."""
        # The mark tells spreadsheets that it is UTF-8.
        return _download(f"\ufeff{worklist_csv(archive_of(session).screening.worklist())}", "worklist.csv", _CSV)

    @router.get("/labels.csv")
    def labels() -> Response:
        """Return the labels that the verdicts fix."""
        log = archive_of(session).log
        found = () if log is None else labels_of(log.read().verdicts).labels
        return _download(labels_csv(found), "labels.csv", _CSV)

    @router.get("/verdicts.jsonl")
    def verdicts() -> Response:
        """Return the log as it is."""
        log = archive_of(session).log
        text = "" if log is None or not log.path.exists() else log.path.read_text("utf8", "replace")
        return _download(text, "verdicts.jsonl", "application/x-ndjson")

    return router


def _download(text: str, name: str, kind: str) -> Response:
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(text.encode(), media_type=kind, headers=headers)
