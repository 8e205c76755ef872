"""Tiny models of images alone that their own packages make and save, and those packages' own answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from timm.models import save_for_hf
from transformers import (
    AutoImageProcessor,
    AutoModel,
    BitImageProcessor,
    Dinov2Config,
    Dinov2Model,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    ViTConfig,
    ViTImageProcessor,
    ViTModel,
)

from tests.transformers_support import TOWER, save_drawn

RAD_DINO = {"image_mean": [0.5307] * 3, "image_std": [0.2583] * 3}  # as its card's preprocessor_config.json has them


def write_dinov2(folder: Path, *, seed: int = 0) -> Path:
    """RAD-DINO's shape, small: positions of one size, pictures of another, a crop as wide as the resize."""
    save_drawn(Dinov2Model, Dinov2Config(image_size=56, patch_size=14, **TOWER), folder, seed)
    return _processor(BitImageProcessor(size={"shortest_edge": 70}, crop_size=_square(70), **RAD_DINO), folder)


def write_registers(folder: Path, *, seed: int = 0) -> Path:
    """DINOv2's own processor: resized to more than is cropped."""
    config = Dinov2WithRegistersConfig(image_size=56, patch_size=14, num_register_tokens=3, **TOWER)
    save_drawn(Dinov2WithRegistersModel, config, folder, seed)
    return _processor(BitImageProcessor(size={"shortest_edge": 65}, crop_size=_square(56)), folder)


def write_vit(folder: Path, *, seed: int = 0) -> Path:
    """A plain ViT, whose pooler is not read."""
    save_drawn(ViTModel, ViTConfig(image_size=64, patch_size=16, **TOWER), folder, seed)
    return _processor(ViTImageProcessor(size=_square(64)), folder)


def write_timm(folder: Path, *, seed: int = 0, architecture: str = "test_vit", **data: Any) -> Path:
    """A model of timm with its classifier, as its hub's repositories are."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = timm.create_model(architecture, num_classes=7)
        for parameter in model.parameters():
            parameter.data.add_(torch.randn_like(parameter) * 0.05)
    save_for_hf(model, folder, safe_serialization=True, model_config={"pretrained_cfg": data} if data else None)
    return folder


def write_timm_convolutions(folder: Path, *, seed: int = 0) -> Path:
    """Convolutions, squashed, from a larger square."""
    return write_timm(folder, seed=seed, architecture="test_efficientnet", crop_mode="squash", crop_pct=0.9)


WRITERS: dict[str, Callable[..., Path]] = {
    "dinov2": write_dinov2,
    "dinov2_with_registers": write_registers,
    "vit": write_vit,
    "timm": write_timm,
    "timm_convolutions": write_timm_convolutions,
}


def reference(folder: Path, images: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The package's own `(pixels, features)` of pictures, unit rows."""
    pictures = [Image.fromarray(one) for one in images]
    if folder.name.startswith("timm"):
        pixels, features = _of_timm(folder, pictures)
    else:
        processor, model = AutoImageProcessor.from_pretrained(folder, backend="pil"), AutoModel.from_pretrained(folder)
        pixels = torch.cat([processor(images=one, return_tensors="pt")["pixel_values"] for one in pictures])
        with torch.inference_mode():
            features = model.eval()(pixel_values=pixels).last_hidden_state[:, 0]
    return pixels.numpy(), torch.nn.functional.normalize(features, dim=-1).numpy()


def _of_timm(folder: Path, pictures: list[Image.Image]) -> tuple[torch.Tensor, torch.Tensor]:
    model = timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=0).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    pixels = torch.stack([transform(one) for one in pictures])
    with torch.inference_mode():
        return pixels, model(pixels)


def _processor(processor: Any, folder: Path) -> Path:
    processor.save_pretrained(folder)
    return folder


def _square(side: int) -> dict[str, int]:
    return {"height": side, "width": side}
