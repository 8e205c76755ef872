"""Rows to unit length, and the rule that nothing non-finite leaves an encoder."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.errors import EncoderError

__all__ = ["mean_pool", "unit_rows"]

_TINY = 1e-12


def unit_rows(rows: NDArray[np.floating], what: str) -> NDArray[np.float32]:
    """Scale `(N, D)` rows to unit length, in float64 inside. A zero row has no direction: it gets the first axis.

    Raises `EncoderError`, naming `what` and the first bad row, where a value is NaN or infinite.
    """
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise EncoderError(
            f"{what}: row {int(np.argmin(finite))} of {len(rows)} is not finite, so the weights are damaged or "
            "overflow in bf16. Fetch the model again, or load it in Python with `load_encoder(..., precision='fp32')`."
        )
    wide = rows.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    axis = np.zeros_like(wide)
    axis[:, :1] = 1.0
    unit: NDArray[np.float32] = np.where(norms > _TINY, wide / np.maximum(norms, _TINY), axis).astype(np.float32)
    return unit


def mean_pool(slice_vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the unit mean `(D,)` of `(N, D)` slice vectors, N >= 1; slices that cancel out give the first one."""
    mean = slice_vectors.mean(axis=0, dtype=np.float64)
    if np.linalg.norm(mean) <= _TINY:
        mean = slice_vectors[0]
    pooled: NDArray[np.float32] = unit_rows(mean[None], "mean of slice vectors")[0]
    return pooled
