"""Ways to make a heat map that `benchmarks.heatmap_choice` measured beside the one that ships, and that lost."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from captum.attr import LayerActivation, LayerGradCam, LayerGradientXActivation

from radseek.retrieval.heatmaps.methods import METHODS, Method, gradient, layer_of, margins_of, similarity
from radseek.retrieval.heatmaps.tower_layers import Tower

__all__ = ["add_rivals"]


def grad_cam(stride: int) -> Method:
    """Return Grad-CAM at a layer, signed (Selvaraju R. R. et al., arXiv 1610.02391, without its final ReLU)."""

    def evidence(tower: Tower, inputs: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
        layer = layer_of(tower, stride)
        explained = LayerGradCam(margins_of(tower, direction), layer.module)
        return layer.grid(explained.attribute(inputs, attr_dim_summation=False).detach().float())

    return evidence


def smooth_gradient(stride: int, width: int = 3, *, positive: bool = False) -> Method:
    """Return `gradient` with the gradient averaged over `width` cells first, between HiResCAM and Grad-CAM.

    A convolution of stride 2 above the layer sends unlike gradients to even and odd cells; the mean takes that out.
    """

    def evidence(tower: Tower, inputs: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
        layer = layer_of(tower, stride)
        explained = LayerGradientXActivation(margins_of(tower, direction), layer.module, multiply_by_inputs=False)
        slope = explained.attribute(inputs).detach().float()
        values = LayerActivation(tower.visual, layer.module).attribute(inputs).detach().float()
        if layer.prefix is None:
            slope = F.avg_pool2d(slope, width, 1, width // 2, count_include_pad=False)
        return layer.grid((slope.clamp(min=0) if positive else slope) * values)

    return evidence


def layer_cam(stride: int) -> Method:
    """Return LayerCAM: only gradients that raise the margin count (Jiang P.-T. et al., IEEE TIP 2021)."""

    def evidence(tower: Tower, inputs: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
        layer = layer_of(tower, stride)
        explained = LayerGradientXActivation(margins_of(tower, direction), layer.module, multiply_by_inputs=False)
        slope = explained.attribute(inputs).detach().float()
        product = LayerGradientXActivation(margins_of(tower, direction), layer.module).attribute(inputs)
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


def add_rivals() -> None:
    """Make the rivals known to `Recipe` in this process."""
    METHODS.update(
        {
            "gradient8": gradient(8),
            "gradient32": gradient(32),
            "gradcam16": grad_cam(16),
            "gradcam32": grad_cam(32),
            "layercam16": layer_cam(16),
            "smooth16": smooth_gradient(16),
            "smoothcam16": smooth_gradient(16, positive=True),
            "gradient8+16": together(gradient(8), gradient(16)),
            "gradient16+similarity": together(gradient(16), similarity),
        }
    )
