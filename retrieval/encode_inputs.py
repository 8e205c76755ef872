"""Images and texts to vectors for other libraries, in the space of one encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.encode_series import encode_padded
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.text_tower import require_text
from radseek.retrieval.encoders.unit_rows import mean_pool
from radseek.retrieval.errors import UsageError
from radseek.retrieval.imaging.stated_kind import UNSTATED
from radseek.retrieval.scoring.study_vectors import StudyVectors
from radseek.retrieval.study_targets import StudyTargets
from radseek.retrieval.types import Study

__all__ = ["VectorOutput"]

Image = str | Path | Study | NDArray[np.uint8]


class VectorOutput:
    """What an engine offers for other libraries to take over: vectors of studies, images and texts, in NumPy."""

    encoder: Encoder
    _targets: StudyTargets

    def vectors(self, study: Study) -> StudyVectors:
        """Return a study that was read as vectors: those of the index where it holds the same series, else encoded.

        Same means the same key and the same series of the same shapes; encoding is done once for one `Study`.

        Args:
            study: what `read_study` or `Study.from_array` gave.

        Returns:
            Its views' slice vectors `(N, D)` and pooled vectors `(D,)`, float16 unit rows, series by series.
        """
        return self._targets.vectors(study)

    def encode_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Return one vector an image, for other libraries to take over.

        Args:
            images: paths of studies and studies, of which the unit mean of the views' pooled vectors is taken; or
                displayed slices, `(H, W)` or `(H, W, 3)` uint8 (for volumes, `Study.from_array`).

        Returns:
            `(N, D)` float32 unit rows in the order given; the cosine with `encode_texts` is their product.

        Raises:
            UsageError: an array of another type or shape, or a study without a view; and what `read_study` raises.
        """
        return _encode_images(images, self.encoder, self._targets)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one vector a text, as the encoder gives it: no template is put around it.

        Args:
            texts: M texts; the end of one that is longer than the encoder's context is not read (`TextCutWarning`).

        Returns:
            `(M, D)` float32 unit rows.

        Raises:
            UsageError: one text in place of a list of them.
            NoTextTowerError: the encoder reads no texts.
        """
        return _encode_texts(texts, self.encoder)


def _encode_images(images: Sequence[Image], encoder: Encoder, targets: StudyTargets) -> NDArray[np.float32]:
    """Return `(N, D)` float32 unit rows."""
    if isinstance(images, str | Path | Study):
        raise UsageError("encode_images takes a list: [image] for one.")
    rows = [
        _slice(one, encoder) if isinstance(one, np.ndarray) else _study(one, targets)  # one by one: sizes differ
        for one in images
    ]
    return np.stack(rows) if rows else np.empty((0, encoder.spec.dim), np.float32)


def _encode_texts(texts: Sequence[str], encoder: Encoder) -> NDArray[np.float32]:
    """Return `(M, D)` float32 unit rows. Raises `UsageError` for one text in place of a list."""
    if isinstance(texts, str):
        raise UsageError("encode_texts takes a list: [text] for one.")
    require_text(encoder.spec)
    return encoder.encode_texts(list(texts)) if len(texts) else np.empty((0, encoder.spec.dim), np.float32)


def _slice(pixels: NDArray[np.uint8], encoder: Encoder) -> NDArray[np.float32]:
    colour = pixels.ndim == 3 and pixels.shape[2] == 3
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or colour):
        raise UsageError(
            f"An array is one displayed slice, uint8 of shape (H, W) or (H, W, 3); this one is {pixels.dtype} of shape "
            f"{pixels.shape}. Make a volume a study with Study.from_array."
        )
    if encoder.spec.recipe.volume is not None:
        raise UsageError(f"'{encoder.spec.name}' reads whole volumes; make one a study with Study.from_array.")
    return mean_pool(encode_padded(encoder, prepare_slices(pixels[None], encoder.spec.preprocess)).astype(np.float32))


def _study(image: str | Path | Study, targets: StudyTargets) -> NDArray[np.float32]:
    views = targets.one_study(image, UNSTATED).views
    if not views:
        named = image if isinstance(image, str | Path) else "A study"
        raise UsageError(f"{named} has no view that could be encoded; leave it out.")
    return mean_pool(np.stack([view.pooled for view in views]).astype(np.float32))
