"""What tells a study's pixels from all others, whatever its UIDs say."""

from __future__ import annotations

import hashlib

import numpy as np

from radseek.retrieval.types import Study

__all__ = ["pixel_hash"]


def pixel_hash(study: Study) -> str:
    """Return a SHA-256 of a study's voxels as they were read, in hexadecimal; the order of its series does not count.

    Args:
        study: its series hold voxels `(Z, Y, X)` or `(Z, Y, X, 3)`; type and shape count as well.
    """
    found = []
    for one in study.series:
        voxels = np.ascontiguousarray(one.volume.voxels)
        digest = hashlib.sha256(f"{voxels.dtype.str} {voxels.shape}".encode())
        digest.update(voxels.view(np.uint8).data if voxels.size else b"")
        found.append(digest.hexdigest())
    return hashlib.sha256(" ".join(sorted(found)).encode()).hexdigest()
