"""Which encoding a text file is in: by its mark, as UTF-8, else guessed (charset-normalizer), which is said."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import charset_normalizer

from radseek.prompts.shipped_sets import terms

__all__ = ["TextEncoding", "find_encoding", "open_text"]

_CHUNK: Final = 1 << 20
_SAMPLE: Final = 256 << 10  # bytes of lines that are not ASCII; more do not make a guess better
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_DAMAGED: Final = 0.05  # share of characters that may be broken in a file that is UTF-8 all the same
_ALTERNATING: Final = 0.2  # share of pairs of bytes with a NUL at one side, from which a file is UTF-16
_KANA: Final = 0.2  # share of kana among what is not ASCII, from which a text is Japanese
_JAPANESE: Final = ("euc_jp", "cp932")
_ESCAPED: Final = ("iso2022_kr", "iso2022_jp_2")  # ISO/IEC 2022: seven bits, other characters after an escape
_WIDE: Final = ("gb18030", "big5", "cp949")
_NARROW: Final = ("cp1252", "cp1250", "cp1251", "koi8_r", "cp1253")
_LATIN: Final = ("cp1252", "cp1250")
_CHINESE: Final = 0.5  # share of characters that the catalogue's Chinese has, from which a text is Chinese
_ACCENTS: Final = 3  # letters with accents in a row that no Latin language has
_LAST: Final = "latin-1"  # reads any bytes


@dataclass(frozen=True, slots=True)
class TextEncoding:
    """An encoding as Python names it. `guessed`: no mark and not UTF-8; `damaged`: some bytes fit nothing."""

    name: str
    guessed: bool = False
    damaged: bool = False


def find_encoding(path: Path) -> TextEncoding:
    """Return the encoding that a file's text is in. Raises `OSError` where it cannot be read."""
    with path.open("rb") as file:
        head = file.read(4096)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return TextEncoding(name, damaged=not _reads(path, name))
    if (wide := _wide(head)) is not None:
        return TextEncoding(wide, guessed=True, damaged=not _reads(path, wide))
    broken, whole, escapes = _as_utf8(path)
    if not broken:
        escaped = next((name for name in _ESCAPED if escapes and _reads(path, name)), None)
        return TextEncoding(escaped, guessed=True) if escaped else TextEncoding("utf-8")
    if broken / (broken + whole) <= _DAMAGED:
        return TextEncoding("utf-8", damaged=True)
    name = next(name for name in (*_likely(_non_ascii_lines(path)), _LAST) if _reads(path, name))
    return TextEncoding(name, guessed=True)


def open_text(path: Path, encoding: TextEncoding) -> io.TextIOWrapper:
    """Open a file's text, its line ends as they are; what fits nothing is U+FFFD."""
    return path.open(encoding=encoding.name, errors="replace" if encoding.damaged else "strict", newline="")


def _wide(head: bytes) -> str | None:
    """Return which UTF-16 a file without a mark is: separators and line ends have a NUL at one side."""
    pairs = max(len(head) // 2, 1)
    low, high = head[1::2].count(0) / pairs, head[0::2].count(0) / pairs
    if max(low, high) >= _ALTERNATING and max(low, high) > 4 * min(low, high):
        return "utf-16-le" if low > high else "utf-16-be"
    if 0 in head and codecs.lookup("utf-8").incrementaldecoder("replace").decode(head).count("\ufffd") > pairs / 8:
        return max(("utf-16-le", "utf-16-be"), key=lambda name: _ascii_in(head, name))
    return None


def _ascii_in(head: bytes, name: str) -> int:
    text = head[: len(head) // 2 * 2].decode(name, "replace")
    return sum(char in ",;\t|\r\n\"'" or (char.isascii() and char.isalnum()) for char in text)


def _as_utf8(path: Path) -> tuple[int, int, bool]:
    """Return how many characters beyond ASCII are broken in UTF-8 and how many whole, and whether escapes are there."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    broken = whole = 0
    escapes = False
    with path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK)
            escapes = escapes or b"\x1b$" in chunk
            text = decoder.decode(chunk, final=not chunk)
            if not text.isascii():
                bad = text.count("\ufffd")
                broken += bad
                whole += sum(ord(char) > 127 for char in text) - bad
            if not chunk:
                return broken, whole, escapes


def _reads(path: Path, name: str) -> bool:
    """Say whether every byte of a file has a meaning in an encoding."""
    decoder = codecs.getincrementaldecoder(name)("strict")
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def _non_ascii_lines(path: Path) -> bytes:
    """Return the lines that are not ASCII, as far as a guess needs them."""
    sample = bytearray()
    with path.open("rb") as file:
        for line in file:
            if not line.isascii():
                sample += line[:_SAMPLE]
            if len(sample) > _SAMPLE:
                break
    return bytes(sample)


def _likely(sample: bytes) -> list[str]:
    """Return encodings that a sample may be in, the likeliest first.

    Short texts mislead charset-normalizer where several encodings give letters, so what is plain is told before:
    Japanese by its kana, Chinese by the characters of the catalogue, alphabets by where capitals and signs stand.
    """
    japanese = sorted(_JAPANESE, key=lambda name: -_share(sample, name, _is_kana))
    if _share(sample, japanese[0], _is_kana) >= _KANA:
        return japanese
    if _share(sample, "gb18030", _radiology_characters().__contains__) >= _CHINESE:
        return ["gb18030"]
    found = [match.encoding for match in charset_normalizer.from_bytes(sample, cp_isolation=list(_WIDE + _NARROW))]
    if not found or found[0] in _NARROW:
        order = [*found, *_NARROW]
        found = sorted(
            _NARROW, key=lambda name: (_oddities(sample, name), order.index(name) if name not in _LATIN else 0)
        )
    return [*found, *_WIDE, *_NARROW, *japanese]


def _share(sample: bytes, name: str, of: Callable[[str], bool]) -> float:
    """Return which share of the characters beyond ASCII is `of` a kind; 0 where the sample cannot be read."""
    try:
        beyond = [char for char in sample.decode(name) if char.isalpha() and not char.isascii()]
    except UnicodeError:
        return 0.0
    return sum(map(of, beyond)) / max(len(beyond), 1)


def _is_kana(char: str) -> bool:
    return "\u3041" <= char <= "\u30fe"  # as wide as other characters: half as wide is what Chinese is misread as


@cache
def _radiology_characters() -> frozenset[str]:
    return frozenset(char for term in terms() for char in term if not char.isascii())


def _oddities(sample: bytes, name: str) -> int:
    """Return how often characters beyond ASCII stand in words as they do in no language.

    A sign beside a letter, a capital after a small letter, and in Latin three letters with accents in a row.
    """
    text = sample.decode(name, "replace")
    odd = run = 0
    for before, char in zip(f" {text}", text, strict=False):
        run = run + 1 if char.isalpha() and not char.isascii() else 0
        if not char.isascii() and before.isalpha():
            odd += not char.isalpha() or (char.isupper() and before.islower())
        odd += name in _LATIN and run == _ACCENTS
    return odd
