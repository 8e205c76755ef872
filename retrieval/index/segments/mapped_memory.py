"""Memory of mapped files, given back while the mapping stays."""

from __future__ import annotations

import ctypes
import mmap
import sys
from functools import cache
from typing import Any

__all__ = ["give_back"]


def give_back(address: int, size: int) -> None:
    """Let the system take the memory of a file's mapping, of which nothing was written; it is read again when used.

    Only for a mapping of a file: any other memory would be emptied. Does nothing but on Linux.
    """
    madvise = _madvise()
    if madvise is not None and address % mmap.PAGESIZE == 0:
        madvise(address, size, mmap.MADV_DONTNEED)


@cache
def _madvise() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    function = ctypes.CDLL(None).madvise
    function.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return function
