"""CheXficient: its authors' recorded answers, its way with pictures and texts, and its files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torchvision import transforms
from transformers import BertConfig, BertModel, BertTokenizer

from radseek import Engine, Study
from radseek.retrieval.encoders.chexficient_checkpoint import chexficient_parts, read_chexficient
from radseek.retrieval.encoders.download import pickle_worker
from radseek.retrieval.encoders.download.fetch import FETCHABLE, fetch
from radseek.retrieval.encoders.encoder import TextCutWarning
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.spec import Preprocess
from radseek.retrieval.errors import EncoderError
from radseek.retrieval.heatmaps.tower_layers import tower_of
from tests.biovil_support import TEXTS, pictures, vocabulary
from tests.chexficient_support import BERT_SIZES, LONG, PATCH, SIZE, WIDTH, write_chexficient
from tests.each_support import each
from tests.encoder_folder_support import copy_folder, edit_json
from tests.hub_support import serve

# `python -m benchmarks.parity_chexficient --record tests/chexficient_vectors.json` wrote what their code answers.
RECORDED = json.loads(Path(__file__).with_name("chexficient_vectors.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_chexficient(tmp_path_factory.mktemp("chexficient") / "model")


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Any:
    return load_encoder(folder, precision="fp32", device="cpu")


def test_vectors_are_the_authors(encoder: Any) -> None:
    slices = np.concatenate([prepare_slices(one[None], encoder.spec.preprocess) for one in pictures()])
    with pytest.warns(TextCutWarning, match="cut to the 256"):
        long = encoder.encode_texts([LONG])
    ours = {"images": encoder.encode_slices(slices), "texts": encoder.encode_texts(TEXTS), "long": long}
    for part, rows in ours.items():
        theirs = np.array(RECORDED[part])
        assert (rows * theirs).sum(axis=1).min() >= 0.99999, part
        if len(theirs) > 1:  # so that agreeing to 0.99999 says something
            assert np.median((theirs @ theirs.T)[np.triu_indices(len(theirs), 1)]) < 0.98
    assert encoder.spec.scale == pytest.approx(100, rel=1e-5)  # the authors' temperature of 0.01


def test_pixels_are_those_of_the_published_transform() -> None:
    """Resize to 378, the centre, CLIP's mean and deviation: torchvision's own, of grey and of colour."""
    said = Preprocess(size=378)
    compose = transforms.Compose(
        [transforms.Resize(378, interpolation=transforms.InterpolationMode.BICUBIC), transforms.CenterCrop(378)]
    )
    colour = np.random.default_rng(0).integers(0, 256, (61, 83, 3), dtype=np.uint8)
    for picture in (*pictures(3), colour):
        theirs = np.asarray(compose(Image.fromarray(picture).convert("RGB"))).transpose(2, 0, 1)
        np.testing.assert_array_equal(prepare_slices(picture[None], said)[0], theirs)
    assert (said.mean, said.std) == (
        (0.48145466, 0.4578275, 0.40821073),
        (0.26862954, 0.26130258, 0.27577711),
    )


def test_a_texts_vector_is_its_last_token_that_is_no_padding(folder: Path, encoder: Any) -> None:
    state = load_file(folder / "model.safetensors")
    bert = BertModel(BertConfig(vocab_size=len(vocabulary()), **BERT_SIZES)).eval()
    start = "text_encoder.model."
    bert.load_state_dict({key.removeprefix(start): value for key, value in state.items() if key.startswith(start)})
    tokenizer = BertTokenizer(vocab={word: number for number, word in enumerate(vocabulary())})
    for text in ("Pleural EFFUSION", "a", ""):
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        assert int(ids[0, -1]) == vocabulary().index("[SEP]")
        with torch.inference_mode():
            last = bert(input_ids=ids).last_hidden_state[:, -1]
            row = last @ state["text_projection.projection.weight"].T + state["text_projection.projection.bias"]
        expected = torch.nn.functional.normalize(row).numpy()
        np.testing.assert_allclose(encoder.encode_texts([text]), expected, atol=1e-5)
        np.testing.assert_allclose(encoder.encode_texts([text, "no " * 90])[:1], expected, atol=1e-5)


def test_heat_maps_look_into_the_tower_and_a_study_is_screened(encoder: Any) -> None:
    tower = tower_of(encoder)
    assert tower is not None
    assert set(tower.layers) == {PATCH}
    inputs = encoder.as_input(np.random.default_rng(3).integers(0, 256, (2, 3, SIZE, SIZE), dtype=np.uint8))
    with torch.inference_mode():
        cells = tower.cells(inputs)
        tokens = encoder.visual.trunk.forward_features(inputs)
        torch.testing.assert_close(encoder.visual.head(tokens[:, 0]), encoder.visual(inputs))
        torch.testing.assert_close(cells.flatten(2).transpose(1, 2), encoder.visual.head(tokens[:, 1:]))
    assert cells.shape == (2, WIDTH, SIZE // PATCH, SIZE // PATCH)
    study = Study.from_array(pictures(1)[0].astype(np.int16), modality="DX", body_part="chest")
    assert np.isfinite(Engine(encoder).screen(study, ["pneumothorax"])[0].margin)


@each(
    ("named", "shape"),
    [
        ("logit_scale", None),
        ("image_encoder.model.blocks.1.ls1.gamma", None),
        ("image_projection.projection.bias", None),
        ("text_projection.projection.weight", None),
        ("text_encoder.model.embeddings.LayerNorm.weight", None),
        ("image_encoder.model.pos_embed", (1, 5, 128)),
        ("image_encoder.model.register_tokens", (1, 4, 128)),
        ("decoder.up1.weight", (1,)),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(
    folder: Path, tmp_path: Path, named: str, shape: tuple[int, ...] | None
) -> None:
    """One left out (None), of another shape, or that the authors' class has not."""
    broken = copy_folder(folder, tmp_path / "broken")
    state = {key: value for key, value in load_file(broken / "model.safetensors").items() if key != named}
    save_file(state if shape is None else {**state, named: torch.zeros(shape)}, broken / "model.safetensors")
    with pytest.raises(EncoderError, match="does not fit CheXficient") as refused:
        load_encoder(broken)
    assert named in str(refused.value)


def test_other_settings_are_refused_and_the_hubs_own_folder_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    broken = copy_folder(folder, tmp_path / "broken")
    for settings in ({"image_size": 0}, {"image_size": True}, {"max_bert_length": 7.5}, {"window": 3}):
        edit_json(broken / "chexficient_config.json", lambda c, new=settings: (c.clear(), c.update(new)))
        with pytest.raises(EncoderError, match=r"chexficient_config\.json"):
            read_chexficient(broken)
    (broken / "chexficient_config.json").write_text('{"image_size": 70}')
    with pytest.raises(EncoderError, match=r"pictures of 70 pixels.*image_encoder\.model\.pos_embed"):
        load_encoder(broken)
    (broken / "chexficient_config.json").unlink()
    asked = {"model_type": "chexficient_clip", "auto_map": {"AutoModel": "modeling.Evil"}}
    (broken / "config.json").write_text(json.dumps(asked))
    (broken / "modeling.py").write_text(f"open({str(broken / 'executed')!r}, 'w')\n")
    with pytest.raises(EncoderError, match=r"never run.*radseek fetch chexficient"):
        load_encoder(broken)
    assert not (broken / "executed").exists()


def test_a_trainings_pickle_is_converted_and_the_identity_holds_what_changes_a_vector(
    folder: Path, tmp_path: Path
) -> None:
    """As the authors' training saves it: the weights beside the optimiser's numbers and the chosen studies."""
    made = copy_folder(folder, tmp_path / "made")
    weights = load_file(made / "model.safetensors")
    saved = {"model": weights, "optimizer": {"state": {0: {"step": torch.ones(1)}}}, "epoch": 3, "subset": {1, 5}}
    torch.save(saved, tmp_path / "pytorch_model.pth")
    pickle_worker.main(str(tmp_path / "pytorch_model.pth"), str(made / "model.safetensors"))  # what `fetch` runs
    assert load_file(made / "model.safetensors").keys() == weights.keys()
    plain = chexficient_parts(read_chexficient(folder), "fp32")
    assert chexficient_parts(read_chexficient(made), "bf16") == plain
    edit_json(made / "chexficient_config.json", lambda config: config.update(image_size=70, max_bert_length=40))
    other = chexficient_parts(read_chexficient(made), "fp32")
    assert (other.weights, other.architecture) == (plain.weights, plain.architecture)
    assert other.preprocess != plain.preprocess
    assert other.tokenizer != plain.tokenizer


def test_its_name_brings_both_repositories_and_no_code(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = FETCHABLE["chexficient"]
    model, base = tmp_path / "model", copy_folder(folder, tmp_path / "base")
    model.mkdir()
    shutil.move(base / "model.safetensors", model)
    (base / "chexficient_config.json").unlink()
    asked = {"model_type": "chexficient_clip", "auto_map": {"AutoModel": "modeling.Evil"}}
    (model / "config.json").write_text(json.dumps(asked))
    (model / "modeling.py").write_text("not wanted")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    held = {source.repository: model, source.base: base}
    with serve(held, {source.repository: "c" * 40, source.base: str(source.base_revision)}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        made = fetch("chexficient", tmp_path / "made")
        with pytest.raises(EncoderError, match="radseek fetch chexficient"):
            fetch(f"hf-hub:{source.repository}", tmp_path / "whole")
    names = {"chexficient_config.json", "config.json", "model.safetensors", "vocab.txt", "fetch.json"}
    assert {path.name for path in made.iterdir()} == names
    assert read_chexficient(made).preprocess == Preprocess(size=378)
