"""Protocols as TOML files, one each in `protocols/`: found by name, read strictly; errors name the file and the key."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from radseek.prompts.shipped_sets import all_findings
from radseek.retrieval.errors import UnknownNameError, UsageError, nearest
from radseek.retrieval.evaluation.protocol import (
    FLAWS,
    TAGS,
    TASKS,
    Flaw,
    PromptBank,
    Protocol,
    ProtocolClass,
    PublishedRow,
)

__all__ = ["list_protocols", "load_protocol", "parse_protocol"]

_SHIPPED: Final = files("radseek.retrieval.evaluation") / "protocols"
_SUFFIX: Final = ".toml"
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "task": TASKS,
    "uncertain": ("ignore", "present", "absent"),
    "empty": ("unknown", "absent"),
}
_TEXTS: Final = ("name", "title", "metric", "unit")
_MORE_TEXTS: Final = ("study", "names", "split_file", "view", "patient", "scan", "without_prompts")
_LISTS: Final = ("files", "notes")
_TABLES: Final = ("classes", "prompts", "published", "flaws")
_KNOWN: Final = (
    *_CHOICES, *_TEXTS, *_MORE_TEXTS, *_LISTS, *_TABLES, "keep", "open_classes", "least_positives", "ks"
)  # fmt: skip


@cache
def list_protocols() -> tuple[str, ...]:
    """Return the names of the shipped protocols, sorted."""
    names = (entry.name for entry in _SHIPPED.iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)))


def load_protocol(name_or_path: str | os.PathLike[str]) -> Protocol:
    """Return a shipped protocol by its name, or one in a TOML file by its path.

    Raises `UnknownNameError` for neither, naming the nearest; `UsageError`, naming file and key, for a malformed file.
    """
    name = os.fspath(name_or_path)
    if name in list_protocols():
        return _shipped(name)
    if Path(name).is_file():
        return _parsed(Path(name).read_bytes(), name)
    known = ", ".join(list_protocols())
    raise UnknownNameError(f"no protocol {name!r}{nearest(name, list_protocols())}; there are {known}")


@cache
def _shipped(name: str) -> Protocol:
    return _parsed((_SHIPPED / f"{name}{_SUFFIX}").read_bytes(), f"{name}{_SUFFIX}")


def _parsed(content: bytes, source: str) -> Protocol:
    try:
        data = tomllib.loads(content.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{source}: not TOML in UTF-8 ({error}); correct the file") from error
    return parse_protocol(data, source)


def parse_protocol(data: Mapping[str, Any], source: str) -> Protocol:
    """Return the protocol that a parsed file holds. `source` names it in errors, which are `UsageError`s."""
    table = _Table(data, source)
    table.only(_KNOWN, (*_CHOICES, *_TEXTS, "files"))
    fields: dict[str, Any] = {key: table.text(key) for key in (*_TEXTS, *(key for key in _MORE_TEXTS if key in data))}
    fields |= {key: table.choice(key, choices) for key, choices in _CHOICES.items()}
    fields |= {key: table.texts(key) for key in _LISTS if key in data}
    classes = tuple(_class(one) for one in table.tables("classes"))
    _check_classes(table, classes)
    protocol = Protocol(
        **fields,
        keep={key: table.inner("keep").texts(key) for key in table.inner("keep").data},
        open_classes=table.flag("open_classes"),
        least_positives=table.number("least_positives"),
        ks=table.numbers("ks"),
        classes=classes,
        prompts=tuple(_bank(one, classes) for one in table.tables("prompts")),
        published=tuple(_row(one) for one in table.tables("published")),
        flaws=tuple(_flaw(one, classes) for one in table.tables("flaws")),
    )
    _check_whole(table, protocol)
    return protocol


class _Table:
    """One table of a file, and where it stands."""

    def __init__(self, data: Mapping[str, Any], where: str) -> None:
        self.data = data
        self.where = where

    def wrong(self, key: str, rule: str) -> UsageError:
        return UsageError(f"{self.where}: {key}: {rule}")

    def only(self, known: Sequence[str], needed: Sequence[str]) -> None:
        for key in self.data:
            if key not in known:
                raise self.wrong(key, f"unknown key{nearest(key, known)}; the keys are {', '.join(known)}")
        for key in needed:
            if key not in self.data:
                raise self.wrong(key, "it is missing; add it")

    def text(self, key: str) -> str:
        value = self.data.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(key, f"it is {value!r}; write words in quotes")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) and one.strip() for one in value):
            raise self.wrong(key, f"it is {value!r}; write a list of words in quotes")
        return tuple(value)

    def choice(self, key: str, choices: Sequence[str]) -> Any:
        if self.data.get(key) not in choices:
            raise self.wrong(key, f"it is {self.data.get(key)!r}; use one of {', '.join(choices)}")
        return self.data[key]

    def flag(self, key: str) -> bool:
        value = self.data.get(key, False)
        if not isinstance(value, bool):
            raise self.wrong(key, f"it is {value!r}; write true or false")
        return value

    def number(self, key: str) -> int:
        value = self.data.get(key, 0)
        if type(value) is not int or value < 0:
            raise self.wrong(key, f"it is {value!r}; write a whole number")
        return value

    def numbers(self, key: str) -> tuple[int, ...]:
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(type(one) is int and one > 0 for one in value):
            raise self.wrong(key, f"it is {value!r}; write a list of whole numbers above 0")
        return tuple(value)

    def inner(self, key: str) -> _Table:
        value = self.data.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, f"it is {value!r}; write a table")
        return _Table(value, f"{self.where}: {key}")

    def tables(self, key: str) -> list[_Table]:
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self.wrong(key, f"it is no list of tables; write each under [[{key}]]")
        return [_Table(one, f"{self.where}: {key}[{number}]") for number, one in enumerate(value)]


def _class(table: _Table) -> ProtocolClass:
    table.only(("name", "columns", "finding", "words"), ("name",))
    finding = table.text("finding") if "finding" in table.data else ""
    words = table.text("words") if "words" in table.data else ""
    if bool(finding) == bool(words):
        raise table.wrong("finding", "give either the catalogue's name of it, or words that say it")
    if finding and finding not in all_findings():
        raise table.wrong("finding", f"the catalogue has no {finding!r}{nearest(finding, all_findings())}")
    name = table.text("name")
    return ProtocolClass(name, table.texts("columns") or (name,), finding, words)


def _bank(table: _Table, classes: Sequence[ProtocolClass]) -> PromptBank:
    table.only(
        ("name", "present", "absent", "exceptions", "source", "tag"), ("name", "present", "absent", "source", "tag")
    )
    present, absent = table.texts("present"), table.texts("absent")
    if not present or len(present) != len(absent):
        raise table.wrong("absent", f"there are {len(absent)} for {len(present)} present; write one for each")
    for key in ("present", "absent"):
        if not all("{}" in one or "{lower}" in one for one in table.texts(key)):
            raise table.wrong(key, "a template has no place for the class's name; write {} or {lower} there")
    inner = table.inner("exceptions")
    exceptions: dict[str, tuple[str, str]] = {}
    for name in inner.data:
        pair = inner.texts(name)
        if len(pair) != 2:
            raise inner.wrong(name, "write two sentences, present and absent")
        _check_name(inner, name, name, classes)
        exceptions[name] = (pair[0], pair[1])
    return PromptBank(table.text("name"), present, absent, exceptions, table.text("source"), _tag(table))


def _row(table: _Table) -> PublishedRow:
    table.only(("model", "metric", "value", "source", "tag"), ("model", "metric", "value", "source", "tag"))
    value = table.data["value"]
    if type(value) not in (int, float):
        raise table.wrong("value", f"it is {value!r}; write a number")
    return PublishedRow(table.text("model"), table.text("metric"), float(value), table.text("source"), _tag(table))


def _flaw(table: _Table, classes: Sequence[ProtocolClass]) -> Flaw:
    table.only(("kind", "text", "tag", "without"), ("kind", "text", "tag"))
    without = table.texts("without")
    for name in without:
        _check_name(table, "without", name, classes)
    kind = table.choice("kind", tuple(FLAWS))
    if (kind == "fewer_classes") != bool(without):
        raise table.wrong("without", "name the classes that are left out, of 'fewer_classes' and of no other kind")
    return Flaw(kind, table.text("text"), _tag(table), without)


def _tag(table: _Table) -> str:
    tag: str = table.choice("tag", tuple(TAGS))
    return tag


def _check_name(table: _Table, key: str, name: str, classes: Sequence[ProtocolClass]) -> None:
    known = [one.name for one in classes]
    if name not in known:
        raise table.wrong(key, f"{name!r} is no class{nearest(name, known)}")


def _check_classes(table: _Table, classes: Sequence[ProtocolClass]) -> None:
    for what, names in (
        ("name", [one.name for one in classes]),
        ("column", [column for one in classes for column in one.columns]),
        ("finding", [one.ours().name for one in classes]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise table.wrong("classes", f"the {what} {twice[0]!r} is there twice; drop or rename one")


def _check_whole(table: _Table, protocol: Protocol) -> None:
    if not protocol.classes and not protocol.open_classes:
        raise table.wrong("classes", "there are none; write [[classes]], or open_classes = true")
    if protocol.task != "retrieve" and not protocol.prompts and not protocol.without_prompts:
        raise table.wrong("prompts", "there are none; write [[prompts]], or in without_prompts why not")
    if (protocol.task == "retrieve") != bool(protocol.ks):
        raise table.wrong("ks", "cut-offs belong to a protocol of retrieval, and to no other")
    for key in ("patient", "scan"):
        try:
            groups = re.compile(getattr(protocol, key)).groups
        except re.error as error:
            raise table.wrong(key, f"it is no regular expression ({error})") from error
        if getattr(protocol, key) and groups != 1:
            raise table.wrong(key, f"it has {groups} groups; put one round what is wanted")
