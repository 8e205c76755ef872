"""Scores kept on disk until all are there, to be given back finding by finding, the highest first."""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace

from radseek.prompts.finding import Finding
from radseek.retrieval.disk_errors import temporary_folder, using_temporary_database
from radseek.retrieval.scoring.score_results import FindingScore

__all__ = ["RankedScores", "highest_alone", "ranked_scores"]


class RankedScores:
    """Rows by what was asked, in the order asked, and by score; those without a score come last."""

    def __init__(self, database: sqlite3.Connection, findings: Sequence[Finding]) -> None:
        self._database = database
        self._database.execute("CREATE TABLE scores (place INTEGER, score REAL, prompts INTEGER, row BLOB)")
        self._places: dict[tuple[str, str], int] = {}
        for one in findings:
            self._places.setdefault((one.name, one.asked), len(self._places))
        self._prompts: list[dict[str, list[str]]] = []  # long, and the same for all rows of a finding of one set

    def add(self, rows: Sequence[FindingScore]) -> None:
        """Keep the rows of one study."""
        for row in rows:
            place = self._places[row.finding, row.asked]
            if row.prompts not in self._prompts:
                self._prompts.append(row.prompts)
            kept = (place, row.score, self._prompts.index(row.prompts), pickle.dumps(replace(row, prompts={})))
            self._database.execute("INSERT INTO scores VALUES (?, ?, ?, ?)", kept)

    def ranked(self, top: int | None = None) -> Iterator[FindingScore]:
        """Yield all rows, or of each finding the `top` highest scores."""
        highest = "" if top is None else "WHERE score IS NOT NULL AND rank <= ?"
        rank = "row_number() OVER (PARTITION BY place ORDER BY score DESC, rowid) AS rank"
        question = f"SELECT prompts, row FROM (SELECT *, {rank} FROM scores) {highest} ORDER BY place, rank"
        found = self._database.execute(question, () if top is None else (top,))
        for prompts, kept in found:
            row: FindingScore = pickle.loads(kept)  # noqa: S301 - our own, minutes old
            yield replace(row, prompts=self._prompts[prompts])


@contextmanager
def ranked_scores(findings: Sequence[Finding]) -> Iterator[RankedScores]:
    """Give a place for rows of these findings, which is gone at the end.

    Raises `StorageError` where the folder of temporary files has no room.
    """
    with using_temporary_database(temporary_folder()), closing(sqlite3.connect("")) as database:
        yield RankedScores(database, findings)


@contextmanager
def highest_alone(
    write: Callable[[Sequence[FindingScore]], None], findings: Sequence[Finding], top: int
) -> Iterator[Callable[[Sequence[FindingScore]], None]]:
    """Give what takes the rows of every study; at the end `write` gets of each finding the `top` highest scores."""
    with ranked_scores(findings) as kept:
        yield kept.add
        write(list(kept.ranked(top)))
