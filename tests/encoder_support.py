"""A tiny deterministic encoder for tests: numpy only, no weights, no network, no torch.

Images: a fixed random projection of an 8x8 block mean of each channel. Texts: the sum of one fixed vector
per word. Both are unit rows of width 32, and a row never depends on what else was asked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.spec import EncoderSpec, Preprocess, TowerParts, canonical_hash
from radseek.retrieval.encoders.text_tower import require_text

DIM = 32
SIZE = 32
_NEGATIONS = {
    "no",
    "not",
    "without",
    "absent",
    "absence",
    "free",
    "negative",
    "none",
    "unremarkable",
    "normal",
}
_GRID = 8


def imaging_hash() -> str:
    """The real imaging recipe's hash, or a stand-in until that module exists."""
    try:
        from radseek.retrieval.imaging.views.series_views import imaging_hash as real
    except ImportError:
        return "0" * 64
    return real()


def tiny_spec(name: str = "tiny", seed: int = 0) -> EncoderSpec:
    """A spec like a real one; another seed is another pair of towers of the same width."""
    parts = TowerParts(
        weights=canonical_hash(["tiny", seed]),
        architecture=canonical_hash("tiny"),
        tokenizer=canonical_hash("words"),
        preprocess=canonical_hash("32"),
        precision_class="float",
    )
    preprocess = Preprocess(size=SIZE, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    return EncoderSpec(
        name=name,
        dim=DIM,
        preprocess=preprocess,
        imaging_hash=imaging_hash(),
        towers_hash=parts.hash(),
        scale=20.0,
        context=64,
        towers=parts,
    )


class TinyEncoder:
    """Implements `radseek.retrieval.encoders.encoder.Encoder`.

    `hears_negation=False` makes an encoder for which "X" and "no X" are the same words, `text=False` one of
    images alone.
    """

    batch_size = 8
    tower = None

    def __init__(self, seed: int = 0, *, name: str = "tiny", hears_negation: bool = True, text: bool = True) -> None:
        self.spec = tiny_spec(name, seed) if text else replace(tiny_spec(name, seed), text=False, scale=1.0, context=0)
        self.folder: Path | None = None
        self.seed = seed
        self.hears_negation = hears_negation
        rng = np.random.default_rng(seed)
        self._projection = rng.standard_normal((DIM, 3 * _GRID * _GRID + 2)).astype(np.float32)
        self.slices_seen = 0
        self.texts_seen = 0

    def encode_slices(self, slices: NDArray[np.uint8]) -> NDArray[np.float32]:
        """`(N, 3, H, W)` uint8, H and W multiples of 8, to `(N, 32)` unit rows."""
        self.slices_seen += len(slices)
        n, channels, height, width = slices.shape
        blocks = slices.reshape(n, channels, _GRID, height // _GRID, _GRID, width // _GRID)
        means = blocks.mean(axis=(3, 5), dtype=np.float64).reshape(n, -1) / 255
        spread = slices.reshape(n, -1).std(axis=1, dtype=np.float64)[:, None] / 255
        features = np.concatenate([means - 0.5, spread, np.ones((n, 1))], axis=1).astype(np.float32)
        # Multiply and sum, not matmul: BLAS gives other last bits for other batch sizes.
        return _unit((features[:, None, :] * self._projection[None]).sum(axis=-1))

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """M texts to `(M, 32)` unit rows."""
        require_text(self.spec)
        self.texts_seen += len(texts)
        return _unit(np.stack([self._text(text) for text in texts])) if texts else np.zeros((0, DIM), np.float32)

    def pool(self, slice_vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """`(N, 32)` to the unit mean `(32,)`."""
        return _unit(slice_vectors.astype(np.float32).mean(axis=0, keepdims=True))[0]

    def _text(self, text: str) -> NDArray[np.float32]:
        words = re.findall(r"\w+", text.casefold()) or [""]
        return np.sum([self._word(word) for word in words], axis=0, dtype=np.float32)

    def _word(self, word: str) -> NDArray[np.float32]:
        negation = word in _NEGATIONS
        if negation and not self.hears_negation:
            return np.zeros(DIM, np.float32)
        key = "(negation)" if negation else word
        digest = hashlib.sha256(f"{self.seed}:{key}".encode()).digest()
        vector = np.random.default_rng(int.from_bytes(digest[:8], "big")).standard_normal(DIM)
        return (vector * (2.5 if negation else 1.0)).astype(np.float32)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.sqrt((rows.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
    first = np.zeros_like(rows)
    first[:, 0] = 1.0  # a zero row has no direction; any fixed one will do
    return np.where(norms > 1e-12, rows / np.maximum(norms, 1e-12), first).astype(np.float32)
