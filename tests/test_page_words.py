"""Every word that the page's Python asks for by name stands in its tables."""

from __future__ import annotations

import re
from pathlib import Path

from radseek.demo.page.page_words import every_word

PAGE = Path(__file__).resolve().parents[1] / "demo" / "page"
# `say("study.brought", lang)`, in an f-string too, and what passes a name on to it.
ASKED = re.compile(r"""\b(?:say|said|name)\((?:[a-z_]+, )?(["'])([a-z_]+\.[a-z_]+)\1""")


def test_every_word_asked_for_is_there() -> None:
    asked = {
        (path.name, match[2])
        for path in PAGE.glob("*.py")
        for match in ASKED.finditer(path.read_text(encoding="utf-8"))
    }
    assert len(asked) > 60
    assert not {(file, name) for file, name in asked if name not in every_word()}
