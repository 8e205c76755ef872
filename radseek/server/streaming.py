"""An explanation line by line: first the evidence, then each sentence as it is said and checked, then the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from starlette.responses import StreamingResponse

from radseek.retrieval.explain.explanation import ExplainResult
from radseek.retrieval.explain.narrators.narrator import Narrator
from radseek.retrieval.explain.summary import narration_failure, sentences
from radseek.server.study_listing import without_paths

__all__ = ["LINES", "explanation_events", "line_by_line"]

LINES: Final = "application/x-ndjson"


def line_by_line(result: ExplainResult, narrator: Narrator) -> StreamingResponse:
    """Return an answer of one JSON line an event. `result` is the template's; `narrator` says it anew."""
    lines = (json.dumps(event, ensure_ascii=False) + "\n" for event in explanation_events(result, narrator))
    return StreamingResponse(lines, media_type=LINES)


def explanation_events(result: ExplainResult, narrator: Narrator) -> Iterator[dict[str, Any]]:
    """Yield `evidence` (the document without its summary), a `sentence` for each, and `end`.

    `end` says how many of the narrator's sentences the template's words replaced, and why it fell silent, if it did.
    """
    document: dict[str, Any] = without_paths(result.to_dict())
    kept = {name: value for name, value in document.items() if name not in ("summary", "replaced")}
    yield {"event": "evidence", **kept, "narrator": narrator.name}
    said = []
    for sentence in sentences(result.evidence, narrator, result.lang):
        said.append(sentence)
        yield without_paths({"event": "sentence", **sentence.to_dict()})
    replaced = sum(one.replaced for one in said)
    ended = {"event": "end", "sentences": len(said), "replaced": replaced, "failure": narration_failure(tuple(said))}
    yield without_paths(ended)
