"""Segment folders: immutable folders of vectors, written aside, synced, then renamed into place.

A folder is mapped when it is opened, without holding a descriptor, so that a process's limit of open files does not
bound an index, and a reader goes on with what it has opened where a writer merges and deletes the folder.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from tokenize import TokenError

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radseek.retrieval.disk_errors import storage_error, writing_to
from radseek.retrieval.errors import IndexDamagedError, RadseekError
from radseek.retrieval.index.segments.mapped_memory import give_back

__all__ = ["ARRAYS", "Segment", "SegmentInfo", "clean_orphans", "segment_bytes", "sync_folder", "write_segment"]

ARRAYS = ("slices", "views", "sentences")
_DTYPE = np.dtype("<f2")
# NumPy reads an array's header with `ast`, which in CPython 3.11 fails now and then in several threads at once.
_HEADERS = threading.Lock()
# And whatever its parser says of one that is no Python.
_NO_HEADER = (ValueError, TypeError, EOFError, SyntaxError, TokenError, RecursionError, MemoryError)
_HEAD = 4096  # bytes of an array's head, as a disk's block
_BLOCK = 256  # rows that one CRC-32 is of: what is checked, at some 2 GB/s, before its first row is used
_CHUNK = 64 * _BLOCK  # rows held in memory while an array is written


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """What the catalogue knows of a folder: rows of each array, each file's SHA-256 and bytes, and its blocks' CRC-32.

    `sums`: uint32 little-endian, array after array; empty in a folder of format 1 or 2.
    """

    number: int
    rows: Mapping[str, int]
    files: Mapping[str, tuple[str, int]]
    sums: bytes = b""

    @property
    def folder_name(self) -> str:
        """Return the folder's name, six digits."""
        return f"{self.number:06d}"

    @property
    def bytes(self) -> int:
        """Return the bytes of its files."""
        return sum(size for _, size in self.files.values())


def write_segment(root: Path, number: int, dim: int, parts: Mapping[str, Sequence[NDArray[np.float16]]]) -> SegmentInfo:
    """Write a folder's arrays, each the concatenation of its `(n, dim)` parts, so that all of it is there or none.

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
    """Return how many bytes a folder of these parts has, in round figures."""
    return sum(part.nbytes for arrays in parts.values() for part in arrays) + len(ARRAYS) * _HEAD


def _write_draft(draft: Path, number: int, dim: int, parts: Mapping[str, Sequence[NDArray[np.float16]]]) -> SegmentInfo:
    rows: dict[str, int] = {}
    files: dict[str, tuple[str, int]] = {}
    sums = b""
    for name in ARRAYS:
        arrays = parts.get(name, ())
        rows[name] = sum(len(array) for array in arrays)
        sha, size, of_blocks = _write_array(draft / _file_name(name), dim, arrays)
        files[_file_name(name)] = (sha, size)
        sums += of_blocks
    sync_folder(draft)
    return SegmentInfo(number, rows, files, sums)


def _write_array(path: Path, dim: int, parts: Sequence[NDArray[np.float16]]) -> tuple[str, int, bytes]:
    """Write one array; return the file's SHA-256 and bytes, and its blocks' CRC-32."""
    head = _header(sum(len(part) for part in parts), dim)
    digest, sums = hashlib.sha256(head), []
    with path.open("wb") as file:
        file.write(head)
        for rows in _chunks(parts):
            digest.update(rows.data)
            sums += [zlib.crc32(rows[start : start + _BLOCK].data) for start in range(0, len(rows), _BLOCK)]
            file.write(rows.data)
        size = file.tell()
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest(), size, np.asarray(sums, "<u4").tobytes()


def _chunks(parts: Sequence[NDArray[np.float16]]) -> Iterator[NDArray[np.float16]]:
    """Yield the parts' rows as arrays of `_CHUNK` rows, and what is left at the end."""
    waiting: list[NDArray[np.float16]] = []
    count = 0
    for part in parts:
        for start in range(0, len(part), _CHUNK):
            waiting.append(part[start : start + _CHUNK])
            count += len(waiting[-1])
            if count >= _CHUNK:
                rows = np.concatenate(waiting).astype(_DTYPE, copy=False)
                yield rows[:_CHUNK]
                waiting, count = [rows[_CHUNK:]], count - _CHUNK
    if count:
        yield np.concatenate(waiting).astype(_DTYPE, copy=False)


def _header(rows: int, dim: int) -> bytes:
    """Return the head of an NPY file of `(rows, dim)`."""
    head = io.BytesIO()
    about = {"descr": _DTYPE.str, "fortran_order": False, "shape": (rows, dim)}
    np.lib.format.write_array_header_1_0(head, about)
    return head.getvalue()


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
    """One folder, opened for reading: sizes and headers are checked now, a block's CRC-32 before its first use."""

    def __init__(self, root: Path, info: SegmentInfo, dim: int) -> None:
        self.info = info
        self._dim = dim
        self._folder = root / info.folder_name
        self._files: dict[str, pa.Buffer] = {}
        self._arrays: dict[str, NDArray[np.float16]] = {}
        for name in ARRAYS:
            start = self._check_head(name)
            self._files[name] = _mapped(self._folder / _file_name(name))
            shape = (info.rows[name], dim)
            whole = np.frombuffer(self._files[name], _DTYPE, count=shape[0] * dim, offset=start)
            self._arrays[name] = whole.reshape(shape)
        self._sums = self._sums_of_blocks()
        self._unchecked = {name: np.ones(len(sums), bool) for name, sums in self._sums.items()}

    def array(self, name: str) -> NDArray[np.float16]:
        """Return `slices`, `views` or `sentences`, memory-mapped `(rows, dim)`, every block checked once.

        Raises `IndexDamagedError` where one is not what was written.
        """
        return self.rows(name, 0, self.info.rows[name])

    def rows(self, name: str, start: int, end: int) -> NDArray[np.float16]:
        """Return rows of an array, memory-mapped `(end - start, dim)`; only their blocks are checked."""
        first = start // _BLOCK
        for block in first + np.flatnonzero(self._unchecked[name][first : -(-end // _BLOCK)]):
            self._check_block(name, int(block))
        return self._arrays[name][start:end]

    def picked(self, name: str, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """Return some rows of an array in the order given, `(n, dim)` in memory; only their blocks are checked."""
        unchecked = self._unchecked[name]
        blocks = np.unique(rows // _BLOCK) if unchecked.any() else np.zeros(0, np.int64)  # older formats have no sums
        for block in blocks[unchecked[blocks]]:
            self._check_block(name, int(block))
        return self._arrays[name][rows]

    def let_go(self) -> None:
        """Give back the memory that the mapped files take; what is read again comes from the system's cache."""
        for buffer in self._files.values():
            give_back(buffer.address, buffer.size)

    def check_hash(self, name: str) -> None:
        """Raise `IndexDamagedError` unless the file's SHA-256 is the recorded one."""
        path = self._folder / _file_name(name)
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:  # merged meanwhile: what this reader goes on with is the mapping
            digest = hashlib.sha256(self._files[name]).hexdigest()
        except OSError as error:
            raise storage_error(error, path) from error
        if digest != self.info.files[path.name][0]:
            raise _damaged(path, "its SHA-256 is not the one recorded when it was written")

    def check_hashes(self) -> None:
        """Raise `IndexDamagedError` unless every file's SHA-256 is the recorded one."""
        for name in ARRAYS:
            self.check_hash(name)

    def _check_block(self, name: str, block: int) -> None:
        rows = self._arrays[name][block * _BLOCK : (block + 1) * _BLOCK]
        if zlib.crc32(rows.data) != self._sums[name][block]:
            where = f"rows {block * _BLOCK} to {block * _BLOCK + len(rows) - 1} have another CRC-32 than when written"
            raise _damaged(self._folder / _file_name(name), where)
        self._unchecked[name][block] = False

    def _sums_of_blocks(self) -> dict[str, NDArray[np.uint32]]:
        every = np.frombuffer(self.info.sums, "<u4") if len(self.info.sums) % 4 == 0 else np.zeros(0, "<u4")
        counts = [-(-self.info.rows[name] // _BLOCK) for name in ARRAYS]
        if not self.info.sums:  # of format 1 or 2: `verify` knows its SHA-256
            return {name: np.zeros(0, np.uint32) for name in ARRAYS}
        if len(every) != sum(counts):
            raise _damaged(self._folder, f"the catalogue has {len(every)} sums of its blocks instead of {sum(counts)}")
        return dict(zip(ARRAYS, np.split(every, np.cumsum(counts)[:-1]), strict=True))

    def _check_head(self, name: str) -> int:
        """Check a file's size and header; return where its rows begin."""
        path = self._folder / _file_name(name)
        with _opened(path) as file:
            found = os.fstat(file.fileno()).st_size
            expected = self.info.files[path.name][1]
            if found != expected:
                raise _damaged(path, f"it has {found} bytes instead of {expected}")
            head = _header(self.info.rows[name], self._dim)
            start = len(head) if file.read(len(head)) == head else self._other_head(path, file, name)
        if start + self.info.rows[name] * self._dim * _DTYPE.itemsize != expected:
            raise _damaged(path, f"it has {expected} bytes, which are not {self.info.rows[name]} rows")
        return start

    def _other_head(self, path: Path, file: BufferedReader, name: str) -> int:
        """Check a header that is not as this NumPy writes it; return where the rows begin."""
        try:
            file.seek(0)
            version = np.lib.format.read_magic(file)
            if version != (1, 0):
                raise ValueError(f"format {version}")
            with _HEADERS:
                shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        except _NO_HEADER as error:
            raise _damaged(path, f"its header cannot be read ({error})") from error
        if (shape, fortran, dtype) != ((self.info.rows[name], self._dim), False, _DTYPE):
            raise _damaged(path, f"it holds {dtype} {shape} instead of {(self.info.rows[name], self._dim)}")
        return file.tell()


def _file_name(name: str) -> str:
    return f"{name}.f16.npy"


def _opened(path: Path) -> BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error


def _mapped(path: Path) -> pa.Buffer:
    """Return a whole file, mapped; Arrow keeps no descriptor of it, as `mmap` and `numpy.memmap` do."""
    try:
        with pa.memory_map(os.fsencode(path)) as file:
            return file.read_buffer()
    except OSError as error:
        if error.errno is None and os.strerror(errno.ENOMEM) in str(error):  # Arrow gives the words alone
            error = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM), str(path))
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> RadseekError:
    if isinstance(error, FileNotFoundError):
        return IndexDamagedError(
            f"{path} is missing; if the index was compacted meanwhile, open it again, else restore it from a copy."
        )
    return storage_error(error, path)


def _damaged(path: Path, what: str) -> IndexDamagedError:
    return IndexDamagedError(f"{path} is damaged: {what}; restore it from a copy or build the index again.")
