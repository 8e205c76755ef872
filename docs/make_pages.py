"""Write the pages of the manual that are made from the code: commands, codes, fields. `make docs` runs this.

python docs/make_pages.py          # write
python docs/make_pages.py --check  # say which are not current, and fail
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import typer

from radseek.cli.late_commands import COMMANDS, EXAMPLES
from radseek.cli.main import app
from radseek.retrieval.remedies import EXIT_CODES, PERCENTILE_REASONS, REASON_CODES, STATE_REASONS
from radseek.retrieval.scoring.score_results import SCREEN_COLUMNS

DOCS = Path(__file__).parent
NOTICE = "*Research use only. Not a medical device.*"
SAID = "<!-- not run: an example of the form; tests/test_command_help.py parses it -->"
MADE = "<!-- Made by docs/make_pages.py; do not edit. -->"


def commands() -> str:
    """Return the page of commands: what each says of itself, its arguments and options."""
    group: Any = typer.main.get_command(app)
    parts = ["# The commands", MADE, NOTICE, "Before a command: " + _options(group) + "."]
    for name in COMMANDS:
        command = group.commands[name]
        if not hasattr(command, "commands"):
            parts += [f"## radseek {name}", str(command.help), _example(name), _table(command)]
            continue
        parts += [f"## radseek {name}", str(command.help)]
        for second, one in command.commands.items():
            called = f"{name} {second}"
            parts += [f"### radseek {called}", str(one.help), _example(called), _table(one)]
    return "\n\n".join(parts) + "\n"


def _example(name: str) -> str:
    return f"{SAID}\n\n```sh\n{EXAMPLES[name]}\n```"


def _table(command: Any) -> str:
    rows = [_parameter(one) for one in command.params]
    return "\n".join(["| argument or option | what it says |", "|---|---|", *rows])


def _options(group: Any) -> str:
    return ", ".join(f"`{' '.join(one.opts)}`: {_cell(one.help)}" for one in group.params if getattr(one, "help", None))


def _parameter(one: Any) -> str:
    is_option = one.param_type_name == "option"
    name = ", ".join(f"`{opt}`" for opt in [*one.opts, *one.secondary_opts]) if is_option else f"`{one.name.upper()}`"
    default = one.default
    shown = getattr(default, "value", default)
    said = _cell(getattr(one, "help", None) or "")
    if one.required:
        said += " Required."
    elif shown not in (None, False, (), []) and not callable(shown):
        said += f" Without: `{shown}`."
    return f"| {name} | {said.strip()} |"


def codes() -> str:
    """Return the page of exit codes and reason codes, each with a remedy."""
    exits = [f"| {code} | {_cell(one.meaning)} | {_cell(one.remedy)} |" for code, one in EXIT_CODES.items()]
    reasons, states, percentiles = (
        [f"| `{code}` | {_cell(one.meaning)} | {_cell(one.remedy)} |" for code, one in table.items()]
        for table in (REASON_CODES, STATE_REASONS, PERCENTILE_REASONS)
    )
    return (
        "\n\n".join(
            [
                *(
                    "# Codes",
                    MADE,
                    NOTICE,
                    "## Exit codes",
                    "What the command returns; in Python an error's `exit_code`.",
                ),
                "\n".join(["| code | meaning | what to do |", "|---|---|---|", *exits]),
                *("## Reason codes", "Why one input was not used. They are stable: programs may match on them."),
                "\n".join(["| reason code | meaning | what to do |", "|---|---|---|", *reasons]),
                *("## Reasons of a state", "`reason` of a score: why it claims nothing, or not all."),
                "\n".join(["| reason | meaning | what to do |", "|---|---|---|", *states]),
                *("## Reasons of a percentile", "`percentile_reason` of a score: why it has no percentile."),
                "\n".join(["| reason | meaning | what to do |", "|---|---|---|", *percentiles]),
            ]
        )
        + "\n"
    )


def fields() -> str:
    """Return the page of JSON and CSV fields, from the schemas."""
    parts = [
        *("# JSON and CSV, field by field", MADE, NOTICE),
        "Every command prints one document with `--json`; `result.to_dict()` is the same in Python. Each has a JSON "
        "Schema (draft 2020-12), and a test holds the command's documents against it.",
    ]
    for path in sorted((DOCS / "schema").glob("*.json")):
        schema = json.loads(path.read_text("utf8"))
        rows = "\n".join(["| field | type | what it is |", "|---|---|---|", *_rows(schema, "")])
        parts += [f"## {path.stem}", f"[{path.name}](../schema/{path.name})", rows]
    columns = "\n".join(["| column | type |", "|---|---|", *(f"| `{n}` | {t} |" for n, t in SCREEN_COLUMNS.items())])
    said = (
        "The fields of `screen`, flat: `interval` is two columns (the margin's ends), `position` three (patient LPS in "
        "mm). Parquet has the same columns; JSON lines the rows of the document with `encoder` and `findings_version`."
    )
    return "\n\n".join([*parts, "## CSV and Parquet of screen", said, columns]) + "\n"


def _rows(schema: dict[str, Any], before: str) -> list[str]:
    rows = []
    for name, one in schema.get("properties", {}).items():
        rows.append(f"| `{before}{name}` | {_type(one)} | {_cell(one.get('description', ''))} |")
        inner = next((branch for branch in one.get("anyOf", [one]) if branch.get("type") != "null"), one)
        if inner.get("type") == "array" and "properties" in inner["items"]:
            rows += _rows(inner["items"], f"{before}{name}[].")
        elif "properties" in inner:
            rows += _rows(inner, f"{before}{name}.")
        for branch in inner.get("items", {}).get("oneOf", ()):
            rows += _rows(branch, f"{before}{name}[{branch['properties']['kind']['const']}].")
    return rows


def _type(one: dict[str, Any]) -> str:
    if "anyOf" in one:
        return " or ".join(_type(branch) for branch in one["anyOf"])
    if "const" in one:
        return f"`{json.dumps(one['const'])}`"
    if "enum" in one:
        return ", ".join(f"`{json.dumps(value)}`" for value in one["enum"])
    kind = one.get("type", "object")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PAGES = {"commands.md": commands, "codes.md": codes, "fields.md": fields}


def main() -> int:
    """Write the pages, or with `--check` compare them; return 1 where one is not current."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    check = parser.parse_args().check
    stale = []
    for name, page in PAGES.items():
        path = DOCS / "manual" / name
        if check:
            stale += [name] if not path.is_file() or path.read_text("utf8") != page() else []
        else:
            path.write_text(page(), "utf8")
    if stale:
        sys.stderr.write(f"not current: {', '.join(stale)}; run make docs\n")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
