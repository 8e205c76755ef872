"""Words as data: what may be asked of a study, and how radiologists say that it is there and that it is not."""

from __future__ import annotations

from prompts.catalog import find, free_finding, list_sets, load_set, resolve, suggest, translate
from prompts.errors import PromptError, RadseekError, UnknownNameError
from prompts.finding import VIEW_NAMES, Code, Finding, FindingSet

__all__ = [
    "VIEW_NAMES",
    "Code",
    "Finding",
    "FindingSet",
    "PromptError",
    "RadseekError",
    "UnknownNameError",
    "find",
    "free_finding",
    "list_sets",
    "load_set",
    "resolve",
    "suggest",
    "translate",
]
