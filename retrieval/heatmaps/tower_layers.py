"""What a heat map needs of an image tower: its margin, its layers by resolution, and its answer to one cell alone.

The ViTs of open_clip, timm and transformers and timm's convolutional towers, always in fp32. Importing takes torch's
seconds.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray

from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.transformers_encoder import TransformersImages

__all__ = ["Layer", "Tower", "tower_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A module whose output is cells: `(N, C, h, w)`, or tokens `(N, prefix + h * w, C)` where `prefix` is not None."""

    module: Any
    prefix: int | None = None

    def grid(self, values: torch.Tensor) -> torch.Tensor:
        """Return what belongs to this layer's output, summed over channels, as `(N, h, w)`; h = w for tokens."""
        if self.prefix is None:
            return values.sum(1)
        cells = values[:, self.prefix :].sum(2)
        return cells.reshape(len(cells), *_square(cells.shape[1]))


@dataclass(frozen=True, slots=True, eq=False)
class Tower:
    """An image tower and how to look inside. `layers` by stride in input pixels; a ViT has one.

    `cells`: the input `(N, 3, S, S)` to `(N, D, h, w)`, each cell as if it were the whole picture, not unit length.
    """

    visual: Any
    as_input: Callable[[NDArray[np.uint8]], torch.Tensor]
    layers: dict[int, Layer]
    cells: Callable[[torch.Tensor], torch.Tensor]

    def margins(self, inputs: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
        """Return the margin `(N,)` of inputs `(N, 3, S, S)`: unit vectors times `direction (D,)`, `t+ - t-`."""
        return F.normalize(self.visual(inputs).float(), dim=1) @ direction


def tower_of(encoder: Encoder, visual: Any = None) -> Tower | None:
    """Return the encoder's image tower (or `visual`, of the same shape, in its place); None where it shows none.

    None is also the answer for an architecture whose cells are not known; occlusion works for every encoder.
    """
    tower = encoder.tower
    if tower is None:
        return None
    visual = _exact(tower) if visual is None else visual
    for read in (_timm_convolutions, _timm_tokens, _open_clip_tokens, _transformers_tokens):
        found = read(visual)
        if found is not None:
            return Tower(visual, partial(tower.as_input, dtype=torch.float32), *found)
    return None


_COPIES: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def _exact(encoder: Any) -> Any:
    """Return the encoder's tower in fp32, its own or a copy made once.

    In bf16 a gradient is coarse, and on a CPU that of a depthwise convolution takes four times as long.
    """
    visual = encoder.visual
    if all(parameter.dtype == torch.float32 for parameter in visual.parameters()):
        return visual
    if encoder not in _COPIES:
        _COPIES[encoder] = copy.deepcopy(visual).float()
    return _COPIES[encoder]


_Found = tuple[dict[int, Layer], Callable[[torch.Tensor], torch.Tensor]]


def _timm_convolutions(visual: Any) -> _Found | None:
    trunk = getattr(visual, "trunk", None)
    stages = getattr(trunk, "feature_info", None)
    if trunk is None or not isinstance(stages, list) or hasattr(trunk, "patch_embed"):
        return None
    # The last stage of each stride: the deepest features of that resolution.
    layers = {int(stage["reduction"]): Layer(trunk.get_submodule(stage["module"])) for stage in stages}

    def cells(inputs: torch.Tensor) -> torch.Tensor:
        features = trunk.forward_features(inputs)
        count, channels, height, width = features.shape
        # A picture of one cell: any pooling of it (mean, maximum, both) gives the cell back.
        alone = features.permute(0, 2, 3, 1).reshape(-1, channels, 1, 1)
        vectors: torch.Tensor = visual.head(trunk.forward_head(alone)).float()
        return vectors.reshape(count, height, width, -1).permute(0, 3, 1, 2)

    return {stride: layer for stride, layer in layers.items() if stride in (8, 16, 32)}, cells


def _timm_tokens(visual: Any) -> _Found | None:
    trunk = getattr(visual, "trunk", None)
    blocks, prefix = getattr(trunk, "blocks", None), getattr(trunk, "num_prefix_tokens", None)
    if trunk is None or blocks is None or prefix is None or not hasattr(blocks[-1], "norm1"):
        return None

    def cells(inputs: torch.Tensor) -> torch.Tensor:
        tokens = trunk.forward_features(inputs)[:, prefix:]
        return _alone(tokens, prefix, lambda same: visual.head(trunk.forward_head(same)))

    return {_patch(trunk.patch_embed.patch_size): Layer(blocks[-1].norm1, prefix)}, cells


def _open_clip_tokens(visual: Any) -> _Found | None:
    blocks = getattr(getattr(visual, "transformer", None), "resblocks", None)
    if blocks is None or not hasattr(visual, "patch_size") or not hasattr(blocks[-1], "ln_1"):
        return None

    def answer(same: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = visual._pool(same)[0]
        return pooled if visual.proj is None else pooled @ visual.proj

    def cells(inputs: torch.Tensor) -> torch.Tensor:
        return _alone(visual.transformer(visual._embeds(inputs))[:, 1:], 1, answer)

    return {_patch(visual.patch_size): Layer(blocks[-1].ln_1, 1)}, cells


def _transformers_tokens(visual: Any) -> _Found | None:
    if not isinstance(visual, TransformersImages):
        return None
    prefix = visual.prefix

    def cells(inputs: torch.Tensor) -> torch.Tensor:
        return _alone(visual.tokens(inputs)[:, prefix:], prefix, visual.head)

    return {_patch(visual.patch_size): Layer(visual.layers[-1].layer_norm1, prefix)}, cells


def _alone(tokens: torch.Tensor, prefix: int, answer: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Return `(N, D, h, w)`: the head's answer to a picture all of whose tokens are this one, class token included."""
    count, length, width = tokens.shape
    same = tokens.reshape(-1, 1, width).expand(-1, prefix + 1, width)
    vectors = answer(same).float().reshape(count, length, -1).transpose(1, 2)
    return vectors.reshape(count, -1, *_square(length))


def _patch(size: Any) -> int:
    return int(size[0] if isinstance(size, tuple | list) else size)


def _square(length: int) -> tuple[int, int]:
    side = round(length**0.5)
    return side, length // side
