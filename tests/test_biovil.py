"""BioViL and BioViL-T: the reference package's recorded answers, its way with pictures and texts, and its files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from radseek.retrieval.encoders.biovil_checkpoint import biovil_parts, read_biovil
from radseek.retrieval.encoders.download.fetch import fetch
from radseek.retrieval.encoders.encoder import TextCutWarning
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.spec import Preprocess
from radseek.retrieval.encoders.tower_encoder import TowerEncoder
from radseek.retrieval.errors import EncoderError
from radseek.retrieval.heatmaps.tower_layers import tower_of
from tests.biovil_support import NAMES, TEXTS, pictures, write_biovil
from tests.each_support import each
from tests.encoder_folder_support import copy_folder, edit_json

# `python -m benchmarks.parity_biovil --record tests/biovil_vectors.json` wrote what hi-ml-multimodal 0.2.2 answers.
RECORDED = json.loads(Path(__file__).with_name("biovil_vectors.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: write_biovil(tmp_path_factory.mktemp(kind) / "model", kind) for kind in NAMES}


@pytest.fixture(scope="module")
def encoders(folders: dict[str, Path]) -> dict[str, Any]:
    return {kind: load_encoder(folder, precision="fp32", device="cpu") for kind, folder in folders.items()}


def prepared(encoder: TowerEncoder) -> NDArray[np.uint8]:
    return np.concatenate([prepare_slices(one[None], encoder.spec.preprocess) for one in pictures()])


@each("kind", list(NAMES))
def test_vectors_are_the_reference_packages(encoders: dict[str, Any], kind: str) -> None:
    ours = {
        "images": encoders[kind].encode_slices(prepared(encoders[kind])),
        "texts": encoders[kind].encode_texts(TEXTS),
    }
    for part, rows in ours.items():
        theirs = np.array(RECORDED[kind][part])
        assert (rows * theirs).sum(axis=1).min() >= 0.99999
        alike = (theirs @ theirs.T)[np.triu_indices(len(theirs), 1)]
        assert np.median(alike) < 0.98  # so that agreeing to 0.99999 says something


def test_a_slice_is_stretched_once_and_grey_before_it_is_resized() -> None:
    whole = Preprocess(size=40, resize=44, interpolation="bilinear", full_range=True)
    ramp = np.linspace(30, 200, 60 * 50).reshape(60, 50).astype(np.uint8)
    expected = ((ramp - 30.0) / 170.0 * 255).astype(np.uint8)
    plain = Preprocess(size=40, resize=44, interpolation="bilinear")
    once = prepare_slices(ramp[None], whole)
    np.testing.assert_array_equal(once, prepare_slices(expected[None], plain))
    np.testing.assert_array_equal(once, prepare_slices(expected[None], whole))  # a second time changes nothing
    colour = np.stack([ramp, ramp, ramp], axis=-1)
    np.testing.assert_array_equal(once, prepare_slices(colour[None], whole))
    assert not prepare_slices(np.full((1, 50, 60), 77, np.uint8), whole).any()


def test_pixels_reach_the_tower_scaled_once(encoders: dict[str, Any]) -> None:
    encoder = encoders["biovil"]
    size = encoder.spec.preprocess.size
    slices = np.full((1, 3, size, size), 255, np.uint8)
    assert encoder.as_input(slices).unique().tolist() == [1.0]


@each(("kind", "size"), [("biovil", 480), ("biovil_t", 448)])
def test_the_picture_is_the_packages(folders: dict[str, Path], kind: str, size: int) -> None:
    preprocess = read_biovil(folders[kind]).preprocess
    assert (preprocess.resize, preprocess.size, preprocess.interpolation) == (512, size, "bilinear")


def test_texts_lose_the_marks_at_their_end_and_padding_changes_nothing(encoders: dict[str, Any]) -> None:
    encoder = encoders["biovil"]
    one, other, inside = encoder.encode_texts(["pleural effusion", "pleural effusion.?!", "pleural. effusion"])
    np.testing.assert_array_equal(one, other)
    assert float(one @ inside) < 0.999
    beside = encoder.encode_texts(["pleural effusion", "no " * 30])[0]
    np.testing.assert_array_equal(one, beside)


def test_a_long_text_is_cut_with_a_warning_and_ends_as_any_other(encoders: dict[str, Any]) -> None:
    encoder = encoders["biovil"]
    assert encoder.spec.context == 40
    with pytest.warns(TextCutWarning, match="cut to the 40"):
        cut = encoder.encode_texts(["effusion " * 60])
    np.testing.assert_allclose(cut, encoder.encode_texts(["effusion " * 38]), atol=1e-6)  # and the two marks


def test_prompts_are_averaged_as_unit_vectors(encoders: dict[str, Any]) -> None:
    """The package's average of plain vectors is no option: a vector's length does not weigh a prompt here."""
    rows = encoders["biovil"].encode_texts(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-6)


def test_heat_maps_look_into_the_tower(encoders: dict[str, Any]) -> None:
    """The image's vector is the mean of its cells', as the package defines it."""
    for encoder in encoders.values():
        tower = tower_of(encoder)
        assert tower is not None
        assert set(tower.layers) == {8, 16, 32}
        inputs = encoder.as_input(prepared(encoder)[:2])
        with torch.inference_mode():
            cells, whole = tower.cells(inputs), encoder.visual(inputs)
        assert cells.shape[2:] == (encoder.spec.preprocess.size // 32,) * 2
        torch.testing.assert_close(cells.mean(dim=(2, 3)), whole, atol=1e-4, rtol=1e-3)


def test_files_that_are_not_of_one_model_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    both = copy_folder(folders["biovil"], tmp_path / "both")
    shutil.copy(folders["biovil_t"] / f"{NAMES['biovil_t']}.safetensors", both)
    with pytest.raises(EncoderError, match="both BioViL and BioViL-T"):
        load_encoder(both)
    for change in (lambda s: s.pop("projector.model.0.weight"), lambda s: s.update({"encoder.more": torch.zeros(1)})):
        broken = copy_folder(folders["biovil"], tmp_path / "broken")
        state = load_file(broken / f"{NAMES['biovil']}.safetensors")
        change(state)
        save_file(state, broken / f"{NAMES['biovil']}.safetensors")
        with pytest.raises(EncoderError, match="does not fit the image tower"):
            load_encoder(broken)
        shutil.rmtree(broken)


@pytest.mark.slow
def test_published_pickles_are_converted_once(folders: dict[str, Path], tmp_path: Path) -> None:
    """As the hub holds them: `pytorch_model.bin` and the image tower's `.pt`."""
    old = copy_folder(folders["biovil_t"], tmp_path / "old")
    for name, published in (("model", "pytorch_model.bin"), (NAMES["biovil_t"], f"{NAMES['biovil_t']}.pt")):
        torch.save(load_file(old / f"{name}.safetensors"), old / published)
        (old / f"{name}.safetensors").unlink()
    with pytest.raises(EncoderError, match=r"\.pt, a pickle.*radseek fetch"):
        load_encoder(old)
    whole = fetch(str(old), tmp_path / "new")
    assert sorted(path.name for path in whole.glob("*.safetensors")) == [
        f"{NAMES['biovil_t']}.safetensors",
        "model.safetensors",
    ]
    for part in ("images", "texts"):
        ours, theirs = (load_file(getattr(read_biovil(one), part)) for one in (whole, folders["biovil_t"]))
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_the_identity_holds_both_towers_and_the_vocabulary(folders: dict[str, Path], tmp_path: Path) -> None:
    plain = biovil_parts(read_biovil(folders["biovil"]), "fp32")
    other = copy_folder(folders["biovil"], tmp_path / "other")
    edit_json(other / "config.json", lambda config: config.update(transformers_version="4.0", dtype="float16"))
    assert biovil_parts(read_biovil(other), "fp32") == plain
    words = (other / "vocab.txt").read_text().replace("\nheart\n", "\nliver\n")
    (other / "vocab.txt").write_text(words)
    changed = biovil_parts(read_biovil(other), "fp32")
    assert changed.tokenizer != plain.tokenizer
    state = load_file(other / f"{NAMES['biovil']}.safetensors")
    save_file({key: value + 1 for key, value in state.items()}, other / f"{NAMES['biovil']}.safetensors")
    assert biovil_parts(read_biovil(other), "fp32").weights != plain.weights
