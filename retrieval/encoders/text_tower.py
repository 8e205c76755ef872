"""Whether an encoder reads words at all, and the one sentence that says so where it does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.errors import NoTextTowerError

__all__ = ["images_alone", "require_text", "sentence_rows"]


def images_alone(spec: EncoderSpec) -> str:
    """Return why an encoder without a text tower answers no words, and what works with it."""
    return (
        f"The encoder '{spec.name}' has no text tower: it compares images with images, and no image with words. With "
        "it work `radseek build`, `radseek similar`, reports by keyword in `radseek search --in reports`, and findings "
        "that `radseek probe` fitted to labels (--finding probe:NAME); for words build with another --model."
    )


def require_text(spec: EncoderSpec) -> None:
    """Raise `NoTextTowerError` for an encoder without a text tower."""
    if not spec.text:
        raise NoTextTowerError(images_alone(spec))


def sentence_rows(encoder: Encoder, sentences: Sequence[str]) -> NDArray[np.float16] | None:
    """Return what an index keeps of S sentences, `(S, D)` float16; None for none, and without a text tower."""
    if not sentences or not encoder.spec.text:
        return None
    return encoder.encode_texts(sentences).astype(np.float16)
