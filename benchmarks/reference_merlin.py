"""Merlin's reference package on drawn weights: it makes and saves a model, and answers volumes and texts.

Run by `benchmarks.parity_merlin` with the interpreter of an environment that holds merlin-vlm 0.0.7, and nothing of
radseek: `python benchmarks/reference_merlin.py FOLDER tiny|full|grid`. `full`: the published widths and depths on a
grid of 96 x 96 x 64 voxels. `grid`: the published grid, of which only the pixels are written. Beside the model's
folder it writes FOLDER.npz: pixels, and vectors of volumes and texts.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import nibabel
import numpy as np
import torch
import torchvision
from merlin.data.monai_transforms import ImageTransforms
from merlin.models import build
from monai.transforms import CenterSpatialCropd, Compose, Spacingd, SpatialPadd
from torchvision.models.resnet import Bottleneck, ResNet
from transformers import AutoTokenizer, LongformerConfig, LongformerModel

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.biovil_support import TEXTS
from tests.colipri_support import volumes
from tests.merlin_support import DEPTHS, LOGIT_SCALE, NARROW, TINY, TINY_LONGFORMER, WIDTH, lively, write_longformer

_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # of LPS
_FULL: dict[str, Any] = {"pixdim": [4, 4, 6], "spatial_size": [96, 96, 64]}
_PUBLISHED: dict[str, Any] = {"pixdim": [1.5, 1.5, 3], "spatial_size": [224, 224, 160]}
_LONGFORMER: dict[str, Any] = {"max_position_embeddings": 4098, "attention_window": [512] * 12, "type_vocab_size": 1,
                               "layer_norm_eps": 1e-5}  # fmt: skip


class _Slim(Bottleneck):
    """A block that widens to the number of its planes, for the tiny model."""

    expansion = 1


def main(folder: Path, size: str) -> None:
    """Make both towers, save them, and write what they answer."""
    folder.mkdir(parents=True, exist_ok=True)
    grid = {"tiny": TINY, "full": _FULL, "grid": _PUBLISHED}[size]
    pixels = _pixels(grid)
    if size == "grid":
        np.savez(folder.with_suffix(".npz"), pixels=pixels)
        return
    write_longformer(folder, TINY_LONGFORMER if size == "tiny" else _LONGFORMER)
    (folder / "merlin_config.json").write_text(str(grid).replace("'", '"'), encoding="utf-8")
    model = _model(folder, size)
    if size == "full":
        _set_statistics(model.encode_image, torch.from_numpy(pixels))
    torch.save(model.state_dict(), folder / "merlin.pt")  # as the published file was
    with torch.no_grad():
        answers = [model(torch.from_numpy(one[None]), [text]) for one, text in zip(pixels, TEXTS, strict=False)]
        images = torch.cat([one[0] for one in answers]).numpy()
        texts = _unit(model.encode_text(TEXTS))
    np.savez(folder.with_suffix(".npz"), pixels=pixels, images=images, texts=texts)


def _unit(rows: torch.Tensor) -> Any:
    return (rows / rows.norm(dim=-1, keepdim=True)).numpy()


def _pixels(grid: dict[str, Any]) -> Any:
    """The volumes through the package's own transforms, of which only the grid's numbers are changed."""
    steps = []
    for step in ImageTransforms.transforms:
        if isinstance(step, Spacingd):
            step = Spacingd(keys=["image"], pixdim=grid["pixdim"], mode=("bilinear"))
        elif isinstance(step, SpatialPadd):
            step = SpatialPadd(keys=["image"], spatial_size=grid["spatial_size"])
        elif isinstance(step, CenterSpatialCropd):
            step = CenterSpatialCropd(roi_size=grid["spatial_size"], keys=["image"])
        steps.append(step)
    found = []
    with tempfile.TemporaryDirectory() as made:
        for number, (voxels, affine) in enumerate(volumes()):
            path = f"{made}/{number}.nii.gz"
            nibabel.save(nibabel.Nifti1Image(voxels.transpose(2, 1, 0), _RAS @ affine), path)
            found.append(np.asarray(Compose(steps)({"image": path})["image"]))
    return np.stack(found)


def _model(folder: Path, size: str) -> Any:
    tiny = size == "tiny"
    resnet = ResNet(_Slim, list(DEPTHS), width_per_group=NARROW) if tiny else ResNet(Bottleneck, [3, 8, 36, 3])
    longformer = LongformerModel(LongformerConfig.from_pretrained(str(folder)))
    with (
        mock.patch.object(torchvision.models, "resnet152", return_value=resnet),
        mock.patch.object(build.AutoModel, "from_pretrained", return_value=longformer),
        mock.patch.object(build, "AutoTokenizer", mock.Mock(from_pretrained=lambda name: _tokenizer(folder))),
    ):
        model = build.MerlinArchitecture(init_logit_scale=LOGIT_SCALE)
    if tiny:
        channels = model.encode_image.i3_resnet.layer4[-1].conv3.out_channels
        model.encode_image.i3_resnet.contrastive_head = torch.nn.Conv3d(channels, WIDTH, 1)
        model.encode_image.i3_resnet.classifier = torch.nn.Conv3d(channels, 5, 1)
        model.encode_text.linear_layer = torch.nn.Linear(longformer.config.hidden_size, WIDTH)
    state = lively({key: value for key, value in model.state_dict().items() if value.ndim})
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or any("logit_scale" not in key and "num_batches" not in key for key in missing):
        raise ValueError(f"Weights were not filled: {missing}, {unexpected}.")
    return model.eval()


def _tokenizer(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(str(folder))


def _set_statistics(images: Any, pixels: torch.Tensor) -> None:
    """Give every batch norm the statistics of the volumes, without which 152 drawn layers answer all alike."""
    for module in images.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the mean of all batches
    images.train()
    with torch.no_grad():
        images(pixels)
    images.eval()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
