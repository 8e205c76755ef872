"""What can be refused by looking at a sentence's characters: hidden ones, links, markup, length, language."""

from __future__ import annotations

import re
from collections.abc import Iterator

from radseek.retrieval.explain.evidence import Lang
from radseek.retrieval.language.plain_text import LINK

__all__ = ["surface_failures"]

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff"
_WIDE = r"，。；：！？、（）“”‘’《》％％０-９－＋．／"
_COMMON = r"\x20-\x7e–—‘’“”°±×·²³µ≥≤…"
_STRANGE = {"en": re.compile(rf"[^{_COMMON}０-９]"), "zh": re.compile(rf"[^{_COMMON}{_HAN}{_WIDE}]")}
_FOREIGN = re.compile(rf"[{_HAN}]")
_MARKUP = re.compile(r"[<>{}`|\\^~#=@$*_]|\]\s*\(|!\[|&\w+;|\[|\]|//|--|%[0-9a-fA-F]{2}(?![0-9])")
_SPELT_LINK = re.compile(
    r"\bh(?:tt|xx)ps?\b|\bwww\b|\b(?:dot|point)\s*(?:com|org|net|io|cn)\b|\b\w+\s*\(?\s*(?:at|dot)\s*\)?\s*\w+\s*"
    r"\(?\s*dot\s*\)?\s*\w+|点\s*(?:com|cn|net|org)|网址|链接|网站|\b(?:url|link|click|website|e-?mail)\b",
    re.IGNORECASE,
)
_STOP = re.compile(r"[.!?](?=[\s\"'”’)]+\S)|[。！？；](?=.)|;\s*$")
_QUESTION = re.compile(r"[?？!！]")
_SLACK, _FACTOR = 60, 2  # how much longer than the claim a sentence may be, in characters and times
_LETTER = re.compile(r"[^\W\d_]")


def surface_failures(sentence: str, claim: str, lang: Lang) -> Iterator[tuple[str, str]]:
    """Yield `(rule, detail)` for each way in which a sentence is not one plain sentence in `lang`."""
    if not _LETTER.search(sentence):
        yield "empty", "there are no words"
        return
    if len(sentence) > _FACTOR * len(claim) + _SLACK:
        yield "length", f"{len(sentence)} characters for a claim of {len(claim)}"
    if lang == "en" and _FOREIGN.search(sentence):
        yield "language", "Chinese characters in an English sentence"
    if lang == "zh" and not _FOREIGN.search(sentence):
        yield "language", "no Chinese in a Chinese sentence"
    strange = [one for one in _STRANGE[lang].findall(sentence) if not _FOREIGN.match(one)]
    if strange:
        yield (
            "hidden",
            f"characters that the language does not use: {', '.join(f'U+{ord(c):04X}' for c in strange[:5])}",
        )
    if LINK.search(sentence) or _SPELT_LINK.search(sentence):
        yield "url", "a link or an address"
    if _MARKUP.search(sentence):
        yield "markup", "characters of a markup language"
    if "\n" in sentence.strip() or len(_STOP.findall(sentence)) > len(_STOP.findall(claim)):
        yield "sentences", "more than one sentence"
    if _QUESTION.search(sentence) and not _QUESTION.search(claim):
        yield "sentences", "a question or a call"
