"""A shard's folder: an index of its own, its linkage, and `_SUCCESS`, which is there once both are whole.

    archive.index.shards/00003-of-00064/shard.index/            an index as any other
                                        shard.linkage.sqlite    0600
                                        _SUCCESS                0600: what was asked and done, and hashes of all

`_SUCCESS` is written last, whole or not at all; a shard without it is written on by the same command.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from radseek.index_builder.build import BuildReport
from radseek.index_builder.shards.shard import Shard
from radseek.retrieval.disk_errors import writing_to
from radseek.retrieval.errors import IndexDamagedError, Reason, UsageError
from radseek.retrieval.index.segments.segment_folders import sync_folder
from radseek.retrieval.index.writer_lock import LOCK
from radseek.retrieval.types import Skipped

__all__ = ["SUCCESS", "FinishedShard", "clear_success", "read_finished", "shard_folder", "shard_index", "write_success"]

SUCCESS: Final = "_SUCCESS"
_FORMAT: Final = 1
_PASSING: Final = ("-wal", "-shm", ".draft")  # of SQLite while somebody reads, and of a write that was cut short


@dataclass(frozen=True, slots=True)
class FinishedShard:
    """What `_SUCCESS` says: which shard, a keyed hash of what was asked, the encoder's hashes, the report."""

    folder: Path
    shard: Shard
    asked: str
    encoder: Mapping[str, str]
    report: Mapping[str, Any]

    @property
    def skipped(self) -> list[Skipped]:
        """Return the inputs that were not used."""
        return [Skipped(one["path"], Reason(one["reason_code"]), one["message"]) for one in self.report["skipped"]]


def shard_folder(index: Path, shard: Shard) -> Path:
    """Return where a shard of an index is written: in `archive.index.shards` beside `archive.index`."""
    return index.with_name(f"{index.name}.shards") / shard.folder_name


def shard_index(folder: Path) -> Path:
    """Return the index in a shard's folder."""
    return folder / "shard.index"


def write_success(folder: Path, shard: Shard, asked: str, report: BuildReport) -> None:
    """Say that a shard's index, which is closed, is whole: with the hash of every file."""
    spec = report.encoder
    document = {
        "format": _FORMAT,
        "shard": str(shard),
        "asked": asked,
        "encoder": {name: spec[name] for name in ("imaging_hash", "towers_hash", "pooling_hash")},
        "report": report.to_dict(),
        "files": {name: _sha256(folder / name) for name in _files(folder)},
    }
    draft = folder / f"{SUCCESS}.draft"
    with writing_to(folder):
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, folder / SUCCESS)
        sync_folder(folder)


def clear_success(folder: Path) -> None:
    """Take `_SUCCESS` away before anything of the shard is changed."""
    if (folder / SUCCESS).exists():
        with writing_to(folder):
            (folder / SUCCESS).unlink(missing_ok=True)
            sync_folder(folder)


def read_finished(folder: Path) -> FinishedShard | None:
    """Return what a shard's `_SUCCESS` says, None where there is none: the shard is not finished.

    Raises `UsageError` where the folder is no shard at all, `IndexDamagedError` where a file is not what was written.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no shard's folder; `radseek build SOURCE --index DIR --shard 1/64` writes one.")
    file = folder / SUCCESS
    if not file.is_file():
        return None
    try:
        said = json.loads(file.read_text("utf8"))
        found = FinishedShard(
            folder, Shard.parse(said["shard"]), said["asked"], dict(said["encoder"]), dict(said["report"])
        )
        files = {str(name): str(digest) for name, digest in said["files"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(folder, f"{SUCCESS} cannot be read") from error
    for name in sorted({*files, *_files(folder)}):
        if not (folder / name).is_file() or _sha256(folder / name) != files.get(name):
            raise _damaged(folder, f"{name} is not what was written")
    return found


def _damaged(folder: Path, what: str) -> IndexDamagedError:
    return IndexDamagedError(f"The shard in {folder} is damaged: {what}; delete that folder and build the shard again.")


def _files(folder: Path) -> Iterator[str]:
    """Yield the shard's files, relative to its folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in (SUCCESS, LOCK) and not path.name.endswith(_PASSING):
            yield path.relative_to(folder).as_posix()


def _sha256(file: Path) -> str:
    with writing_to(file), file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
