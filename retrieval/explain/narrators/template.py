"""The narrator that is always there: it says each claim as the template does."""

from __future__ import annotations

from collections.abc import Sequence

from radseek.retrieval.explain.claims import Claim
from radseek.retrieval.explain.evidence import Item, Lang

__all__ = ["TemplateNarrator"]


class TemplateNarrator:
    """Says what is written, in no other words."""

    name = "template"

    def rephrase(self, claim: Claim, items: Sequence[Item], lang: Lang) -> str:
        """Return the claim's own sentence."""
        return claim.text
