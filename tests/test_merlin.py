"""Merlin: the reference package's recorded answers, where its places lie, the whole path, and its files."""

from __future__ import annotations

import json
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from radseek import Engine, build_index
from radseek.retrieval.encoders.download.fetch import FETCHABLE, fetch
from radseek.retrieval.encoders.encoder import TextCutWarning, VolumeEncoder
from radseek.retrieval.encoders.encoder_contract import check_encoder
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.merlin_loading import load_merlin
from radseek.retrieval.errors import EncoderError
from radseek.retrieval.imaging.views.volume_input import volume_input
from radseek.retrieval.index.local_store import LocalStore
from tests.biovil_support import TEXTS
from tests.colipri_support import volumes
from tests.encoder_folder_support import copy_folder, edit_json
from tests.hub_support import serve
from tests.imaging_support import make_series
from tests.merlin_support import TINY, write_merlin
from tests.test_volume_encoder import write_scan

# `python -m benchmarks.parity_merlin --record tests/merlin_vectors.json` wrote what merlin-vlm 0.0.7 answers.
RECORDED = json.loads(Path(__file__).with_name("merlin_vectors.json").read_text(encoding="utf-8"))
SHAPE = tuple(TINY["spatial_size"][::-1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_merlin(tmp_path_factory.mktemp("merlin") / "model")


@pytest.fixture(scope="module")
def encoder(folder: Path) -> VolumeEncoder:
    return load_merlin(folder, "merlin", "fp32", "cpu")


def test_vectors_are_the_reference_packages(encoder: VolumeEncoder) -> None:
    grid = encoder.spec.recipe.volume
    assert grid is not None
    given = [volume_input(make_series(one, "CT", unit="HU", affine=at), grid).slices for one, at in volumes()]
    pairs = {
        "images": encoder.encode_volumes(np.concatenate(given)).pooled,
        "texts": encoder.encode_texts(TEXTS),
    }
    for name, ours in pairs.items():
        expected = np.array(RECORDED[name])
        assert (ours * expected).sum(axis=1).min() >= 0.99999, name
        alike = (expected @ expected.T)[np.triu_indices(len(expected), 1)]
        assert np.median(alike) < 0.98  # so that agreeing to 0.99999 says something


def test_places_lie_where_they_look_and_their_mean_is_the_volume(folder: Path, encoder: VolumeEncoder) -> None:
    """The middle of the voxels that change a place, by the gradient, is its centre; padding pulls at the edges only."""
    images = load_merlin(folder, "again", "fp32", "cpu")._images
    wide = torch.from_numpy(np.random.default_rng(1).random((1, 1, 96, 128, 128), np.float32)).requires_grad_()
    images(wide)[1].reshape(6, 4, 4, -1)[3, 2, 2].square().sum().backward()
    assert wide.grad is not None
    weight = wide.grad[0, 0].square()
    at = [float((weight.sum(dim=[1, 2]) * torch.arange(96)).sum() / weight.sum())]
    at += [float((weight.sum(dim=[0, other]) * torch.arange(128)).sum() / weight.sum()) for other in (2, 1)]
    np.testing.assert_allclose(at, [48, 64, 64], atol=6)  # half a place further on it would be 56, 80, 80
    found = encoder.encode_volumes(np.random.default_rng(0).random((1, 1, *SHAPE), np.float32))
    assert found.patches is not None
    assert found.centres is not None
    assert found.patches.shape == (1, 12, 24)
    np.testing.assert_array_equal(found.centres[[0, 1, 2, 4, 11]], [[0, 0, 0], [0, 0, 32], [0, 32, 0], [16, 0, 0],
                                                                   [32, 32, 32]])  # fmt: skip
    with torch.no_grad():
        pooled, raw = images(torch.from_numpy(np.random.default_rng(0).random((1, 1, *SHAPE), np.float32)))
    np.testing.assert_allclose(raw.mean(dim=1), pooled, rtol=1e-5)


def test_the_contract_holds_and_texts_stand_alone(encoder: VolumeEncoder) -> None:
    assert [one for one in check_encoder(encoder) if not one.passed] == []
    assert encoder.spec.scale == pytest.approx(np.exp(1.5))
    alone = encoder.encode_texts(["pleural effusion"])[0]
    np.testing.assert_array_equal(alone, encoder.encode_texts(["Pleural  effusion", "no " * 20])[0])
    with pytest.warns(TextCutWarning, match="cut to the 72"):
        encoder.encode_texts(["effusion " * 60])


def test_the_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADSEEK_KEY", "a key for volumes")
    encoder = load_merlin(write_merlin(tmp_path / "fine", pixdim=[2, 2, 3]), "fine", "fp32", "cpu")
    write_scan(tmp_path / "scans" / "a.nii.gz", (-60.0, 60.0, 350.0))
    write_scan(tmp_path / "scans" / "b.nii.gz", None)
    asked = tmp_path / "scans" / "a.nii.gz"
    assert build_index(tmp_path / "scans", tmp_path / "i", encoder=encoder, modality="CT").studies == 2
    with LocalStore.open(tmp_path / "i") as store, Engine(encoder, store) as engine:
        rows = engine.screen(tmp_path / "i", ["a bright ball"])
        assert {row.path: row.position is not None for row in rows} == {"a.nii.gz": True, "b.nii.gz": True}
        assert engine.similar(asked, 2, modality="CT")[0].path
        assert len(engine.search("a bright ball", 2).studies) == 2
        assert engine.explain(asked, findings=["a bright ball"], modality="CT").summary
        drawn = engine.heat_map(asked, "a bright ball", modality="CT")
    assert len({z for z, _ in drawn.profile}) == 2  # of places 48 mm apart two are in this scan
    assert drawn.check.reason != "one_vector_a_volume"


def test_what_does_not_fit_is_refused(folder: Path, tmp_path: Path) -> None:
    for name, key, value, said in (
        ("merlin_config.json", "pixdim", [1.5, 1.5], "three positive numbers"),
        ("merlin_config.json", "spatial_size", [64, 64, 48.5], "three positive numbers"),
        ("merlin_config.json", "window", 7, "it may hold pixdim, spatial_size"),
        ("config.json", "model_type", "roberta", "type 'longformer'"),
        ("config.json", "attention_window", [8, 16], "one even number"),
        ("config.json", "num_attention_heads", 5, "text tower"),
        ("config.json", "pad_token_id", 3, r"vocab\.json"),
        ("vocab.json", "<mask>", "none", "lacks one of"),
    ):
        broken = copy_folder(folder, tmp_path / f"{name}-{key}")
        edit_json(broken / name, lambda one, key=key, value=value: one.update({key: value}))
        with pytest.raises(EncoderError, match=said):
            load_encoder(broken)
    for key in ("encode_image.i3_resnet.layer2.0.bn2.running_var", "encode_text.linear_layer.bias", "logit_scale"):
        broken = copy_folder(folder, tmp_path / key)
        state = load_file(broken / "model.safetensors")
        del state[key]
        save_file(state, broken / "model.safetensors")
        with pytest.raises(EncoderError, match=r"model.safetensors"):
            load_encoder(broken)


def test_its_name_brings_both_repositories(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights were published as a pickle, which is converted; what else such repositories hold is left there."""
    source = FETCHABLE["merlin"]
    model, base = tmp_path / "model", copy_folder(folder, tmp_path / "base")
    model.mkdir()
    state = load_file(base / "model.safetensors")
    state["encode_image.i3_resnet.classifier.weight"] = torch.zeros(5, 512, 1, 1, 1)
    torch.save(state, model / source.weights)
    for name in ("merlin_config.json", "model.safetensors"):
        (base / name).unlink()
    (base / "pytorch_model.bin").write_bytes(b"not wanted")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    held = {source.repository: model, source.base: base}
    with serve(held, {source.repository: "c" * 40, source.base: "d" * 40}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        made = fetch("merlin", tmp_path / "made")
    assert not (made / "pytorch_model.bin").exists()
    assert json.loads((made / "merlin_config.json").read_text())["spatial_size"] == [224, 224, 160]
    assert load_encoder(made).spec.dim == 24
