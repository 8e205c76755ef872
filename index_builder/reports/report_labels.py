"""What a report says of every finding in the catalogue, by the polarity of its sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from radseek.retrieval.language.polarity import Polarity
from radseek.retrieval.language.report_findings import findings_in
from radseek.retrieval.language.report_language import report_language

__all__ = ["affirmed", "report_labels"]

_WEIGHT: Mapping[Polarity, int] = {"absent": 0, "uncertain": 1, "present": 2}


def report_labels(sentences: Iterable[str]) -> dict[str, Polarity]:
    """Return each finding that the sentences name; present outweighs uncertain, and uncertain absent.

    >>> report_labels(["There is a small pleural effusion.", "No pneumothorax."])
    {'pleural_effusion': 'present', 'pneumothorax': 'absent'}
    """
    found: dict[str, Polarity] = {}
    sentences = list(sentences)
    for sentence in sentences if report_language(sentences) is None else ():
        for finding, says in _sentence_labels(sentence):
            if finding not in found or _WEIGHT[says] > _WEIGHT[found[finding]]:
                found[finding] = says
    return found


def affirmed(labels: Mapping[str, Polarity]) -> frozenset[str] | None:
    """Return the findings said to be there or possible (`name?`); None where no finding is named at all."""
    if not labels:
        return None
    return frozenset(name if says == "present" else f"{name}?" for name, says in labels.items() if says != "absent")


@lru_cache(maxsize=1 << 16)
def _sentence_labels(sentence: str) -> tuple[tuple[str, Polarity], ...]:
    return tuple((one.finding, one.polarity) for one in findings_in(sentence))
