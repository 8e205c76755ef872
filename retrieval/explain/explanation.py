"""An explanation as an answer: evidence and the summary that cites it; its `to_dict` is what the command prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from radseek.retrieval.document import NOTICE, describe_encoder
from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.explain.evidence import Evidence, Lang
from radseek.retrieval.explain.summary import SummarySentence

__all__ = ["ExplainResult"]


@dataclass(frozen=True, slots=True)
class ExplainResult:
    """One study explained. `narrator`: the one asked for; `replaced`: how many of its sentences failed the check."""

    encoder: EncoderSpec
    evidence: Evidence
    summary: tuple[SummarySentence, ...]
    narrator: str
    replaced: int
    lang: Lang = "en"

    def to_dict(self) -> dict[str, Any]:
        """Return the document `radseek explain --json` prints."""
        evidence = self.evidence.to_dict()
        return {
            "notice": NOTICE,
            "encoder": describe_encoder(self.encoder),
            "study": self.evidence.study,
            "path": self.evidence.path,
            "findings_version": self.evidence.asked,
            "lang": self.lang,
            "evidence": evidence["items"],
            "summary": [sentence.to_dict() for sentence in self.summary],
            "narrator": self.narrator,
            "replaced": self.replaced,
        }
