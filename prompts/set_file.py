"""The file format of a finding set: parsed TOML (or JSON) -> FindingSet, every rule checked.

name = "my_set"
version = "1"
title = "What this list is for"
views = ["radiograph"]               # default of the findings below

[[findings]]
name = "pneumonia"                   # shared: words of a shipped set, read in this set's views
same_as = "chest_xray"

[[findings]]
name = "foreign_body"
en = ["foreign body", "ingested object"]      # the first is the name, the others are synonyms
zh = ["异物"]                                  # may be left out of your own files
focal = true
pairs = [["A radio-opaque foreign body is seen.", "No radio-opaque foreign body is seen."], ...]
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from radseek.prompts.finding import Code, Finding, FindingSet
from radseek.prompts.word_errors import PromptError

__all__ = ["parse_set"]

_SET_KEYS = ("name", "version", "title", "views", "findings")
_OWN_KEYS = ("name", "en", "zh", "views", "focal", "codes", "pairs")
_BORROWED_KEYS = ("name", "same_as", "views")

LoadSet = Callable[[str], FindingSet]


def parse_set(data: Mapping[str, object], source: str, load_shipped: LoadSet) -> FindingSet:
    """Read one parsed file. `source` names it in errors; `load_shipped(set)` loads the set of a `same_as`.

    Raises `PromptError`, naming file, finding, rule and remedy.
    """
    try:
        _check_keys(data, _SET_KEYS, ("name", "version", "title", "findings"), "the set")
        default = _texts(data.get("views", []), "the set", "views")
        entries = data["findings"]
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise PromptError("findings are not tables; write each under [[findings]]")
        findings = tuple(_finding(entry, default, load_shipped) for entry in entries)
        name, version, title = (_text(data[key], "the set", key) for key in ("name", "version", "title"))
        return FindingSet(name, version, title, findings)
    except PromptError as error:
        raise PromptError(f"{source}: {error}") from error


def _finding(entry: Mapping[str, object], default: tuple[str, ...], load_shipped: LoadSet) -> Finding:
    where = f"finding {entry.get('name')!r}"
    if "same_as" in entry:
        return _shared_finding(entry, default, load_shipped, where)
    _check_keys(entry, _OWN_KEYS, ("name", "en", "pairs"), where)
    english = _texts(entry["en"], where, "en")
    chinese = _texts(entry.get("zh", english[:1]), where, "zh")
    if not english or not chinese:
        raise PromptError(f"{where}: no name; the first word of en (and of zh, if given) is the name; write one there")
    pairs = _pairs(entry["pairs"], where)
    focal = entry.get("focal", False)
    if not isinstance(focal, bool):
        raise PromptError(f"{where}: focal is {focal!r}; write true or false")
    return Finding(
        name=_text(entry["name"], where, "name"),
        names={"en": english[0], "zh": chinese[0]},
        synonyms={"en": english[1:], "zh": chinese[1:]},
        present=tuple(present for present, _ in pairs),
        absent=tuple(absent for _, absent in pairs),
        views=_texts(entry["views"], where, "views") if "views" in entry else default,
        codes=_codes(entry.get("codes", []), where),
        focal=focal,
    )


def _shared_finding(
    entry: Mapping[str, object], default: tuple[str, ...], load_shipped: LoadSet, where: str
) -> Finding:
    _check_keys(entry, _BORROWED_KEYS, ("name",), where)
    try:
        shared = load_shipped(_text(entry["same_as"], where, "same_as"))
    except PromptError as error:
        raise PromptError(f"{where}: {error}") from error
    for finding in shared.findings:
        if finding.name == entry["name"]:
            views = _texts(entry["views"], where, "views") if "views" in entry else default
            return replace(finding, views=views)
    known = [finding.name for finding in shared.findings]
    raise PromptError(f"{where}: set {shared.name!r} has no such finding; it has {', '.join(known)}")


def _check_keys(data: Mapping[str, object], known: Collection[str], needed: Collection[str], where: str) -> None:
    for key in data:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1) or list(known)
            raise PromptError(f"{where}: unknown key {key!r}; did you mean {', '.join(close)}?")
    for key in needed:
        if key not in data:
            raise PromptError(f"{where}: no {key}; add it")


def _text(value: object, where: str, key: str) -> str:
    if not isinstance(value, str):
        raise PromptError(f"{where}: {key} is {value!r}; write it in quotes")
    return value


def _texts(value: object, where: str, key: str) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(v, str) for v in value):
        raise PromptError(f"{where}: {key} is {value!r}; write a list of quoted words")
    return tuple(value)


def _pairs(value: object, where: str) -> list[tuple[str, str]]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise PromptError(f"{where}: pairs is {value!r}; write a list of [present, absent]")
    pairs = [_texts(pair, where, "a pair") for pair in value]
    if any(len(pair) != 2 for pair in pairs):
        raise PromptError(f"{where}: a pair is not two sentences; write [present, absent]")
    return [(present, absent) for present, absent in pairs]


def _codes(value: object, where: str) -> tuple[Code, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise PromptError(f"{where}: codes is {value!r}; write a list of tables")
    codes = []
    for entry in value:
        if not isinstance(entry, Mapping):
            raise PromptError(f"{where}: a code is {entry!r}; write {{system, code, source}}")
        _check_keys(entry, ("system", "code", "source"), ("system", "code", "source"), f"{where}, a code")
        try:
            codes.append(Code(*(_text(entry[key], where, key) for key in ("system", "code", "source"))))
        except PromptError as error:
            raise PromptError(f"{where}: {error}") from error
    return tuple(codes)
