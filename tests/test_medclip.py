"""MedCLIP: the reference package's recorded answers, its way with pictures and texts, and its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from radseek.retrieval.encoders.download.fetch import fetch
from radseek.retrieval.encoders.encoder import TextCutWarning
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.medclip_checkpoint import medclip_parts, read_medclip
from radseek.retrieval.encoders.spec import Preprocess
from radseek.retrieval.errors import EncoderError
from radseek.retrieval.heatmaps.cell_geometry import place
from radseek.retrieval.heatmaps.tower_layers import tower_of
from tests.biovil_support import TEXTS, pictures
from tests.each_support import each
from tests.encoder_folder_support import copy_folder, edit_json
from tests.medclip_support import KINDS, write_medclip

# `python -m benchmarks.parity_medclip --record tests/medclip_vectors.json` wrote what MedCLIP 0.0.3 answers.
RECORDED = json.loads(Path(__file__).with_name("medclip_vectors.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: write_medclip(tmp_path_factory.mktemp(kind) / "model", kind) for kind in KINDS}


@pytest.fixture(scope="module")
def encoders(folders: dict[str, Path]) -> dict[str, Any]:
    return {kind: load_encoder(folder, precision="fp32", device="cpu") for kind, folder in folders.items()}


@each("kind", list(KINDS))
def test_vectors_are_the_reference_packages(encoders: dict[str, Any], kind: str) -> None:
    encoder = encoders[kind]
    slices = np.concatenate([prepare_slices(one[None], encoder.spec.preprocess) for one in pictures()])
    ours = {"images": encoder.encode_slices(slices), "texts": encoder.encode_texts(TEXTS)}
    for part, rows in ours.items():
        theirs = np.array(RECORDED[kind][part])
        assert (rows * theirs).sum(axis=1).min() >= 0.99999
        alike = (theirs @ theirs.T)[np.triu_indices(len(theirs), 1)]
        assert np.median(alike) < 0.98  # so that agreeing to 0.99999 says something


def test_a_picture_is_padded_grey_and_never_enlarged_alone() -> None:
    """A small one stays as it is within the input; of another shape the square is as long as its longer side."""
    pad = Preprocess(size=40, resize_mode="pad")
    small = np.full((11, 20), 200, np.uint8)
    prepared = prepare_slices(small[None], pad)[0, 0]
    expected = np.zeros((40, 40), np.uint8)
    expected[14:25, 10:30] = 200
    np.testing.assert_array_equal(prepared, expected)
    for shape in ((11, 20), (90, 31), (35, 77)):
        where = place(shape, pad)
        corner = np.array(where.offset), np.array(where.offset) + np.array(where.scale) * shape
        seen = np.argwhere(prepare_slices(np.full((1, *shape), 255, np.uint8), pad)[0, 0] > 127)
        np.testing.assert_allclose(seen.min(0), corner[0], atol=0.51)
        np.testing.assert_allclose(seen.max(0) + 1, corner[1], atol=0.51)
    colour = np.random.default_rng(0).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    grey = np.asarray(Image.fromarray(colour).convert("L"))
    np.testing.assert_array_equal(prepare_slices(colour[None], pad), prepare_slices(grey[None], pad))


def test_a_text_is_what_it_is_alone_and_is_cut_at_77(encoders: dict[str, Any]) -> None:
    """The package counts padding in, so that there a text beside a longer one gets another vector."""
    encoder = encoders["swin"]
    alone = encoder.encode_texts(["pleural effusion"])[0]
    np.testing.assert_allclose(alone, encoder.encode_texts(["pleural effusion", "no " * 30])[0], atol=1e-6)
    assert encoder.spec.context == 77
    with pytest.warns(TextCutWarning, match="cut to the 77"):
        cut = encoder.encode_texts(["effusion " * 90])
    np.testing.assert_allclose(cut, encoder.encode_texts(["effusion " * 75]), atol=1e-6)  # and the two marks
    np.testing.assert_allclose(alone, encoder.encode_texts(["Pleural EFFUSION"])[0], atol=1e-6)


def test_heat_maps_look_into_both_towers_and_the_scale_is_the_models(encoders: dict[str, Any]) -> None:
    for encoder in encoders.values():
        assert encoder.spec.scale == pytest.approx(1 / 0.07, rel=1e-5)
        tower = tower_of(encoder)
        assert tower is not None
        assert set(tower.layers) == {8, 16, 32}
        inputs = encoder.as_input(np.random.default_rng(3).integers(0, 256, (2, 3, 224, 224), dtype=np.uint8))
        with torch.inference_mode():
            torch.testing.assert_close(
                tower.cells(inputs).mean(dim=(2, 3)), encoder.visual(inputs), atol=1e-4, rtol=1e-3
            )


def test_other_weights_and_settings_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    broken = copy_folder(folders["swin"], tmp_path / "broken")
    state = load_file(broken / "model.safetensors")
    for change in (
        lambda s: s.pop("logit_scale"),
        lambda s: s.update({"vision_model.extra": torch.zeros(1)}),
        lambda s: s.pop("text_model.model.embeddings.LayerNorm.weight"),
        lambda s: s.update({"text_model.projection_head.weight": torch.zeros(5, 32)}),
    ):
        changed = dict(state)
        change(changed)
        save_file(changed, broken / "model.safetensors")
        with pytest.raises(EncoderError, match="does not fit MedCLIP"):
            load_encoder(broken)
    for settings in ({"img_size": 0}, {"img_std": "wide"}, {"model_max_length": 7.5}, {"window": 3}):
        edit_json(broken / "medclip_config.json", lambda config, new=settings: (config.clear(), config.update(new)))
        with pytest.raises(EncoderError, match=r"medclip_config\.json"):
            read_medclip(broken)


def test_the_published_pickle_is_converted_and_the_identity_holds_what_changes_a_vector(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    old = copy_folder(folders["resnet"], tmp_path / "old")
    torch.save(load_file(old / "model.safetensors"), old / "pytorch_model.bin")
    (old / "model.safetensors").unlink()
    whole = read_medclip(fetch(str(old), tmp_path / "new"))
    plain = medclip_parts(read_medclip(folders["resnet"]), "fp32")
    assert medclip_parts(whole, "bf16") == plain
    edit_json(old / "medclip_config.json", lambda config: config.update(img_mean=0.5, model_max_length=40))
    fetch(str(old))
    other = medclip_parts(read_medclip(old), "fp32")
    assert (other.weights, other.architecture) == (plain.weights, plain.architecture)
    assert other.preprocess != plain.preprocess
    assert other.tokenizer != plain.tokenizer
