"""Segments: immutable folders of vectors, written aside, synced, then renamed into place."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import IndexDamagedError, IndexFolderError
from retrieval.storage import writing_to

__all__ = ["ARRAYS", "Segment", "SegmentInfo", "clean_orphans", "segment_bytes", "sync_folder", "write_segment"]

ARRAYS = ("slices", "views", "sentences")
_DTYPE = np.dtype("<f2")
# NumPy reads an array's header with `ast`, which in CPython 3.11 fails now and then in several threads at once.
_HEADERS = threading.Lock()
_HEAD = 4096  # bytes of an array's head, as a disk's block


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """What the catalogue knows of a segment: rows of each array, and each file's SHA-256 and bytes."""

    number: int
    rows: Mapping[str, int]
    files: Mapping[str, tuple[str, int]]

    @property
    def folder_name(self) -> str:
        """Return the folder's name, six digits."""
        return f"{self.number:06d}"


def write_segment(root: Path, number: int, dim: int, parts: Mapping[str, Sequence[NDArray[np.float16]]]) -> SegmentInfo:
    """Write a segment's arrays, each the concatenation of its `(n, dim)` parts, so that all of it is there or none.

    The folder has its final name only when every file is on disk; nothing refers to it until the catalogue does.
    Raises `StorageError` where the disk is full or may not be written.
    """
    draft = root / f".draft-{number:06d}"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        with writing_to(root, segment_bytes(parts)):
            draft.mkdir(parents=True)
            info = _write_draft(draft, number, dim, parts)
            os.rename(draft, root / info.folder_name)
            sync_folder(root)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)  # a full disk needs its room back
        raise
    return info


def segment_bytes(parts: Mapping[str, Sequence[NDArray[np.float16]]]) -> int:
    """Return how many bytes a segment of these parts has, in round figures."""
    return sum(part.nbytes for arrays in parts.values() for part in arrays) + len(ARRAYS) * _HEAD


def _write_draft(draft: Path, number: int, dim: int, parts: Mapping[str, Sequence[NDArray[np.float16]]]) -> SegmentInfo:
    rows: dict[str, int] = {}
    files: dict[str, tuple[str, int]] = {}
    for name in ARRAYS:
        array = np.concatenate([np.zeros((0, dim), _DTYPE), *parts.get(name, ())]).astype(_DTYPE, copy=False)
        rows[name] = len(array)
        files[_file_name(name)] = _write_array(draft / _file_name(name), array)
    sync_folder(draft)
    return SegmentInfo(number, rows, files)


def sync_folder(folder: Path) -> None:
    """Make a folder's own entries durable; Windows has no way to open a folder, and writes a rename through itself."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clean_orphans(root: Path, known: set[str]) -> list[str]:
    """Delete segment folders that no catalogue row names (a writer was killed) and return their names."""
    orphans = sorted(p.name for p in root.iterdir() if p.name not in known) if root.is_dir() else []
    for name in orphans:
        shutil.rmtree(root / name, ignore_errors=True)
    return orphans


class Segment:
    """One segment, opened for reading. Sizes are checked now, hashes before an array is first used."""

    def __init__(self, root: Path, info: SegmentInfo, dim: int) -> None:
        self.info = info
        self._dim = dim
        self._folder = root / info.folder_name
        self._arrays: dict[str, NDArray[np.float16]] = {}
        for name in ARRAYS:
            self._check_size(name)

    def array(self, name: str) -> NDArray[np.float16]:
        """Return `slices`, `views` or `sentences`, memory-mapped `(rows, dim)`; its hash is checked once.

        Raises `IndexDamagedError` where the file is not the one that was written.
        """
        if name not in self._arrays:
            self.check_hash(name)
            self._arrays[name] = self._load(name)
        return self._arrays[name]

    def check_hash(self, name: str) -> None:
        """Raise `IndexDamagedError` unless the file's SHA-256 is the recorded one."""
        path = self._folder / _file_name(name)
        with _opened(path) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != self.info.files[path.name][0]:
            raise _damaged(path, "its SHA-256 is not the one recorded when it was written")

    def _check_size(self, name: str) -> None:
        path = self._folder / _file_name(name)
        with _opened(path) as file:
            found = os.fstat(file.fileno()).st_size
            expected = self.info.files[path.name][1]
            if found != expected:
                raise _damaged(path, f"it has {found} bytes instead of {expected}")
            try:
                version = np.lib.format.read_magic(file)
                if version != (1, 0):
                    raise ValueError(f"format {version}")
                with _HEADERS:
                    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
            except (ValueError, EOFError) as error:
                raise _damaged(path, f"its header cannot be read ({error})") from error
        if (shape, fortran, dtype) != ((self.info.rows[name], self._dim), False, _DTYPE):
            raise _damaged(path, f"it holds {dtype} {shape} instead of {(self.info.rows[name], self._dim)}")

    def _load(self, name: str) -> NDArray[np.float16]:
        path = self._folder / _file_name(name)
        if self.info.rows[name] == 0:  # nothing to map
            return np.zeros((0, self._dim), _DTYPE)
        try:
            with _HEADERS:
                array: NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise _damaged(path, str(error)) from error
        return array


class _Hashing:
    """A file being written whose bytes are hashed as they pass."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self.bytes += len(data)
        return self._file.write(data)


def _write_array(path: Path, array: NDArray[np.float16]) -> tuple[str, int]:
    with path.open("wb") as file:
        hashing = _Hashing(file)
        np.lib.format.write_array(hashing, array, version=(1, 0), allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    return hashing.digest.hexdigest(), hashing.bytes


def _file_name(name: str) -> str:
    return f"{name}.f16.npy"


def _opened(path: Path) -> BufferedReader:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise IndexDamagedError(
            f"{path} is missing; if the index was compacted meanwhile, open it again, else restore it from a copy."
        ) from None
    except OSError as error:
        raise IndexFolderError(f"{path} cannot be read ({error.strerror}).") from error


def _damaged(path: Path, what: str) -> IndexDamagedError:
    return IndexDamagedError(f"{path} is damaged: {what}; restore it from a copy or build the index again.")
