"""An index that follows some folders: what stands still there is added, what is still being written waits.

Folders are looked at again and again, since archives lie on network disks that tell nobody of a change. A file stands
still where size and time are what they were a look before; a study is added once all of its files do, and again with
what is added to it later.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from radseek.index_builder.build import BuildReport
from radseek.index_builder.discover import FoundStudy
from radseek.retrieval.imaging.zip_members import split_member

__all__ = ["Stamps", "follow", "look", "standing_still"]

Stamps = Mapping[str, tuple[int, int]]  # of each file: its size in bytes, and when it was changed, in ns
Only = Callable[[FoundStudy], bool]


def look(sources: Iterable[Path]) -> Stamps:
    """Return the size and time of every file under `sources`; what vanishes meanwhile is left out."""
    found: dict[str, tuple[int, int]] = {}
    for source in sources:
        for path in _files(source):
            try:
                about = path.stat()
            except OSError:
                continue
            found[os.path.abspath(path)] = (about.st_size, about.st_mtime_ns)
    return found


def _files(source: Path) -> Iterator[Path]:
    if not source.is_dir():
        yield source
        return
    for folder, _, names in os.walk(source):
        yield from (Path(folder, name) for name in names)


def standing_still(before: Stamps, now: Stamps) -> Only:
    """Return whether all files of a study are now what they were before."""
    moving = {path for path, stamp in now.items() if before.get(path) != stamp}

    def still(study: FoundStudy) -> bool:
        return moving.isdisjoint(_outermost(header.path) for header in study.headers)

    return still


def follow(
    sources: Iterable[Path], build: Callable[[Only], BuildReport | None], wait: Callable[[], bool]
) -> Iterator[BuildReport]:
    """Yield the report of every build, each as soon as something new stands still under `sources`.

    Args:
        sources: files and folders.
        build: adds the studies that it is told to; None where it could not now, and is to be asked again.
        wait: returns after a while; False ends it.
    """
    roots = list(sources)
    before: Stamps = {}
    done: dict[str, tuple[int, int]] = {}
    while True:
        now = look(roots)
        still = {path: stamp for path, stamp in now.items() if before.get(path) == stamp}
        if any(done.get(path) != stamp for path, stamp in still.items()):
            report = build(standing_still(before, now))
            if report is not None:
                done = still
                yield report
        before = now
        if not wait():
            return


def _outermost(path: str) -> str:
    """Return the file on disk that a path, or a member of an archive, lies in."""
    inside = split_member(Path(path))
    return os.path.abspath(path if inside is None else inside[0])
