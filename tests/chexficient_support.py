"""Folders of CheXficient's shape with drawn weights. Imports nothing of radseek or of the authors' code.

The weights are drawn by the layers' names, so that the authors' own class, in an environment of its own
(`benchmarks/reference_chexficient.py`), fills its tiny towers with the same ones.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests.biovil_support import TINY_BERT, drawn, vocabulary
from tests.medclip_support import write_bert

WIDTH = 12
SIZE = 56
PATCH = 14
TINY_VIT: dict[str, Any] = {"embed_dim": 128, "depth": 2, "num_heads": 2, "mlp_ratio": 2}
BERT_SIZES = {**TINY_BERT, "max_position_embeddings": 300}
LONG = "no effusion " * 180  # more than 256 tokens
SCALE = math.log(1 / 0.01)
STARTS = ("image_encoder.", "text_encoder.", "image_projection.", "text_projection.")  # of what is drawn


def write_chexficient(folder: Path) -> Path:
    """Write the folder and return it: every file in it is needed."""
    folder.mkdir(parents=True, exist_ok=True)
    write_bert(folder, BERT_SIZES)
    write_settings(folder, SIZE)
    save_file(tiny_state(), folder / "model.safetensors", {"format": "pt"})
    return folder


def write_settings(folder: Path, size: int) -> None:
    settings = {"image_size": size, "max_bert_length": 256}
    (folder / "chexficient_config.json").write_text(json.dumps(settings), encoding="utf-8")


def tiny_state() -> dict[str, torch.Tensor]:
    """Every tensor of the authors' class by its name: `CheXficient(...).state_dict()` of commit 93b55e9."""
    from transformers import BertConfig, BertModel

    with torch.device("meta"):
        bert = BertModel(BertConfig(vocab_size=len(vocabulary()), **BERT_SIZES))
    shapes = {f"image_encoder.model.{key}": shape for key, shape in _image_shapes().items()}
    shapes |= {f"text_encoder.model.{key}": tuple(value.shape) for key, value in bert.state_dict().items()}
    for part, width in (("image", TINY_VIT["embed_dim"]), ("text", BERT_SIZES["hidden_size"])):
        shapes |= _layer(f"{part}_projection.projection", WIDTH, width)
    state = drawn({key: torch.empty(shape) for key, shape in shapes.items()})
    of_training = {"prototypes": (6, 2 * WIDTH), "prototype_usage": (6,), "batch_prototype_updates": (6, 2 * WIDTH),
                   "batch_update_weight_stats": (1, 2), "pending_ema_features": (0, 2 * WIDTH),
                   "pending_ema_similarities": (0, 6)}  # fmt: skip
    state |= {key: torch.zeros(shape) for key, shape in of_training.items()}
    return {**state, "step_count": torch.zeros(1, dtype=torch.long), "logit_scale": torch.tensor(SCALE)}


def _image_shapes() -> dict[str, tuple[int, ...]]:
    """The tensors of DINOv2's vision transformer by its own names."""
    width, places = TINY_VIT["embed_dim"], (SIZE // PATCH) ** 2
    hidden = width * TINY_VIT["mlp_ratio"]
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, 1 + places, width),
        "mask_token": (1, width),
        "patch_embed.proj.weight": (width, 3, PATCH, PATCH),
        "patch_embed.proj.bias": (width,),
    }
    for number in range(TINY_VIT["depth"]):
        block = f"blocks.{number}"
        shapes |= _norm(f"{block}.norm1", width) | _norm(f"{block}.norm2", width)
        shapes |= {f"{block}.ls1.gamma": (width,), f"{block}.ls2.gamma": (width,)}
        shapes |= _layer(f"{block}.attn.qkv", 3 * width, width) | _layer(f"{block}.attn.proj", width, width)
        shapes |= _layer(f"{block}.mlp.fc1", hidden, width) | _layer(f"{block}.mlp.fc2", width, hidden)
    return shapes | _norm("norm", width)


def _norm(name: str, size: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (size,), f"{name}.bias": (size,)}


def _layer(name: str, out: int, inner: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (out, inner), f"{name}.bias": (out,)}
