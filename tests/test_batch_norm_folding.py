"""Batch norms folded into convolutions give the vectors of the tower as its package made it."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from torch import nn

from radseek.retrieval.encoders.batch_norm_folding import fold_batch_norms


def lived(tower: nn.Module) -> nn.Module:
    """The tower with norms as training leaves them: scales, shifts, means and variances of their own."""
    made = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for norm in (one for one in tower.modules() if isinstance(one, nn.BatchNorm2d)):
            for tensor, least in (
                (norm.weight, 0.5),
                (norm.bias, -0.5),
                (norm.running_mean, -0.5),
                (norm.running_var, 0.5),
            ):
                tensor.copy_(torch.rand(tensor.shape, generator=made) + least)
    return tower.eval().requires_grad_(False)


def norms(tower: nn.Module) -> int:
    return sum(isinstance(one, nn.BatchNorm2d) for one in tower.modules())


@pytest.mark.parametrize("name", ["test_efficientnet", "tf_efficientnet_lite0", "mobilenetv2_100"])
def test_every_norm_of_the_family_is_folded_and_the_features_stay(name: str) -> None:
    tower = lived(timm.create_model(name, num_classes=0))
    folded = copy.deepcopy(tower)
    assert norms(tower) > 0
    fold_batch_norms(folded)
    assert norms(folded) == 0
    pixels = torch.rand((2, 3, 96, 96), generator=torch.Generator().manual_seed(2))
    ours, theirs = folded(pixels), tower(pixels)
    assert nn.functional.cosine_similarity(ours, theirs).min() > 1 - 1e-6
    assert [name for name, _ in folded.named_modules() if "bn" in name.split(".")[-1]] == [
        name for name, _ in tower.named_modules() if "bn" in name.split(".")[-1]
    ]
    again = {name: tensor.clone() for name, tensor in folded.state_dict().items()}
    fold_batch_norms(folded)
    assert all(torch.equal(tensor, again[name]) for name, tensor in folded.state_dict().items())


def test_a_tower_of_another_family_stays_as_it_is() -> None:
    tower = lived(timm.create_model("test_resnet", num_classes=0))
    before = norms(tower)
    fold_batch_norms(tower)
    assert norms(tower) == before > 0
