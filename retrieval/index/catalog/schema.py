"""The catalogue's tables, as SQL, the number of their format, and how older formats become this one."""

from __future__ import annotations

__all__ = ["FORMAT", "READABLE", "SCHEMA", "UPGRADES", "VISIBLE"]

FORMAT = 3
READABLE = (1, 2, 3)  # a writer makes an older one this one as it opens it

# A row is there for a reader pinned to generation :generation if it was added by then and not removed by then.
VISIBLE = "s.added <= :generation AND (s.removed IS NULL OR s.removed > :generation)"

_FOLDERS = """
CREATE TABLE folders (               -- folders of `segments/`; a number is never given twice
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    slices INTEGER NOT NULL, views INTEGER NOT NULL, sentences INTEGER NOT NULL,
    files TEXT NOT NULL,             -- JSON: file name -> [SHA-256, bytes]
    sums BLOB NOT NULL,              -- CRC-32 of each block of rows, uint32 little-endian; empty before format 3
    digest BLOB                      -- of the row; NULL before format 2
);
"""

SCHEMA = f"""
PRAGMA user_version = {FORMAT};

CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

{_FOLDERS}
CREATE TABLE segments (              -- what one commit wrote; in a folder they follow each other by number
    number INTEGER PRIMARY KEY,      -- its first folder's
    slices INTEGER NOT NULL, views INTEGER NOT NULL, sentences INTEGER NOT NULL,
    folder INTEGER REFERENCES folders
);
CREATE INDEX segments_folder ON segments (folder);

CREATE TABLE studies (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL, patient TEXT NOT NULL,
    added INTEGER NOT NULL, removed INTEGER,   -- generations
    sex TEXT, age INTEGER, year INTEGER, manufacturer TEXT, site TEXT,
    attributes TEXT NOT NULL, report TEXT NOT NULL,
    digest BLOB,                     -- of what the study says: its row, series and sentences; NULL before format 2
    views_digest BLOB,               -- of where its views lie
    words_digest BLOB                -- of its words in the keyword index
);
CREATE UNIQUE INDEX studies_live ON studies (key) WHERE removed IS NULL;
CREATE INDEX studies_key ON studies (key);
CREATE INDEX studies_patient ON studies (patient);

CREATE TABLE series (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    study INTEGER NOT NULL REFERENCES studies ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    key TEXT NOT NULL, modality TEXT NOT NULL, body_part TEXT NOT NULL, description TEXT NOT NULL,
    unit TEXT NOT NULL, shape TEXT NOT NULL, spacing TEXT, provenance TEXT NOT NULL
);
CREATE INDEX series_study ON series (study);
CREATE INDEX series_kind ON series (modality, body_part);

CREATE TABLE views (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    study INTEGER NOT NULL REFERENCES studies ON DELETE CASCADE,
    series INTEGER NOT NULL REFERENCES series ON DELETE CASCADE,
    name TEXT NOT NULL,
    segment INTEGER NOT NULL REFERENCES segments,
    row INTEGER NOT NULL,            -- of the segment's views
    start INTEGER NOT NULL, count INTEGER NOT NULL,   -- of the segment's slices
    z BLOB NOT NULL,                 -- int32 little-endian, one a slice
    position BLOB NOT NULL           -- float64 little-endian LPS mm, three a slice; empty without geometry
);
CREATE INDEX views_study ON views (study);
CREATE INDEX views_series ON views (series);
CREATE UNIQUE INDEX views_place ON views (segment, row);

CREATE TABLE sentences (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    study INTEGER NOT NULL REFERENCES studies ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    segment INTEGER NOT NULL REFERENCES segments,
    row INTEGER NOT NULL,            -- of the segment's sentences
    text TEXT NOT NULL
);
CREATE INDEX sentences_study ON sentences (study);
CREATE UNIQUE INDEX sentences_place ON sentences (segment, row);

CREATE TABLE forgotten (mark BLOB PRIMARY KEY) WITHOUT ROWID;   -- `keys.forgotten_mark` of studies and patients

CREATE VIRTUAL TABLE words USING fts5(body, tokenize = 'porter unicode61');
"""

# Statements that make a catalogue of a format one of the next. They run in one transaction.
UPGRADES: dict[int, tuple[str, ...]] = {
    1: (
        "ALTER TABLE studies ADD COLUMN digest BLOB",
        "ALTER TABLE studies ADD COLUMN views_digest BLOB",
        "ALTER TABLE studies ADD COLUMN words_digest BLOB",
        "ALTER TABLE segments ADD COLUMN digest BLOB",
        "CREATE TABLE forgotten (mark BLOB PRIMARY KEY) WITHOUT ROWID",
    ),
    2: (
        _FOLDERS,
        "INSERT INTO folders SELECT number, slices, views, sentences, files, x'', digest FROM segments",
        "ALTER TABLE segments ADD COLUMN folder INTEGER REFERENCES folders",
        "UPDATE segments SET folder = number",
        "ALTER TABLE segments DROP COLUMN files",
        "ALTER TABLE segments DROP COLUMN digest",
        "CREATE INDEX segments_folder ON segments (folder)",
    ),
}
