"""What the sentences of a report say of the catalogue's findings: present, absent or uncertain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from prompts.finding import Finding
from prompts.library import all_findings, load_set
from retrieval.index.sentences import split_sentences
from retrieval.polarity import Polarity, polarity

__all__ = ["Said", "findings_in", "report_says"]

_WEIGHT: Mapping[Polarity, int] = {"absent": 0, "uncertain": 1, "present": 2}


@dataclass(frozen=True, slots=True)
class Said:
    """A finding that a sentence speaks of, by its slug, and what the sentence says of it."""

    finding: str
    polarity: Polarity


def findings_in(sentence: str, findings: str | Iterable[Finding] | None = None) -> tuple[Said, ...]:
    """Return what a sentence says of each finding that it names, in the order of `findings`.

    `findings`: a shipped set's name or a set file's path, findings themselves, or None for the whole catalogue.
    Raises `UnknownNameError` for a set that is not there.

    >>> findings_in("No pneumothorax, small pleural effusion.", "chest_xray")
    (Said(finding='pneumothorax', polarity='absent'), Said(finding='pleural_effusion', polarity='present'))
    """
    return _said(sentence, _asked(findings))


def report_says(text: str, findings: str | Iterable[Finding] | None = None) -> dict[str, Polarity]:
    """Return what a whole report says of each finding it names: present outweighs uncertain, uncertain absent."""
    asked = _asked(findings)
    found: dict[str, Polarity] = {}
    for sentence in split_sentences(text):
        for said in _said(sentence, asked):
            if said.finding not in found or _WEIGHT[said.polarity] > _WEIGHT[found[said.finding]]:
                found[said.finding] = said.polarity
    return found


def _asked(findings: str | Iterable[Finding] | None) -> tuple[Finding, ...]:
    if findings is None:
        return tuple(all_findings().values())
    return load_set(findings).findings if isinstance(findings, str) else tuple(findings)


@lru_cache(maxsize=1 << 16)
def _said(sentence: str, findings: tuple[Finding, ...]) -> tuple[Said, ...]:
    found = ((finding.name, polarity(sentence, finding.terms)) for finding in findings)
    return tuple(Said(name, says) for name, says in found if says is not None)
