"""An image tower with all its weights drawn anew: what Adebayo's sanity check compares a map with."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.heatmaps.tower_layers import tower_of

__all__ = ["randomised_tower"]


def randomised_tower(encoder: Encoder, prepared: NDArray[np.uint8], seed: int) -> Any:
    """Return a copy of the encoder's image tower with random weights; None where it shows none.

    Each weight tensor is drawn from a normal distribution as wide as the trained one's. Batch normalisation gets the
    statistics of `prepared (N, 3, S, S)` uint8, else most random channels would be stuck and every map flat.
    """
    tower = tower_of(encoder)
    if tower is None:
        return None
    visual = copy.deepcopy(tower.visual)
    generator = torch.Generator().manual_seed(seed)
    for parameter in visual.parameters():
        if parameter.ndim >= 2:
            drawn = torch.randn(parameter.shape, generator=generator)
            width = parameter.detach().float().std().cpu()
            parameter.data.copy_((drawn * width).to(parameter))
        elif parameter.ndim == 1:
            order = torch.randperm(len(parameter), generator=generator)
            parameter.data.copy_(parameter.detach()[order.to(parameter.device)])
    _settle(visual, tower.as_input(prepared))
    return visual.eval()


def _settle(visual: Any, inputs: torch.Tensor) -> None:
    norms = [module for module in visual.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if not norms or len(inputs) < 2:
        return
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over what is seen
        norm.train()
    with torch.no_grad():
        visual(inputs)
