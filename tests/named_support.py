"""What our texts name: commands, and options with the program that they are given to.

Read are the messages, docstrings and comments of our Python, our templates, tables of words and scripts, and our
documents. A command or option belongs to the code span (`` `...` ``), the line of a fenced block, or the line of a
docstring that it stands in; the span's first word is the program that it speaks of.
"""

from __future__ import annotations

import ast
import functools
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("prompts", "retrieval", "index_builder", "demo", "radseek")
SCRIPTS = ("benchmarks", "training", "requirements")
# A span that begins so names a program; what follows is its own.
_PROGRAM = re.compile(
    r"^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:(?:\.venv/bin/|\$\(BIN\)/|/\S+/)?python3? (?:-m )?(?P<script>[\w./]+)"
    r"|(?:\.venv/bin/)?radseek (?P<command>[a-z][\w-]*)|(?:\.venv/bin/)?(?P<other>[a-z][\w.-]*)(?= ))"
)
_SPAN = re.compile(r"``(.+?)``|`([^`]+)`")
_OPTION = re.compile(r"(?<![A-Za-z0-9_-])--[a-z][a-z0-9-]*(?![A-Za-z0-9_-])")
_COMMAND = re.compile(r"(?<![A-Za-z0-9_./-])radseek ([a-z][a-z-]*)(?![A-Za-z0-9_]|\.[a-z]|/)")
_OF_INTEREST = re.compile(r"radseek [a-z]|--[a-z]|(?:un|ry|tart|ommands?) `|` command|make [a-z]|python3? ")
# "run `repool`", "`radseek screen` and `search`": commands without the program's name.
_BARE = re.compile(r"(?:[Rr]un|[Tt]ry|[Ss]tart|[Cc]ommands?) `([a-z-]+)`|`([a-z-]+)` command\b")
_LISTED = re.compile(r"`radseek [a-z-]+`((?:,? (?:and |or )?`[a-z-]+`)+)")


@dataclass(frozen=True)
class Named:
    """Something that a text names: `what` it is, of which `owner` (empty where the text does not say), and where."""

    what: str
    owner: str
    where: str


def named_commands() -> Iterator[tuple[Named, bool]]:
    """Yield what follows "radseek" anywhere, and whether it stands in code, where nothing but a command may."""
    for where, text in sayings():
        code = [(match.start(), match.end()) for match in _SPAN.finditer(text)]
        for match in _COMMAND.finditer(text):
            if not re.search(r"(?:from|import) $", text[: match.start()]):
                told = re.search(r"(?i)\b(?:run|with|use|try|by|call|type|start|through) $", text[: match.start()])
                in_code = any(start <= match.start() < end for start, end in code)
                yield Named(match[1], "radseek", where), in_code or told is not None
        for match in _BARE.finditer(text):
            yield Named(match[1] or match[2], "", where), True
        for match in _LISTED.finditer(text):
            for name in re.findall(r"`([a-z-]+)`", match[1]):
                yield Named(name, "radseek", where), True


def named_options() -> Iterator[Named]:
    """Yield every option, with the program or the command of radseek ("radseek build") in whose span it stands."""
    last: dict[str, str] = {}
    for where, text in sayings():
        file = where.partition(":")[0]
        spans = [match[1] or match[2] for match in _SPAN.finditer(text)]
        lines = [line.strip() for line in _SPAN.sub(" ", text).splitlines()]
        for span in [*spans, *lines]:
            owner = _owner(span)
            if owner and span not in lines:
                last[file] = owner
            elif span.startswith("..."):  # "`... --labels FILE`": the command above with something more
                owner = last.get(file, "")
            for option in _OPTION.findall(span):
                yield Named(option, owner, where)
            if owner.startswith("radseek "):
                yield from (Named(one, owner, where) for one in re.findall(r"(?<= )-[a-zA-Z](?= |$)", span))


@functools.cache
def sayings() -> tuple[tuple[str, str], ...]:
    """Return where a text stands and the text: a string, a comment, a paragraph, a line of a fenced block."""
    said: list[tuple[str, str]] = []
    for path in sorted(_files()):
        name = str(path.relative_to(ROOT))
        text = re.sub("</?code>", "`", path.read_text("utf8"))
        if not _OF_INTEREST.search(text):
            continue
        found = _of_python(text) if path.suffix == ".py" else _of_document(text)
        said += ((f"{name}:{line}", one) for line, one in found if _OF_INTEREST.search(one) or "..." in one)
    return tuple(said)


def named_scripts() -> Iterator[Named]:
    """Yield every Python script or module, and every target of make, that a code span or a fenced line runs."""
    for where, text in sayings():
        spans = [match[1] or match[2] for match in _SPAN.finditer(text)]
        for span in [*spans, *text.splitlines()]:
            match = _PROGRAM.match(span.strip())
            if match is not None and match["script"]:
                yield Named(match["script"], "python", where)
        for span in spans:
            if target := re.match(r"make ([a-z]+)(?= |$)", span):
                yield Named(target[1], "make", where)


@functools.cache
def options_of_script(path: Path) -> frozenset[str]:
    """Return the options that a script of ours adds to its parser, or that a function it takes from another adds."""
    if path.suffix != ".py" or not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text("utf8"))
    shared = (_function(script_of(one.module or ""), name.name) for one in _script_imports(tree) for name in one.names)
    calls = (node for part in (tree, *shared) if part is not None for node in ast.walk(part))
    added = (call.args for call in calls if isinstance(call, ast.Call) and _name_called(call) == "add_argument")
    return frozenset(one.value for given in added for one in given if isinstance(one, ast.Constant))


def _name_called(call: ast.Call) -> str:
    return getattr(call.func, "attr", "")


def _script_imports(tree: ast.Module) -> list[ast.ImportFrom]:
    return [one for one in tree.body if isinstance(one, ast.ImportFrom) and (one.module or "").split(".")[0] in SCRIPTS]


def _function(path: Path, name: str) -> ast.FunctionDef | None:
    body = ast.parse(path.read_text("utf8")).body if path.is_file() else []
    return next((one for one in body if isinstance(one, ast.FunctionDef) and one.name == name), None)


@functools.cache
def custom_properties() -> frozenset[str]:
    """Return the custom properties of our style sheets, which look like options."""
    sheets = (path.read_text("utf8") for package in PACKAGES for path in (ROOT / package).rglob("*.css"))
    return frozenset(name for sheet in sheets for name in re.findall(r"--[a-z][a-z0-9-]*", sheet))


def script_of(owner: str) -> Path:
    """Return the file of "benchmarks.polarity_own" or "benchmarks/polarity_own.py"."""
    path = ROOT / (owner if owner.endswith(".py") else owner.replace(".", "/") + ".py")
    return path if path.is_file() else ROOT / owner.replace(".", "/") / "__main__.py"


def _owner(span: str) -> str:
    match = _PROGRAM.match(span)
    if match is None:
        return ""
    if match["command"]:
        return f"radseek {match['command']}"
    return match["script"] or match["other"]


def _files() -> Iterator[Path]:
    for package in PACKAGES:
        for suffix in ("py", "toml", "j2", "html", "js", "md"):
            yield from (ROOT / package).rglob(f"*.{suffix}")
    for folder in SCRIPTS:
        yield from (ROOT / folder).rglob("*.py")
        yield from (ROOT / folder).rglob("*.md")
    yield from (ROOT / "docs").rglob("*.md")
    yield from (ROOT / "docs").glob("*.json")
    yield from (ROOT / "docs").glob("*.py")
    yield from ROOT.glob("*.md")


def _of_python(text: str) -> Iterator[tuple[int, str]]:
    tree = ast.parse(text)
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            values = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
            yield node.lineno, "".join(map(str, values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.lineno, node.value
    if any(_OF_INTEREST.search(line) for line in text.splitlines() if "#" in line):  # tokenizing is slow
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string.lstrip("# ")


def _of_document(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of fenced blocks, and paragraphs and rows of tables as one line each."""
    fenced, start, paragraph = False, 1, [""]
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        ends = not line.strip() or line.lstrip().startswith(("|", "```", "- ")) or line.startswith("    ")
        if ends or fenced:
            yield start, " ".join(part.strip() for part in paragraph)
            start, paragraph = number, []
        if line.lstrip().startswith("```"):
            fenced = not fenced
        else:
            paragraph.append(line)
    yield start, " ".join(paragraph)
