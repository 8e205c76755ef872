"""Splits a report into sentences, English and Chinese."""

from __future__ import annotations

import re

from radseek.prompts.normalise import simplified

__all__ = ["split_sentences"]

_TITLES = ("dr", "drs", "mr", "mrs", "ms", "prof", "st", "m.d", "pt", "pts")
_SHORT_WORDS = ("vs", "e.g", "i.e", "eg", "ie", "cf", "approx", "fig", "figs", "ca", "resp", "incl", "art")
_ABBREVIATIONS = frozenset((*_TITLES, *_SHORT_WORDS))
_HEADINGS = re.compile(
    r"^(?:findings?|impressions?|conclusions?|techniques?|comparisons?|examination|exam|report|"
    r"影像所见|影像表现|所见|检查所见|印象|诊断意见|影像诊断|诊断|结论|检查方法)\s*[:：]\s*",
    re.IGNORECASE,
)
# What is asked or told stands under these; they stay, so that "Indication: pneumonia" is not read as a finding.
_ASKED = re.compile(
    r"^(?:(?:clinical )?(?:indications?|history|information|questions?|details)|reason for (?:exam(?:ination)?|study)|"
    r"临床信息|临床诊断|病史|检查目的)\s*[:：]\s*",
    re.IGNORECASE,
)
_MARKER = re.compile(r"^\s*(?:\(?\d{1,2}[.)、](?!\d)|[-*•·])\s*")
_STOP = re.compile(r"[.!?]+[\"')\]]*(?=\s|$)|[。！？；]+[”’）]*|;(?=\s|$)")
# What answers a question belongs to it: "Pneumothorax? No."
_ANSWER = re.compile(
    r"\s*(?:no|none|nil|negative|absent|yes|positive|present|(?:none|not)\s+(?:seen|identified|found|evident|visible|present)|无|否|没有|未见|阴性|有|是|阳性)\s*(?:[.;!。；！]|$)",
    re.IGNORECASE,
)
_LETTER = re.compile(r"[^\W\d_]")


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a report in order, without headings of sections that describe and list numbers.

    A full stop inside a number, after an abbreviation (`Dr.`, `vs.`) or after a list number does not end a
    sentence; a line that goes on in lower case is joined to the one before, and a one-word answer to its question.

    >>> split_sentences("1. A 2.5 cm mass vs. cyst. 2. No effusion.")
    ['A 2.5 cm mass vs. cyst.', 'No effusion.']
    >>> split_sentences("右肺结节。未见胸腔积液。")
    ['右肺结节。', '未见胸腔积液。']
    >>> split_sentences("Pneumothorax? No. Effusion? Small.")
    ['Pneumothorax? No.', 'Effusion?', 'Small.']
    """
    found: list[str] = []
    for paragraph in _paragraphs(text):
        found.extend(s for s in _split(paragraph) if _LETTER.search(s))
    return found


def _paragraphs(text: str) -> list[str]:
    """Join wrapped lines: a new paragraph starts at a blank line, a list number, a heading or a capital."""
    paragraphs: list[str] = []
    fresh = True
    for raw in text.splitlines():
        line = " ".join(raw.split())
        if not line:
            fresh = True
        elif fresh or not paragraphs or not _goes_on(paragraphs[-1], line):
            paragraphs.append(line)
            fresh = False
        else:
            paragraphs[-1] += f" {line}"
    return paragraphs


def _goes_on(before: str, line: str) -> bool:
    if _MARKER.match(line) or _is_heading(simplified(line)) or before.endswith((":", "：", "。", "；")):
        return False
    return not before.endswith((".", "!", "?")) or line[0].islower()


def _is_heading(line: str) -> bool:
    return _HEADINGS.match(line) is not None or _ASKED.match(line) is not None


def _split(paragraph: str) -> list[str]:
    sentences, start = [], 0
    for stop in _STOP.finditer(paragraph):
        piece = paragraph[start : stop.end()]
        if _ends(piece, paragraph[stop.end() :]):
            sentences.append(_clean(piece))
            start = stop.end()
    sentences.append(_clean(paragraph[start:]))
    return sentences


def _ends(piece: str, following: str) -> bool:
    """Say whether the stop that closes `piece`, before `following`, ends a sentence."""
    if piece.endswith(("?", "？")):
        return _ANSWER.match(simplified(following)) is None
    if not piece.endswith("."):
        return True
    if _clean(piece) == "":  # only a list number or a heading so far
        return False
    word = piece[:-1].split()[-1].lstrip("([\"'").lower() if piece[:-1].split() else ""
    return word not in _ABBREVIATIONS


def _clean(piece: str) -> str:
    piece = piece.strip()
    heading = _HEADINGS.match(simplified(piece))
    return _MARKER.sub("", piece[heading.end() :] if heading else piece).strip()
