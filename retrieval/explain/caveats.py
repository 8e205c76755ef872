"""What limits an answer: codes and their sentences, from how the study was read and how it was answered."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from radseek.retrieval.explain.evidence import CaveatItem, Evidence
from radseek.retrieval.language.plain_text import plain_line

__all__ = ["Caveat", "caveat", "reading_caveats", "with_caveats"]

_MOST = 300  # characters of a reason that comes from elsewhere
_CODE = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Caveat:
    """A caveat before it has an id: code, sentence by language, and the finding or label that it limits."""

    code: str
    text: Mapping[str, str]
    about: str = ""


@cache
def _sentences() -> Mapping[str, Mapping[str, Sequence[str]]]:
    loaded: dict[str, dict[str, list[str]]] = tomllib.loads(
        (files("radseek.retrieval.explain") / "caveats.toml").read_text(encoding="utf-8")
    )
    return loaded


def caveat(code: str, *, about: str = "", why: object = "", name: Mapping[str, str] | None = None) -> Caveat:
    """Return a caveat of the answer. `why`: the reason, as an error says it; `name`: a finding's, by language.

    Raises `KeyError` for a code that `caveats.toml` does not have.
    """
    names = {"en": "", "zh": ""} if name is None else name
    texts = zip(("en", "zh"), _sentences()["answer"][code], strict=True)
    reason = plain_line(str(why), most=_MOST)
    return Caveat(code, {lang: text.format(why=reason, name=names[lang]) for lang, text in texts}, about)


def reading_caveats(warnings: Sequence[str]) -> tuple[Caveat, ...]:
    """Return a caveat for each kind of provenance warning (`code: detail`), once."""
    codes = dict.fromkeys(match[0] for one in warnings if (match := _CODE.match(one)))
    return tuple(_reading(code) for code in codes)


def _reading(code: str) -> Caveat:
    known = _sentences()["reading"]
    english, chinese = known.get(code, known["other"])
    return Caveat(code, {"en": english.format(code=code), "zh": chinese.format(code=code)})


def with_caveats(evidence: Evidence, more: Sequence[Caveat]) -> Evidence:
    """Return the evidence with further caveats at its end; ids go on where they stopped, and none is said twice."""
    known = [(one.code, one.about, dict(one.text)) for one in evidence.items if isinstance(one, CaveatItem)]
    items = list(evidence.items)
    for one in more:
        if (one.code, one.about, dict(one.text)) not in known:
            known.append((one.code, one.about, dict(one.text)))
            items.append(CaveatItem(f"C{len(known)}", one.code, dict(one.text), one.about))
    return replace(evidence, items=tuple(items))
