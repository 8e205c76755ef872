"""What schemathesis is told of our archive: half of the questions are about a study that is there."""

from __future__ import annotations

import os
import re
from typing import Any

import schemathesis
from hypothesis import strategies as st

__all__: list[str] = []

_KEYS = os.environ.get("RADSEEK_FUZZ_KEYS", "").split(",")


@schemathesis.hook
def flatmap_body(context: schemathesis.HookContext, body: Any) -> st.SearchStrategy[Any]:
    """Put a stored study's key into a question that names one, half of the time."""
    if not isinstance(body, dict) or not _is_key(body.get("study")):
        return st.just(body)  # what is meant to be malformed stays so
    return st.sampled_from([*_KEYS, *([body["study"]] * len(_KEYS))]).map(lambda key: {**body, "study": key})


@schemathesis.hook
def flatmap_path_parameters(context: schemathesis.HookContext, path_parameters: Any) -> st.SearchStrategy[Any]:
    """The same for a study in the path; but a stored one is never deleted."""
    deletes = context.operation is not None and context.operation.method.lower() == "delete"
    if deletes or not isinstance(path_parameters, dict) or not _is_key(path_parameters.get("study")):
        return st.just(path_parameters)
    return st.sampled_from([{**path_parameters, "study": _KEYS[0]}, path_parameters])


def _is_key(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"2\.25\.[0-9]{1,39}", value) is not None
