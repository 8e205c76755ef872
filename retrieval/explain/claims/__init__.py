"""What the evidence allows to be said: claims, each one sentence with its sources, in English or Chinese."""

from __future__ import annotations

from radseek.retrieval.explain.claims.all_claims import claims
from radseek.retrieval.explain.claims.claim import Claim, Part, cited

__all__ = ["Claim", "Part", "cited", "claims"]
