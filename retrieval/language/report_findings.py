"""What the sentences of a report say of the catalogue's findings: present, absent or uncertain."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from radseek.prompts.finding import Finding
from radseek.prompts.shipped_sets import all_findings, load_set
from radseek.retrieval.language.finding_mentions import Mention, mentions, region_of, regions
from radseek.retrieval.language.organ_statements import organ_statements
from radseek.retrieval.language.polarity import Judged, Polarity, flipped, judge, strongest, weightiest
from radseek.retrieval.language.report_language import report_language, unread_language
from radseek.retrieval.language.report_text import plain_text
from radseek.retrieval.language.sentence_split import split_sentences

__all__ = ["NO_FINDING", "Said", "denies_only", "findings_in", "report_says"]

_TREATED: Final = re.compile(r"[^，。；、]{0,10}(?:术|疗|引流|穿刺|置管|抽吸|清除|切除|溶栓|介入)后，")
# A denial at the start of a clause ("there is no ..."), or an organ called normal anywhere in it.
_DENYING: Final = re.compile(
    r"^\s*(?:(?:there|it|and|or|the|study|exam|is|are|was|were|has|have|shows?|demonstrates?|again|also)\s+)*"
    r"(?:no|not|nor|none|without|negative|absent|free of|nothing|neither|never)\b"
    r"|\b(?:normal|unremarkable|clear|intact|within (?:normal )?limits|negative|patent|preserved|"
    r"(?:is|are|was|were) (?:not|no longer) \w+|(?:is|are) (?:absent|midline))\b(?<!not normal)(?<!not clear)"
    r"|(?:未见|未发现|未及|未显示|没有|^无|均?无异常|正常|清晰|清楚|阴性|完整|通畅|居中|对称|光整|不大)"
)
NO_FINDING: Final = "no_finding"  # the one "finding" that is about everything


@dataclass(frozen=True, slots=True)
class Said:
    """A finding that a sentence speaks of, by its slug, and what the sentence says of it.

    `rule` names the cue that decided, as `polarity_cues.toml` calls it, `cue` gives its words in the sentence as the
    rules read it (`report_text.plain_text`); both are empty where the finding is named and nothing more is
    said. For a present one the cue is one that looks like a denial and is none. Two that say the same are equal.
    """

    finding: str
    polarity: Polarity
    rule: str = field(default="", compare=False)
    cue: str = field(default="", compare=False)

    @property
    def abnormal(self) -> Polarity:
        """What it says of something abnormal: "no finding" the other way round, for it is there where nothing is."""
        return flipped(self.polarity) if self.finding == NO_FINDING else self.polarity


def findings_in(
    sentence: str, findings: str | Iterable[Finding] | None = None, *, region: str | None = None
) -> tuple[Said, ...]:
    """Return what a sentence says of each finding that it names, in the order of `findings`.

    Named twice, present outweighs uncertain and uncertain absent. A sentence in a language other than English and
    Chinese says nothing, for no rules read it.

    Args:
        sentence: one sentence of a report.
        findings: a shipped set's name or a set file's path, findings themselves, or None for the whole catalogue.
        region: "chest", "head" or "abdomen": what the report is about, which short names such as "edema" need; left
            out, it is the one that all the findings share, else the sentence's own, else the chest.

    Raises:
        UnknownNameError: a set that is not there.

    Examples:
        >>> found = findings_in("No pneumothorax, small effusion.", "chest_xray")
        >>> [(said.finding, said.polarity, said.rule) for said in found]
        [('pneumothorax', 'absent', 'no'), ('pleural_effusion', 'present', '')]
    """
    asked = _asked(findings)
    return _said(sentence, asked, region or _region(asked))


def report_says(
    text: str, findings: str | Iterable[Finding] | None = None, *, region: str | None = None
) -> dict[str, Polarity]:
    """Return what a whole report says of each finding it names: present outweighs uncertain, uncertain absent.

    The arguments are those of `findings_in`; left out, the region is the whole text's.

    >>> report_says("Small left effusion. No right effusion.", "chest_xray")
    {'pleural_effusion': 'present'}
    """
    asked = _asked(findings)
    region = region or _region(asked) or region_of(plain_text(text))
    said: dict[str, list[Polarity]] = {}
    sentences = split_sentences(text)
    for sentence in sentences if report_language(sentences) is None else ():
        for one in _said(sentence, asked, region):
            said.setdefault(one.finding, []).append(one.polarity)
    outweighing = ((name, strongest(values)) for name, values in said.items())
    return {name: value for name, value in outweighing if value is not None}


@lru_cache(maxsize=1 << 16)
def denies_only(sentence: str) -> bool:
    """Say whether a sentence affirms nothing: each of its clauses denies something or calls it normal.

    >>> [denies_only(one) for one in ("The lungs are clear.", "No acute intracranial process.", "Blood, no shift.")]
    [True, True, False]
    """
    said = findings_in(sentence)
    if any(one.abnormal != "absent" for one in said):
        return False
    clauses = [one for one in re.split(r"[,;，；。]|\.(?!\d)|\bbut\b", plain_text(sentence)) if one.strip(" .!?")]
    return bool(clauses) and all(_DENYING.search(one) is not None for one in clauses)


def _asked(findings: str | Iterable[Finding] | None) -> tuple[Finding, ...]:
    if findings is None:
        return tuple(all_findings().values())
    return load_set(findings).findings if isinstance(findings, str) else tuple(findings)


@lru_cache(maxsize=256)
def _region(findings: tuple[Finding, ...]) -> str | None:
    """Return the one region that all findings belong to, or None."""
    known = [regions()[finding.name] for finding in findings if finding.name in regions()]
    shared = frozenset.intersection(*known) if known else frozenset()
    return next(iter(shared)) if len(shared) == 1 else None


def _since_treated(text: str, one: Mention) -> Judged | None:
    """Return what is said of a finding once it was treated: "气胸引流术后，气胸已吸收"; None where nothing denies it.

    The second clause may call it by the last words of its name: 血肿 after 硬膜下血肿.
    """
    treated = _TREATED.match(text, one.end)
    if treated is None:
        return None
    for name in (text[start : one.end] for start in range(one.start, one.end - 1)):
        again = text.find(name, treated.end())
        if again >= 0:
            said = judge(text, again, again + len(name))
            return said if said.polarity == "absent" else None
    return None


@lru_cache(maxsize=1 << 16)
def _said(sentence: str, findings: tuple[Finding, ...], region: str | None) -> tuple[Said, ...]:
    if unread_language(sentence) is not None:
        return ()
    text = plain_text(sentence)
    found: dict[str, list[Judged]] = {}
    for one in mentions(text, findings, region):
        found.setdefault(one.finding, []).append(_since_treated(text, one) or judge(text, one.start, one.end))
    for name, value in organ_statements(text, {finding.name for finding in findings}):
        found.setdefault(name, []).append(value)
    said = ((finding.name, weightiest(found.get(finding.name, ()))) for finding in findings)
    return tuple(Said(name, one.polarity, one.rule, one.words) for name, one in said if one is not None)
