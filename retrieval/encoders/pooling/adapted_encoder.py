"""An encoder that pools with another adapter than its checkpoint's: an index's own, fitted by `radseek adapt`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.encoder import Encoder, ImageTower
from radseek.retrieval.encoders.spec import EncoderSpec

__all__ = ["AdaptedEncoder", "Pool", "load_pool", "with_pooling"]

Pool = Callable[[NDArray[np.floating]], NDArray[np.float32]]


class AdaptedEncoder:
    """The towers of one encoder and another pooling. Implements `radseek.retrieval.encoders.encoder.Encoder`."""

    def __init__(self, encoder: Encoder, pool: Pool, pooling_hash: str) -> None:
        self.spec: EncoderSpec = replace(encoder.spec, pooling_hash=pooling_hash)
        self.folder: Path | None = encoder.folder  # its calibration and concepts
        self.batch_size = encoder.batch_size
        self._encoder = encoder
        self._pool = pool

    @property
    def tower(self) -> ImageTower | None:
        """Return the image tower of the encoder whose towers these are."""
        return self._encoder.tower

    def encode_slices(self, slices: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode as the towers do."""
        return self._encoder.encode_slices(slices)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode as the towers do."""
        return self._encoder.encode_texts(texts)

    def pool(self, slice_vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Pool `(N, D)` slice vectors in Z order to a unit `(D,)` with the adapter."""
        return self._pool(slice_vectors)


def with_pooling(encoder: Encoder, folder: Path) -> AdaptedEncoder:
    """Return the encoder with the adapter that lies in `folder`. Raises what `load_pool` does."""
    spec, pool = load_pool(encoder.spec, folder)
    return AdaptedEncoder(encoder, pool, spec.pooling_hash)


def load_pool(spec: EncoderSpec, folder: Path) -> tuple[EncoderSpec, Pool]:
    """Return the adapter in `folder` as a function from `(N, D)` slice vectors to a unit `(D,)`, and `spec` with it.

    Raises `EncoderError` where it cannot be read or pools vectors of another width.
    """
    from radseek.retrieval.encoders.pooling.slice_pooling import (  # late: torch takes seconds
        load_pooling,
        pool_slices,
        pooling_hash,
    )

    adapter = load_pooling(folder, spec.dim)
    return replace(spec, pooling_hash=pooling_hash(folder)), partial(pool_slices, adapter)
