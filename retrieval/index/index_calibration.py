"""The calibration that a user's labels gave one index, kept inside it: one small file, written whole or not at all.

    archive.index/calibration.json

It lies inside and not beside, as the pooling's adapter does and the linkage does not: it names nobody, and it says what
these vectors' margins are worth, so it goes wherever they go, to a copy, an archive or a read-only disk. The catalogue
knows nothing of it: an index without one is whole, and whoever takes the file away has uncalibrated scores again. Its
own hash lies in it, so a changed byte is found on opening and by `verify`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from radseek.retrieval.disk_errors import is_limit, storage_error, writing_to
from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.errors import IndexDamagedError
from radseek.retrieval.index.sealed_document import read_sealed, sealed
from radseek.retrieval.index.segments.segment_folders import sync_folder
from radseek.retrieval.index.writer_lock import locked

__all__ = [
    "CALIBRATION_FILE",
    "Entries",
    "Stamp",
    "calibration_problems",
    "calibration_stamp",
    "index_hashes",
    "keep_calibration",
    "read_calibration",
]

CALIBRATION_FILE = "calibration.json"
_KIND, _FORMAT = "calibration of a radseek index", 1
_REMEDY = "fit it again with `radseek calibrate`, or take the file away: scores then carry no probability of its"

Entries = list[dict[str, Any]]
Stamp = tuple[int, int, int]  # inode, bytes, time


def index_hashes(spec: EncoderSpec) -> dict[str, str]:
    """Return the three hashes by which vectors, and what was fitted on them, are told from others."""
    return {"imaging": spec.imaging_hash, "towers": spec.towers_hash, "pooling": spec.pooling_hash}


def read_calibration(index: Path) -> dict[str, Any] | None:
    """Return an index's calibration, `hashes` and `entries`; None where it has none.

    Raises `IndexDamagedError` where the file is not what was written.
    """
    file = index / CALIBRATION_FILE
    try:
        return read_sealed(file, _KIND, _FORMAT)
    except FileNotFoundError:
        return None
    except OSError as error:
        if is_limit(error):
            raise storage_error(error, index) from error
        raise IndexDamagedError(f"{file} cannot be read ({error}); {_REMEDY}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexDamagedError(f"{file} is not what was written ({error}); {_REMEDY}.") from error


def keep_calibration(index: Path, spec: EncoderSpec, change: Callable[[Entries], Sequence[dict[str, Any]]]) -> None:
    """Write the entries that `change` makes of those that are kept, under the writer's lock.

    Entries of another encoder or pooling than `spec`, and those of a damaged file, are not handed on. Raises
    `IndexBusyError` where another process writes.
    """
    with locked(index) as lock:
        hashes = index_hashes(spec)
        try:
            kept = read_calibration(index)
        except IndexDamagedError:
            kept = None
        before = kept["entries"] if kept is not None and kept["hashes"] == hashes else []
        _write(index, sealed(_KIND, _FORMAT, {"hashes": hashes, "entries": list(change(before))}))
    lock.release()


def calibration_stamp(index: Path) -> Stamp:
    """Return what tells a file of calibration from the next one, without reading it; zeros where there is none."""
    try:
        found = (index / CALIBRATION_FILE).stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def calibration_problems(index: Path) -> list[str]:
    """Return what is wrong with an index's calibration, for `verify`."""
    try:
        read_calibration(index)
    except IndexDamagedError as error:
        return [str(error)]
    return []


def _write(index: Path, document: dict[str, Any]) -> None:
    draft = index / f".{CALIBRATION_FILE}.draft"
    with writing_to(index):
        with draft.open("w", encoding="utf8") as file:
            json.dump(document, file, indent=1, ensure_ascii=False, allow_nan=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, index / CALIBRATION_FILE)
        sync_folder(index)
