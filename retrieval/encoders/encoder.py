"""What every encoder offers. The rest of the engine knows nothing else about a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.spec import EncoderSpec

__all__ = ["Encoder", "ImageTower", "TextCutWarning", "VolumeEncoder", "VolumeVectors"]


class TextCutWarning(UserWarning):
    """A text was longer than the encoder's context; its end was not read."""


class ImageTower(Protocol):
    """What must look inside an image tower (heat maps) is given."""

    @property
    def visual(self) -> Any:
        """Return the tower, a `torch.nn.Module`."""
        ...

    def as_input(self, slices: NDArray[np.uint8], dtype: Any = None) -> Any:
        """Return prepared slices `(N, 3, S, S)` uint8 as what `visual` takes, in its precision or `dtype`."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """Turns prepared slices and texts into unit vectors of one shared space."""

    batch_size: int  # how many rows every batch of slices has: the last bits of a vector depend on it

    @property
    def folder(self) -> Path | None:
        """Return where the checkpoint's calibration, concepts and checks of heat maps lie; None where it has none."""
        ...

    @property
    def tower(self) -> ImageTower | None:
        """Return the image tower where it can be looked into, else None."""
        ...

    @property
    def spec(self) -> EncoderSpec:
        """Return everything that changes a vector."""
        ...

    def encode_slices(self, slices: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode prepared slices.

        Args:
            slices: `(N, 3, S, S)` uint8, S the size that `spec.preprocess` names.

        Returns:
            `(N, D)` float32 unit rows.
        """
        ...

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts; a text's row does not depend on the other texts.

        Args:
            texts: M texts; one longer than the context is cut, with a `TextCutWarning`.

        Returns:
            `(M, D)` float32 unit rows.

        Raises:
            NoTextTowerError: `spec.text` says that there is no text tower.
        """
        ...

    def pool(self, slice_vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Pool a view's slices.

        Args:
            slice_vectors: `(N, D)` unit rows in Z order, N >= 1.

        Returns:
            One `(D,)` float32 unit vector.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class VolumeVectors:
    """What a volume encoder makes of N volumes.

    `pooled (N, D)` float32 unit rows. `patches (N, P, D)`: unit rows of places in the volume, whose middles are
    `centres (P, 3)`, `(z, y, x)` in voxels of the grid; both None where the model has none.
    """

    pooled: NDArray[np.float32]
    patches: NDArray[np.float32] | None = None
    centres: NDArray[np.float64] | None = None


@runtime_checkable
class VolumeEncoder(Encoder, Protocol):
    """An encoder whose `spec.recipe.volume` is a grid: it reads whole volumes, and `encode_slices` refuses."""

    def encode_volumes(self, volumes: NDArray[np.float32]) -> VolumeVectors:
        """Encode volumes on the recipe's grid.

        Args:
            volumes: `(N, C, Z, Y, X)` float32, as `radseek.retrieval.imaging.views.volume_input` makes them.

        Returns:
            A vector a volume, and those of its places where the model has them.

        Raises:
            EncoderError: it does not fit into memory; the message says what it needs.
        """
        ...
