"""What the evidence allows to be said: claims, each one sentence with its sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from retrieval.evidence import Evidence, Item, Lang
from retrieval.polarity import Polarity

__all__ = ["Claim", "Part", "cited", "claims"]

Part = Literal[
    "question", "finding", "abstained", "neighbours", "reports", "measurement", "change", "caveat", "insufficient"
]


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence and the ids it rests on.

    `text`: the template's sentence, in one language; `about`: the finding, or the label of a measured region, or "";
    `polarity`: what it says of that finding, or None; `part`: which paragraph of the summary it belongs to.
    """

    text: str
    cites: tuple[str, ...]
    about: str = ""
    polarity: Polarity | None = None
    part: Part = "finding"


def cited(claim: Claim, evidence: Evidence) -> tuple[Item, ...]:
    """Return the items that a claim cites, in its order. Raises `UnknownNameError` for an id that is not there."""
    return tuple(evidence.item(one) for one in claim.cites)


def claims(evidence: Evidence, lang: Lang) -> tuple[Claim, ...]:
    """Return the claims of a summary in order; a single one, `insufficient`, where there is too little evidence."""
    said: Sequence[Claim] = ()
    return tuple(said)
