"""RadCLIP: its published weights with the files of the CLIP they began as, and its slice-pooling adapter's formula."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from radseek import Engine, build_index
from radseek.retrieval.encoders.download.fetch import FETCHABLE, fetch
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.pooling.slice_pooling import pool_slices
from radseek.retrieval.encoders.spec import check_match
from radseek.retrieval.encoders.unit_rows import unit_rows
from radseek.retrieval.errors import EncoderError, MissingFileError
from tests.build_support import write_ct
from tests.encoder_folder_support import copy_folder
from tests.hub_support import serve
from tests.radclip_support import HEADS, WIDTH, adapter_state, pooled_by_hand, publish
from tests.transformers_support import TEXTS, pictures, reference_images

ROWS = unit_rows(np.random.default_rng(4).standard_normal((9, WIDTH)), "x")


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return publish(tmp_path_factory.mktemp("radclip"))


@pytest.fixture(scope="module")
def folder(repositories: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As someone makes it by hand: the weights beside the base's files, and the adapter as a pickle."""
    model, base = repositories
    made = copy_folder(base, tmp_path_factory.mktemp("by_hand") / "radclip")
    (made / "model.safetensors").unlink()
    shutil.copy(model / "RadCLIP.pth", made)
    torch.save(adapter_state(), made / "slice_pooling.pth")
    (made / "slice_pooling.json").write_text(json.dumps({"heads": HEADS}))
    return made


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fetch(str(folder), tmp_path_factory.mktemp("converted") / "radclip")


def half_converted(folder: Path, whole: Path, to: Path) -> Path:
    """The towers converted, and the adapter a pickle still."""
    made = copy_folder(whole, to)
    for name in ("fetch.json", "slice_pooling.safetensors"):
        (made / name).unlink()
    for name in ("slice_pooling.pth", "slice_pooling.json"):
        shutil.copy(folder / name, made)
    return made


def test_its_name_brings_the_weights_and_the_files_of_its_base(
    repositories: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = FETCHABLE["radclip"]
    held = dict(zip((source.repository, source.base), repositories, strict=True))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with serve(held, {source.repository: "c" * 40, source.base: str(source.base_revision)}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        made = fetch("radclip", tmp_path / "made")
    assert not any(f"{source.base}/resolve" in one and "model.safetensors" in one for one in hub.requests)
    names = {path.name for path in made.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer_config.json", "preprocessor_config.json"} <= names
    assert not {"RadCLIP.pth", "README.md"} & names
    told = json.loads((made / "fetch.json").read_text())["source"]
    assert told["revisions"] == {source.repository: "c" * 40, source.base: source.base_revision}
    assert load_encoder(made, precision="fp32", device="cpu").spec.dim == WIDTH


def test_vectors_are_those_of_transformers_own_model(repositories: tuple[Path, Path], whole: Path) -> None:
    """As RadCLIP's notebook has them: the state in a `CLIPModel`, pixels of its processor, the projected features."""
    encoder = load_encoder(whole, precision="fp32", device="cpu")
    _, theirs = reference_images(whole, pictures())
    slices = np.concatenate([prepare_slices(one[None], encoder.spec.preprocess) for one in pictures()])
    assert (encoder.encode_slices(slices) * theirs).sum(axis=1).min() >= 0.99999
    state = torch.load(repositories[0] / "RadCLIP.pth", weights_only=True)
    kept = load_file(whole / "model.safetensors")
    assert all(torch.equal(kept[key], state[key]) for key in state)
    assert encoder.encode_texts(TEXTS).shape == (16, WIDTH)


def test_the_adapter_pools_as_its_formula_says(whole: Path) -> None:
    encoder = load_encoder(whole, precision="fp32", device="cpu")
    expected = pooled_by_hand(ROWS, adapter_state())
    np.testing.assert_allclose(encoder.pool(ROWS), expected, atol=1e-6)
    assert float(encoder.pool(ROWS[::-1]) @ expected) < 0.9999  # it hears the order
    np.testing.assert_allclose(encoder.pool(ROWS[:1]), ROWS[0], atol=1e-6)


def test_the_adapter_is_another_pooling_of_the_same_towers(whole: Path, tmp_path: Path) -> None:
    plain = copy_folder(whole, tmp_path / "plain")
    (plain / "slice_pooling.safetensors").unlink()
    (plain / "fetch.json").unlink()
    one, other = load_encoder(plain), load_encoder(whole)
    assert check_match(one.spec, other.spec) is True
    np.testing.assert_allclose(one.pool(ROWS), pool_slices(None, ROWS), atol=1e-6)


def test_what_is_not_converted_is_not_pooled_by_the_mean(folder: Path, whole: Path, tmp_path: Path) -> None:
    half = half_converted(folder, whole, tmp_path / "half")
    with pytest.raises(EncoderError, match=r"slice_pooling.pth is a pickle.*radseek fetch"):
        load_encoder(half)


def test_an_adapter_of_another_form_is_named(folder: Path, whole: Path, tmp_path: Path) -> None:
    broken = half_converted(folder, whole, tmp_path / "broken")
    (broken / "slice_pooling.json").unlink()
    with pytest.raises(MissingFileError, match=r"lacks slice_pooling.json.*how many heads"):
        fetch(str(broken))
    (broken / "slice_pooling.json").write_text('{"heads": 5}')
    with pytest.raises(EncoderError, match="width 24 cannot be shared among 5 heads"):
        fetch(str(broken))
    torch.save({**adapter_state(), "pooling.norm.weight": torch.ones(3)}, broken / "slice_pooling.pth")
    with pytest.raises(EncoderError, match=r"no adapter of the form.*pooling.norm.weight"):
        fetch(str(broken))
    assert not (broken / "slice_pooling.safetensors").exists()


class Gadget:
    """Unpickling this makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("name", ["RadCLIP.pth", "slice_pooling.pth"])
def test_a_poisoned_pickle_is_refused_and_does_nothing(folder: Path, whole: Path, tmp_path: Path, name: str) -> None:
    proof = tmp_path / "executed"
    poisoned = half_converted(folder, whole, tmp_path / "poisoned")
    if name == "RadCLIP.pth":
        (poisoned / "model.safetensors").unlink()
    torch.save({"in_proj_weight": Gadget(proof)}, poisoned / name)
    with pytest.raises(EncoderError, match=rf"{name} was refused"):
        fetch(str(poisoned))
    assert not proof.exists()


def test_the_whole_path_pools_with_the_adapter(whole: Path, tmp_path: Path) -> None:
    for seed in range(2):
        write_ct(tmp_path / "scans" / f"s{seed}", seed)
    build_index([tmp_path / "scans"], tmp_path / "i", model=str(whole))
    with Engine.open(tmp_path / "i") as engine:
        assert engine.encoder.spec.pooling_hash == load_encoder(whole).spec.pooling_hash
        assert len(engine.screen(str(tmp_path / "i"), ["pleural_effusion"]).results) == 2
        assert engine.similar(str(tmp_path / "scans" / "s0"), k=1).results
