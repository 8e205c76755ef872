"""Folders of images alone, of transformers and timm: the reference's own pixels and vectors, offline, nothing run."""

from __future__ import annotations

import socket
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.spec import Preprocess, TowerParts
from radseek.retrieval.encoders.tower_identity import preprocess_hash
from radseek.retrieval.errors import EncoderError, MissingFileError, NoTextTowerError
from radseek.retrieval.heatmaps.cell_geometry import place
from radseek.retrieval.heatmaps.tower_layers import tower_of
from tests.each_support import each
from tests.encoder_folder_support import copy_folder, edit_json
from tests.image_folder_support import RAD_DINO, WRITERS, reference
from tests.test_transformers_folder import GADGETS, Poison, folder_with_code
from tests.transformers_support import pictures

FILES = {"config.json", "model.safetensors", "preprocessor_config.json"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: write(tmp_path_factory.mktemp(kind) / kind) for kind, write in WRITERS.items()}


def loaded(folder: Path, precision: str = "fp32") -> Encoder:
    return load_encoder(folder, precision=precision, device="cpu")


@each("kind", list(WRITERS))
def test_pixels_and_vectors_are_the_references(folders: dict[str, Path], kind: str) -> None:
    images, encoder = pictures(), loaded(folders[kind])
    slices = np.concatenate([prepare_slices(one[None], encoder.spec.preprocess) for one in images])
    pixels, features = reference(folders[kind], images)
    mean, std = (np.array(v).reshape(1, 3, 1, 1) for v in (encoder.spec.preprocess.mean, encoder.spec.preprocess.std))
    assert np.abs(slices - (pixels * std + mean) * 255).max() <= 1
    rows = encoder.encode_slices(slices)
    assert (rows * features).sum(axis=1).min() >= 0.99999
    assert np.unique(rows.round(4), axis=0).shape == rows.shape
    assert encoder.spec.text is False
    assert (encoder.spec.scale, encoder.spec.bias, encoder.spec.context) == (1.0, 0.0, 0)
    with pytest.raises(NoTextTowerError, match="no text tower"):
        encoder.encode_texts(["effusion"])
    rough = loaded(folders[kind], "bf16")
    assert (rough.encode_slices(slices) * rows).sum(axis=1).min() >= 0.999
    assert rough.spec.towers_hash == encoder.spec.towers_hash


def test_rad_dinos_numbers_are_read(folders: dict[str, Path]) -> None:
    preprocess = loaded(folders["dinov2"]).spec.preprocess
    assert (preprocess.size, preprocess.resize, preprocess.resize_mode) == (70, None, "shortest_floor")
    assert (list(preprocess.mean), list(preprocess.std)) == (RAD_DINO["image_mean"], RAD_DINO["image_std"])


def test_offline_means_offline(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("something asked for a network")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    for folder in folders.values():
        encoder = loaded(folder)
        size = encoder.spec.preprocess.size
        assert encoder.encode_slices(np.zeros((1, 3, size, size), np.uint8)).shape == (1, encoder.spec.dim)


@each("kind", list(WRITERS))
def test_removing_any_one_file_names_that_file(folders: dict[str, Path], tmp_path: Path, kind: str) -> None:
    names = {path.name for path in folders[kind].iterdir()}
    assert names == (FILES - {"preprocessor_config.json"} if kind.startswith("timm") else FILES)
    for name in names - {"config.json"}:  # without it nothing says what the folder is
        broken = copy_folder(folders[kind], tmp_path / f"without-{name}")
        (broken / name).unlink()
        with pytest.raises(MissingFileError, match=name.replace(".", r"\.")):
            load_encoder(broken)
    broken = copy_folder(folders[kind], tmp_path / "without-config")
    (broken / "config.json").unlink()
    with pytest.raises(MissingFileError, match=r"config\.json"):
        load_encoder(broken)


@each(
    ("kind", "change", "said"),
    [
        ("dinov2", {"auto_map": {"AutoModel": "modeling.Evil"}}, "never run"),
        ("dinov2", {"trust_remote_code": True}, "never run"),
        ("dinov2", {"_attn_implementation": "owner/kernel"}, "owner/kernel"),
        ("dinov2", {"quantization_config": {"quant_method": "owner"}}, "quantised"),
        ("dinov2", {"architectures": ["Dinov2ForImageClassification"]}, "only Dinov2Model"),
        ("dinov2", {"patch_size": 16}, "whole patches"),
        ("dinov2", {"patch_size": "x"}, "whole patches"),
        ("dinov2", {"hidden_size": 30}, "does not fit"),
        ("vit", {"image_size": 96}, "do not fit"),
        ("vit", {"num_channels": 1}, "channels"),
        ("vit", {"num_hidden_layers": 3}, "does not fit"),
        ("vit", {"num_hidden_layers": 1}, "does not fit"),
        ("timm", {"auto_map": {"AutoModel": "modeling.Evil"}}, "never run"),
        ("timm", {"architecture": "hf-hub:owner/name"}, "hf-hub:owner/name"),
        ("timm", {"architecture": "local-dir:/tmp"}, "local-dir"),
        ("timm", {"architecture": "no_such_model"}, "no_such_model"),
        ("timm", {"architecture": ["test_vit"]}, "not one of timm's"),
        ("timm", {"architecture": "test_efficientnet"}, "cannot build"),
        ("timm", {"architecture": "test_efficientnet", "model_args": {}}, "does not fit"),
        ("timm", {"model_args": {"checkpoint_path": "evil"}}, "checkpoint_path"),
        ("timm", {"model_args": {"pretrained": True}}, "pretrained"),
        ("timm", {"model_args": {"pretrained_cfg": {"file": "evil.bin"}}}, "pretrained_cfg"),
        ("timm", {"model_args": {"act_layer": "/tmp/evil.py"}}, "evil"),
        ("timm", {"model_args": "deep"}, "objects"),
        ("timm", {"model_args": {"in_chans": 1}}, "channels"),
        ("timm", {"model_args": {"img_size": 128}}, "does not fit"),
        ("timm", {"model_args": {"img_size": 128, "dynamic_img_size": False}}, "do not fit"),
        ("timm", {"pretrained_cfg": {"input_size": [1, 160, 160]}}, "input_size"),
        ("timm", {"pretrained_cfg": {"input_size": [3, 160, 224]}}, "input_size"),
        ("timm", {"pretrained_cfg": {"crop_pct": 2}}, "crop_pct"),
        ("timm", {"pretrained_cfg": {"crop_pct": "x"}}, "pretrained_cfg"),
        ("timm", {"pretrained_cfg": {"crop_mode": "border"}}, "border"),
        ("timm", {"pretrained_cfg": {"std": [0.5, 0, 0.5]}}, "std"),
    ],
)
def test_hostile_and_mistaken_configurations(
    folders: dict[str, Path], tmp_path: Path, kind: str, change: dict[str, object], said: str
) -> None:
    broken = copy_folder(folders[kind], tmp_path / "model")
    folder_with_code(broken)
    edit_json(broken / "config.json", lambda config: config.update(change))
    with pytest.raises(EncoderError, match=said):
        load_encoder(broken)
    assert not (broken / "executed").exists()


@each("kind", ["dinov2", "timm"])
def test_weights_are_safetensors_that_fit_and_lie_in_the_folder(
    folders: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    for gadget, call in GADGETS.items():
        poisoned = copy_folder(folders[kind], tmp_path / gadget)
        (poisoned / "model.safetensors").unlink()
        torch.save({"weight": Poison(tmp_path / "executed", call)}, poisoned / "pytorch_model.bin")
        with pytest.raises(EncoderError, match=r"pytorch_model\.bin, a pickle"):
            load_encoder(poisoned)
    broken = copy_folder(folders[kind], tmp_path / "broken")
    state = load_file(broken / "model.safetensors")
    for changed in (
        {**state, "extra": torch.zeros(1)},
        {key: value for key, value in state.items() if "norm" not in key},
    ):
        save_file(changed, broken / "model.safetensors")
        with pytest.raises(EncoderError, match="does not fit"):
            load_encoder(broken)
    (broken / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(EncoderError, match="does not fit"):
        load_encoder(broken)
    (broken / "model.safetensors").unlink()
    (broken / "model.safetensors").symlink_to(folders[kind] / "model.safetensors")
    with pytest.raises(EncoderError, match="link out of the folder"):
        load_encoder(broken)
    assert not (tmp_path / "executed").exists()


@each(
    ("kind", "part", "change"),
    [
        ("dinov2", "architecture", {"layer_norm_eps": 1e-3}),
        ("timm", "architecture", {"model_args": {"qkv_bias": True}}),
        ("timm", "preprocess", {"pretrained_cfg": {"input_size": [3, 160, 160], "crop_pct": 0.5}}),
        ("timm", "", {"architecture": "test_vit.of_another_tag", "num_classes": 9}),
        ("dinov2", "", {"transformers_version": "4.0", "dtype": "float16"}),
    ],
)
def test_identity(folders: dict[str, Path], tmp_path: Path, kind: str, part: str, change: dict[str, object]) -> None:
    other = copy_folder(folders[kind], tmp_path / kind)
    edit_json(other / "config.json", lambda config: config.update(change))
    one, two = (loaded(folder).spec.towers for folder in (folders[kind], other))
    assert isinstance(one, TowerParts)
    assert isinstance(two, TowerParts)
    found = [name for name in TowerParts.__slots__ if getattr(one, name) != getattr(two, name)]
    assert found == ([part] if part else [])


def test_what_was_hashed_before_there_was_a_resize_keeps_its_hash() -> None:
    assert preprocess_hash(Preprocess()) == "4ea4ce316fd0044f46d8be9f58c0cedf1947d17478a0495a13c695dd425e7fdd"
    assert preprocess_hash(Preprocess(resize=256)) != preprocess_hash(Preprocess())


def test_a_crop_is_placed_where_it_was_cut(folders: dict[str, Path]) -> None:
    """A bright pixel of the slice is found in the input where `place` says, for every way to crop."""
    for mode in ("shortest", "shortest_floor", "squash"):
        preprocess = Preprocess(size=64, resize=91, resize_mode=mode, interpolation="bilinear")
        for shape in ((140, 201), (201, 140), (33, 50)):
            slices = np.zeros((1, *shape), np.uint8)
            at = (shape[0] // 2 + 5, shape[1] // 2 - 4)
            slices[0, at[0], at[1]] = 255
            placement = place(shape, preprocess)
            wanted = [placement.scale[i] * (at[i] + 0.5) + placement.offset[i] for i in (0, 1)]
            shown = prepare_slices(slices, preprocess)[0, 0].astype(float)
            centre = [(shown.sum(axis=1 - i) @ (np.arange(64) + 0.5)) / shown.sum() for i in (0, 1)]
            assert centre == pytest.approx(wanted, abs=0.35), (mode, shape)


def test_a_tower_of_timm_can_be_looked_into(folders: dict[str, Path]) -> None:
    for kind in ("timm", "timm_convolutions"):
        encoder = loaded(folders[kind])
        tower = tower_of(encoder)
        assert tower is not None
        size = encoder.spec.preprocess.size
        assert tower.cells(tower.as_input(np.zeros((1, 3, size, size), np.uint8))).shape[1] == encoder.spec.dim
