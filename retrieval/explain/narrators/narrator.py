"""What a narrator is: one claim and what it cites in, one sentence out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from radseek.retrieval.explain.claims import Claim
from radseek.retrieval.explain.evidence import Item, Lang

__all__ = ["Narrator"]


class Narrator(Protocol):
    """Says claims in its own words. `name` is `template`, `local` or `openai`, and stands in the document."""

    @property
    def name(self) -> str:
        """Return the narrator's name."""
        ...

    def rephrase(self, claim: Claim, items: Sequence[Item], lang: Lang) -> str:
        """Return one sentence in `lang` that says what `claim.text` says, without citation marks.

        `items` are those that the claim cites, in its order. May raise `NarratorError`; whatever is returned is
        checked, and the template's sentence stands where it fails.
        """
        ...
