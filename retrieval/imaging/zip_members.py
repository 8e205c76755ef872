"""Files inside zip archives, named `archive.zip!/member`, unpacked safely and only for as long as needed.

An archive with an absolute name, a `..`, a link, a name given twice or members that share bytes is refused as a whole:
whoever made it did not mean well or did not mean this. Nothing is written outside the temporary folder.
"""

from __future__ import annotations

import errno
import hashlib
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from radseek.retrieval.disk_errors import (
    TEMPORARY_REMEDY,
    is_storage_error,
    storage_error,
    temporary_folder,
    using_temporary_folder,
)
from radseek.retrieval.errors import InputError, Reason
from radseek.retrieval.imaging.admission import MAX_FILE_BYTES, MAX_RATIO, RATIO_FREE_BYTES
from radseek.retrieval.imaging.dicom.gzipped_file import gunzipped
from radseek.retrieval.imaging.nifti.sidecar import nifti_stem

__all__ = [
    "MAX_MEMBERS",
    "MAX_UNPACKED_BYTES",
    "MEMBER_MARK",
    "disk_name",
    "is_zip",
    "members",
    "on_disk",
    "open_zip",
    "split_member",
    "unpack",
    "unpacking_folder",
]

MEMBER_MARK: Final = "!/"
MAX_MEMBERS: Final = 100_000
MAX_UNPACKED_BYTES: Final = 64 * 1024**3  # all members as announced; each alone stays under MAX_FILE_BYTES
_CHUNK: Final = 1024**2
_LONGEST_NAME: Final = 255  # bytes; what a file system takes
_UTF8_FLAG: Final = 0x800
_LOCAL_HEADER: Final = 30  # bytes before a member's name, at least


def is_zip(head: bytes) -> bool:
    """Whether the first bytes are those of a zip archive (an empty one included)."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def split_member(path: str | Path) -> tuple[Path, str] | None:
    """Return (archive, member) of a path such as `study.zip!/a/1.dcm`; None for an ordinary path.

    A study in an archive is named by the folder that holds it, `study.zip!/a` or `study.zip!`, whose member is "".
    """
    archive, mark, member = f"{path}/".partition(MEMBER_MARK)
    if not mark or Path(path).exists() or not Path(archive).is_file():
        return None
    return Path(archive), member.rstrip("/")


def members(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    """Return the files in an archive in name order, after checking every name and announced size.

    Raises:
        InputError: `bad_header` for unsafe or repeated names, `too_large` for too many or too much.
    """
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise _refuse(path, Reason.TOO_LARGE, f"{len(infos):,} members, above {MAX_MEMBERS:,}; unpack and split it")
    for info in infos:
        _check_name(info, path)
    _check_overlap(archive, infos, path)
    total = sum(info.file_size for info in infos)
    if total > MAX_UNPACKED_BYTES:
        rule = f"unpacks to {total:,} bytes, above {MAX_UNPACKED_BYTES:,}; unpack and split it"
        raise _refuse(path, Reason.TOO_LARGE, rule)
    files = [info for info in infos if not info.is_dir()]
    if len({info.filename for info in files}) < len(files):
        raise _refuse(path, Reason.BAD_HEADER, "two members share one name; unpack it by hand")
    return sorted(files, key=lambda info: info.filename)


def unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, path: Path) -> None:
    """Write one member to `target`, counting bytes as they come.

    Raises:
        InputError: `too_large` past a limit, `decode_failed` when encrypted, `truncated` when damaged.
        StorageError: the temporary folder is full, which is not the archive's fault.
    """
    limit = min(MAX_FILE_BYTES, max(RATIO_FREE_BYTES, info.compress_size * MAX_RATIO))
    name = f"{path.name}{MEMBER_MARK}{info.filename}"
    if info.flag_bits & 1:
        raise _refuse(path, Reason.DECODE_FAILED, f"{info.filename} is encrypted; unpack it with its password")
    if info.file_size > limit:
        raise _refuse(path, Reason.TOO_LARGE, f"{info.filename} unpacks to {info.file_size:,} bytes; unpack it by hand")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as source, target.open("wb") as out:
            written = 0
            while chunk := source.read(_CHUNK):
                written += len(chunk)
                if written > limit:
                    raise _refuse(path, Reason.TOO_LARGE, f"{info.filename} unpacks to more than {limit:,} bytes")
                out.write(chunk)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        if is_storage_error(error) and error.errno != errno.EIO:  # what is read can be broken, never full
            raise storage_error(error, temporary_folder(), info.file_size, TEMPORARY_REMEDY) from error
        rule = f"{name}: is damaged or packed in a way this reader lacks ({error}); unpack it by hand"
        raise InputError(Reason.TRUNCATED, rule, path=f"{path}{MEMBER_MARK}{info.filename}") from error


@contextmanager
def on_disk(paths: Sequence[str]) -> Iterator[Mapping[str, Path]]:
    """Yield where each path can be opened: itself, or for `x.zip!/member` or gzipped DICOM a temporary file.

    Members that stand beside a wanted NIfTI and share its stem (a sidecar, the .img of a pair) come along.
    The temporary folder goes with the block.

    Raises:
        InputError: as `members`, `unpack` and `gunzipped`.
    """
    wanted: dict[Path, dict[str, str]] = {}
    found: dict[str, Path] = {}
    for path in paths:
        inside = split_member(path)
        if inside is None:
            found[path] = Path(path)
        else:
            wanted.setdefault(inside[0], {})[inside[1]] = path
    if not wanted:
        with gunzipped(found) as opened:
            yield opened
        return
    with unpacking_folder() as folder:
        for number, (archive, names) in enumerate(wanted.items()):
            root = folder / str(number)
            _unpack_some(archive, set(names), root)
            found.update({path: root / disk_name(name) for name, path in names.items()})
        with gunzipped(found) as opened:
            yield opened


def _unpack_some(path: Path, names: set[str], root: Path) -> None:
    niftis = {_folder_and_stem(name) for name in names if nifti_stem(PurePosixPath(name)) is not None}
    with open_zip(path) as archive:
        for info in members(archive, path):
            if info.filename in names or _folder_and_stem(info.filename) in niftis:
                unpack(archive, info, root / disk_name(info.filename), path)


@contextmanager
def unpacking_folder() -> Iterator[Path]:
    """Give a temporary folder, gone with the block. Raises `StorageError` where none can be made."""
    place = temporary_folder()
    with using_temporary_folder(place):
        made = tempfile.TemporaryDirectory(prefix="radseek-", dir=place)
    with made as folder:
        yield Path(folder)


def disk_name(member: str) -> PurePosixPath:
    """Return a member's name as a disk takes it: parts too long in UTF-8 shortened, alike where their stems are alike.

    An old archive's Chinese name, read as cp437, has up to three times the bytes that its file had.
    """
    return PurePosixPath(*(_short_part(part) for part in PurePosixPath(member).parts))


def _short_part(part: str) -> str:
    if len(part.encode("utf-8", "replace")) <= _LONGEST_NAME:
        return part
    stem, dot, ending = part.partition(".")
    return hashlib.sha256(stem.encode("utf-8", "replace")).hexdigest()[:16] + dot + ending[-32:]


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive for reading. Raises InputError `truncated` where it is damaged."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _refuse(path, Reason.TRUNCATED, f"is not a whole zip archive ({error}); copy it again") from error
    with archive:
        yield archive


def _check_name(info: zipfile.ZipInfo, path: Path) -> None:
    name = info.orig_filename.replace("\\", "/")
    parts = PurePosixPath(name).parts
    kind = stat.S_IFMT(info.external_attr >> 16)
    # Without the flag for UTF-8 (APPNOTE 4.4.4, bit 11) a name's characters are its bytes, read as cp437.
    coding = "utf-8" if info.flag_bits & _UTF8_FLAG else "cp437"
    if any(len(part.encode(coding, "replace")) > _LONGEST_NAME for part in parts):
        raise _refuse(path, Reason.BAD_HEADER, f"member {name[:40]!r}...: no file's name is so long; pack it anew")
    if name.startswith("/") or ":" in (parts[0] if parts else "") or ".." in parts or "\0" in name:
        raise _refuse(path, Reason.BAD_HEADER, f"member {name!r} would land outside its folder; unpack it by hand")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _refuse(path, Reason.BAD_HEADER, f"member {name!r} is a link or a device; unpack it by hand")


def _check_overlap(archive: zipfile.ZipFile, infos: Sequence[zipfile.ZipInfo], path: Path) -> None:
    """Members that share bytes are how a small archive unpacks to petabytes; no program that packs files makes them."""
    ordered = sorted(infos, key=lambda info: info.header_offset)
    ends = [info.header_offset for info in ordered[1:]] + [archive.start_dir]
    for info, end in zip(ordered, ends, strict=False):
        least = _LOCAL_HEADER + len(info.orig_filename) + info.compress_size
        if info.header_offset + least > end:
            raise _refuse(path, Reason.BAD_HEADER, f"member {info.filename!r} shares bytes with another; pack it anew")


def _folder_and_stem(name: str) -> tuple[str, str]:
    """Where a member is, and its name without the suffixes of a NIfTI or of what stands beside one."""
    path = PurePosixPath(name)
    stem = nifti_stem(path)
    return str(path.parent), path.stem if stem is None else stem


def _refuse(path: Path, reason: Reason, rule: str) -> InputError:
    return InputError(reason, f"{path.name}: {rule}", path=str(path))
