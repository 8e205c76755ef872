"""Folders of MedCLIP's shape with drawn weights. Imports nothing of radseek or of the reference package.

The weights are drawn by the layers' names, so that the reference package, in an environment of its own
(`benchmarks/reference_medclip.py`), fills its own tiny models with the same ones.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torchvision.models.resnet import Bottleneck, ResNet

from tests.biovil_support import TINY_BERT, drawn, set_statistics, vocabulary

KINDS = ("swin", "resnet")
WIDTH = 12
TINY_RESNET: dict[str, Any] = {"block": Bottleneck, "layers": [1, 1, 1, 1], "width_per_group": 2}
TINY_SWIN: dict[str, Any] = {"embed_dim": 8, "depths": [1, 2, 1, 1], "num_heads": [1, 2, 2, 4], "window_size": 7}
BERT_SIZES = {**TINY_BERT, "num_hidden_layers": 4, "max_position_embeddings": 96}
SCALE = math.log(1 / 0.07)


def write_medclip(folder: Path, kind: str = "swin") -> Path:
    """Write the folder and return it: `swin` or `resnet`. Every file in it is needed."""
    folder.mkdir(parents=True, exist_ok=True)
    write_bert(folder, BERT_SIZES)
    (folder / "medclip_config.json").write_text("{}", encoding="utf-8")
    texts = {f"text_model.{key}": value for key, value in drawn_texts().items()}
    images = {f"vision_model.{key}": value for key, value in drawn_images(kind).items()}
    save_file({**texts, **images, "logit_scale": torch.tensor(SCALE)}, folder / "model.safetensors", {"format": "pt"})
    return folder


def write_bert(folder: Path, sizes: dict[str, Any]) -> None:
    """Write Bio_ClinicalBERT's files, of a tower of these sizes: it has no tokenizer_config.json."""
    words = vocabulary()
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    config = {"model_type": "bert", "vocab_size": len(words), **sizes}
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")


def drawn_texts() -> dict[str, torch.Tensor]:
    from transformers import BertConfig, BertModel

    with torch.device("meta"):
        bert = BertModel(BertConfig(vocab_size=len(vocabulary()), **BERT_SIZES))
    state = {f"model.{key}": value for key, value in bert.state_dict().items()}
    state["projection_head.weight"] = torch.empty(WIDTH, BERT_SIZES["hidden_size"])
    return {**drawn(state), "model.embeddings.position_ids": torch.arange(96)[None]}  # as older versions saved


def drawn_images(kind: str) -> dict[str, torch.Tensor]:
    if kind == "swin":
        return drawn(_swin_state())
    net = ResNet(**TINY_RESNET)
    net.fc = torch.nn.Linear(net.fc.in_features, WIDTH, bias=False)
    state = drawn({f"model.{key}": value for key, value in net.state_dict().items()})
    net.load_state_dict({key.removeprefix("model."): value for key, value in state.items()})
    set_statistics(net, lambda cells: cells, torch.nn.Identity())
    return {f"model.{key}": value for key, value in net.state_dict().items()}


def _swin_state() -> dict[str, torch.Tensor]:
    """The Swin's tensors by the names that transformers gave them when MedCLIP was published."""
    width, window = TINY_SWIN["embed_dim"], TINY_SWIN["window_size"]
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.patch_embeddings.projection.weight": (width, 3, 4, 4),
        "embeddings.patch_embeddings.projection.bias": (width,),
        **_norm("embeddings.norm", width),
    }
    for stage, (depth, heads) in enumerate(zip(TINY_SWIN["depths"], TINY_SWIN["num_heads"], strict=True)):
        size = width * 2**stage
        for block in range(depth):
            start = f"encoder.layers.{stage}.blocks.{block}"
            shapes |= _norm(f"{start}.layernorm_before", size) | _norm(f"{start}.layernorm_after", size)
            shapes[f"{start}.attention.self.relative_position_bias_table"] = ((2 * window - 1) ** 2, heads)
            layers = {"attention.self.query": (size, size), "attention.self.key": (size, size),
                      "attention.self.value": (size, size), "attention.output.dense": (size, size),
                      "intermediate.dense": (4 * size, size), "output.dense": (size, 4 * size)}  # fmt: skip
            for name, shape in layers.items():
                shapes |= {f"{start}.{name}.weight": shape, f"{start}.{name}.bias": shape[:1]}
        if stage + 1 < len(TINY_SWIN["depths"]):
            merging = f"encoder.layers.{stage}.downsample"
            shapes |= {f"{merging}.reduction.weight": (2 * size, 4 * size), **_norm(f"{merging}.norm", 4 * size)}
    shapes |= _norm("layernorm", size)
    state = {f"model.{key}": torch.empty(shape) for key, shape in shapes.items()}
    index = "model.encoder.layers.0.blocks.0.attention.self.relative_position_index"
    state[index] = torch.zeros(window**2, window**2, dtype=torch.long)  # saved, and made anew by every version
    state["projection_head.weight"] = torch.empty(WIDTH, size)
    return state


def _norm(name: str, size: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (size,), f"{name}.bias": (size,)}
