"""A summary: each claim in the narrator's words where they pass the checker, else in the template's."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from retrieval.claims import Part

__all__ = ["SummarySentence"]


@dataclass(frozen=True, slots=True)
class SummarySentence:
    """One sentence with its sources.

    `narrator`: whose words these are; `replaced`: the narrator's own failed the check (`failures`, rule and detail)
    and the template's stand instead; `part`: the paragraph it belongs to.
    """

    text: str
    cites: tuple[str, ...]
    narrator: str
    replaced: bool = False
    failures: tuple[str, ...] = ()
    part: Part = "finding"

    def to_json(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return {**asdict(self), "cites": list(self.cites), "failures": list(self.failures)}
