"""An explanation as an answer: evidence and the summary that cites it; its `to_dict` is what the command prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from radseek.retrieval.document import NOTICE, describe_encoder
from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.explain.evidence import Evidence, Lang
from radseek.retrieval.explain.summary import SummarySentence
from radseek.retrieval.result_table import ColumnType, ResultTable

__all__ = ["ExplainResult"]

_COLUMNS: Mapping[str, ColumnType] = {
    "study": "text", "part": "text", "text": "text", "cites": "text", "narrator": "text", "replaced": "flag",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExplainResult(ResultTable[SummarySentence]):
    """One study explained; its rows are the summary's sentences.

    `narrator`: the one asked for; `replaced`: how many of its sentences failed the check.
    """

    encoder: EncoderSpec
    evidence: Evidence
    summary: tuple[SummarySentence, ...]
    narrator: str
    replaced: int
    lang: Lang = "en"

    @property
    def rows(self) -> tuple[SummarySentence, ...]:
        """Return the sentences: `summary`."""
        return self.summary

    @property
    def columns(self) -> Mapping[str, ColumnType]:
        """Return study, part, text, cites, narrator and replaced."""
        return _COLUMNS

    def records(self) -> list[dict[str, Any]]:
        """Return one flat dictionary a sentence; `cites` are ids with spaces between."""
        return [
            {
                "study": self.evidence.study,
                "part": one.part,
                "text": one.text,
                "cites": " ".join(one.cites),
                "narrator": one.narrator,
                "replaced": one.replaced,
            }
            for one in self.summary
        ]

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
