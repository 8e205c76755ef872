"""Every message of ours: what an error, a skipped file or a remedy says, as it stands in the source.

An interpolation is written `{expression}`, or as what it always is: a constant of ours, or what a function of the same
module returns.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
PACKAGES: Final = ("prompts", "retrieval", "index_builder", "demo", "radseek")
# What a reader is told to do: at the start of a sentence, or of a part of one.
_VERBS: Final = (
    "add|allow|ask|begin|bring|build|call|change|check|choose|close|come|compare|complete|convert|copy|correct|count|"
    "create|cut|delete|describe|download|draw|drop|encode|end|evaluate|exchange|exclude|explain|export|fetch|fill|find|"
    "fit|free|give|go|head|install|judge|keep|label|leave|lay|list|load|log|look|lower|make|map|measure|mend|merge|move|"
    "name|open|pass|pip install|pack|pick|point|press|push|put|raise|read|reduce|reinstall|remove|rename|repeat|"
    "replace|report|restore|resume|retry|run|save|say|scale|scan|score|screen|see|select|send|set|shorten|show|spell|split|"
    "start|state|stop|take|tell|train|try|turn|uninstall|unpack|unset|update|upload|use|wait|write"
)
_TOLD: Final = re.compile(
    rf"(?:^|[.;:(,}}] ?|\b(?:or|and|then|so|please|first|else|again|instead|otherwise)[, ]+)(?:{_VERBS})\b", re.I
)
# What is taken instead: the names that there are, the nearest of them, the form that is wanted.
_TAKEN: Final = re.compile(
    r"\b(?:there (?:are|is)|(?:it|they) (?:has|have|holds|names|lists)|which (?:has|names)|known:|did you mean|such as|"
    r"must (?:be|not|have|hold|name|list|come|need|say)|may (?:be|hold|have|name)|should (?:be|hold)|(?:needs?|wants?|"
    r"takes?) (?:a|an|at|two|three|one|both|the|its|every|rows|numbers?|labels?|either|\w+ \w+)\b|(?:is|are) read\b|"
    r"instead|nothing to do|at (?:most|least))"
)
# What was said before is passed on, or a remedy that the caller has.
_PASSED: Final = re.compile(
    r"\{[^}]*(?:error|remedy|message|detail|problem|why|todo|step|rule|hint|nearest|example)[^}]*\}",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Message:
    """What is said, by what (the class of an error, `Skipped`, `Remedy`), and where: file and line."""

    text: str
    by: str
    where: str

    def leads_on(self) -> bool:
        """Say whether it tells what to do next, or what is taken instead of what was given."""
        return any(one.search(self.text) for one in (_TOLD, _TAKEN, _PASSED)) or "`" in self.text


@cache
def messages() -> tuple[Message, ...]:
    """Return the messages of our Python, in the order of the files."""
    kinds = error_classes() | {"Skipped", "Remedy"}
    return tuple(one for path in _files() for one in _of_file(path, kinds))


def _of_file(path: Path, kinds: frozenset[str]) -> Iterator[Message]:
    module = _module(path)
    calls = [one for one in ast.walk(module) if isinstance(one, ast.Call) and _called(one) in kinds]
    functions = [one for one in ast.walk(module) if isinstance(one, ast.FunctionDef)] if calls else []
    for call in calls:
        around = [one for one in functions if one.lineno <= call.lineno <= (one.end_lineno or 0)]
        where = f"{path.relative_to(ROOT)}:{call.lineno}"
        for text in _said(call, module, around[-1] if around else None):
            yield Message(text, _called(call), where)


@cache
def error_classes() -> frozenset[str]:
    """Return the names of the classes of errors that we raise."""
    bases = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for path in _files()
        for node in ast.walk(_module(path))
        if isinstance(node, ast.ClassDef)
    }
    found = {"RadseekError"}
    while more := {name for name, of in bases.items() if of & found} - found:
        found |= more
    return frozenset(found)


@cache
def _files() -> tuple[Path, ...]:
    """Our modules that have a message."""
    found = {path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    return tuple(sorted(path for path in found if re.search(r"(?:Error|Skipped|Remedy)\(", path.read_text("utf8"))))


@cache
def _module(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf8"))


def _called(call: ast.Call) -> str:
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def _said(call: ast.Call, module: ast.Module, function: ast.FunctionDef | None) -> list[str]:
    """What a call says: the longest of its texts; of a message chosen before, each that it may be."""
    args = call.args[1:] if _called(call) == "Remedy" else call.args  # its first is what is the matter
    given = [_texts(one, module, function) for one in args]
    longest = max(given, key=lambda several: max(map(len, several), default=0), default=[])
    return [one for one in longest if " " in one]


def _texts(node: ast.expr, module: ast.Module, function: ast.FunctionDef | None) -> list[str]:
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.JoinedStr):
        parts = (one.value if isinstance(one, ast.Constant) else _filled(one, module) for one in node.values)
        return ["".join(map(str, parts))]
    if isinstance(node, ast.BinOp):
        left, right = _texts(node.left, module, function), _texts(node.right, module, function)
        return [one + two for one in left or ["{}"] for two in right or ["{}"]] if left or right else []
    if isinstance(node, ast.IfExp):
        return [*_texts(node.body, module, function), *_texts(node.orelse, module, function)]
    if isinstance(node, ast.Call):
        return _returned(node, module)
    if isinstance(node, ast.Name):
        return _assigned(node.id, module, function)
    return []


def _filled(part: ast.expr, module: ast.Module) -> str:
    value = part.value if isinstance(part, ast.FormattedValue) else part
    constant = _constants(module).get(value.id) if isinstance(value, ast.Name) else None
    if constant is not None:
        return constant
    returned = _returned(value, module) if isinstance(value, ast.Call) else []
    return min(returned, key=len) if returned else f"{{{ast.unparse(value)}}}"


def _returned(call: ast.Call, module: ast.Module) -> list[str]:
    """What a function of the same module may return, where it returns texts."""
    name = getattr(call.func, "id", "")
    found = next((one for one in module.body if isinstance(one, ast.FunctionDef) and one.name == name), None)
    given = [one.value for one in ast.walk(found) if isinstance(one, ast.Return)] if found is not None else []
    return [text for one in given if one is not None for text in _texts(one, module, found)]


def _assigned(name: str, module: ast.Module, function: ast.FunctionDef | None) -> list[str]:
    if function is not None:
        given = [one for one in ast.walk(function) if isinstance(one, ast.Assign)]
        mine = [one.value for one in given if any(isinstance(to, ast.Name) and to.id == name for to in one.targets)]
        if mine:
            return [text for one in mine for text in _texts(one, module, None)]
    constant = _constants(module).get(name)
    return [] if constant is None else [constant]


@cache
def _constants(module: ast.Module) -> dict[str, str]:
    """The texts that a module's names stand for: its own, and those that it takes from others of ours."""
    found: dict[str, str] = {}
    for node in module.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("radseek."):
            path = ROOT.joinpath(*str(node.module).split(".")[1:]).with_suffix(".py")
            theirs = _constants(_module(path)) if path.is_file() else {}
            found |= {one.asname or one.name: theirs[one.name] for one in node.names if one.name in theirs}
        value = getattr(node, "value", None)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[target.id] = value.value
    return found
