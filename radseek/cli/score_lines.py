"""Scores as JSON lines, one a study and finding, which an interrupted run leaves whole and the next goes on from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from radseek.retrieval.disk_errors import writing_to
from radseek.retrieval.errors import UsageError
from radseek.retrieval.scoring.score_results import FindingScore

__all__ = ["ScoreLines", "read_lines", "score_lines"]


class ScoreLines:
    """A file of lines that is open for writing; `done` holds the keys of studies that an earlier run finished."""

    def __init__(self, file: IO[str], about: dict[str, str], done: set[str]) -> None:
        self._file = file
        self._about = about
        self.done = done

    def write(self, rows: Sequence[FindingScore]) -> None:
        """Write the rows of one study, and see that they are in the file."""
        self._file.writelines(json.dumps({**row.to_dict(), **self._about}, ensure_ascii=False) + "\n" for row in rows)
        self._file.flush()


@contextmanager
def score_lines(path: Path, encoder: str, findings_version: str, *, resume: bool) -> Iterator[ScoreLines]:
    """Open a file of lines to write; with `resume` after the studies that are in it, but for the last one.

    The last study may have lost lines when its run was ended, so it is asked once more. Raises `UsageError` where the
    file was written with another encoder or other findings, or is something else.
    """
    about = {"encoder": encoder, "findings_version": findings_version}
    done: set[str] = set()
    keep = 0
    if resume and path.exists():
        done, keep = _finished(path, about)
    with writing_to(path.parent), path.open("r+" if keep else "w", encoding="utf-8", newline="\n") as file:
        file.truncate(keep)
        file.seek(keep)
        yield ScoreLines(file, about, done)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file of lines."""
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def _finished(path: Path, about: dict[str, str]) -> tuple[set[str], int]:
    """Return the studies before the last one in a file, and how many bytes they take."""
    studies: dict[str, int] = {}  # where each begins
    at = 0
    for line in path.read_bytes().splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break
        try:
            row = json.loads(line)
            said, study = {name: row[name] for name in about}, str(row["study"])
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path} holds something else than scores; give another --out, or no --resume.") from error
        if said != about:
            raise UsageError(
                f"{path} was written with encoder {said['encoder']} and findings {said['findings_version']}, and this "
                f"run has {about['encoder']} and {about['findings_version']}; give another --out, or no --resume."
            )
        studies.setdefault(study, at)
        at += len(line)
    last = max(studies, key=studies.__getitem__, default=None)
    return studies.keys() - {last}, 0 if last is None else studies[last]
