"""A reader's verdicts on what was shown: an append-only log beside the index, one JSON line a verdict.

`archive.index` has `archive.verdicts.jsonl` beside it, for its owner only. No line is ever changed: a reader who
changes their mind adds one, and the last one counts. Only a study that is forgotten takes its lines with it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from radseek.app.line_log import LineLog
from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.errors import UsageError
from radseek.retrieval.scoring.states import State

__all__ = ["LONGEST_NOTE", "ReadLog", "Verdict", "VerdictLog", "encoder_id", "latest", "make_verdict", "verdicts_path"]

Opinion = Literal["agree", "disagree", "unsure"]
OPINIONS: Final = ("agree", "disagree", "unsure")
STATES: Final = ("present", "absent", "uncertain", "abstain")
LONGEST_NOTE: Final = 2000  # characters
_LONGEST_NAME: Final = 120  # of a finding's words, of a reader's name
_HASH: Final = 64  # characters of a SHA-256


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one reader said of one finding of one study, and what was on the screen then.

    `state`, `score` and `probability` are what was shown. An opinion is on `claim`: that the finding is there, or,
    where the state was `absent`, that it is not. `encoder` names who scored (see `encoder_id`); `time` is UTC.
    """

    study: str
    finding: str
    verdict: Opinion
    state: State
    score: float | None
    probability: float | None
    encoder: str
    time: str
    note: str = ""
    reader: str = ""

    @property
    def claim(self) -> Literal["present", "absent"]:
        """Return what the reader agreed or disagreed with."""
        return "absent" if self.state == "absent" else "present"


@dataclass(frozen=True, slots=True)
class ReadLog:
    """A log's verdicts, oldest first; `unreadable`: numbers, from 1, of the lines that are none (a torn write)."""

    verdicts: tuple[Verdict, ...]
    unreadable: tuple[int, ...]


def verdicts_path(index: Path) -> Path:
    """Return where an index's verdicts are, beside it as its linkage file is.

    >>> verdicts_path(Path("/data/archive.index")).name
    'archive.verdicts.jsonl'
    """
    return index.with_name(f"{index.name.removesuffix('.index')}.verdicts.jsonl")


def encoder_id(spec: EncoderSpec) -> str:
    """Return what distinguishes encoders: imaging recipe, towers and pooling, of each hash the start."""
    parts = (spec.imaging_hash, spec.towers_hash, spec.pooling_hash)
    return " ".join(part[:12] if len(part) == _HASH else part for part in parts)  # plain mean pooling has a name


def make_verdict(
    study: str,
    finding: str,
    verdict: str,
    *,
    state: str,
    score: float | None,
    probability: float | None,
    encoder: str,
    note: str = "",
    reader: str = "",
) -> Verdict:
    """Return a verdict of now. Raises `UsageError` for one that no reader could have meant."""
    finding, reader = _one_line(finding), _one_line(reader)
    if verdict not in OPINIONS or state not in STATES:
        raise UsageError(f"'{verdict}' on '{state}' is no verdict; choose agree, disagree or unsure on a state shown.")
    if not study or not finding[:1].isalnum() or len(finding) > _LONGEST_NAME:
        raise UsageError(
            f"A verdict names a study, and a finding in up to {_LONGEST_NAME} characters; choose them first."
        )
    if len(note) > LONGEST_NOTE or len(reader) > _LONGEST_NAME:
        raise UsageError(f"A note has up to {LONGEST_NOTE} characters, a reader's name {_LONGEST_NAME}; shorten them.")
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Verdict(study, finding, verdict, state, score, probability, encoder, now, note.strip(), reader)  # type: ignore[arg-type]


def latest(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return of each study, finding and reader the last verdict, in the order of the last lines."""
    last: dict[tuple[str, str, str], Verdict] = {}
    for one in verdicts:
        about = (one.study, one.finding, one.reader)
        last.pop(about, None)
        last[about] = one
    return list(last.values())


class VerdictLog:
    """The log of one index. Any number of processes may write; each line is on disk when `append` returns."""

    def __init__(self, index: Path) -> None:
        self.path = verdicts_path(index)
        self._log = LineLog(self.path)

    def append(self, verdict: Verdict) -> None:
        """Add a line. Raises `BusyError` where others keep writing, `UsageError` where the disk refuses."""
        self._log.append(json.dumps(asdict(verdict), ensure_ascii=False, sort_keys=True))

    def read(self) -> ReadLog:
        """Return what is in the log; a missing log is an empty one."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return ReadLog((), ())
        found: list[Verdict] = []
        unreadable: list[int] = []
        for number, line in enumerate(lines, 1):
            one = _parse(line) if line else None
            if one is not None:
                found.append(one)
            elif line:
                unreadable.append(number)
        return ReadLog(tuple(found), tuple(unreadable))

    def forget(self, studies: Collection[str]) -> int:
        """Take out every line on these studies, and every torn one, whose study nobody can tell; return how many.

        Raises as `append` does.
        """
        return self._log.keep_only(lambda line: (one := _parse(line)) is not None and one.study not in studies)


def _parse(line: bytes) -> Verdict | None:
    try:
        values: Any = json.loads(line)
        one = Verdict(**{field.name: values[field.name] for field in fields(Verdict)})
    except (ValueError, KeyError, TypeError):
        return None
    good = (
        one.verdict in OPINIONS and one.state in STATES and isinstance(one.study, str) and isinstance(one.finding, str)
    )
    return one if good else None


def _one_line(text: str) -> str:
    return " ".join(text.split())
