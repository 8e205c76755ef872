"""Rows into the catalogue: what one committed write consists of. Callers hold the transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable

from radseek.retrieval.index.catalog.catalog_file import DIGESTS, folder_digest
from radseek.retrieval.index.catalog.digests import fill
from radseek.retrieval.index.catalog.keywords import index_words
from radseek.retrieval.index.segments.packing import PackedStudy
from radseek.retrieval.index.segments.segment_folders import SegmentInfo
from radseek.retrieval.privacy.pseudonyms import forgotten_mark

__all__ = [
    "fill_digests",
    "insert_folder",
    "insert_segment",
    "insert_study",
    "mark_forgotten",
    "mark_removed",
    "move_segments",
    "set_value",
    "write_digests",
]


def set_value(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Set one setting of the catalogue."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def insert_folder(connection: sqlite3.Connection, info: SegmentInfo) -> None:
    """Make a folder known."""
    rows = info.rows
    values = (info.number, rows["slices"], rows["views"], rows["sentences"], json.dumps(dict(info.files)), info.sums)
    connection.execute(
        "INSERT INTO folders (number, slices, views, sentences, files, sums, digest) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*values, folder_digest(values)),
    )


def insert_segment(connection: sqlite3.Connection, info: SegmentInfo) -> None:
    """Make a new folder known, and its rows as one segment of the folder's number."""
    insert_folder(connection, info)
    rows = info.rows
    values = (info.number, rows["slices"], rows["views"], rows["sentences"], info.number)
    connection.execute("INSERT INTO segments (number, slices, views, sentences, folder) VALUES (?, ?, ?, ?, ?)", values)


def move_segments(connection: sqlite3.Connection, old: Iterable[int], new: SegmentInfo) -> None:
    """Say that the segments of the `old` folders lie in another one now, in the order of their numbers."""
    insert_folder(connection, new)
    for folder in old:
        connection.execute("UPDATE segments SET folder = ? WHERE folder = ?", (new.number, folder))
        connection.execute("DELETE FROM folders WHERE number = ?", (folder,))


def insert_study(connection: sqlite3.Connection, packed: PackedStudy, segment: int, generation: int) -> int:
    """Insert one study with its series, views and sentences, visible from `generation` on; return its row id.

    Its digests are written by `write_digests`, when all rows of the commit are there.
    """
    record = packed.record
    about = record.attributes
    columns = ("sex", "age", "year", "manufacturer", "site")
    values = (
        record.key,
        record.patient_key,
        generation,
        *(about.get(c) for c in columns),
        _json(dict(about)),
        record.report,
    )
    study = connection.execute(
        "INSERT INTO studies (key, patient, added, sex, age, year, manufacturer, site, attributes, report) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        values,
    ).lastrowid
    _insert_series(connection, packed, int(study or 0), segment)
    _insert_sentences(connection, packed, int(study or 0), segment)
    _readmit(connection, [record.key, record.patient_key])
    return int(study or 0)


def fill_digests(connection: sqlite3.Connection) -> None:
    """Write the digests that studies and folders of an earlier format lack, and that all have them."""
    write_digests(connection, [row[0] for row in connection.execute("SELECT id FROM studies WHERE digest IS NULL")])
    for row in connection.execute(
        "SELECT number, slices, views, sentences, files, sums FROM folders WHERE digest IS NULL"
    ).fetchall():
        connection.execute("UPDATE folders SET digest = ? WHERE number = ?", (folder_digest(row), row[0]))
    set_value(connection, DIGESTS, "all")


def write_digests(connection: sqlite3.Connection, studies: Collection[int]) -> None:
    """Write the digests of studies, by row id, as their rows are now."""
    fill(lambda sql, values: connection.execute(sql, values).fetchall(), studies)


def mark_removed(connection: sqlite3.Connection, keys: Collection[str], generation: int) -> int:
    """Hide the live studies of these keys from `generation` on and return how many there were."""
    rows = [(generation, key) for key in keys]
    return connection.executemany("UPDATE studies SET removed = ? WHERE key = ? AND removed IS NULL", rows).rowcount


def mark_forgotten(connection: sqlite3.Connection, pseudonyms: Collection[str]) -> None:
    """Note the studies and patients of these keys as forgotten, so that no build takes them in again unasked."""
    rows = [(forgotten_mark(one),) for one in pseudonyms]
    connection.executemany("INSERT OR IGNORE INTO forgotten VALUES (?)", rows)


def _readmit(connection: sqlite3.Connection, pseudonyms: Collection[str]) -> None:
    """Take from the forgotten what is in the index again."""
    rows = [(forgotten_mark(one),) for one in pseudonyms if one]
    connection.executemany("DELETE FROM forgotten WHERE mark = ?", rows)


def _insert_series(connection: sqlite3.Connection, packed: PackedStudy, study: int, segment: int) -> None:
    for ordinal, series in enumerate(packed.record.series):
        row = connection.execute(
            "INSERT INTO series (study, ordinal, key, modality, body_part, description, unit, shape, spacing, "
            "provenance) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(study, ordinal, series.key, series.modality, series.body_part, series.description, series.unit),
                *(_json(list(series.shape)), _json(series.spacing), _json(dict(series.provenance))),
            ),
        ).lastrowid
        views = [
            (study, row, v.name, segment, v.row, v.start, v.count, v.z, v.position)
            for v in packed.views
            if v.series == ordinal
        ]
        connection.executemany(
            "INSERT INTO views (study, series, name, segment, row, start, count, z, position) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            views,
        )


def _insert_sentences(connection: sqlite3.Connection, packed: PackedStudy, study: int, segment: int) -> None:
    for ordinal, text in enumerate(packed.record.sentences):
        sentence = connection.execute(
            "INSERT INTO sentences (study, ordinal, segment, row, text) VALUES (?, ?, ?, ?, ?)",
            (study, ordinal, segment, packed.first_sentence + ordinal, text),
        ).lastrowid
        connection.execute("INSERT INTO words (rowid, body) VALUES (?, ?)", (sentence, index_words(text)))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
