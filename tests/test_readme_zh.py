"""The Chinese README says what the English one says: the same commands, code, codes and links."""

from __future__ import annotations

import re
from pathlib import Path

from radseek.retrieval.document import NOTICE

ROOT = Path(__file__).resolve().parents[1]
ENGLISH, CHINESE = (ROOT.joinpath(name).read_text("utf8") for name in ("README.md", "README.zh-CN.md"))


def blocks(text: str, kind: str) -> list[str]:
    return [re.sub(r"\s*#.*", "", block) for block in re.findall(rf"```{kind}\n(.*?)```", text, re.S)]


def test_code_and_commands_are_the_same() -> None:
    assert blocks(CHINESE, "python") == blocks(ENGLISH, "python")
    assert blocks(CHINESE, "sh") == blocks(ENGLISH, "sh")


def test_tables_have_the_same_first_cells_and_sections_are_as_many() -> None:
    def first(text: str) -> list[str]:
        return re.findall(r"^\| (`[^|]+`|\d+) \|", text, re.M)

    assert first(CHINESE) == first(ENGLISH)
    assert len(re.findall(r"^## ", CHINESE, re.M)) == len(re.findall(r"^## ", ENGLISH, re.M))


def test_pictures_and_links_are_the_same_and_the_notice_is_there_in_both_languages() -> None:
    def links(text: str) -> set[str]:
        return {link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("README")}

    assert links(CHINESE) == links(ENGLISH)
    assert NOTICE in CHINESE
    assert "仅供研究使用，不是医疗器械。" in CHINESE
