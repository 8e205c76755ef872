"""An image tower whose input is no square: pixels and vectors are open_clip's own, and no heat map is drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from radseek import Engine, Study
from radseek.retrieval.encoders.encoder_contract import check_encoder
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.spec import EncoderSpec, Preprocess
from radseek.retrieval.encoders.tower_identity import preprocess_hash
from radseek.retrieval.errors import UsageError
from radseek.retrieval.heatmaps.heatmap import heat_map
from tests.encoder_folder_support import write_json
from tests.heatmap_support import random_pair
from tests.transformers_support import pictures

MODEL: dict[str, Any] = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": [64, 96], "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}


def write(folder: Path, mode: str) -> Path:
    folder.mkdir()
    told = {"resize_mode": mode, "interpolation": "bilinear", "fill_color": 9}
    write_json(folder / "open_clip_config.json", {"model_cfg": MODEL, "preprocess_cfg": told})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file(open_clip.CLIP(**MODEL).state_dict(), folder / "open_clip_model.safetensors")
    return folder


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
def test_pixels_and_vectors_are_open_clips(tmp_path: Path, mode: str) -> None:
    folder = write(tmp_path / mode, mode)
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    encoder = load_encoder(folder, precision="fp32", device="cpu")
    with torch.inference_mode():
        pixels = torch.stack([transform(Image.fromarray(one)) for one in pictures()])
        theirs = model.eval().encode_image(pixels, normalize=True).numpy()
    slices = np.concatenate([prepare_slices(one[None], encoder.spec.preprocess) for one in pictures()])
    assert slices.shape == (8, 3, 64, 96)
    mean, std = (np.array(one)[:, None, None] for one in (encoder.spec.preprocess.mean, encoder.spec.preprocess.std))
    assert np.abs(slices - (pixels.numpy() * std + mean) * 255).max() <= 1
    assert (encoder.encode_slices(slices).astype(np.float64) * theirs).sum(axis=1).min() >= 0.99999


def test_a_strip_is_prepared_by_its_middle_alone() -> None:
    oblong = Preprocess(size=64, width=96)
    ramp = np.tile(np.arange(5000) // 20 % 256, (40, 1)).astype(np.uint8)
    strip = prepare_slices(ramp[None], oblong)
    assert strip.shape == (1, 3, 64, 96)
    assert np.abs(strip.astype(int) - int(ramp[0, 2500])).max() <= 2  # 60 of 5000 columns, one level each 20


def test_it_works_and_draws_no_map(tmp_path: Path) -> None:
    encoder = load_encoder(write(tmp_path / "model", "squash"), precision="fp32", device="cpu")
    assert [one for one in check_encoder(encoder) if not one.passed] == []
    assert EncoderSpec.from_json(json.loads(json.dumps(encoder.spec.to_dict()))) == encoder.spec
    with pytest.raises(UsageError, match="square input"):
        heat_map(encoder, pictures(1)[0][..., 0], random_pair(32))
    study = Study.from_array(pictures(1)[0][..., 0], modality="CR", body_part="chest")
    with Engine(encoder) as engine:
        assert engine.screen(study, ["pleural_effusion"])
        drawn = engine.heat_map(study, "pleural_effusion")
    assert (drawn.map, drawn.check.reason) == (None, "input_is_not_square")


def test_a_square_keeps_its_hash() -> None:
    assert preprocess_hash(Preprocess()) != preprocess_hash(Preprocess(width=96))
    assert preprocess_hash(Preprocess()) == "4ea4ce316fd0044f46d8be9f58c0cedf1947d17478a0495a13c695dd425e7fdd"
