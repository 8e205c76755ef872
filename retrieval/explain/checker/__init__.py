"""The checker: whether a narrator's sentence says what its claim says, and nothing more. It fails closed."""

from __future__ import annotations

from radseek.retrieval.explain.checker.sentence_check import Failure, check

__all__ = ["Failure", "check"]
