"""A claim: one sentence, and the ids of the evidence it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from radseek.retrieval.explain.evidence import Evidence, Item
from radseek.retrieval.language.polarity import Polarity

__all__ = ["Claim", "Part", "cited"]

Part = Literal[
    "question", "finding", "abstained", "neighbours", "reports", "measurement", "change", "caveat", "insufficient"
]


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence and the ids it rests on.

    `text`: the template's sentence, in one language; `about`: the finding, or the label of a measured region, or "";
    `polarity`: what it says of that finding, or of all that it names, or None; `part`: its paragraph in a summary.
    """

    text: str
    cites: tuple[str, ...]
    about: str = ""
    polarity: Polarity | None = None
    part: Part = "finding"


def cited(claim: Claim, evidence: Evidence) -> tuple[Item, ...]:
    """Return the items that a claim cites, in its order. Raises `UnknownNameError` for an id that is not there."""
    return tuple(evidence.item(one) for one in claim.cites)
