"""A finding set as the text of its file, in the format that `set_file` reads."""

from __future__ import annotations

import json
from collections.abc import Iterator

from radseek.prompts.finding import Finding, FindingSet

__all__ = ["set_text"]


def set_text(found: FindingSet) -> str:
    """Return a set as TOML, every finding in full; read back it is an equal value."""
    head = (f"{key} = {_quoted(getattr(found, key))}" for key in ("name", "version", "title"))
    return "\n".join([*head, *(line for finding in found.findings for line in _finding(finding))]) + "\n"


def _finding(finding: Finding) -> Iterator[str]:
    written = finding.to_dict()
    yield from ("", "[[findings]]")
    for key in ("name", "en", "zh", "views", "focal"):
        yield f"{key} = {_quoted(written[key])}"
    if finding.codes:
        codes = (
            f"{{system = {_quoted(c.system)}, code = {_quoted(c.code)}, source = {_quoted(c.source)}}}"
            for c in finding.codes
        )
        yield f"codes = [{', '.join(codes)}]"
    yield "pairs = ["
    yield from (f"  {_quoted(list(pair))}," for pair in zip(finding.present, finding.absent, strict=True))
    yield "]"


def _quoted(value: object) -> str:
    """Return a text, a list of texts, true or false as TOML; it escapes as JSON does, and DEL, too."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
