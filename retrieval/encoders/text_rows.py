"""Vectors of sentences that everyone asks, kept beside an encoder's weights so that no process encodes them again.

`text_rows.safetensors`: of each text the first 16 bytes of its SHA-256, and its unit row in half precision, as an
index keeps images' too. They are of one pair of towers, named in the file; a file of other towers is passed over, and
the texts are encoded as any others.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.unit_rows import unit_rows

__all__ = ["TEXT_ROWS", "read_text_rows", "text_key", "write_text_rows"]

TEXT_ROWS: Final = "text_rows.safetensors"
_KEY_BYTES: Final = 16


def text_key(text: str) -> bytes:
    """Return what a text's row is filed under; a lone surrogate, as in a mangled file name, counts as `?`."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()[:_KEY_BYTES]


def read_text_rows(folder: Path, towers_hash: str, dim: int) -> dict[bytes, NDArray[np.float32]]:
    """Return the `(dim,)` rows kept in a folder for these towers, by `text_key`; none where there are none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / TEXT_ROWS, framework="numpy") as file:
            if (file.metadata() or {}).get("towers") != towers_hash:
                return {}
            keys, rows = file.get_tensor("keys"), file.get_tensor("rows")
    except (OSError, SafetensorError):
        return {}
    if keys.shape != (len(rows), _KEY_BYTES) or rows.shape[1:] != (dim,) or not np.isfinite(rows).all():
        return {}
    units = unit_rows(rows.astype(np.float32), f"rows in {TEXT_ROWS}")
    return {key.tobytes(): row for key, row in zip(keys, units, strict=True)}


def write_text_rows(encoder: Encoder, folder: Path, texts: Sequence[str]) -> None:
    """Encode `texts` and keep their rows in a folder, whole or not at all."""
    from safetensors.numpy import save

    texts = sorted(set(texts))
    keys = np.frombuffer(b"".join(text_key(text) for text in texts), np.uint8).reshape(len(texts), _KEY_BYTES)
    arrays = {"keys": keys.copy(), "rows": encoder.encode_texts(texts).astype(np.float16)}
    draft = folder / f"{TEXT_ROWS}.draft"
    draft.write_bytes(save(arrays, metadata={"towers": encoder.spec.towers_hash}))
    os.replace(draft, folder / TEXT_ROWS)
