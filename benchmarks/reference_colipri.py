"""COLIPRI's reference package on drawn weights: it makes and saves a model, and answers volumes and texts.

Run by `benchmarks.parity_colipri` with the interpreter of an environment that holds colipri 0.1.3, and nothing of
radseek: `python benchmarks/reference_colipri.py FOLDER tiny|full|grid`. `full`: the published widths and depth on a
grid of 64 voxels of 4 mm. `grid`: the published grid of 192 voxels of 2 mm, of which only the pixels are written.
Beside the model's folder it writes FOLDER.npz: pixels, vectors of volumes, places and texts.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchio as tio
from colipri import get_processor
from colipri.checkpoint import load_model_config
from colipri.model.multimodal import Model
from colipri.model.text import TextEncoder
from colipri.pooling import AttentionPool1D
from colipri.processor import Processor
from hydra.utils import instantiate
from transformers import BertConfig, BertModel, BertTokenizer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.biovil_support import TEXTS, drawn, vocabulary
from tests.colipri_support import HEADS, TEMPERATURE, TINY, TINY_BERT, volumes, write_bert, write_settings

_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # of LPS
_FULL = {"input_size": 64, "spacing": 4}


def main(folder: Path, size: str) -> None:
    """Make both towers, save them, and write what they answer."""
    folder.mkdir(parents=True, exist_ok=True)
    seen = {"tiny": {key: TINY[key] for key in ("input_size", "spacing")}, "full": _FULL, "grid": {}}[size]
    processor = get_processor(image_only=True, **seen)
    pixels = [one.data for one in processor.process_images([_image(*one) for one in volumes()])]
    if size == "grid":
        np.savez(folder.with_suffix(".npz"), pixels=torch.stack(pixels).numpy())
        return
    model = _model(size, seen)
    model.save_weights(folder / "model.safetensors")
    write_bert(folder, TINY_BERT if size == "tiny" else {})
    write_settings(folder, **({} if size == "tiny" else {**_FULL, "eva_numheads": 12, "num_heads": 12}))
    tokenizer = BertTokenizer(vocab={word: number for number, word in enumerate(vocabulary())}, model_max_length=512)
    tokens, mask = Processor(None, tokenizer).process_text(TEXTS)
    longest = int(model.text_encoder.backbone.config.max_position_embeddings)
    pooled, places = [], []
    with torch.no_grad():
        for one in pixels:
            pooled.append(model.encode_image(one[None], project=True, pool=True, normalize=True)[0].numpy())
            places.append(model.encode_image(one[None], project=True, normalize=True)[0].numpy())
        texts = model.encode_text(tokens[:, :longest], mask[:, :longest]).numpy()
    np.savez(folder.with_suffix(".npz"), pixels=torch.stack(pixels), images=pooled, places=places, texts=texts)


def _image(voxels: Any, affine: Any) -> tio.ScalarImage:
    return tio.ScalarImage(tensor=torch.from_numpy(voxels.transpose(2, 1, 0).copy())[None], affine=_RAS @ affine)


def _model(size: str, seen: dict[str, Any]) -> Model:
    given = [f"{key}={value}" for key, value in seen.items()]
    if size == "tiny":
        given += [f"{key}={TINY[key]}" for key in ("image_embed_dim", "projection_dim")]
        given += [f"model.image_encoder.backbone.{key}={TINY[key]}" for key in ("eva_depth", "eva_numheads")]
        given += [f"model.image_encoder.pooler.num_heads={HEADS}"]
    images = instantiate(load_model_config(overrides=given)["image_encoder"])
    bert = BertModel(BertConfig(vocab_size=len(vocabulary()), **(TINY_BERT if size == "tiny" else {})))
    wrapped = torch.nn.Module()
    wrapped.bert = bert  # as CXR-BERT's class holds it
    texts = TextEncoder(wrapped, AttentionPool1D(bert.config.hidden_size, HEADS if size == "tiny" else 12))
    model = Model(images, texts, TEMPERATURE).eval()
    state = {key: value for key, value in model.state_dict().items() if value.ndim}
    missing, unexpected = model.load_state_dict(drawn(state), strict=False)
    if unexpected or missing != ["softmax_temperature"]:
        raise ValueError(f"Weights were not filled: {missing}, {unexpected}.")
    return model


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
