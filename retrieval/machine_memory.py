"""How much memory a worker may take: a share of what the machine, its control group and its user have.

A fixed limit would be none on a small machine: eight workers of 12 GiB each end a laptop before they end themselves.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

__all__ = ["LEAST", "MOST", "memory_share", "peak_memory", "usable_memory"]

GIB: Final = 1 << 30
MOST: Final = 12 * GIB  # bytes of address space: what the largest study that is admitted takes
LEAST: Final = 2 * GIB  # bytes: a worker's libraries map 0.4 GiB, a CT of 600 slices takes 1 GiB
_SHARE: Final = 0.8  # of the memory; the rest is the parent's with its encoder, and the system's
_CGROUP: Final = Path("/sys/fs/cgroup")


def memory_share(workers: int) -> int:
    """Return the bytes of address space that each of `workers` may map, from `LEAST` to `MOST`."""
    return max(LEAST, min(MOST, int(_SHARE * usable_memory()) // max(1, workers)))


def usable_memory() -> int:
    """Return the bytes of memory that this process can have: what the machine, its control groups and its own limit let
    it.
    """
    return min(_physical(), _own_limit(), *_of_groups(_groups()))


def peak_memory() -> int | None:
    """Return the bytes of memory that this process and its largest child held at their peaks; None where unknown."""
    try:
        import resource

        kib = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    except (ImportError, AttributeError):
        return None
    return kib if sys.platform == "darwin" else kib * 1024


def _physical() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 2 * MOST


def _own_limit() -> int:
    try:
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    except (ImportError, AttributeError):
        return 1 << 62
    return 1 << 62 if soft == resource.RLIM_INFINITY or soft < 0 else soft


def _groups() -> list[tuple[Path, str]]:
    """The folder of each control group that this process is in and the file that holds its limit: version 2, then 1."""
    try:
        lines = Path("/proc/self/cgroup").read_text("utf8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, kinds, name = line.split(":", 2)
        if not kinds:
            found.append((_CGROUP / name.strip("/"), "memory.max"))
        elif "memory" in kinds.split(","):
            found.append((_CGROUP / "memory" / name.strip("/"), "memory.limit_in_bytes"))
    return found


def _of_groups(groups: list[tuple[Path, str]]) -> list[int]:
    """The limits of control groups and of those that hold them; in a container only the outermost is seen."""
    limits = [1 << 62]
    for folder, name in groups:
        for place in (folder, *folder.parents):
            if not place.is_relative_to(_CGROUP):
                break
            try:
                said = (place / name).read_text("ascii").strip()
            except OSError:
                continue
            if said.isdecimal() and int(said) > 0:
                limits.append(int(said))
    return limits
