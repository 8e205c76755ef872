"""A folder of HLIP's shape with drawn weights. Imports nothing of radseek or of the reference code.

The weights are drawn by the layers' names, so that the reference code, in an environment of its own
(`benchmarks/reference_hlip.py`), fills its own tiny model with the same ones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests.biovil_support import drawn, vocabulary
from tests.colipri_support import TINY_BERT, write_bert

# As the registered tower names them: 4 x 3 x 3 cubes of 4 x 12 x 12 voxels, which are of 3 x 1 x 1 mm.
TINY: dict[str, Any] = {"img_size": (16, 36, 36), "patch_size": (4, 12, 12), "embed_dim": 48}
DEPTH = 12
NAME = "vit_base_singlescan_h2_token2744"
WIDTH = 20
LOGIT_SCALE = 2.5


def settings(width: int = WIDTH) -> dict[str, Any]:
    """HLIP's own description of its model for open_clip, of vectors of this width."""
    vision = {"timm_model_name": NAME, "timm_model_pretrained": True, "timm_drop_path": 0.2, "timm_pool": "token",
              "timm_proj": "linear"}  # fmt: skip
    text = {"hf_model_name": "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext",
            "hf_tokenizer_name": "microsoft/BiomedVLP-CXR-BERT-specialized", "hf_proj_type": "linear",
            "hf_pooler_type": "cls_last_hidden_state_pooler", "context_length": 512}  # fmt: skip
    return {"embed_dim": width, "vision_cfg": vision, "text_cfg": text}


def write_hlip(folder: Path) -> Path:
    """Write the folder and return it; every file in it is needed."""
    folder.mkdir(parents=True, exist_ok=True)
    write_bert(folder, TINY_BERT)
    (folder / "open_clip_config.json").write_text(json.dumps(settings(), indent=1), encoding="utf-8")
    state = drawn({key: torch.empty(shape) for key, shape in _shapes().items()} | _bert_state())
    save_file({**state, "logit_scale": torch.tensor(LOGIT_SCALE)}, folder / "model.safetensors")
    return folder


def _shapes() -> dict[str, tuple[int, ...]]:
    width = TINY["embed_dim"]
    counts = [size // side for size, side in zip(TINY["img_size"], TINY["patch_size"], strict=True)]
    found: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, width),
        "spatial_posemb": (1, *counts, width),
        "patch_embed.proj.weight": (width, 1, *TINY["patch_size"]),
        "patch_embed.proj.bias": (width,),
        "norm.weight": (width,),
        "norm.bias": (width,),
    }
    linears = {"attn.qkv": (3 * width, width), "attn.proj": (width, width), "mlp.fc1": (4 * width, width),
               "mlp.fc2": (width, 4 * width)}  # fmt: skip
    for number in range(DEPTH):
        for key, shape in linears.items():
            found |= {f"blocks.{number}.{key}.weight": shape, f"blocks.{number}.{key}.bias": shape[:1]}
        for key in ("norm1", "norm2"):
            found |= {f"blocks.{number}.{key}.weight": (width,), f"blocks.{number}.{key}.bias": (width,)}
    tower = {f"visual.trunk.{key}": shape for key, shape in found.items()}
    return tower | {"visual.head.proj.weight": (WIDTH, width), "text.proj.weight": (WIDTH, TINY_BERT["hidden_size"])}


def _bert_state() -> dict[str, torch.Tensor]:
    from transformers import BertConfig, BertModel

    with torch.device("meta"):
        model = BertModel(BertConfig(vocab_size=len(vocabulary()), **TINY_BERT), add_pooling_layer=False)
    return {f"text.transformer.{key}": value for key, value in model.state_dict().items()}
