"""Text from elsewhere made plain: one line, no invisible characters, no links, no markup, a length."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["LINK", "plain_line"]

# A scheme, www., or a name with a dot before letters ("evil.example/x"); "2.5", "e.g." and "left.No" are none.
LINK = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,15}:\s*//\S*|\b(?:javascript|data|mailto|file|vbscript)\s*:\s*\S+|\bwww\s*\.\S*"
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)*"
    r"|\b(?:[a-z0-9-]{2,}\.)+(?:com|net|org|io|cn|ru|de|uk|eu|info|biz|co|me|ai|app|dev|xyz|top|site|online|example|"
    r"test|invalid|onion|local|html?|php|js|exe|zip|sh|py)\b(?:[/:?#]\S*)?"
    r"|\b(?:\d{1,3}\.){3}\d{1,3}\b\S*|\b[a-z0-9-]{2,}(?:\.[a-z0-9-]{2,})+/\S+",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"<[^<>]{0,200}>|[<>`{}|\\]|\]\(|!\[|\*{2,}|_{2,}|#{2,}|={3,}|-{3,}|~{2,}")
_UNSEEN = ("C", "Z")  # categories: controls, formats, private use, surrogates; separators become a space


def plain_line(text: str, *, most: int = 400) -> str:
    r"""Return the text in NFKC as one line of at most `most` characters, with links and markup taken out.

    What is left is still data from elsewhere, and is never followed.

    >>> plain_line("Small effusion.\u200b See <b>http://evil.example/x</b>")
    'Small effusion. See [link]'
    """
    folded = unicodedata.normalize("NFKC", text)
    shown = "".join(_visible(character) for character in folded)
    linked = LINK.sub("[link]", _MARKUP.sub(" ", shown))
    line = " ".join(linked.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def _visible(character: str) -> str:
    kind = unicodedata.category(character)
    if kind[0] not in _UNSEEN:
        return character
    return " " if kind[0] == "Z" or character in "\n\r\t" else ""
