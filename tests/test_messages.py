"""Every message of the command, the server and the page says what to do next, and names nothing that does not exist.

Commands and options are checked in `test_named_commands`.
"""

from __future__ import annotations

import json
import re
import tomllib

from radseek.demo.page.page_words import every_word
from tests.message_support import ROOT, Message, messages

# Entries of the page's tables that say that something went wrong, is not there, or has ended; the others are labels.
STATED = re.compile(
    r"^(?:trouble\.(?!title|todo|detail)|code\.)|[._](?:none|empty|failed|stopped|ended|wait|end|nothing_close|not_kept|"
    r"no_archive|no_plot|stale|admin|one_answer|part|none_read|one_reader|no_report)$"
)
# Nothing is left to do, and the sentence says all there is to it.
SAID = {
    "reading.none": "good news",
    "trouble.inside": "the log is its keeper's",
    "code.cancelled": "the reader stopped it",
    "code.other": "the engine's own words stand below it",
    "code.missing_extra": "the engine's own words stand below it",
    "similar.no_report": "a fact of the case",
    "visitor.admin": "a label",
    "study.body_part": "a label",
    "list.no_report": "a filter",
    "explain.prior_none": "a choice",
    "bring.stopped": "the reader stopped it",
    "explain.stopped": "the reader stopped it",
    "add.stopped": "the reader stopped it",
    "archive.stopped": "the reader stopped it",
}
TOLD_IN_CHINESE = re.compile(r"请|可|按|无需|再次|需要")


def page_messages() -> list[tuple[str, str, str]]:
    """What the page says of trouble and of what is not there: name, English, Chinese."""
    return [(name, *said) for name, said in every_word().items() if STATED.search(name) and name not in SAID]


def test_every_message_of_the_library_and_the_command_leads_on() -> None:
    found = list(messages())
    assert len(found) > 600
    assert not [f"{one.where}: {one.text}" for one in found if not one.leads_on()]


def test_every_message_of_the_page_leads_on_in_both_languages() -> None:
    found = page_messages()
    assert len(found) > 45
    assert not [name for name, said, _ in found if not Message(said, "page", name).leads_on()]
    assert not [name for name, _, said in found if not TOLD_IN_CHINESE.search(said)]
    assert set(SAID) <= set(every_word())


def test_every_extra_tab_button_and_route_that_is_named_is_there() -> None:
    said = [(one.where, one.text) for one in messages()]
    said += [(name, text) for name, texts in every_word().items() for text in texts]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]["optional-dependencies"]
    assert not _unknown(said, r"radseek\[([\w,-]+)\]", set(extras))
    tabs = {text for name, texts in every_word().items() if name.startswith("tab.") for text in texts}
    assert not _unknown(said, r"\b([A-Z]\w+(?: \w+)?) tab\b|“(\w+)”页", tabs)
    buttons = {text for texts in every_word().values() for text in texts} | {"Keep", "保存"}  # the viewer's own
    assert not _unknown(said, r"\bbutton ([A-Z]\w+)|“([^”{]+)”按钮", buttons)
    paths = json.loads((ROOT / "docs" / "openapi.json").read_text("utf8"))["paths"]
    assert not _unknown(said, r"(?<![\w/}])(/v1/[a-z/]+)", {re.sub(r"/\{.*", "", path) for path in paths})


def _unknown(said: list[tuple[str, str]], named: str, known: set[str]) -> set[tuple[str, str]]:
    found = ((where, next(filter(None, match.groups()))) for where, text in said for match in re.finditer(named, text))
    return {(where, one.rstrip("/")) for where, one in found if not set(one.rstrip("/").split(",")) <= known}
