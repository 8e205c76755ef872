"""Files of studies that were added through the page, kept where the archive's owner keeps the archive.

`archive.index` has `archive.studies` beside it: a folder for its owner only, one folder in it for each addition. They
are the files as they were sent, names of patients and all, so they are kept only when told.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from radseek.retrieval.disk_errors import using_temporary_folder

__all__ = ["delete_kept", "keeping_folder", "kept_studies_path"]


def kept_studies_path(index: Path) -> Path:
    """Return where an index's own files are.

    >>> kept_studies_path(Path("/data/archive.index")).name
    'archive.studies'
    """
    return index.with_name(f"{index.name.removesuffix('.index')}.studies")


@contextmanager
def keeping_folder(index: Path, needed: Callable[[], bool]) -> Iterator[Path]:
    """Give a new folder whose files stay where, once the block has ended, they are `needed`.

    Args:
        index: whose files they are.
        needed: asked when the block ends, by an error too: whether the index has a study of them.

    Raises:
        StorageError: the disk has no room, or may not be written.
    """
    root = kept_studies_path(index)
    name = f"{datetime.now(UTC):%Y-%m-%d}-{secrets.token_hex(4)}"
    folder = root / name
    with using_temporary_folder(root.parent):
        root.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        if not needed():
            shutil.rmtree(folder, ignore_errors=True)


def delete_kept(index: Path, paths: Iterable[str]) -> int:
    """Delete those of some files that the archive keeps as its own, and folders that are empty then.

    Args:
        index: whose studies' files they are.
        paths: absolute; files that lie anywhere else are left alone.

    Returns:
        How many files were deleted.
    """
    root = kept_studies_path(index).resolve()
    own = [path for path in map(Path, paths) if path.resolve().is_relative_to(root)]
    for path in own:
        path.unlink(missing_ok=True)
        for folder in path.resolve().parents:
            if folder == root or not folder.is_relative_to(root) or any(folder.iterdir()):
                break
            folder.rmdir()
    return len(own)
