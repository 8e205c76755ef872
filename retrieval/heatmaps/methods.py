"""Ways from an input and a finding's direction to a grid of evidence: patch similarity, gradient times activation.

Gradients are Captum's (LayerGradientXActivation); importing this takes torch's and Captum's seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from captum.attr import LayerGradientXActivation

from radseek.retrieval.heatmaps.tower_layers import Layer, Tower

__all__ = ["METHODS", "Method", "gradient", "layer_of", "margins_of", "similarity"]

Method = Callable[[Tower, torch.Tensor, torch.Tensor], torch.Tensor]


def similarity(tower: Tower, inputs: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    """Return the margin `(N, h, w)` of each cell alone: `cos(cell, t+) - cos(cell, t-)`."""
    with torch.inference_mode():
        return torch.einsum("ndhw,d->nhw", F.normalize(tower.cells(inputs), dim=1), direction)


def gradient(stride: int) -> Method:
    """Return the method that multiplies a layer's gradient and activation cell by cell and sums over channels.

    Draelos R. L., Carin L., HiResCAM, arXiv 2011.08891: unlike Grad-CAM it does not average the gradient over the
    picture, so a pooling that looks at single cells (a maximum) is followed to those cells.
    """

    def evidence(tower: Tower, inputs: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
        layer = layer_of(tower, stride)
        attribution = LayerGradientXActivation(margins_of(tower, direction), layer.module).attribute(inputs)
        return layer.grid(attribution.detach().float())

    return evidence


def layer_of(tower: Tower, stride: int) -> Layer:
    """Return the layer of that stride, or the one that a ViT has."""
    return tower.layers.get(stride) or tower.layers[max(tower.layers)]


def margins_of(tower: Tower, direction: torch.Tensor) -> Callable[[torch.Tensor], Any]:
    """Return the function from inputs to margins whose gradient is taken."""
    return lambda inputs: tower.margins(inputs, direction)


# Measured beside others in benchmarks/heatmap_choice.py, which brings those that lost.
METHODS: dict[str, Method] = {"gradient16": gradient(16), "similarity": similarity}
