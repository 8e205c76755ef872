"""Where a sentence names findings: the longest name at each place, short names where no other organ is meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

from radseek.prompts.finding import Finding
from radseek.prompts.report_words import report_words
from radseek.prompts.shipped_sets import all_findings, load_set
from radseek.retrieval.language.report_text import plain_text

__all__ = ["Mention", "mentions", "region_of", "regions", "spaced"]

_HAN = re.compile(r"[\u4e00-\u9fff]")
_BEFORE = 2  # words before a short name that may give it to another organ
_PLACED = (
    r"^(?:\s+(?:identified|seen|noted|present))?\s+(?:of|in|within|involving|over|overlying)\s+(?:(?!lung)\w+\s+){0,2}"
)
_EITHER = re.compile(r"\s*(?:/|\bor\b|\band/or\b)\s*")


@dataclass(frozen=True, slots=True)
class Mention:
    """A finding's name at `[start:end]` of a plain text."""

    finding: str
    start: int
    end: int


def mentions(text: str, findings: Iterable[Finding], region: str | None) -> list[Mention]:
    """Return where a plain text names the findings, by finding and place.

    A name inside a longer one does not count, whoever owns the longer one: a "pericardial effusion" is no pleural
    effusion though only the pleural one is asked for. Short names count where `region` (None: the text's own, else
    the chest) is one that their finding belongs to.
    """
    wanted = {finding.name: finding for finding in findings}
    own = [one for f in wanted.values() if _is_own(f) for one in _found(text, f.name, _pattern(_terms(f)))]
    first = [*own, *_named(text, wanted), *(one for one in _short(text, region) if one.finding in wanted)]
    if not first:
        return []
    others = [*_named(text, _patterns().keys() - wanted.keys()), *_short(text, region)]
    kept: list[Mention] = []
    for one in sorted({*first, *others}, key=lambda m: (m.start - m.end, m.start, m.finding)):
        if not any(_hides(other, one) for other in kept):
            kept.append(one)
    return _joined(text, sorted((m for m in kept if m.finding in wanted), key=lambda m: (m.finding, m.start)))


@lru_cache(maxsize=4096)
def region_of(text: str) -> str | None:
    """Return the part of the body that a plain text speaks of most, or None where no word tells.

    >>> region_of("no intracranial haemorrhage, midline shift or hydrocephalus")
    'head'
    """
    counts = {region: len(pattern.findall(text)) for region, pattern in _region_patterns().items()}
    best = max(counts, key=lambda region: counts[region])
    return best if counts[best] else None


def _hides(longer: Mention, one: Mention) -> bool:
    same = (longer.start, longer.end) == (one.start, one.end)
    overlaps = longer.start < one.end and one.start < longer.end
    return overlaps and not same and (longer.finding != one.finding or one.end <= longer.end)


def _joined(text: str, found: list[Mention]) -> list[Mention]:
    """Make one mention of two names of one finding with only "or" or a slash between them."""
    joined: list[Mention] = []
    for one in found:
        last = joined[-1] if joined else None
        if last is not None and last.finding == one.finding and _EITHER.fullmatch(text[last.end : one.start]):
            joined[-1] = Mention(one.finding, last.start, one.end)
        else:
            joined.append(one)
    return joined


def _is_own(finding: Finding) -> bool:
    """Say whether a finding has words of its own, beside or without the catalogue's."""
    known = all_findings().get(finding.name)
    return known is None or (known.names, known.synonyms) != (finding.names, finding.synonyms)


def _named(text: str, names: Iterable[str]) -> list[Mention]:
    patterns = _patterns()
    return [one for name in names if name in patterns for one in _found(text, name, patterns[name])]


def _short(text: str, region: str | None) -> list[Mention]:
    region = region or region_of(text) or "chest"
    here = ((name, pattern) for name, pattern in _short_patterns().items() if region in regions()[name])
    found = [one for name, pattern in here for one in _found(text, name, pattern)]
    return [one for one in found if not _is_elsewhere(text, one.start, one.end)]


def _found(text: str, name: str, pattern: re.Pattern[str]) -> list[Mention]:
    return [Mention(name, *match.span()) for match in pattern.finditer(text)]


def _is_elsewhere(text: str, start: int, end: int) -> bool:
    """Say whether the words beside a short name give it to an organ of another finding."""
    clause = re.split(r"[,.;:/]|\b(?:or|and|no|with|without)\b", text[:start])[-1]
    near = " ".join(clause.split()[-_BEFORE:])
    before, after = _elsewhere()
    return before.search(near) is not None or after.match(text[end:]) is not None


@cache
def _elsewhere() -> tuple[re.Pattern[str], re.Pattern[str]]:
    words = spaced("|".join(report_words().elsewhere))
    return re.compile(rf"\b(?:{words})\b"), re.compile(rf"{_PLACED}(?:{words})\b")


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    more = report_words().names
    found = {name: _pattern((*_terms(f), *more.get(name, ()))) for name, f in all_findings().items()}
    return {**found, "": _pattern(report_words().nothing)}  # hides other names and is no finding


@cache
def _short_patterns() -> dict[str, re.Pattern[str]]:
    return {name: _pattern(fragments) for name, fragments in report_words().short.items()}


@cache
def regions() -> dict[str, frozenset[str]]:
    """Return the regions of every catalogue finding: those of the sets that hold it."""
    found: dict[str, set[str]] = {}
    for name, region in report_words().regions.items():
        for finding in load_set(name).findings:
            found.setdefault(finding.name, set()).add(region)
    return {name: frozenset(regions) for name, regions in found.items()}


@cache
def _region_patterns() -> dict[str, re.Pattern[str]]:
    return {region: _pattern(words) for region, words in report_words().region_words.items()}


def spaced(fragment: str) -> str:
    """Return a regular expression of `report_words.toml` whose spaces match any spacing and hyphens."""
    return fragment.replace(" ?", r"[\s-]*").replace(" ", r"[\s-]+")


def _terms(finding: Finding) -> tuple[str, ...]:
    return tuple(re.escape(plain_text(term)).replace(r"\ ", " ").replace(r"\-", " ") for term in finding.terms)


@lru_cache(maxsize=1024)
def _pattern(fragments: tuple[str, ...]) -> re.Pattern[str]:
    """Compile regular expressions as one: the longest first, at word ends, a space for any spacing."""
    ordered = sorted(set(fragments), key=len, reverse=True)
    chinese = [one for one in ordered if _HAN.search(one)]
    latin = [spaced(one) for one in ordered if not _HAN.search(one)]
    words = rf"(?<![a-z0-9])(?:{'|'.join(latin)})(?:s|es)?(?![a-z0-9])" if latin else "(?!)"
    return re.compile("|".join([words, *chinese]))
