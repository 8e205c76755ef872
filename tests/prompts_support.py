"""What the tests of the words share: a well-formed set to spoil, and every shipped finding."""

from __future__ import annotations

import copy
import re
from typing import Any

from radseek.prompts.catalogue import list_sets, load_set
from radseek.prompts.finding import Finding

NEGATION = re.compile(r"\b(no|not|without|free of|absent|negative|neither|none|nothing)\b", re.IGNORECASE)

_GOOD: dict[str, Any] = {
    "name": "mine",
    "version": "1",
    "title": "A set of my own",
    "findings": [
        {
            "name": "foreign_body",
            "en": ["foreign body", "ingested object"],
            "zh": ["异物"],
            "views": ["radiograph", "soft"],
            "focal": True,
            "codes": [{"system": "RadLex", "code": "RID1", "source": "made up for the test"}],
            "pairs": [[f"Object {k} is seen.", f"Object {k} is not seen."] for k in range(5)],
        },
        {
            "name": "gas",
            "en": ["gas"],
            "zh": ["气体"],
            "views": ["lung"],
            "pairs": [[f"Gas {k} is seen.", f"Gas {k} is not seen."] for k in range(6)],
        },
    ],
}


def good_set() -> dict[str, Any]:
    return copy.deepcopy(_GOOD)


def shipped() -> list[tuple[str, Finding]]:
    return [(name, finding) for name in list_sets() for finding in load_set(name).findings]
