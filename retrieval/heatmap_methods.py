"""Ways from an input and a finding's direction to a grid of evidence: patch similarity, gradient times activation.

Gradients are Captum's (LayerGradientXActivation, LayerGradCam); importing this takes torch's and Captum's seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from captum.attr import LayerActivation, LayerGradCam, LayerGradientXActivation

from retrieval.heatmap_towers import Layer, Tower

__all__ = ["METHODS", "Method"]

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
        layer = _layer(tower, stride)
        attribution = LayerGradientXActivation(_margins(tower, direction), layer.module).attribute(inputs)
        return layer.grid(attribution.detach().float())

    return evidence


def grad_cam(stride: int) -> Method:
    """Return Grad-CAM at a layer, signed (Selvaraju R. R. et al., arXiv 1610.02391, without its final ReLU)."""

    def evidence(tower: Tower, inputs: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
        layer = _layer(tower, stride)
        explained = LayerGradCam(_margins(tower, direction), layer.module)
        return layer.grid(explained.attribute(inputs, attr_dim_summation=False).detach().float())

    return evidence


def smooth_gradient(stride: int, width: int = 3, *, positive: bool = False) -> Method:
    """Return `gradient` with the gradient averaged over `width` cells first, between HiResCAM and Grad-CAM.

    A convolution of stride 2 above the layer sends unlike gradients to even and odd cells; the mean takes that out.
    """

    def evidence(tower: Tower, inputs: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
        layer = _layer(tower, stride)
        explained = LayerGradientXActivation(_margins(tower, direction), layer.module, multiply_by_inputs=False)
        slope = explained.attribute(inputs).detach().float()
        values = LayerActivation(tower.visual, layer.module).attribute(inputs).detach().float()
        if layer.prefix is None:
            slope = F.avg_pool2d(slope, width, 1, width // 2, count_include_pad=False)
        return layer.grid((slope.clamp(min=0) if positive else slope) * values)

    return evidence


def layer_cam(stride: int) -> Method:
    """Return LayerCAM: only gradients that raise the margin count (Jiang P.-T. et al., IEEE TIP 2021)."""

    def evidence(tower: Tower, inputs: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
        layer = _layer(tower, stride)
        explained = LayerGradientXActivation(_margins(tower, direction), layer.module, multiply_by_inputs=False)
        slope = explained.attribute(inputs).detach().float()
        product = LayerGradientXActivation(_margins(tower, direction), layer.module).attribute(inputs)
        return layer.grid(product.detach().float() * (slope > 0))

    return evidence


def together(*methods: Method) -> Method:
    """Return the sum of methods' maps, the coarser ones drawn out, each divided by its own spread over the batch."""

    def evidence(tower: Tower, inputs: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
        grids = [method(tower, inputs, direction) for method in methods]
        finest = max((grid.shape[1:] for grid in grids), key=lambda shape: shape[0])
        drawn = [F.interpolate(grid[:, None], finest, mode="bilinear")[:, 0] for grid in grids]
        return torch.stack([one / one.std().clamp(min=1e-12) for one in drawn]).sum(0)

    return evidence


def _layer(tower: Tower, stride: int) -> Layer:
    """Return the layer of that stride, or the one that a ViT has."""
    return tower.layers.get(stride) or tower.layers[max(tower.layers)]


def _margins(tower: Tower, direction: torch.Tensor) -> Callable[[torch.Tensor], Any]:
    return lambda inputs: tower.margins(inputs, direction)


METHODS: dict[str, Method] = {
    "similarity": similarity,
    "gradient8": gradient(8),
    "gradient16": gradient(16),
    "gradient32": gradient(32),
    "gradcam16": grad_cam(16),
    "gradcam32": grad_cam(32),
    "layercam16": layer_cam(16),
    "smooth16": smooth_gradient(16),
    "smooth16x5": smooth_gradient(16, 5),
    "smoothcam16": smooth_gradient(16, positive=True),
    "gradient8+16": together(gradient(8), gradient(16)),
    "gradient16+layercam16": together(gradient(16), layer_cam(16)),
    "gradient16+similarity": together(gradient(16), similarity),
}
