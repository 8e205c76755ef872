"""Tiny models that transformers itself makes and saves, with its own processors, and its own answers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoImageProcessor,
    AutoModel,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTokenizer,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
)

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,-'"
TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
TEXTS = [
    "There is a large right pleural effusion.",
    "No pneumothorax.",
    "no pneumothorax",
    "",
    "HEART SIZE IS NORMAL",
    "Nodule, 4 mm; left upper lobe - stable?",
    "tuberculosis",
    "\ud800 mangled",
    "  two   spaces\n and a line ",
    "the 'quoted' word (and brackets) [too]",
    "cardiomegaly with pulmonary oedema",
    "normal chest radiograph",
    "fracture of the left eighth rib",
    "1.5 x 2.0 cm mass",
    "an effusion",
    "a",
]


def write_clip(folder: Path, *, seed: int = 0, size: int = 64, edit: Any = None) -> Path:
    """Write a `CLIPModel` of two layers with its tokenizer and image processor; every file is needed."""
    vocabulary = [*LETTERS, *(f"{one}</w>" for one in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    ids = {piece: number for number, piece in enumerate(vocabulary)}
    special = {"bos_token_id": len(ids) - 2, "eos_token_id": len(ids) - 1, "pad_token_id": len(ids) - 1}
    config = CLIPConfig(
        text_config={"vocab_size": len(ids), **special, **TOWER},
        vision_config={"image_size": size, "patch_size": 16, **TOWER},
        projection_dim=24,
    )
    save_drawn(CLIPModel, config, folder, seed)
    CLIPTokenizer(vocab=ids, merges=[], model_max_length=77).save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": size}, crop_size={"height": size, "width": size}).save_pretrained(folder)
    return folder


def write_siglip(folder: Path, *, seed: int = 0, size: int = 64, patch: int = 16) -> Path:
    """Write a `SiglipModel` of two layers, 64 tokens, and a tokenizer.json that lower-cases and drops punctuation."""
    pieces = ["</s>", "<unk>", "\u2581", *LETTERS[:36], *(f"\u2581{one}" for one in LETTERS[:36])]
    text = {"vocab_size": len(pieces), "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0, **TOWER}
    vision = {"image_size": size, "patch_size": patch, **TOWER}
    save_drawn(SiglipModel, SiglipConfig(text_config=text, vision_config=vision), folder, seed)
    _siglip_tokenizer(pieces).save_pretrained(folder)
    SiglipImageProcessor(size={"height": size, "width": size}).save_pretrained(folder)
    return folder


WRITERS = {"clip": write_clip, "siglip": write_siglip}


def pictures(count: int = 8) -> list[NDArray[np.uint8]]:
    """RGB pictures that are no noise, none square, wide and tall, with odd sides."""
    rng = np.random.default_rng(11)
    shapes = [(200, 181), (181, 200), (97, 301), (64, 65), (65, 64), (512, 511), (40, 31), (130, 77)]
    found = []
    for height, width in shapes[:count]:
        coarse = Image.fromarray(rng.integers(0, 256, (12, 10, 3), dtype=np.uint8))
        found.append(np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)))
    return found


def reference_images(folder: Path, images: Sequence[NDArray[np.uint8]], backend: str = "pil") -> tuple[Any, Any]:
    """transformers' own `(pixels, features)` of pictures, unit rows."""
    processor = AutoImageProcessor.from_pretrained(folder, backend=backend)
    model = AutoModel.from_pretrained(folder).eval()
    pixels = torch.cat([processor(images=Image.fromarray(one), return_tensors="pt")["pixel_values"] for one in images])
    with torch.inference_mode():
        features = model.get_image_features(pixel_values=pixels).pooler_output
    return pixels.numpy(), torch.nn.functional.normalize(features, dim=-1).numpy()


def reference_texts(folder: Path, tokenizer: Any, texts: Sequence[str]) -> Any:
    """transformers' own unit text features, padded to the full length as its cards say."""
    model = AutoModel.from_pretrained(folder).eval()
    clean = [text.encode("utf-8", "replace").decode() for text in texts]
    inputs = tokenizer(clean, padding="max_length", truncation=True, return_tensors="pt")
    given = {key: inputs[key] for key in ("input_ids", "attention_mask") if key in inputs}
    with torch.inference_mode():
        features = model.get_text_features(**given).pooler_output
    return torch.nn.functional.normalize(features, dim=-1).numpy()


def save_drawn(kind: Any, config: Any, folder: Path, seed: int) -> None:
    """Draw a model's weights and save it as transformers does."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = kind(config)
        for parameter in model.parameters():  # no bias stays zero, no scale one
            parameter.data.add_(torch.randn_like(parameter) * 0.05)
    quiet = logging.getLogger("transformers")
    before = quiet.level
    quiet.setLevel(logging.ERROR)
    model.save_pretrained(folder)
    quiet.setLevel(before)


def siglip_pieces(scored: list[tuple[str, float]]) -> Tokenizer:
    """As google/siglip's tokenizer.json: unigram pieces, of which `</s>` is the first, and ends every text."""
    tokenizer = Tokenizer(models.Unigram(scored, unk_id=1))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"[!\"#$%&'()*+,\-./:;<=>?@\[\]\\^_`{|}~]"), ""),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 0)])
    return tokenizer


def _siglip_tokenizer(pieces: list[str]) -> PreTrainedTokenizerFast:
    """The tokenizer with its special tokens; as google/siglip's, it gives no attention mask."""
    scored = [(piece, -float(len(pieces) - number)) for number, piece in enumerate(pieces)]
    return PreTrainedTokenizerFast(
        tokenizer_object=siglip_pieces(scored),
        eos_token="</s>",
        pad_token="</s>",
        unk_token="<unk>",
        model_max_length=64,
        model_input_names=["input_ids"],
    )
