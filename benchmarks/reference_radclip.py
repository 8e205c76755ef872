"""RadCLIP's way with a picture and a text, as its notebook shows it, on drawn weights, by transformers of its time.

Run by `benchmarks.parity_radclip` with the interpreter of an environment that holds transformers 4.52.0, and nothing
of radseek: `python benchmarks/reference_radclip.py FOLDER tiny|full`. It leaves the folder as somebody who downloads
both repositories has it, `RadCLIP.pth` among the files of the CLIP it began as, and writes FOLDER.npz.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.biovil_support import TEXTS, drawn, pictures

# openai/clip-vit-large-patch14's, and the same at two layers.
_LARGE = {
    "text": {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 12},
    "vision": {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 24},
}
_TINY = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,-'"


def main(folder: Path, size: str) -> None:
    """Make the model, save its state, and write what it answers."""
    folder.mkdir(parents=True, exist_ok=True)
    processor = _processor(folder)
    tokens = {one: int(getattr(processor.tokenizer, one)) for one in ("bos_token_id", "eos_token_id", "pad_token_id")}
    text = {"vocab_size": len(processor.tokenizer), **tokens, **(_LARGE["text"] if size == "full" else _TINY)}
    vision = {"patch_size": 14, "image_size": 224, **(_LARGE["vision"] if size == "full" else _TINY)}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=768 if size == "full" else 24))
    model.load_state_dict(_drawn(model.state_dict()))
    model.eval()
    model.config.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "RadCLIP.pth")

    pixels, images, texts = [], [], []
    with torch.no_grad():
        for one in pictures():
            given = processor(images=Image.fromarray(one).convert("RGB"), return_tensors="pt", do_rescale=True)
            pixels.append(given["pixel_values"][0].numpy())
            images.append(model.visual_projection(model.vision_model(**given).pooler_output)[0].numpy())
        for one in TEXTS:
            given = processor.tokenizer(one, return_tensors="pt", padding=True, truncation=True)
            texts.append(model.get_text_features(**given)[0].numpy())
    np.savez(folder.with_suffix(".npz"), pixels=np.stack(pixels), images=images, texts=texts)


def _drawn(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights drawn by their names, small enough that 24 layers keep pictures apart, and CLIP's own temperature."""
    vectors = drawn({key: value for key, value in state.items() if value.ndim})
    found = {key: value * (0.5 if value.ndim > 1 else 0.1) for key, value in vectors.items()}
    kept = {key: 1 + value if "norm" in key and key.endswith("weight") else value for key, value in found.items()}
    return {**kept, **{key: value for key, value in state.items() if not value.ndim or not value.is_floating_point()}}


def _processor(folder: Path) -> Any:
    """Return a processor of letters, saved where the base's own files would be."""
    words = [*_LETTERS, *(f"{one}</w>" for one in _LETTERS), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({one: n for n, one in enumerate(words)}), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77)
    processor = CLIPProcessor(CLIPImageProcessor(), tokenizer)
    processor.image_processor.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return processor


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
