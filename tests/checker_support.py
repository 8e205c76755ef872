"""Sentences for the checker: honest rephrasings, and ways in which a narrator may say something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from radseek.retrieval.explain.claims import Claim
from radseek.retrieval.explain.evidence import Lang
from tests.evidence_support import claim_of

__all__ = ["Said", "said"]

_FILE = Path(__file__).with_name("checker_sentences.jsonl")


class Said(NamedTuple):
    """A sentence, the claim of `tests.evidence_support.full()` that it is given for, and the rule that it breaks."""

    lang: Lang
    claim: Claim
    text: str
    rule: str


def said(kind: str) -> list[Said]:
    """Return the sentences of a kind.

    `honest`: the rules were written with these in sight; `held_out`: written afterwards, by which the vocabulary was
    widened; `unseen`: neither; `lie`: says something else than its claim.
    """
    rows = [json.loads(line) for line in _FILE.read_text("utf8").splitlines() if not line.startswith("#")]
    return [
        Said(lang, claim_of(part, word, lang), text, rule) for of, lang, part, word, rule, text in rows if of == kind
    ]
