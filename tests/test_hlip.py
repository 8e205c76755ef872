"""HLIP: the recorded answers of its authors' code, the whole path without places, and its files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from radseek import Engine, build_index
from radseek.retrieval.encoders.download.fetch import fetch
from radseek.retrieval.encoders.encoder import TextCutWarning, VolumeEncoder
from radseek.retrieval.encoders.encoder_contract import check_encoder
from radseek.retrieval.encoders.hlip_checkpoint import hlip_recipe
from radseek.retrieval.encoders.hlip_loading import load_hlip
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.errors import EncoderError, UsageError
from radseek.retrieval.imaging.views.volume_input import volume_input
from radseek.retrieval.index.local_store import LocalStore
from tests.biovil_support import TEXTS
from tests.colipri_support import volumes
from tests.encoder_folder_support import copy_folder, edit_json
from tests.hlip_support import TINY, write_hlip
from tests.imaging_support import make_series
from tests.test_volume_encoder import write_scan

# `python -m benchmarks.parity_hlip --record tests/hlip_vectors.json` wrote what HLIP's own code answers.
RECORDED = json.loads(Path(__file__).with_name("hlip_vectors.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hlip(tmp_path_factory.mktemp("hlip") / "model")


@pytest.fixture(scope="module")
def encoder(folder: Path) -> VolumeEncoder:
    return load_hlip(folder, "hlip", "fp32", "cpu")


def test_vectors_are_the_authors(encoder: VolumeEncoder) -> None:
    grid = encoder.spec.recipe.volume
    assert grid == hlip_recipe(TINY["img_size"]).volume
    assert grid is not None
    given = [volume_input(make_series(one, "CT", unit="HU", affine=at), grid).slices for one, at in volumes()]
    found = encoder.encode_volumes(np.concatenate(given))
    assert (found.patches, found.centres) == (None, None)
    for name, ours in {"images": found.pooled, "texts": encoder.encode_texts(TEXTS)}.items():
        expected = np.array(RECORDED[name])
        assert (ours * expected).sum(axis=1).min() >= 0.99999, name
        alike = (expected @ expected.T)[np.triu_indices(len(expected), 1)]
        assert np.median(alike) < 0.98  # so that agreeing to 0.99999 says something


def test_the_contract_holds_and_texts_are_cut(encoder: VolumeEncoder) -> None:
    assert [one for one in check_encoder(encoder) if not one.passed] == []
    assert encoder.spec.scale == pytest.approx(np.exp(2.5))
    with pytest.warns(TextCutWarning, match="cut to the 40"):
        encoder.encode_texts(["effusion " * 60])


def test_the_whole_path_says_that_it_names_no_slice(
    encoder: VolumeEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RADSEEK_KEY", "a key for volumes")
    write_scan(tmp_path / "scans" / "a.nii.gz", (-60.0, 60.0, 350.0))
    write_scan(tmp_path / "scans" / "b.nii.gz", None)
    asked = tmp_path / "scans" / "a.nii.gz"
    assert build_index(tmp_path / "scans", tmp_path / "i", encoder=encoder, modality="CT").studies == 2
    with LocalStore.open(tmp_path / "i") as store, Engine(encoder, store) as engine:
        assert [row.stands_out for row in engine.screen(tmp_path / "i", ["a bright ball"])] == [False, False]
        assert engine.similar(asked, 2, modality="CT")[0].path
        assert len(engine.search("a bright ball", 2).studies) == 2
        assert engine.explain(asked, findings=["a bright ball"], modality="CT").summary
        drawn = engine.heat_map(asked, "a bright ball", modality="CT")
    assert drawn.map is None
    assert drawn.check.reason == "one_vector_a_volume"


def test_what_its_training_saved_is_read(folder: Path, encoder: VolumeEncoder, tmp_path: Path) -> None:
    """A pickle with `module.` before each name, beside it a number that SigLIP's training adds."""
    saved = copy_folder(folder, tmp_path / "saved")
    state = {f"module.{key}": value for key, value in load_file(saved / "model.safetensors").items()}
    (saved / "model.safetensors").unlink()
    torch.save({"epoch": 20, "state_dict": {**state, "module.logit_bias": torch.tensor(-9.5)}}, saved / "chest.pt")
    with pytest.raises(EncoderError, match=r"chest.pt, a pickle.*radseek fetch"):
        load_encoder(saved)
    made = load_encoder(fetch(str(saved), tmp_path / "made"), precision="fp32", device="cpu")
    assert made.spec.bias == -9.5
    np.testing.assert_array_equal(made.encode_texts(["effusion"]), encoder.encode_texts(["effusion"]))


def test_its_name_says_where_its_weights_lie(tmp_path: Path) -> None:
    for ask in (lambda: fetch("hlip", tmp_path / "x"), lambda: load_encoder("hlip")):
        with pytest.raises(UsageError, match=r"drive\.google\.com.*radseek fetch FOLDER"):
            ask()


def test_what_does_not_fit_is_refused(folder: Path, tmp_path: Path) -> None:
    for part, key, value, said in (
        ("vision_cfg", "timm_model_name", "vit_base_multiscan_h2_token1176", "a study of many scans"),
        ("text_cfg", "hf_pooler_type", "mean_pooler", "cls_last_hidden_state_pooler"),
        ("text_cfg", "context_length", 1, "whole numbers"),
        ("", "embed_dim", 24, "24 wide"),
    ):
        broken = copy_folder(folder, tmp_path / key)

        def change(one: dict[str, dict[str, object]], part: str = part, key: str = key, value: object = value) -> None:
            (one[part] if part else one).update({key: value})  # type: ignore[dict-item]

        edit_json(broken / "open_clip_config.json", change)
        with pytest.raises(EncoderError, match=said):
            load_encoder(broken)
    for key in (
        "visual.trunk.blocks.3.attn.qkv.bias",
        "visual.trunk.spatial_posemb",
        "text.proj.weight",
        "logit_scale",
    ):
        broken = copy_folder(folder, tmp_path / key)
        state = load_file(broken / "model.safetensors")
        del state[key]
        save_file(state, broken / "model.safetensors")
        with pytest.raises(EncoderError, match=r"model.safetensors"):
            load_encoder(broken)
