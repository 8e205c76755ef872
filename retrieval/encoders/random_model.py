"""The `random` model: small towers of open_clip's format with seeded weights, for building and testing everything else.

Its scores are noise, and every place that shows them says so (`spec.meaningless`).
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import torch

from radseek.retrieval.encoders.open_clip_import import open_clip
from radseek.retrieval.encoders.open_clip_model import build_model
from radseek.retrieval.encoders.spec import Preprocess, TowerParts, canonical_hash, precision_class
from radseek.retrieval.encoders.tower_identity import architecture_hash, preprocess_hash

__all__ = ["RANDOM_CONFIG", "RANDOM_PREPROCESS", "build_random", "random_parts"]

_SEED = 20261122
_CONTEXT = 77

RANDOM_CONFIG: dict[str, Any] = {
    "embed_dim": 64,
    "custom_text": True,
    "vision_cfg": {
        "timm_model_name": "test_efficientnet",  # timm's own miniature of the family that `builtin` uses
        "timm_model_pretrained": False,
        "timm_pool": "",
        "timm_proj": "linear",
        "image_size": 96,
    },
    "text_cfg": {"context_length": _CONTEXT, "vocab_size": 49408, "width": 64, "heads": 4, "layers": 2},
}
RANDOM_PREPROCESS = Preprocess(size=96, resize_mode="longest", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def build_random() -> tuple[Any, Any]:
    """Return `(model, tokenizer)`; the weights are the same on every machine, drawn by numpy from each one's name."""
    with torch.random.fork_rng(devices=[]):
        model = build_model(RANDOM_CONFIG, "random")
    for name, parameter in model.named_parameters():
        if parameter.ndim >= 2:
            parameter.data.copy_(torch.from_numpy(_draw(name, tuple(parameter.shape))))
        elif name.endswith("bias"):  # torch draws a linear layer's from its own state, new in every process
            parameter.data.zero_()
    return model.eval().requires_grad_(False), open_clip.SimpleTokenizer(context_length=_CONTEXT)


def random_parts(precision: str) -> TowerParts:
    """Return the identity of the random towers: their seed stands for their weights."""
    return TowerParts(
        weights=canonical_hash(["random", _SEED]),
        architecture=architecture_hash(RANDOM_CONFIG, None),
        tokenizer=canonical_hash("open_clip.SimpleTokenizer"),
        preprocess=preprocess_hash(RANDOM_PREPROCESS),
        precision_class=precision_class(precision),
    )


def _draw(name: str, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.float32]]:
    seed = int.from_bytes(hashlib.sha256(f"{_SEED}:{name}".encode()).digest()[:8], "big")
    spread = 1.0 / math.sqrt(math.prod(shape[1:]))
    return (np.random.default_rng(seed).standard_normal(shape) * spread).astype(np.float32)
