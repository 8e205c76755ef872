"""Words as data: what may be asked of a study, and how radiologists say that it is there and that it is not."""

from __future__ import annotations

from radseek.prompts.catalogue import (
    find,
    free_finding,
    list_sets,
    literal_finding,
    load_set,
    resolve,
    suggest,
    translate,
)
from radseek.prompts.finding import VIEW_NAMES, Code, Finding, FindingSet
from radseek.prompts.word_errors import PromptError, RadseekError, UnknownNameError

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
    "literal_finding",
    "load_set",
    "resolve",
    "suggest",
    "translate",
]
