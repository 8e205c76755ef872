"""Folders of BioViL's and BioViL-T's shape with drawn weights. Imports nothing of radseek or of the reference package.

The weights are drawn by the layers' names, so that the reference package, in an environment of its own
(`benchmarks/reference_biovil.py`), fills its own tiny models with the same ones.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision.models.resnet import Bottleneck, ResNet

NAMES = {"biovil": "biovil_image_resnet50_proj_size_128", "biovil_t": "biovil_t_image_model_proj_size_128"}
TINY_RESNET: dict[str, Any] = {"block": Bottleneck, "layers": [1, 1, 1, 1], "width_per_group": 2}
TINY_WIDTH = 12
TINY_BERT: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
}
TEXTS = [
    "There is a large right pleural effusion.",
    "No pneumothorax.",
    "no pneumothorax",
    "",
    "HEART SIZE IS NORMAL",
    "Is there a nodule?!",
    "Nodule, 4 mm; left upper lobe - stable",
    "tuberculosis",
    "  two   spaces\n and a line ",
    "the 'quoted' word (and brackets)",
    "cardiomegaly with pulmonary oedema",
    "normal chest radiograph",
    "caf\u00e9 au lait. ",
    "1.5 x 2.0 cm mass...",
    "\u80f8\u8154\u79ef\u6db2",
    "a",
]
_WORDS = (
    "a an and of in on the with without no not is are there seen pleural effusion pneumothorax right left large small "
    "heart size normal chest radiograph nodule mm cm mass upper lobe , . ; - : ( ) ' 1 2 4"
)


def vocabulary() -> list[str]:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_WORDS.split(), *letters, *(f"##{one}" for one in letters)]
    return [*dict.fromkeys(words)]


def pictures(count: int = 8) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    """Grey pictures that are no noise, none square, wide and tall, with odd sides; most use a part of the range."""
    rng = np.random.default_rng(11)
    shapes = [(200, 181), (181, 200), (97, 301), (64, 65), (713, 650), (512, 511), (1025, 800), (480, 640)]
    ranges = [(0, 255), (10, 200), (100, 101), (3, 255), (0, 90), (60, 61), (17, 230), (128, 255)]
    found = []
    grids = [(12, 10), (3, 2), (60, 50), (2, 9), (1, 5), (30, 3), (6, 6), (20, 25)]
    powers = [1.0, 4.0, 0.3, 1.0, 6.0, 0.2, 2.0, 0.5]  # some are dark and some bright
    for (height, width), (low, high), grid, power in list(zip(shapes, ranges, grids, powers, strict=True))[:count]:
        coarse = Image.fromarray(np.round(low + (high - low) * rng.random(grid) ** power).astype(np.uint8))
        smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
        found.append(np.clip(smooth, low, high).astype(np.uint8))
    return found


def drawn(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights for the names and shapes of `state`, each drawn by its name; variances are positive, as they must be."""
    found = {}
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            found[name] = tensor
            continue
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        fan = max(1, tensor[0].numel() if tensor.ndim > 1 else 100)
        values = rng.standard_normal(tuple(tensor.shape)) * (1.5 / np.sqrt(fan))
        if name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")):
            values = 1 + np.abs(values)
        found[name] = torch.from_numpy(values.astype(np.float32))
    return found


def set_statistics(resnet: Any, between: Callable[[torch.Tensor], torch.Tensor], projector: Any) -> None:
    """Give every batch norm the statistics of the pictures, without which drawn weights answer all of them alike."""
    small = [np.asarray(Image.fromarray(one).resize((128, 128)), np.float32) for one in pictures()]
    ranged = [(one - one.min()) / (one.max() - one.min()) for one in small]
    cells = torch.from_numpy(np.stack(ranged))[:, None].expand(-1, 3, -1, -1)
    for net in (resnet, projector):
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.reset_running_stats()
                module.momentum = None  # the mean of all batches, of which there is one
        net.train()
    with torch.no_grad():
        for layer in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"):
            cells = getattr(resnet, layer)(cells)
        projector(between(cells))
    resnet.eval()
    projector.eval()


def write_biovil(folder: Path, kind: str = "biovil") -> Path:
    """Write the folder and return it; every file in it is needed."""
    folder.mkdir(parents=True, exist_ok=True)
    words = vocabulary()
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    names = {"AutoConfig": "configuration_cxrbert.CXRBertConfig", "AutoModel": "modeling_cxrbert.CXRBertModel"}
    config = {"model_type": "cxr-bert", "projection_size": TINY_WIDTH, "vocab_size": len(words), **TINY_BERT}
    _write(folder / "config.json", {**config, "architectures": ["CXRBertModel"], "auto_map": names})
    tokenizer = {"tokenizer_class": "CXRBertTokenizer", "do_lower_case": True, "model_max_length": 512}
    tokenizer["auto_map"] = {"AutoTokenizer": ["configuration_cxrbert.CXRBertTokenizer", None]}
    _write(folder / "tokenizer_config.json", tokenizer)
    save_file(drawn(_text_state(len(words))), folder / "model.safetensors")
    save_file(_image_weights(kind), folder / f"{NAMES[kind]}.safetensors")
    return folder


def _text_state(words: int) -> dict[str, torch.Tensor]:
    from transformers import BertConfig, BertForMaskedLM

    with torch.device("meta"):
        model = BertForMaskedLM(BertConfig(vocab_size=words, **TINY_BERT))
        state = {key: value for key, value in model.state_dict().items() if "decoder" not in key}
        for name, shape in (
            ("dense_to_hidden.weight", (TINY_WIDTH, TINY_BERT["hidden_size"])),
            ("dense_to_hidden.bias", (TINY_WIDTH,)),
            ("LayerNorm.weight", (TINY_WIDTH,)),
            ("LayerNorm.bias", (TINY_WIDTH,)),
            ("dense_to_output.weight", (TINY_WIDTH, TINY_WIDTH)),
            ("dense_to_output.bias", (TINY_WIDTH,)),
        ):
            state[f"cls_projection_head.{name}"] = torch.empty(shape)
    return state


def _image_weights(kind: str) -> dict[str, torch.Tensor]:
    state = drawn(_image_state(kind))
    resnet, projector = ResNet(num_classes=3, **TINY_RESNET), _projector(512 if kind == "biovil_t" else 2048)
    parts = {"encoder.encoder.": resnet, "projector.model.": projector}
    for start, net in parts.items():
        net.load_state_dict({key.removeprefix(start): state[key] for key in state if key.startswith(start)})
    set_statistics(resnet, lambda cells: _beside_none(state, cells), projector)
    for start, net in parts.items():
        state |= {start + key: value for key, value in net.state_dict().items()}
    return state


def _projector(channels: int) -> torch.nn.Sequential:
    first, last = torch.nn.Conv2d(channels, TINY_WIDTH, 1, bias=False), torch.nn.Conv2d(TINY_WIDTH, TINY_WIDTH, 1)
    return torch.nn.Sequential(first, torch.nn.BatchNorm2d(TINY_WIDTH), torch.nn.ReLU(), last)


def _beside_none(state: Mapping[str, torch.Tensor], cells: torch.Tensor) -> torch.Tensor:
    if "encoder.backbone_to_vit.weight" not in state:
        return cells
    cells = torch.nn.functional.conv2d(cells, state["encoder.backbone_to_vit.weight"])
    return torch.cat([cells, state["encoder.missing_previous_emb"].expand_as(cells)], dim=1)


def _image_state(kind: str) -> dict[str, torch.Tensor]:
    resnet = ResNet(num_classes=3, **TINY_RESNET)
    state = {f"encoder.encoder.{key}": value for key, value in resnet.state_dict().items()}
    if kind == "biovil_t":
        state["encoder.backbone_to_vit.weight"] = torch.empty(256, 2048, 1, 1)
        state["encoder.missing_previous_emb"] = torch.empty(1, 256, 1, 1)
        state["encoder.vit_pooler.type_embed"] = torch.empty(2, 1, 256)  # of the comparison with an earlier image
    projector = _projector(512 if kind == "biovil_t" else 2048)
    state |= {f"projector.model.{key}": value for key, value in projector.state_dict().items()}
    return state


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")
