"""Find every study under some paths from file headers alone, and hand them out one at a time, in key order.

What is found goes to a scratch database on disk, so a million files cost no memory; key order makes a build the same
however the files lie and whatever their names are.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from radseek.retrieval.errors import Reason, StorageError, UsageError
from radseek.retrieval.imaging.isolated_scan import scan_apart
from radseek.retrieval.imaging.scan import FileHeader, content_hash
from radseek.retrieval.imaging.zip_members import MEMBER_MARK, split_member
from radseek.retrieval.path_text import shown_path
from radseek.retrieval.privacy.pseudonyms import keyed_hash
from radseek.retrieval.targets import with_first_file
from radseek.retrieval.types import Skipped

__all__ = ["FoundStudy", "discover", "found_studies", "relative_to"]

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FoundStudy:
    """One study's files, before any pixel is read.

    `key` is its pseudonym, `stamp` a keyed hash of its instances: the same files give the same stamp wherever they
    lie. `names` are what a report may call it: UID, accession number, and its paths, relative and absolute.
    Both are as they are printed (`shown_path`), and so is `source_path`. `copies` are other paths with the same content
    (NIfTI and pictures). `seen` is a hash of the files' sizes and times, wherever they lie: while it is the same, they
    need not be read again; "" where `stamp` is of their content already.
    """

    key: str
    stamp: str
    headers: tuple[FileHeader, ...]
    source_path: str
    names: tuple[str, ...]
    copies: tuple[str, ...]
    seen: str = ""


def discover(
    sources: Iterable[Path],
    database: sqlite3.Connection,
    key: bytes,
    *,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Skipped]:
    """Fill the scratch database with every file under `sources`; yield what is no image, as it is met.

    Raises `UsageError` for a source that does not exist.
    """
    count = 0
    for source in sources:
        if not source.exists() and split_member(source) is None:
            raise UsageError(f"{source} does not exist; give a file or folder with DICOM, NIfTI, PNG or JPEG")
        for found in scan_apart(source):
            count += 1
            line = found if isinstance(found, Skipped) else _note(database, found, source, key)
            if line is not None:
                yield line
            if progress is not None:
                progress(count)
    database.execute("CREATE INDEX IF NOT EXISTS files_by_study ON files (study, path)")
    _name_all(database)
    database.commit()
    _log.info("%d files looked at", count)


def found_studies(database: sqlite3.Connection, key: bytes) -> Iterator[FoundStudy]:
    """Yield the studies that `discover` found, in key order."""
    groups = database.execute("SELECT DISTINCT study FROM files ORDER BY study")
    for (study,) in groups:
        rows = database.execute(
            "SELECT path, source, header, stamp FROM files WHERE study = ? ORDER BY path", (study,)
        ).fetchall()
        yield _study(study, rows, key, _shown_name(database, study))


def _note(database: sqlite3.Connection, header: FileHeader, source: Path, key: bytes) -> Skipped | None:
    """Write one file down; return a line where its bytes cannot be read after all."""
    try:
        stamp = (header.sop_uid if header.study_uid else "") or content_hash([header.path])
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        rule = f"{Path(header.path).name}: cannot be read ({error.strerror}); copy it again"
        return Skipped(header.path, Reason.BAD_HEADER, rule)
    if header.study_uid:
        group = keyed_hash(key, "study", header.study_uid)
    else:
        # Files without any UID are one study where their content is one; DICOM without a study's UID goes by series.
        group = f"series:{header.series_uid}" if header.series_uid else keyed_hash(key, "content", stamp)
    database.execute(
        "INSERT INTO files (study, path, source, header, stamp) VALUES (?, ?, ?, ?, ?)",
        (group, os.fsencode(header.path), os.fsencode(source), pickle.dumps(header), stamp),
    )
    return None


def _study(study: str, rows: list[tuple[bytes, bytes, bytes, str]], key: bytes, shown: str) -> FoundStudy:
    # The scratch database is ours, private and minutes old: its pickles are our own headers.
    headers = {os.fsdecode(row[0]): pickle.loads(row[2]) for row in rows}  # noqa: S301
    first: FileHeader = next(iter(headers.values()))
    paths = list(headers)
    by_content = not first.study_uid and not first.series_uid
    if study.startswith("series:"):
        study = keyed_hash(key, "content", content_hash(paths))
    relative = [_relative(os.fsdecode(row[0]), [Path(os.fsdecode(row[1]))]) for row in rows]
    stamps = sorted({row[3] for row in rows})
    digest = hashlib.sha256("\n".join(stamps).encode()).hexdigest()
    return FoundStudy(
        key=study,
        stamp=keyed_hash(key, "files", digest),
        headers=(first,) if by_content else tuple(headers.values()),
        source_path=shown,
        names=_names(first, relative, paths),
        copies=tuple(paths[1:]) if by_content else (),
        seen=_seen(paths) if first.study_uid else "",
    )


def _name_all(database: sqlite3.Connection) -> None:
    """Write down where each study lies: its file, or the folder that holds all of its files, and its first file."""
    database.execute("DELETE FROM names")
    for (study,) in database.execute("SELECT DISTINCT study FROM files"):
        rows = database.execute("SELECT path, source FROM files WHERE study = ? ORDER BY path", (study,)).fetchall()
        source = Path(os.fsdecode(rows[0][1]))
        relative = [_relative(os.fsdecode(path), [Path(os.fsdecode(of))]) for path, of in rows]
        shown = relative[0] if len(set(relative)) == 1 else _common(relative)
        named, first = source.name or source.resolve().name, relative[0].removeprefix(f"{shown}/")
        row = (study, shown_path(named), shown_path(named if shown == "." else shown), shown_path(first))
        database.execute("INSERT INTO names VALUES (?, ?, ?, ?)", row)
    database.execute("CREATE INDEX IF NOT EXISTS names_by_shown ON names (shown)")


def _shown_name(database: sqlite3.Connection, study: str) -> str:
    """Return what a study is called, never as another of the same build: by its source, its first file, or both."""
    row = database.execute("SELECT source, shown, first FROM names WHERE study = ?", (study,)).fetchone()
    source, shown, first = row
    alike = database.execute("SELECT source FROM names WHERE shown = ?", (shown,)).fetchall()
    name = f"{source}/{shown}" if len(set(alike)) > 1 and source != shown else shown
    return with_first_file(name, first) if alike.count((source,)) > 1 else name


def _seen(paths: Iterable[str]) -> str:
    """Return a hash of the files' sizes and times; "" where one cannot be looked at. A zip stands for its members."""
    found = []
    for path in paths:
        inside = split_member(Path(path))
        try:
            status = os.stat(path if inside is None else inside[0])
        except OSError:
            return ""
        found.append(f"{status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()


def relative_to(path: str, sources: Iterable[Path]) -> str:
    """Return a path as seen from the source it lies under, whole where it lies under none, as it is printed."""
    return shown_path(_relative(path, sources))


def _relative(path: str, sources: Iterable[Path]) -> str:
    for source in sources:
        if Path(path) == source:
            return source.name
        if Path(path).is_relative_to(source):
            return str(Path(path).relative_to(source))
        if path.startswith(f"{source}{MEMBER_MARK}"):
            return source.name + path.removeprefix(str(source))
    return path


def _common(relative: list[str]) -> str:
    """Return the deepest folder that holds all of a study's files (`.` where that is the source itself)."""
    parents = [Path(path).parent.parts for path in relative]
    depth = 0
    while all(len(parts) > depth for parts in parents) and len({parts[depth] for parts in parents}) == 1:
        depth += 1
    return str(Path(*parents[0][:depth])) if depth else "."


def _names(first: FileHeader, relative: list[str], paths: list[str]) -> tuple[str, ...]:
    # Never a bare file name: "1.dcm" is in every folder, and a report must not reach another patient.
    names = [first.study_uid, first.accession, *relative, *paths, *(str(Path(path).resolve()) for path in paths)]
    if first.study_uid:
        folder = _common(relative)
        names.extend([folder] if folder != "." else [])
        names.append(str(Path(os.path.commonpath([Path(path).resolve().parent for path in paths]))))
    return tuple(dict.fromkeys(shown_path(name) for name in names if name))
