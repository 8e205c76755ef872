"""What readers keep while they work: cases, searches and measurements, each with a note.

`archive.index` has `archive.notes.jsonl` beside it, for its owner only. A line is never changed: a new line of the same
id takes its place, and one that says `gone` takes it away. Only a study that is forgotten takes its lines with it.
"""

from __future__ import annotations

import csv
import io
import json
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from radseek.app.line_log import LineLog
from radseek.retrieval.document import NOTICE
from radseek.retrieval.errors import UsageError

__all__ = ["KINDS", "Notebook", "NotebookEntry", "new_entry", "notebook_csv", "notes_path"]

Kind = Literal["case", "search", "measurement"]
KINDS: Final = ("case", "search", "measurement")
_LONGEST: Final = 2000  # characters of a note
_LONGEST_PLACE: Final = 8000  # characters of where it is, as JSON


@dataclass(frozen=True, slots=True)
class NotebookEntry:
    """One thing kept. `place` leads back to it: series, plane, slice and shapes, or the words of a search.

    `study` is "" for a search; `text` says what was kept, `note` what the reader says of it; `time` is UTC.
    """

    id: str
    kind: Kind
    study: str
    text: str
    note: str
    time: str
    place: Mapping[str, Any] = field(default_factory=dict, hash=False)
    gone: bool = False


def notes_path(index: Path) -> Path:
    """Return where what was kept of an index is, beside it as its verdicts are.

    >>> notes_path(Path("/data/archive.index")).name
    'archive.notes.jsonl'
    """
    return index.with_name(f"{index.name.removesuffix('.index')}.notes.jsonl")


def new_entry(
    kind: str, study: str, text: str, *, note: str = "", place: Mapping[str, Any] | None = None, identity: str = ""
) -> NotebookEntry:
    """Return an entry of now; with an `identity` it takes the place of the entry of that id.

    Raises `UsageError` for one that no reader could have meant.
    """
    if kind not in KINDS or (kind == "search") == bool(study):
        raise UsageError("What is kept is a case or a measurement of a study, or a search; choose one of them.")
    held = dict(place or {})
    if len(text) > _LONGEST or len(note) > _LONGEST or len(json.dumps(held)) > _LONGEST_PLACE:
        raise UsageError(f"What is kept has up to {_LONGEST} characters, and its note as many; shorten it.")
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return NotebookEntry(identity or secrets.token_hex(8), kind, study, text.strip(), note.strip(), now, held)  # type: ignore[arg-type]


class Notebook:
    """The notebook of one index. Any number of processes may write."""

    def __init__(self, index: Path) -> None:
        self._log = LineLog(notes_path(index))

    def keep(self, entry: NotebookEntry) -> None:
        """Add an entry, or put it in the place of an older one of its id.

        Raises `BusyError` where others keep writing, `UsageError` where the disk refuses.
        """
        self._log.append(json.dumps(asdict(entry), ensure_ascii=False, sort_keys=True))

    def take_away(self, identity: str) -> bool:
        """Take an entry away; say whether there was one of this id. Raises as `keep` does."""
        held = {one.id: one for one in self.entries()}
        if identity not in held:
            return False
        gone = {**asdict(held[identity]), "gone": True, "note": "", "text": "", "place": {}}
        self._log.append(json.dumps(gone, ensure_ascii=False, sort_keys=True))
        return True

    def entries(self, study: str = "") -> list[NotebookEntry]:
        """Return what is kept, the newest first; of one study where it is given. A torn line is passed over."""
        last: dict[str, NotebookEntry] = {}
        for line in self._log.lines():
            entry = _parse(line)
            if entry is not None:
                last.pop(entry.id, None)
                last[entry.id] = entry
        return [one for one in reversed(last.values()) if not one.gone and (not study or one.study == study)]

    def forget(self, studies: Collection[str]) -> int:
        """Take out every line on these studies, and every torn one; return how many. Raises as `keep` does."""
        return self._log.keep_only(lambda line: (one := _parse(line)) is not None and one.study not in studies)


def notebook_csv(entries: Iterable[NotebookEntry]) -> str:
    """Return what is kept as CSV under a line that says what it is not for; pixels of shapes stay in the log."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow((f"# {NOTICE}",))
    writer.writerow(("kind", "study", "what", "note", "series", "plane", "slice", "time"))
    for one in entries:
        series, plane, k = (one.place.get(name, "") for name in ("series", "plane", "k"))
        place = (series, plane, k + 1 if isinstance(k, int) else "")
        writer.writerow([_inert(cell) for cell in (one.kind, one.study, one.text, one.note, *place, one.time)])
    return out.getvalue()


def _parse(line: bytes) -> NotebookEntry | None:
    try:
        values: Any = json.loads(line)
        one = NotebookEntry(**values)
    except (ValueError, TypeError):
        return None
    words = (one.id, one.study, one.text, one.note, one.time)
    good = one.kind in KINDS and isinstance(one.place, dict) and all(isinstance(word, str) for word in words)
    return one if good else None


def _inert(cell: object) -> object:
    """One line; and a spreadsheet must not take it for a formula."""
    if not isinstance(cell, str):
        return cell
    text = " ".join(cell.split())
    return f"'{text}" if text[:1] in {"=", "+", "-", "@"} else text
