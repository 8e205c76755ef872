"""The `Encoder` over two torch towers, whichever library built them: fixed batch shapes, one precision, unit rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from radseek.retrieval.encoders.batch_norm_folding import fold_batch_norms
from radseek.retrieval.encoders.pooling.radclip_pooling import RadClipPooling
from radseek.retrieval.encoders.pooling.slice_pooling import SlicePooling, pool_slices
from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.encoders.text_batches import check_texts
from radseek.retrieval.encoders.text_rows import read_text_rows, text_key
from radseek.retrieval.encoders.text_tower import images_alone
from radseek.retrieval.encoders.unit_rows import unit_rows
from radseek.retrieval.errors import NoTextTowerError, UsageError

__all__ = ["TextBatches", "TowerEncoder"]

# Matrix kernels give other last bits for other batch sizes, so each batch has one shape, zero padded. Eight rows
# are as fast as 32 on a CPU (benchmarks/encode_speed.py), and a single radiograph then costs eight, not 32.
_CPU_BATCH = 8
_CUDA_BATCH = 64


class TextBatches(Protocol):
    """Texts as batches of what a text tower takes; `context`: the most tokens of a text that it reads."""

    context: int

    def batches(self, texts: Sequence[str]) -> Iterator[tuple[list[int], tuple[torch.Tensor, ...]]]:
        """Yield `(rows, inputs)`: which texts, and what `encode_text` of the model takes for them, in a fixed shape."""
        ...


class TowerEncoder:
    """Slices through the image tower in `spec.precision`, texts through the text tower in fp32.

    `model` has `visual`, `encode_image` and `encode_text`, as open_clip's have; the last and `texts` only where
    `spec.text` says that there is a text tower. `folder` is where the checkpoint's
    calibration and concepts may be; None for a model made in code.
    """

    def __init__(
        self,
        model: Any,
        texts: TextBatches | None,
        spec: EncoderSpec,
        *,
        folder: Path | None = None,
        pooling: SlicePooling | RadClipPooling | None = None,
        device: str = "cpu",
    ) -> None:
        self.spec = spec
        self.folder: Path | None = folder
        self.batch_size = _CUDA_BATCH if device.startswith("cuda") else _CPU_BATCH
        self._device = device
        self._model = model.to(device).eval()
        self._texts = texts
        self._text_rows = {} if folder is None else read_text_rows(folder, spec.towers_hash, spec.dim)
        self._pooling = pooling
        self._dtype = torch.bfloat16 if spec.precision == "bf16" else torch.float32
        fold_batch_norms(self._model.visual)
        # Convolutions are fastest channels last; other layers do not mind.
        self._model.visual.to(dtype=self._dtype, memory_format=torch.channels_last)
        mean, std = (torch.tensor(v, device=device).view(1, 3, 1, 1) for v in _mean_std(spec))
        # (x / 255 - mean) / std as one multiply and add
        self._scale, self._shift = 1.0 / (255.0 * std), -mean / std

    @property
    def tower(self) -> TowerEncoder:
        """Return this: `visual` and `as_input` are its image tower."""
        return self

    @property
    def visual(self) -> Any:
        """Return the image tower as it runs here, for what must look inside it (heat maps)."""
        return self._model.visual

    def encode_slices(self, slices: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode prepared slices `(N, 3, S, S)` uint8 to `(N, D)` float32 unit rows.

        Raises `UsageError` for another dtype or shape, `EncoderError` where a vector is not finite.
        """
        height, width = self.spec.preprocess.shape
        if slices.dtype != np.uint8 or slices.shape[1:] != (3, height, width):
            raise UsageError(
                f"Slices are {slices.dtype} {slices.shape}; '{self.spec.name}' takes uint8 (N, 3, {height}, {width}). "
                "Use radseek.retrieval.encoders.input_pixels.prepare_slices."
            )
        rows = np.empty((len(slices), self.spec.dim), np.float32)
        with torch.inference_mode():
            for start in range(0, len(slices), self.batch_size):
                part = slices[start : start + self.batch_size]
                rows[start : start + len(part)] = self._image_rows(part)
        return unit_rows(rows, f"image vectors of '{self.spec.name}'")

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode M texts to `(M, D)` float32 unit rows; each row depends on its own text only.

        Warns `TextCutWarning` for a text longer than the context. Raises `UsageError` for anything but strings, and
        `NoTextTowerError` without a text tower.
        """
        if self._texts is None:
            raise NoTextTowerError(images_alone(self.spec))
        check_texts(texts)
        rows = np.empty((len(texts), self.spec.dim), np.float32)
        new = []
        for place, text in enumerate(texts):
            kept = self._text_rows.get(text_key(text))
            if kept is None:
                new.append(place)
            else:
                rows[place] = kept
        if new:
            rows[new] = self._encoded(self._texts, [texts[place] for place in new])
        return rows

    def pool(self, slice_vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Pool `(N, D)` slice vectors in Z order to a unit `(D,)`: the adapter where there is one, or the mean."""
        return pool_slices(self._pooling, slice_vectors)

    def _encoded(self, read: TextBatches, texts: list[str]) -> NDArray[np.float32]:
        rows = np.empty((len(texts), self.spec.dim), np.float32)
        with torch.inference_mode():
            for which, inputs in read.batches(texts):
                features = self._model.encode_text(*(one.to(self._device) for one in inputs))
                rows[which] = features[: len(which)].float().cpu().numpy()
        return unit_rows(rows, f"text vectors of '{self.spec.name}'")

    def _image_rows(self, slices: NDArray[np.uint8]) -> NDArray[np.float32]:
        # A copy, so that a read-only slice of an index or of a shared array is as welcome as any.
        batch = np.zeros((self.batch_size, *slices.shape[1:]), np.uint8)
        batch[: len(slices)] = slices
        features = self._model.encode_image(self.as_input(batch))[: len(slices)]
        return features.float().cpu().numpy()  # type: ignore[no-any-return]

    def as_input(self, slices: NDArray[np.uint8], dtype: torch.dtype | None = None) -> torch.Tensor:
        """Return prepared slices `(N, 3, S, S)` uint8 as what `visual` takes: normalised, on its device.

        In the precision of `visual`, or in `dtype` for a copy of it in another.
        """
        pixels = torch.from_numpy(slices).to(self._device)
        floats = pixels.to(torch.float32, memory_format=torch.channels_last)
        return torch.addcmul(self._shift, floats, self._scale).to(self._dtype if dtype is None else dtype)


def _mean_std(spec: EncoderSpec) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return spec.preprocess.mean, spec.preprocess.std
