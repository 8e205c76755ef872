"""COLIPRI: the reference package's recorded answers, a lesion planted in its weights, the whole path, and its files."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from radseek import Engine, build_index
from radseek.retrieval.encoders.colipri_loading import load_colipri
from radseek.retrieval.encoders.download.fetch import FETCHABLE, fetch
from radseek.retrieval.encoders.encoder import TextCutWarning, VolumeEncoder
from radseek.retrieval.encoders.encoder_contract import check_encoder
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.errors import EncoderError, EncoderMismatchError, MissingFileError, UsageError
from radseek.retrieval.imaging.views.volume_input import VolumeInput, volume_input
from radseek.retrieval.index.local_store import LocalStore
from tests.biovil_support import TEXTS
from tests.colipri_support import volumes, write_colipri
from tests.encoder_folder_support import copy_folder, edit_json
from tests.hub_support import serve
from tests.imaging_support import RAS_TO_LPS, make_series, write_nifti

# `python -m benchmarks.parity_colipri --record tests/colipri_vectors.json` wrote what colipri 0.1.3 answers.
RECORDED = json.loads(Path(__file__).with_name("colipri_vectors.json").read_text(encoding="utf-8"))
LESION = 900  # HU
CUBE_MM = 8 * 6  # of the tiny grid


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_colipri(tmp_path_factory.mktemp("colipri") / "model")


@pytest.fixture(scope="module")
def encoder(folder: Path) -> VolumeEncoder:
    return load_colipri(folder, "colipri", "fp32", "cpu")


def prepared(encoder: VolumeEncoder) -> list[VolumeInput]:
    grid = encoder.spec.recipe.volume
    assert grid is not None
    return [volume_input(make_series(one, "CT", unit="HU", affine=affine), grid) for one, affine in volumes()]


def test_vectors_are_the_reference_packages(encoder: VolumeEncoder) -> None:
    found = encoder.encode_volumes(np.concatenate([one.slices for one in prepared(encoder)]))
    assert found.patches is not None
    theirs = np.array(RECORDED["places"][0])  # (D, x, y, z)
    pairs = {
        "images": (found.pooled, np.array(RECORDED["images"])),
        "places": (found.patches[0], theirs.reshape(len(theirs), -1).T),
        "texts": (encoder.encode_texts(TEXTS), np.array(RECORDED["texts"])),
    }
    for name, (ours, expected) in pairs.items():
        assert (ours * expected).sum(axis=1).min() >= 0.99999, name
        alike = (expected @ expected.T)[np.triu_indices(len(expected), 1)]
        assert np.median(alike) < 0.98  # so that agreeing to 0.99999 says something


def test_a_volume_without_air_is_padded_with_its_own_least_value(encoder: VolumeEncoder) -> None:
    """As the package pads: the seventh volume holds nothing below -300 HU."""
    padded = prepared(encoder)[6].values
    assert padded.min() == pytest.approx(-0.3)
    assert padded[0, 0, 0, 0] == pytest.approx(-0.3)


def test_places_lie_where_their_cubes_do(encoder: VolumeEncoder, tmp_path: Path) -> None:
    """A bright cube changes the place whose middle it has more than any other; four of eight places may be averaged."""
    halved = load_colipri(write_colipri(tmp_path / "halved", pool=2), "halved", "fp32", "cpu")
    for one, cell in ((encoder, 8), (halved, 16)):
        empty = np.full((1, 1, 32, 32, 32), -1, np.float32)
        bright = empty.copy()
        bright[0, 0, 16 : 16 + cell, :cell, 8 if cell == 8 else 16 : 16 if cell == 8 else 32] = 1
        plain, changed = one.encode_volumes(empty), one.encode_volumes(bright)
        assert plain.patches is not None
        assert changed.patches is not None
        assert changed.centres is not None
        moved = np.linalg.norm(changed.patches[0] - plain.patches[0], axis=1)
        middle = (cell - 1) / 2
        at = np.array([16 + middle, middle, (8 if cell == 8 else 16) + middle])
        np.testing.assert_allclose(changed.centres[moved.argmax()], at)
    spec = halved.spec
    assert spec.recipe.volume is not None
    assert (spec.recipe.volume.pool, spec.imaging_hash == encoder.spec.imaging_hash) == (2, False)


def planted(folder: Path) -> Path:
    """Weights by hand: a place's vector turns from one text's to the other's as its cube is brighter."""
    state = load_file(folder / "model.safetensors")
    joint = len(state["image_encoder.projector.bias"])
    for key, value in state.items():
        if key.endswith(("gamma_1", "gamma_2")):  # the blocks add nothing
            state[key] = torch.zeros_like(value)
    cubes = "image_encoder.backbone.down_projection.proj."
    state[f"{cubes}weight"] = torch.zeros_like(state[f"{cubes}weight"])
    state[f"{cubes}weight"][0] = 1 / 512  # the cube's mean; and the norm keeps the ratio of what follows
    state[f"{cubes}bias"] = torch.zeros(joint)
    state[f"{cubes}bias"][:2] = torch.tensor([0.0, 1.0])
    norm = "image_encoder.backbone.eva.norm."
    state[f"{norm}weight"], state[f"{norm}bias"] = torch.ones(joint), torch.zeros(joint)
    state["image_encoder.projector.weight"] = torch.eye(joint).reshape(joint, joint, 1, 1, 1)
    state["image_encoder.projector.bias"] = torch.zeros(joint)
    for part in ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"):
        key = f"image_encoder.pooler.attn.{part}"
        state[key] = torch.zeros_like(state[key])
    state["image_encoder.pooler.attn.in_proj_weight"][2 * joint :] = torch.eye(joint)
    state["image_encoder.pooler.attn.out_proj.weight"] = torch.eye(joint)
    save_file(state, folder / "model.safetensors")
    return folder


def words_of_brightness(encoder: Any) -> None:
    """Give the planted towers two texts: a finding's is the bright cube's vector, its absence's the dark one's."""
    volume = np.full((1, 1, 32, 32, 32), -1, np.float32)
    volume[0, 0, :8, :8, :8] = 0.9
    rows = encoder.encode_volumes(volume).patches[0]
    encoder.encode_texts = lambda texts: np.stack(
        [rows[-1] if " no " in f" {one.lower()}" or "normal" in one.lower() else rows[0] for one in texts]
    )


def scan(path: Path, at: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Write a CT of 3 x 2 x 2 mm with or without a cube of 24 mm about the patient's point `at`; its LPS affine."""
    affine = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -80], [0, 0, 3, -900], [0, 0, 0, 1]])
    z, y, x = np.indices((60, 84, 90))
    mm = np.stack([x, y, z], axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    inside = (np.abs(mm - at) <= 12).all(axis=-1) if at is not None else np.zeros(x.shape, bool)
    voxels = np.where(inside, LESION, -600).astype(np.int16)
    voxels[:, :2] = -1000  # air, by which a NIfTI is known to be in HU
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(path, voxels.transpose(2, 1, 0), RAS_TO_LPS @ affine)
    return affine


def test_the_whole_path_finds_a_planted_lesion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADSEEK_KEY", "a key for volumes")
    encoder: Any = load_colipri(planted(write_colipri(tmp_path / "planted")), "planted", "fp32", "cpu")
    words_of_brightness(encoder)
    at = np.array([20.0, -31.0, -800.0])
    affine = scan(tmp_path / "scans" / "lesion.nii.gz", at)
    scan(tmp_path / "scans" / "none.nii.gz", None)
    build_index(tmp_path / "scans", tmp_path / "i", encoder=encoder, modality="CT")
    asked = tmp_path / "scans" / "lesion.nii.gz"
    with LocalStore.open(tmp_path / "i") as store, Engine(encoder, store) as engine:
        rows = {row.path: row for row in engine.screen(tmp_path / "i", ["a bright cube"])}
        found = rows["lesion.nii.gz"]
        assert found.margin > rows["none.nii.gz"].margin
        assert np.abs(np.array(found.position) - at).max() <= CUBE_MM / 2 + 12
        assert found.key_slice == round((np.linalg.inv(affine) @ [*found.position, 1])[2])
        drawn = engine.heat_map(asked, "a bright cube", modality="CT")
        assert np.abs(np.array(drawn.peak_mm) - at).max() <= CUBE_MM / 2 + 12
        assert engine.similar(asked, 1, modality="CT")[0].path
        assert engine.search("a bright cube", 1).studies[0].path == "lesion.nii.gz"
        assert engine.explain(asked, findings=["a bright cube"], modality="CT").summary
    other = load_colipri(write_colipri(tmp_path / "other", spacing=3), "other", "fp32", "cpu")
    with (
        LocalStore.open(tmp_path / "i") as store,
        pytest.raises(EncoderMismatchError, match=r"the imaging recipe's spacing.*the towers' weights"),
    ):
        Engine(other, store)


def test_the_contract_holds_and_texts_stand_alone(encoder: VolumeEncoder) -> None:
    assert [one for one in check_encoder(encoder) if not one.passed] == []
    assert encoder.spec.scale == pytest.approx(1 / 0.07)
    alone = encoder.encode_texts(["pleural effusion"])[0]
    np.testing.assert_array_equal(alone, encoder.encode_texts(["pleural effusion", "no " * 30])[0])
    with pytest.warns(TextCutWarning, match="cut to the 40"):
        encoder.encode_texts(["effusion " * 60])
    with pytest.raises(UsageError, match="takes float32"):
        encoder.encode_volumes(np.zeros((1, 1, 4, 4, 4), np.float32))


def test_half_precision_is_near(folder: Path, encoder: VolumeEncoder) -> None:
    given = prepared(encoder)[0].slices
    half = load_colipri(folder, "half", "bf16", "cpu").encode_volumes(given)
    assert float(half.pooled[0] @ encoder.encode_volumes(given).pooled[0]) > 0.99


def test_a_volume_that_does_not_fit_into_memory_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load_colipri(folder, "large", "fp32", "cpu")

    def full(volume: torch.Tensor) -> None:
        raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes.")

    monkeypatch.setattr(encoder, "_images", full)
    with pytest.raises(EncoderError, match=r"memory of cpu: one volume is 32 x 32 x 32 voxels, 64 places"):
        encoder.encode_volumes(np.zeros((1, 1, 32, 32, 32), np.float32))


def test_offline_and_every_file_is_needed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("something asked for a network")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert load_encoder(folder, device="cpu").spec.dim == 24
    for path in folder.iterdir():
        broken = copy_folder(folder, tmp_path / path.name)
        (broken / path.name).unlink()
        wanted = "model.safetensors|biovil" if path.name == "colipri_config.json" else path.name.replace(".", r"\.")
        with pytest.raises(MissingFileError, match=wanted):
            load_encoder(broken)


class Gadget:
    """Unpickling this makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.path),))


def test_what_is_poisoned_or_does_not_fit_is_refused(folder: Path, tmp_path: Path) -> None:
    proof = tmp_path / "executed"
    broken = copy_folder(folder, tmp_path / "pickle")
    (broken / "model.safetensors").unlink()
    torch.save({"x": Gadget(proof)}, broken / "colipri.pt")
    with pytest.raises(EncoderError, match=r"colipri.pt, a pickle.*radseek fetch"):
        load_encoder(broken)
    with pytest.raises(EncoderError, match="was refused"):
        fetch(str(broken))
    assert not proof.exists()
    shutil.copy(folder / "model.safetensors", broken)
    edit_json(broken / "config.json", lambda one: one.update(auto_map={"AutoModel": "evil.Evil"}))
    with pytest.raises(EncoderError, match="never run"):
        load_encoder(broken)
    for name, value, said in (
        ("eva_numheads", 5, "heads"),
        ("input_size", 36, "no whole number of places"),
        ("pool", 3, "no whole number of places"),
        ("spacing", 0, "positive"),
        ("window", 7, "it may hold input_size"),
    ):
        broken = copy_folder(folder, tmp_path / name)
        edit_json(broken / "colipri_config.json", lambda one, name=name, value=value: one.update({name: value}))
        with pytest.raises(EncoderError, match=said):
            load_encoder(broken)
    for key in ("image_encoder.projector.bias", "text_encoder.pooler.attn.in_proj_bias", "softmax_temperature"):
        broken = copy_folder(folder, tmp_path / key)
        state = load_file(broken / "model.safetensors")
        del state[key]
        save_file(state, broken / "model.safetensors")
        with pytest.raises(EncoderError, match=r"model.safetensors"):
            load_encoder(broken)


def test_its_name_brings_both_repositories(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = FETCHABLE["colipri"]
    model, base = tmp_path / "model", copy_folder(folder, tmp_path / "base")
    model.mkdir()
    (base / "colipri_config.json").unlink()
    shutil.move(base / "model.safetensors", model)
    (base / "pytorch_model.bin").write_bytes(b"not wanted")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    held = {source.repository: model, source.base: base}
    with serve(held, {source.repository: "c" * 40, source.base: str(source.base_revision)}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        made = fetch("colipri", tmp_path / "made")
    assert not (made / "pytorch_model.bin").exists()
    assert json.loads((made / "colipri_config.json").read_text())["input_size"] == 192
