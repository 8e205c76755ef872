"""Small encoders with every kind of image tower, built in code, and one whose margin is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray

from radseek.retrieval.encoders.open_clip_model import build_model
from radseek.retrieval.encoders.random_model import RANDOM_CONFIG
from radseek.retrieval.encoders.spec import EncoderSpec, Preprocess, TowerParts
from radseek.retrieval.encoders.text_batches import TextBatcher
from radseek.retrieval.encoders.tower_encoder import TowerEncoder
from radseek.retrieval.scoring.text_vectors import TextPair

SIZE = 64
VISIONS: dict[str, dict[str, Any]] = {
    "timm_conv_avg": {"timm_model_name": "test_efficientnet", "timm_pool": "avg", "timm_proj": "linear"},
    "timm_conv_avgmax": {"timm_model_name": "test_efficientnet", "timm_pool": "avgmax", "timm_proj": "linear"},
    "timm_conv_resnet": {"timm_model_name": "test_resnet", "timm_pool": "", "timm_proj": "mlp"},
    "timm_vit_token": {"timm_model_name": "vit_tiny_patch16_224", "timm_pool": "", "timm_proj": "linear"},
    "timm_vit_avg": {"timm_model_name": "vit_tiny_patch16_224", "timm_pool": "avg", "timm_proj": "linear"},
    "open_clip_vit": {"layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "open_clip_vit_avg": {"layers": 2, "width": 64, "head_width": 32, "patch_size": 16, "pool_type": "avg"},
}


def tower_encoder(kind: str, *, mode: str = "longest", size: int = SIZE, seed: int = 0) -> TowerEncoder:
    """An encoder with random weights and that image tower; ViTs of timm are cut to two blocks."""
    vision = {"timm_model_pretrained": False, **VISIONS[kind]} if kind.startswith("timm") else VISIONS[kind]
    config = {**RANDOM_CONFIG, "vision_cfg": {**vision, "image_size": size}}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_model(config, kind)
    if "timm_vit" in kind:
        model.visual.trunk.blocks = model.visual.trunk.blocks[:2]
        model.visual.set_input_size(size)
    model.eval().requires_grad_(False)
    preprocess = Preprocess(size=size, resize_mode=mode, mean=(0.5,) * 3, std=(0.5,) * 3)  # type: ignore[arg-type]
    parts = TowerParts(kind, str(seed), "t", mode, "float")
    spec = EncoderSpec(kind, 64, preprocess, "imaging", parts.hash(), towers=parts)
    texts = TextBatcher(open_clip.SimpleTokenizer(context_length=77), model, kind)
    return TowerEncoder(model, texts, spec)


def pair_of(positive: NDArray[Any], negative: NDArray[Any]) -> TextPair:
    """A pair of directions, made unit."""
    up, down = (np.asarray(v, np.float32) / np.linalg.norm(v) for v in (positive, negative))
    return TextPair(up, down, up[None], down[None])


def random_pair(dim: int, seed: int = 0) -> TextPair:
    rng = np.random.default_rng(seed)
    return pair_of(rng.standard_normal(dim), rng.standard_normal(dim))


def random_slice(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


class BlockEncoder:
    """Its vector turns from one axis to another with the brightness of one block, so its margin is that brightness.

    `block`: rows and columns of the input, of which the mean makes the angle. Shows no tower.
    """

    batch_size = 8
    folder = tower = None

    def __init__(self, block: tuple[slice, slice], size: int = SIZE) -> None:
        self.spec = EncoderSpec("block", 2, Preprocess(size, "longest", "bilinear", (0.5,) * 3, (0.5,) * 3), "i", "t")
        self.block = block
        self.seen = 0

    def encode_slices(self, slices: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.seen += len(slices)
        angle = slices[:, :, *self.block].mean(axis=(1, 2, 3)) / 255 * np.pi / 2
        return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Words that begin with "no" lie on the first axis, others on the second."""
        return np.array([(1, 0) if text.lower().startswith("no") else (0, 1) for text in texts], np.float32)

    def pool(self, slice_vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        mean = slice_vectors.mean(axis=0)
        return (mean / np.linalg.norm(mean)).astype(np.float32)


BRIGHT = pair_of(np.array([0.0, 1.0]), np.array([1.0, 0.0]))

__all__ = [
    "BRIGHT",
    "SIZE",
    "VISIONS",
    "BlockEncoder",
    "pair_of",
    "random_pair",
    "random_slice",
    "tower_encoder",
]
