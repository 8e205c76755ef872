"""The numbers of a sentence, each with unit and role, and whether they are the claim's: value, order and place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from radseek.retrieval.explain.checker.entities import TOKEN, Marked
from radseek.retrieval.explain.checker.numerals import in_digits
from radseek.retrieval.explain.evidence import Lang

__all__ = ["Quantity", "blanked", "in_order", "number_failures", "quantities"]

_NUMBER = r"(?<![A-Za-z0-9.])[-+]?\d+(?:\.\d+)?"  # not \w, which Chinese characters are
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_UNIT = r"(?:\s*(mm|cm|ml|mL|cc|cm3|cm³|HU|SUV|%|％|st|nd|rd|th)(?![A-Za-z0-9]))?"
_PLACE = re.compile(rf"({_NUMBER})\s*[,、，]\s*({_NUMBER})\s*(?:[,、，]|and|和)\s*({_NUMBER})\s*mm", re.IGNORECASE)
_RATIO = {
    "en": re.compile(
        r"(?<![\w.])(?P<a>\d+)\s*(?:of|out\s+of|in|from|among|/)\s*(?:the\s+|these\s+|its\s+|all\s+)?(?P<b>\d+)(?![\w.]*\d)"
        r"|\b(?:of|out\s+of|among|in)\s+(?:the\s+|these\s+|its\s+)?(?P<d>\d+)\b(?!\s*(?:of|out|/))(?=[a-z\s]{0,60}\b(?:cases?|neighbou?rs?|reports?)\b)"
        r"[a-z\s]{0,60},?\s+(?P<c>\d+)(?![\w.]*\d)",
        re.IGNORECASE,
    ),
    "zh": re.compile(
        r"(?<![A-Za-z0-9.])(?P<b>\d+)例[^\d。；、（）]{0,16}?(?:中|里)[，,]?\s*(?:共|有|共有)?\s*(?P<a>\d+)例?"
        r"|(?<![A-Za-z0-9.])(?P<d>\d+)分之(?P<c>\d+)|(?<![A-Za-z0-9.])(?P<e>\d+)\s*/\s*(?P<f>\d+)"
    ),
}
_SHARED = re.compile(rf"({_NUMBER})(?=\s*(?:to|and|至|到)\s*\d+(?:\.\d+)?\s*(mm|cm|ml|mL|HU|SUV)\b)")
_ONE = re.compile(rf"({_NUMBER}){_UNIT}")
_MIXED = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]+")
_UNITS = {"cc": "ml", "mL": "ml", "cm3": "ml", "cm³": "ml", "％": "%", "st": "", "nd": "", "rd": "", "th": ""}
_ROLES: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (name, units, re.compile(pattern, re.IGNORECASE))
    for name, units, pattern in (  # what a number may be of, by its unit
        ("probability", "|%", r"probabilit\w*|likelihood|概率"),
        ("similarity", "|%", r"similarit\w*|cosine|相似度|余弦"),
        ("slice", "", r"\bslices?\b|第(?=\d)|层"),
        ("standing", "%", r"comparable|可比"),
        ("volume", "ml", r"\bvolume|体积"),
        ("diameter", "mm", r"diameter|最长径"),
        ("axis", "mm", r"short axis|短径"),
        ("mean", "HU|SUV|", r"\bmean\b|average|平均"),
        ("spread", "HU|SUV|", r"deviation|标准差"),
        ("parts", "", r"\bparts?\b|部分"),
        ("findings", "", r"\bfindings\b|项"),
    )
)
_REACH = 44  # characters to the word that says what a number is of


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as it is compared: canonical `value`, `unit` (`of` for a ratio, `mm3d` for a point), `role` or ""."""

    value: str
    unit: str
    role: str
    start: int


def quantities(text: str, lang: Lang) -> tuple[Quantity, ...]:
    """Return the numbers of a marked sentence, in order."""
    return tuple(sorted(_found(_ready(text, lang), lang), key=lambda one: one.start))


def in_order(marked: Marked, lang: Lang) -> list[str]:
    """Return the findings and numbers of a sentence in the order in which they stand."""
    text = _ready(marked.text, lang)
    places = {one.token: one.key for one in marked.entities if one.kind == "f"}
    found = [(match.start(), places[match[0]]) for match in TOKEN.finditer(text) if match[0] in places]
    found += [(one.start, f"{one.value} {one.unit}") for one in _found(text, lang)]
    return [name for _, name in sorted(found)]


def blanked(text: str, lang: Lang) -> str:
    """Return a marked sentence with each number as 9, so that no decimal point looks like a stop."""
    ready = _ready(text, lang)
    for pattern in (_PLACE, _ONE):
        ready = pattern.sub("9", ready)
    return ready


def number_failures(said: str, claim: str, lang: Lang, *, all_needed: bool) -> Iterator[tuple[str, str]]:
    """Yield a failure for each number that is not the claim's, and where one that matters was left out.

    Of one unit and one role the order is the claim's; where both say what a number is of, they say the same.
    """
    own, known = quantities(said, lang), quantities(claim, lang)
    last: dict[tuple[str, str], int] = {}
    for one in own:
        least = max((i for (unit, role), i in last.items() if unit == one.unit and role in (one.role, "")), default=-1)
        least = least if one.role else max((i for (unit, _), i in last.items() if unit == one.unit), default=-1)
        place = next((i for i, other in enumerate(known) if i > least and _same(one, other)), None)
        if place is None:
            yield "number", f"{one.value} {one.unit}".strip()
        else:
            last[one.unit, one.role] = place
    for mixed in _MIXED.findall(TOKEN.sub(" ", _ready(said, lang))):
        if mixed not in TOKEN.sub(" ", _ready(claim, lang)):
            yield "number", f"{mixed} is no number of the claim"
    if all_needed and _weighty(known) - {(one.value, one.unit) for one in own}:
        yield "number", "a number of the claim is left out"


def _weighty(known: Sequence[Quantity]) -> set[tuple[str, str]]:
    return {(one.value, one.unit) for one in known if one.unit in ("of", "mm", "ml", "HU", "SUV")}


def _ready(text: str, lang: Lang) -> str:
    text = _THOUSANDS.sub("", text) if lang == "en" else text
    return _SHARED.sub(r"\1 \2", in_digits(text, lang).replace("−", "-").replace("－", "-"))


def _found(text: str, lang: Lang) -> Iterator[Quantity]:
    rest = text
    for match in _PLACE.finditer(text):
        yield Quantity(";".join(_canonical(part) for part in match.groups()), "mm3d", "", match.start())
        rest = _blank(rest, match)
    for match in _RATIO[lang].finditer(rest):
        pairs = match.groupdict()
        a = pairs.get("a") or pairs.get("c") or pairs.get("e")
        b = pairs.get("b") or pairs.get("d") or pairs.get("f")
        if a and b:
            yield Quantity(f"{int(a)}/{int(b)}", "of", "", match.start())
            rest = _blank(rest, match)
    for match in _ONE.finditer(rest):
        unit = _UNITS.get(match[2] or "", match[2] or "")
        value = _canonical(match[1])
        if unit == "cm":
            value, unit = _canonical(str(Decimal(value) * 10)), "mm"
        yield Quantity(value, unit, _role(rest, match, unit), match.start())


def _blank(text: str, match: re.Match[str]) -> str:
    return text[: match.start()] + "#" * (match.end() - match.start()) + text[match.end() :]


def _canonical(number: str) -> str:
    value = Decimal(number.lstrip("+")).normalize()
    return f"{value:f}" if value else "0"


def _role(text: str, number: re.Match[str], unit: str) -> str:
    """Return what the nearest word says that a number is of; a word before it is preferred at the same distance."""
    start, end = number.span()
    before, after = text[max(0, start - _REACH) : start], text[end : end + _REACH // 3]
    near: list[tuple[int, str]] = []
    for name, units, pattern in _ROLES:
        if unit not in units.split("|"):
            continue
        hits = list(pattern.finditer(before))
        if hits:
            near.append((len(before) - hits[-1].end(), name))
        follows = pattern.search(after)
        if follows:
            near.append((follows.start() + 1, name))
    return min(near)[1] if near else ""


def _same(one: Quantity, other: Quantity) -> bool:
    if one.role and other.role and one.role != other.role:
        return False
    if one.unit == other.unit:
        return one.value == other.value
    if {one.unit, other.unit} == {"%", ""}:  # 91 % is 0.91
        percent, plain = (one, other) if one.unit == "%" else (other, one)
        ratio = Decimal(percent.value) / 100
        return 0 <= ratio <= 1 and ratio == Decimal(plain.value) and "." in plain.value
    return False
