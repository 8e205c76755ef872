"""Batch norms of an image tower that only answers, folded into the convolutions before them.

A norm in evaluation is one multiply and add a channel, and so is a bias: the same vectors but for their last bits,
a quarter less work (`benchmarks/encode_speed.py`).
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["fold_batch_norms"]


def fold_batch_norms(visual: nn.Module) -> None:
    """Fold, in place, where the tower is of timm's EfficientNet family; other towers stay as they are.

    Only there is it known that the norm named after a convolution is what reads it. Each activation stays where its
    norm stood, under the same name, for what looks inside (heat maps). `visual` is in evaluation mode; folding again
    changes nothing.
    """
    trunk = getattr(visual, "trunk", visual)
    if type(trunk).__module__ != "timm.models.efficientnet":  # by name: importing timm takes seconds
        return
    for module in trunk.modules():
        parts = list(module.named_children())
        for (name, convolution), (after, norm) in pairwise(parts):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module.add_module(name, fuse_conv_bn_eval(convolution, norm))
                module.add_module(after, getattr(norm, "act", nn.Identity()))
