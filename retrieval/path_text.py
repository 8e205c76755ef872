r"""Paths as text that can be printed, stored and given back, whatever bytes a file's name has.

A name need not be UTF-8 (an archive unpacked on a GBK or Latin-1 system is not). Python holds its odd bytes as lone
surrogates (PEP 383), which no UTF-8 output takes. Here such a byte is written `\xd0`, and a backslash beside one `\\`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

__all__ = ["found_path", "hide_paths", "printable", "shown_path"]

_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ESCAPED: Final = re.compile(r"\\(?:\\|x([0-9a-f]{2}))")
# A path from the root of a disk or a home: a slash, or C:\\, that nothing stands before, and all up to a space.
_ABSOLUTE: Final = re.compile(
    r"(?<![\w.:/\\~<-])(?:~|[A-Za-z]:)?[/\\][^\s/\\'\"`<>|:;,()]+(?:[/\\][^\s/\\'\"`<>|:;,()]*)*"
)
_MEMBER_MARK: Final = "!/"  # between an archive and what is in it


def shown_path(path: str) -> str:
    r"""Return a path as it is stored and printed; the same text where every byte of it is UTF-8.

    >>> shown_path("scans/\udcd0\udcd8.dcm"), shown_path("scans/\u80f8.dcm")
    ('scans/\\xd0\\xd8.dcm', 'scans/胸.dcm')
    """
    if not _SURROGATE.search(path):
        return path
    return _SURROGATE.sub(_escape, path.replace("\\", "\\\\"))


def found_path(path: str | Path) -> Path:
    """Return where a path as somebody gave it is: itself, or the file that `shown_path` writes so."""
    text = os.fspath(path)
    if "\\" in text and not _is_there(text):
        meant = _ESCAPED.sub(lambda match: chr(0xDC00 + int(match[1], 16)) if match[1] else "\\", text)
        meant = os.fsdecode(meant.encode("utf-8", "surrogateescape"))
        if _is_there(meant):
            return Path(meant)
    return Path(path)


def printable(text: str) -> str:
    r"""Return text that any terminal and any UTF-8 file takes: odd bytes and control characters as `\x1b`.

    Line feeds and tabs stay.
    """
    return _CONTROL.sub(_escape, text)


def hide_paths(text: str, *known: Path) -> str:
    r"""Return a message with "…" for every path from a disk's root: where files lie can hold names.

    `known`: folders that it may name, which are found whatever their names hold, and what lies beside them.

    >>> hide_paths("/data/a.index was compacted; see /var/log/x.log, and/or ask", Path("/data/a.index"))
    '… was compacted; see …, and/or ask'
    """
    texts = {form for path in known for form in (os.fspath(path), os.fspath(path.absolute()), os.path.realpath(path))}
    for form in sorted(texts, key=len, reverse=True):
        if len(form) > 1:
            text = re.sub(rf"(?<![\w./-]){re.escape(form)}(?:[/\\][^\s'\"`<>|:;,()]*)?(?![\w-])", "…", text)
    return _ABSOLUTE.sub("…", text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _is_there(text: str) -> bool:
    try:
        return os.path.lexists(text) or os.path.isfile(text.partition(_MEMBER_MARK)[0])
    except ValueError:  # a NUL
        return False
