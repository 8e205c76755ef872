"""open_clip's CoCa: its two towers answer as open_clip's own model does, and nothing of the captions is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.errors import EncoderError
from radseek.retrieval.heatmaps.heatmap import heat_map
from radseek.retrieval.heatmaps.tower_layers import tower_of
from tests.encoder_folder_support import copy_folder, edit_json, write_json
from tests.heatmap_support import random_pair, random_slice
from tests.transformers_support import TEXTS, pictures

# As coca_ViT-B-32.json has it, at two layers.
TEXT = {"context_length": 76, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2}
MODEL: dict[str, Any] = {
    "embed_dim": 32,
    "vision_cfg": {
        "image_size": 64,
        "layers": 2,
        "width": 64,
        "patch_size": 16,
        "attentional_pool": True,
        "attn_pooler_heads": 4,
        "output_tokens": True,
    },
    "text_cfg": {**TEXT, "embed_cls": True, "output_tokens": True},
    "multimodal_cfg": {**TEXT, "attn_pooler_heads": 4},
    "custom_text": True,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("coca")
    write_json(made / "open_clip_config.json", {"model_cfg": MODEL, "preprocess_cfg": {}})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.CoCa(**{key: value for key, value in MODEL.items() if key != "custom_text"})
        for parameter in model.parameters():
            parameter.data.add_(torch.randn_like(parameter) * 0.05)
    save_file(model.state_dict(), made / "open_clip_model.safetensors")
    return made


def test_both_towers_answer_as_open_clips(folder: Path) -> None:
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    assert isinstance(model.eval(), open_clip.CoCa)
    encoder = load_encoder(folder, precision="fp32", device="cpu")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    clean = [one.encode("utf-8", "replace").decode() for one in TEXTS]
    with torch.inference_mode():
        pixels = torch.stack([transform(Image.fromarray(one)) for one in pictures()])
        images, texts = model.encode_image(pixels).numpy(), model.encode_text(tokenizer(clean)).numpy()
    slices = np.concatenate([prepare_slices(one[None], encoder.spec.preprocess) for one in pictures()])
    mean, std = (np.array(one)[:, None, None] for one in (encoder.spec.preprocess.mean, encoder.spec.preprocess.std))
    assert np.abs(slices - (pixels.numpy() * std + mean) * 255).max() <= 1
    for ours, theirs in ((encoder.encode_slices(slices), images), (encoder.encode_texts(TEXTS), texts)):
        assert (ours.astype(np.float64) * theirs).sum(axis=1).min() >= 0.99999
        assert np.median((theirs @ theirs.T)[np.triu_indices(len(theirs), 1)]) < 0.98
    assert (encoder.spec.context, encoder.spec.dim) == (76, 32)


def test_a_heat_map_looks_into_the_tower(folder: Path) -> None:
    encoder = load_encoder(folder, precision="fp32", device="cpu")
    tower = tower_of(encoder)
    assert tower is not None
    assert list(tower.layers) == [16]
    assert not any("decoder" in name for name, _ in encoder._model.named_parameters())  # type: ignore[attr-defined]
    drawn = heat_map(encoder, random_slice((64, 64)), random_pair(32))
    assert np.nanstd(drawn) > 0


def test_what_does_not_fit_is_refused(folder: Path, tmp_path: Path) -> None:
    broken = copy_folder(folder, tmp_path / "broken")
    edit_json(broken / "open_clip_config.json", lambda one: one["model_cfg"].update(multimodal_cfg=[]))
    with pytest.raises(EncoderError, match="multimodal_cfg must be an object"):
        load_encoder(broken)
    edit_json(broken / "open_clip_config.json", lambda one: one["model_cfg"].update(MODEL, custom_text=False))
    with pytest.raises(EncoderError, match="cannot build the towers"):
        load_encoder(broken)
    edit_json(broken / "open_clip_config.json", lambda one: one["model_cfg"].update(MODEL))
    state = load_file(broken / "open_clip_model.safetensors")
    save_file({key: one for key, one in state.items() if "decoder" not in key}, broken / "open_clip_model.safetensors")
    with pytest.raises(EncoderError, match="does not fit"):
        load_encoder(broken)
