"""The `VolumeEncoder` over two torch towers: volumes in `spec.precision`, texts in fp32, unit rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from radseek.retrieval.encoders.encoder import ImageTower, VolumeVectors
from radseek.retrieval.encoders.spec import EncoderSpec
from radseek.retrieval.encoders.text_batches import check_texts
from radseek.retrieval.encoders.tower_encoder import TextBatches
from radseek.retrieval.encoders.unit_rows import unit_rows
from radseek.retrieval.errors import EncoderError, UsageError
from radseek.retrieval.types import VolumeGrid

__all__ = ["VolumeTowerEncoder"]

_NO_MEMORY: Final = ("out of memory", "not enough memory", "can't allocate")


class VolumeTowerEncoder:
    """An encoder of volumes. `images` gives a batch's features and those of its places, whose middles are `centres`.

    `centres (P, 3)`: `(z, y, x)` in voxels of the grid, in the order of the places; it and the features of places are
    None where the model has none. `texts`: the text tower, which takes what `batches` makes of texts.
    """

    def __init__(
        self,
        images: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor | None]],
        texts: Callable[..., torch.Tensor],
        batches: TextBatches,
        spec: EncoderSpec,
        centres: NDArray[np.float64] | None,
        *,
        folder: Path | None,
        device: str,
    ) -> None:
        self.spec = spec
        self.folder: Path | None = folder
        self.batch_size = 1
        self.tower: ImageTower | None = None
        self._images, self._texts, self._batches = images, texts, batches
        self._centres, self._device = centres, device
        self._dtype = torch.bfloat16 if spec.precision == "bf16" else torch.float32

    def encode_volumes(self, volumes: NDArray[np.float32]) -> VolumeVectors:
        """Encode `(N, C, Z, Y, X)` float32 of the recipe's grid to a vector each, and those of its places.

        Raises `UsageError` for another shape, `EncoderError` where a vector is not finite or memory does not suffice.
        """
        grid = self._grid
        wanted = (len(grid.ranges), *grid.shape)
        if volumes.dtype != np.float32 or volumes.shape[1:] != wanted:
            raise UsageError(
                f"Volumes are {volumes.dtype} {volumes.shape}; '{self.spec.name}' takes float32 (N, "
                f"{', '.join(map(str, wanted))}). Use radseek.retrieval.imaging.views.volume_input.volume_input."
            )
        rows, places = [], []
        with torch.inference_mode():
            for one in volumes:
                pooled, each = self._one(torch.from_numpy(np.array(one[None])))  # a copy: it may be read-only
                rows.append(pooled.float().cpu().numpy()[0])
                if each is not None:
                    places.append(each.float().cpu().numpy()[0])
        what = f"volume vectors of '{self.spec.name}'"
        patches = np.stack([unit_rows(one, what) for one in places]) if places else None
        if self._centres is not None and patches is None:
            patches = np.empty((0, len(self._centres), self.spec.dim), np.float32)
        pooled_rows = np.stack(rows) if rows else np.empty((0, self.spec.dim), np.float32)
        return VolumeVectors(unit_rows(pooled_rows, what), patches, self._centres)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode M texts to `(M, D)` float32 unit rows; each row depends on its own text only.

        Warns `TextCutWarning` for a text longer than the context. Raises `UsageError` for anything but strings.
        """
        check_texts(texts)
        rows = np.empty((len(texts), self.spec.dim), np.float32)
        with torch.inference_mode():
            for which, inputs in self._batches.batches(texts):
                features = self._texts(*(one.to(self._device) for one in inputs))
                rows[which] = features[: len(which)].float().cpu().numpy()
        return unit_rows(rows, f"text vectors of '{self.spec.name}'")

    def encode_slices(self, slices: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Raise `UsageError`: it reads volumes."""
        raise UsageError(f"'{self.spec.name}' reads volumes, not slices; use an encoder of slices for pictures.")

    def pool(self, slice_vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Raise `UsageError`: it gives a volume's vector itself."""
        raise UsageError(f"'{self.spec.name}' gives a volume's vector itself; there are no slices to pool.")

    @property
    def _grid(self) -> VolumeGrid:
        if self.spec.recipe.volume is None:
            raise EncoderError(f"'{self.spec.name}' has no grid of volumes in its recipe.")
        return self.spec.recipe.volume

    def _places(self) -> str:
        return "" if self._centres is None else f", {len(self._centres)} places"

    def _one(self, volume: torch.Tensor) -> tuple[Any, Any]:
        try:
            return self._images(volume.to(self._device, self._dtype))
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, RuntimeError) and not any(said in str(error).lower() for said in _NO_MEMORY):
                raise
            raise EncoderError(
                f"'{self.spec.name}' does not fit into the memory of {self._device}: one volume is "
                f"{' x '.join(map(str, self._grid.shape))} voxels{self._places()}. Close what else uses "
                "it, or give another --device."
            ) from error
