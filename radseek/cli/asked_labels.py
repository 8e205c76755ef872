"""What `--findings` and `--finding` mean of a file of labels: these findings, in these words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from radseek.prompts import find
from radseek.retrieval.errors import UsageError

if TYPE_CHECKING:
    from radseek.prompts.finding import Finding

__all__ = ["asked_of"]


def asked_of(findings: str | None, words: Sequence[str] | None) -> tuple[Finding, ...] | None:
    """Return the findings that `--findings` or `--finding` means, None for neither.

    Raises `UsageError` for both, `UnknownNameError` for a set that is none.
    """
    from radseek.retrieval.scoring.screening import choose_findings

    if findings is not None and words:
        raise UsageError("Give either --findings SET or --finding TEXT, not both.")
    if findings is None and not words:
        return None
    return choose_findings(findings if findings is not None else [find(one) for one in words or ()])[0]
