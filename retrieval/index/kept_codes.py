"""The codes of an index's view vectors on disk: derived, checked by hash, and never needed for a right answer.

    archive.index/ann/codes.json          what there is, with a hash of its own
    archive.index/ann/<SHA-256>.codes     of one view name: FAISS's codes, then the view's row ids as int64

A file's name is its hash, so a new one never overwrites one that is read, and the list is replaced last. Row ids are
given anew only where studies are deleted from the catalogue, so codes count for the compaction they were made after,
and a few of their rows' CRC-32 tell an index that was restored from a copy. A file that is missing or changed is not
used: answers are then exact, `verify` says so, and `radseek compact` makes the codes again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.disk_errors import writing_to
from radseek.retrieval.index.sealed_document import read_sealed, sealed
from radseek.retrieval.index.segments.segment_folders import sync_folder
from radseek.retrieval.index.vectors.approximate_search import Codes

__all__ = [
    "CODES",
    "KeptCodes",
    "ViewCodes",
    "code_problems",
    "codes_file",
    "drop_codes",
    "load_codes",
    "read_codes",
    "row_sums",
    "tidy_codes",
    "write_codes",
]

CODES: Final = "ann"
_LIST: Final = "codes.json"
_KIND, _FORMAT = "codes of a radseek index", 1
_SUMMED: Final = 64  # rows whose CRC-32 is kept, the first and the last among them


@dataclass(frozen=True, slots=True)
class ViewCodes:
    """What the list says of one view name.

    `sha256`: the file's, "" where codes that were tried lose too many neighbours, so that exact search stays.
    `columns`: how many columns a code stands for; `factor`: candidates for each neighbour; `recall`: the share of ten
    neighbours found, by kind of question; `sums`: CRC-32 of some rows.
    """

    view: str
    generation: int
    compacted: int
    rows: int
    dim: int
    columns: int
    factor: int
    recall: Mapping[str, float]
    text_from: str  # sentences, or drawn where the index has none with vectors
    sha256: str
    bytes: int
    sums: tuple[int, ...]

    @property
    def in_use(self) -> bool:
        """Say whether there are codes at all."""
        return bool(self.sha256)

    def to_dict(self) -> dict[str, Any]:
        """Return the part of it that `radseek info --json` prints."""
        names = ("view", "generation", "rows", "columns", "factor", "recall", "text_from", "bytes")
        return {"in_use": self.in_use, **{name: getattr(self, name) for name in names}}

    def sentence(self) -> str:
        """Return it in words."""
        found = ", ".join(f"{value:.3f} for {kind}s" for kind, value in sorted(self.recall.items())) or "none"
        if not self.in_use:
            return f"compared in full: codes would find too few of ten neighbours ({found})"
        each = self.bytes / max(self.rows, 1)
        return (
            f"{self.rows} begin with 4-bit codes of {self.columns} columns, {each:.0f} bytes a view (generation "
            f"{self.generation}); of ten neighbours found: {found}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class KeptCodes:
    """The codes of one view name as they were read, and the row id of each."""

    about: ViewCodes
    codes: Codes
    ids: NDArray[np.int64]


def read_codes(index: Path) -> dict[str, ViewCodes]:
    """Return the list, by view name; empty without one. Raises `ValueError` where it is not what was written."""
    file = index / CODES / _LIST
    try:
        document = read_sealed(file, _KIND, _FORMAT)
        views = [ViewCodes(**{**one, "sums": tuple(one["sums"])}) for one in document["views"]]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file} cannot be used ({error})") from error
    return {one.view: one for one in views}


def load_codes(index: Path, about: ViewCodes) -> KeptCodes:
    """Return codes whose file is what was written, held in memory. Raises `ValueError` where it is not."""
    file = _file(index, about.sha256)
    try:
        data = np.fromfile(file, np.uint8)
    except OSError as error:
        raise ValueError(f"{file} cannot be read ({error})") from error
    if hashlib.sha256(data.data).hexdigest() != about.sha256 or len(data) < 8 * about.rows:
        raise ValueError(f"{file} is not what was written")
    end = len(data) - 8 * about.rows
    ids = np.frombuffer(data[end:].tobytes(), "<i8").astype(np.int64)
    return KeptCodes(about, Codes.from_bytes(data[:end], about.rows, about.dim), ids)


def write_codes(index: Path, views: Sequence[ViewCodes], made: Mapping[str, NDArray[np.uint8]]) -> None:
    """Replace the list by `views`, of which `made` are the new files by their SHA-256; files of no list go last.

    Callers hold the writer's lock.
    """
    folder = index / CODES
    with writing_to(index, sum(data.nbytes for data in made.values())):
        folder.mkdir(exist_ok=True)
        for sha256, data in made.items():
            _replace(_file(index, sha256), data.tobytes())
        document = sealed(_KIND, _FORMAT, {"views": [asdict(one) for one in views]})
        _replace(folder / _LIST, (json.dumps(document, indent=1, allow_nan=False) + "\n").encode())
        _delete_strays(folder, views)
        sync_folder(index)


def drop_codes(index: Path) -> None:
    """Delete all codes from disk, the list first."""
    folder = index / CODES
    if folder.exists():
        with writing_to(index):
            (folder / _LIST).unlink(missing_ok=True)
            sync_folder(folder)
            shutil.rmtree(folder)
            sync_folder(index)


def tidy_codes(index: Path, compacted: int) -> None:
    """Delete what a killed writer left, and all codes where some are not of the last compaction, `compacted`.

    A radseek that knows nothing of codes may have compacted. Callers hold the writer's lock.
    """
    folder = index / CODES
    try:
        listed = read_codes(index)
    except ValueError:  # `verify` says so
        return
    if not listed or any(one.compacted != compacted for one in listed.values()):
        drop_codes(index)
    else:
        _delete_strays(folder, listed.values())


def code_problems(index: Path) -> list[str]:
    """Return what is wrong with the files, for `verify`."""
    try:
        for about in read_codes(index).values():
            if about.in_use:
                load_codes(index, about)
    except ValueError as error:
        return [f"{error}; answers are exact without it, and `radseek compact` makes it again"]
    return []


def row_sums(count: int) -> NDArray[np.int64]:
    """Return which of `count` rows have their CRC-32 kept."""
    return np.unique(np.linspace(0, count - 1, min(count, _SUMMED)).astype(np.int64))


def codes_file(codes: Codes, ids: NDArray[np.int64]) -> tuple[str, NDArray[np.uint8]]:
    """Return the SHA-256 and the content of the file of these codes."""
    data = np.concatenate([codes.to_bytes(), np.frombuffer(ids.astype("<i8").tobytes(), np.uint8)])
    return hashlib.sha256(data.data).hexdigest(), data


def _delete_strays(folder: Path, views: Iterable[ViewCodes]) -> None:
    for name in {path.name for path in folder.iterdir()} - {_LIST, *(f"{one.sha256}.codes" for one in views)}:
        (folder / name).unlink()


def _file(index: Path, sha256: str) -> Path:
    return index / CODES / f"{sha256}.codes"


def _replace(file: Path, data: bytes) -> None:
    draft = file.with_name(f".{file.name}.draft")
    with draft.open("wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())
    os.replace(draft, file)
    sync_folder(file.parent)
