"""Which language a report sentence is in, as far as it matters: the rules of polarity read English and Chinese alone.

Scripts tell most of the world's languages; function words and common words of reports (`report_languages.toml`) tell
those in Latin letters. Where nothing tells, as in "Cardiomegaly." or a code, a sentence counts as readable.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final, Literal

__all__ = ["language_name", "report_language", "unread_language", "unread_note", "unread_notes", "unread_sentences"]

_READ: Final = frozenset({"en", "zh"})
_LATIN_WORD = re.compile(r"[^\W\d_]+")
_SCRIPTS: Mapping[str, re.Pattern[str]] = {
    "ko": re.compile(r"[\uac00-\ud7a3\u1100-\u11ff]"),
    "ru": re.compile(r"[\u0400-\u04ff]"),
    "el": re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]"),
    "ar": re.compile(r"[\u0600-\u06ff\u0750-\u077f]"),
    "he": re.compile(r"[\u0590-\u05ff]"),
    "th": re.compile(r"[\u0e00-\u0e7f]"),
    "hi": re.compile(r"[\u0900-\u0dff]"),
}
_KANA = re.compile(r"[\u3041-\u306d\u306f-\u3096\u30a1-\u30fa]")  # without の, which Chinese borrows for show
# Characters of Japanese alone: Chinese writes each otherwise, in both of its scripts.
_ONLY_JAPANESE = re.compile("[気両圧変検脳拡軽続転経単囲壊総関覚験歯剤顕撮込働榊渋戻]")
_HAN = re.compile(r"[\u3400-\u9fff]")
_ASCII_PLAIN = re.compile(r"[\x00-\x7f]*\Z")


def unread_language(sentence: str) -> str | None:
    """Return the code of a sentence's language ("fr") where no rules read it; None where they do or nothing tells.

    >>> [unread_language(one) for one in ("Pas d'épanchement.", "No effusion.", "未见胸腔积液。")]
    ['fr', None, None]
    """
    language = _language(sentence)
    return None if language in _READ or not language else language


def report_language(sentences: Iterable[str]) -> str | None:
    """Return the language that no rules read and that most of a report's sentences are in; None for any other report.

    A sentence that tells nothing ("Normal.") is in the language of its report.
    """
    shown = Counter(one for one in map(_language, sentences) if one)
    if not shown:
        return None
    read = sum(count for one, count in shown.items() if one in _READ)
    most, count = max(((one, n) for one, n in shown.items() if one not in _READ), key=lambda x: x[1], default=("", 0))
    return most if count > read else None


def unread_sentences(sentences: Sequence[str]) -> dict[str, int]:
    """Return how many of a report's sentences are in each language that no rules read, by its code."""
    whole = report_language(sentences)
    found = Counter(code for one in sentences if (code := unread_language(one) or ("" if _language(one) else whole)))
    return dict(sorted(found.items()))


def unread_notes(sentences: Iterable[str]) -> tuple[str, ...]:
    """Return the note on those of the sentences, of any reports, that no rules read; () where there are none."""
    counts = Counter(code for one in sentences if (code := unread_language(one)) is not None)
    return (unread_note(counts),) if counts else ()


def unread_note(counts: Mapping[str, int]) -> str:
    """Say that sentences have no polarity, and in which languages they are: {"fr": 2}."""
    total, languages = sum(counts.values()), " and ".join(language_name(code) for code in sorted(counts))
    are = "sentence is" if total == 1 else "sentences are"
    return (
        f"{total} report {are} in {languages}, which no rules read (English and Chinese are read): what such a "
        "sentence says is neither present nor absent, in search and in explanations."
    )


def language_name(code: str, lang: Literal["en", "zh"] = "en") -> str:
    """Return a language's name in English or Chinese: "French" for "fr". Raises `KeyError` for an unknown code."""
    name: str = _data()["names"][code][lang == "zh"]
    return name


@lru_cache(maxsize=1 << 16)
def _language(sentence: str) -> str:
    """Return "en", "zh" or another language's code, or "" where nothing tells."""
    if not _ASCII_PLAIN.match(sentence):
        script = _by_script(sentence)
        if script:
            return script
    return _by_words(sentence)


def _by_script(sentence: str) -> str:
    """Return the language of most letters' script; "" for Latin letters."""
    text = unicodedata.normalize("NFKC", sentence)
    letters = sum(one.isalpha() for one in text)
    for code, pattern in _SCRIPTS.items():
        if len(pattern.findall(text)) * 2 > letters:
            return code
    kana, han = len(_KANA.findall(text)), len(_HAN.findall(text))
    if kana >= 2 or (kana + han and _ONLY_JAPANESE.search(text)) or (kana and kana * 5 >= han):
        return "ja" if (kana + han) * 4 > letters else ""
    return "zh" if han else ""


def _by_words(sentence: str) -> str:
    words = _LATIN_WORD.findall(_without_accents(sentence.lower()))
    accented = sum(not word.isascii() for word in _LATIN_WORD.findall(unicodedata.normalize("NFC", sentence)))
    tables = _tables()
    english = sum(word in tables["en"][1] for word in words)
    best, most = "", 0.0
    for code, (sure, common) in tables.items():
        if code == "en":
            continue
        certain = sum(word in sure for word in words)
        weak = sum(word in common for word in words)
        several = len({word for word in words if word in common and len(word) > 1}) >= 2
        if certain or (several and 2 * weak >= len(words)):
            score = 2.0 * certain + weak + 0.5 * accented
            if score > most:
                best, most = code, score
    if not best and accented >= 2:
        best, most = "other", float(accented)
    if best and most > 2 * english:
        return best
    return "en" if english else ""


def _without_accents(text: str) -> str:
    text = text.replace("ß", "ss").replace("ø", "o").replace("æ", "ae").replace("œ", "oe").replace("ł", "l")
    text = text.replace("đ", "d").replace("ı", "i")
    return "".join(one for one in unicodedata.normalize("NFD", text) if not unicodedata.combining(one))


@cache
def _tables() -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    return {
        code: (frozenset(table.get("sure", "").split()), frozenset(table.get("common", "").split()))
        for code, table in _data()["words"].items()
    }


@cache
def _data() -> dict[str, dict[str, Any]]:
    text = (files("radseek.retrieval.language") / "report_languages.toml").read_text(encoding="utf-8")
    data: dict[str, dict[str, Any]] = tomllib.loads(text)
    return data
