"""Checkpoint folders: the towers are open_clip's, nothing touches a network, and every flaw is named."""

from __future__ import annotations

import json
import pickle
import socket
import warnings
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from radseek.retrieval.encoders import load_encoder as loading
from radseek.retrieval.encoders.checkpoint import CONFIG, TEXT_CONFIG, VOCABULARIES, WEIGHTS
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.open_clip_loading import default_precision
from radseek.retrieval.encoders.spec import check_match
from radseek.retrieval.errors import EncoderError, EncoderMismatchError, MissingFileError, UnknownNameError, UsageError
from radseek.retrieval.types import ImagingRecipe
from tests.each_support import each
from tests.encoder_folder_support import copy_folder, edit_json, open_clip_reference, write_folder, write_json

TEXTS = [
    "There is a large right pleural effusion.",
    "No pneumothorax.",
    "Heart size is normal, and the lung is clear of consolidation.",
    "",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("folder") / "model")


@pytest.fixture(scope="module")
def reference(folder, tmp_path_factory):
    return open_clip_reference(folder, tmp_path_factory.mktemp("reference"))


def pictures(count=6, shape=(200, 180)):
    """RGB pictures that are no noise: blurred blobs, some grey."""
    rng = np.random.default_rng(11)
    for number in range(count):
        coarse = rng.integers(0, 256, (12, 10, 3), dtype=np.uint8)
        if number % 2:
            coarse[:] = coarse[..., :1]
        yield np.asarray(Image.fromarray(coarse).resize(shape[::-1], Image.Resampling.BICUBIC))


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "bar"), [("fp32", 0.999999), ("bf16", 0.999)])
def test_images_equal_open_clips_own_transform_and_tower(folder, reference, precision, bar):
    """fp32 differs by the order of two roundings in the normalisation; bf16 by its eight bits of mantissa."""
    model, transform, _ = reference
    encoder = load_encoder(folder, precision=precision)
    for pixels in pictures():
        with torch.inference_mode():
            theirs = model.encode_image(transform(Image.fromarray(pixels))[None], normalize=True)[0].numpy()
        ours = encoder.encode_slices(prepare_slices(pixels[None], encoder.spec.preprocess))[0]
        assert float(ours @ theirs) >= bar


def test_texts_equal_open_clips_own_tokenizer_and_tower(folder, reference):
    """Trimming the padding away changes nothing: the attention mask already had."""
    model, _, tokenizer = reference
    with torch.inference_mode():
        ids = tokenizer(TEXTS)
        assert ids.shape == (len(TEXTS), 256)
        theirs = model.encode_text(ids, normalize=True).numpy()
    ours = load_encoder(folder).encode_texts(TEXTS)
    np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_scale_is_the_models_own(folder, reference):
    model = reference[0]
    assert load_encoder(folder).spec.scale == pytest.approx(float(model.logit_scale.detach().exp()))


def test_offline_means_offline(folder, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("something asked for a network")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    encoder = load_encoder(folder)
    assert isinstance(encoder, Encoder)
    rows = encoder.encode_slices(np.zeros((1, 3, 160, 160), np.uint8))
    assert rows.shape == (1, 48)
    assert encoder.encode_texts(["no pneumothorax"]).shape == (1, 48)


def test_removing_any_one_file_names_that_file(folder, tmp_path):
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 5
    for name in names:
        broken = copy_folder(folder, tmp_path / f"without-{name}")
        (broken / name).unlink()
        with pytest.raises(MissingFileError, match=name.replace(".", r"\.")) as missing:
            load_encoder(broken)
        assert isinstance(missing.value, FileNotFoundError)
        assert str(broken) in str(missing.value)


@each("name", ["open_clip_config.json", "config.json", "tokenizer_config.json"])
@each("content", ["", "{", "[]", "null", "{}"])
def test_a_file_that_is_no_configuration_is_named(folder, tmp_path, name, content):
    broken = copy_folder(folder, tmp_path / "broken")
    (broken / name).write_text(content)
    if (name, content) == ("tokenizer_config.json", "{}"):
        return  # an empty tokenizer configuration is a valid one
    with pytest.raises(EncoderError, match=name.replace(".", r"\.")):
        load_encoder(broken)


class Poison:
    """Unpickling this writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("name", ["open_clip_pytorch_model.bin", "model.pt", "weights.pth", "last.ckpt"])
def test_a_pickle_is_refused_unread_and_the_command_named(folder, tmp_path, name):
    poisoned = copy_folder(folder, tmp_path / "poisoned")
    (poisoned / "open_clip_pytorch_model.safetensors").unlink()
    proof = tmp_path / "executed"
    (poisoned / name).write_bytes(pickle.dumps(Poison(proof)))
    with pytest.raises(EncoderError, match=r"pickle.*radseek fetch") as refused:
        load_encoder(poisoned)
    assert name in str(refused.value)
    assert not proof.exists()


def test_a_pickle_beside_safetensors_is_not_read(folder, tmp_path):
    both = copy_folder(folder, tmp_path / "both")
    proof = tmp_path / "executed"
    (both / "open_clip_pytorch_model.bin").write_bytes(pickle.dumps(Poison(proof)))
    load_encoder(both)
    assert not proof.exists()


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_of_its_own_is_never_run(folder, tmp_path, name):
    broken = copy_folder(folder, tmp_path / "code")
    edit_json(broken / name, lambda c: c.update(auto_map={"AutoModel": "modeling.Evil"}))
    with pytest.raises(EncoderError, match="never run"):
        load_encoder(broken)


def config_change(key, value):
    def change(config):
        *path, last = key.split(".")
        for part in path:
            config = config[part]
        if value is None:
            del config[last]
        else:
            config[last] = value

    return change


@each(
    ("key", "value"),
    [
        ("model_cfg.embed_dim", "wide"),
        ("model_cfg.embed_dim", 47),
        ("model_cfg.vision_cfg", None),
        ("model_cfg.vision_cfg.timm_model_name", "no_such_tower"),
        ("model_cfg.vision_cfg.image_size", [160, 200, 3]),
        ("model_cfg.vision_cfg.image_size", [160, "wide"]),
        ("model_cfg.vision_cfg.no_such_field", 1),
        ("model_cfg.text_cfg.context_length", 4096),
        ("model_cfg.text_cfg.hf_tokenizer_name", None),
        ("model_cfg.text_cfg.hf_pooler_type", "no_such_pooler"),
        ("model_cfg.multimodal_cfg", {}),
        ("preprocess_cfg.resize_mode", "stretch"),
        ("preprocess_cfg.interpolation", "lanczos"),
        ("preprocess_cfg.std", [0.0, 0.2, 0.2]),
        ("preprocess_cfg.mean", [0.5, 0.5]),
    ],
)
def test_a_configuration_that_cannot_be_built_is_an_encoder_error(folder, tmp_path, key, value):
    broken = copy_folder(folder, tmp_path / "broken")
    edit_json(broken / "open_clip_config.json", config_change(key, value))
    with pytest.raises(EncoderError):
        load_encoder(broken)


def test_weights_of_another_model_are_refused(folder, tmp_path):
    broken = copy_folder(folder, tmp_path / "broken")
    state = load_file(broken / "open_clip_pytorch_model.safetensors")
    state.pop("visual.head.proj.weight")
    save_file(state, broken / "open_clip_pytorch_model.safetensors")
    with pytest.raises(EncoderError, match="does not fit"):
        load_encoder(broken)


def test_cut_off_weights_are_refused(folder, tmp_path):
    broken = copy_folder(folder, tmp_path / "broken")
    weights = broken / "open_clip_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(EncoderError):
        load_encoder(broken)


def test_weights_with_nan_give_an_error_not_a_vector(folder, tmp_path):
    broken = copy_folder(folder, tmp_path / "broken")
    weights = broken / "open_clip_pytorch_model.safetensors"
    state = load_file(weights)
    for name in ("visual.head.proj.weight", "text.proj.0.weight"):
        state[name][0, 0] = float("nan")
    save_file(state, weights)
    encoder = load_encoder(broken)
    with pytest.raises(EncoderError, match="not finite"):
        encoder.encode_slices(np.full((1, 3, 160, 160), 7, np.uint8))
    with pytest.raises(EncoderError, match="not finite"):
        encoder.encode_texts(["effusion"])


def test_half_precision_files_are_read_in_full(tmp_path):
    folder = write_folder(tmp_path / "half", dtype=torch.float16)
    edit_json(folder / "config.json", lambda c: c.update(dtype="float16"))
    full = write_folder(tmp_path / "full")
    ours, whole = load_encoder(folder, precision="fp32"), load_encoder(full, precision="fp32")
    slices = prepare_slices(np.stack(list(pictures())), ours.spec.preprocess)
    cosines = (ours.encode_slices(slices) * whole.encode_slices(slices)).sum(axis=1)
    assert cosines.min() > 0.9999
    texts = (ours.encode_texts(TEXTS) * whole.encode_texts(TEXTS)).sum(axis=1)
    assert texts.min() > 0.9999


def test_the_built_in_towers_family_loads_too(tmp_path):
    folder = write_folder(tmp_path / "conv", vision="test_efficientnet")
    text = {"hf_pooler_type": "mean_pooler", "hf_proj_type": "linear", "context_length": 64}
    edit_json(folder / "open_clip_config.json", lambda c: c["model_cfg"]["text_cfg"].update(text))
    with pytest.raises(EncoderError, match="does not fit"):
        load_encoder(folder)
    weights = folder / "open_clip_pytorch_model.safetensors"
    state = {k: v for k, v in load_file(weights).items() if not k.startswith("text.proj")}
    save_file({**state, "text.proj.weight": torch.randn(48, 32)}, weights)
    encoder = load_encoder(folder)
    assert encoder.spec.context == 64
    assert np.isfinite(encoder.encode_texts(TEXTS)).all()


@pytest.mark.slow
def test_open_clips_own_towers_load_too(tmp_path):
    """As LAION's checkpoints are: CLIP's own transformers and tokenizer, nothing of Hugging Face."""
    model_cfg = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
    }
    folder = tmp_path / "native"
    folder.mkdir()
    write_json(folder / "open_clip_config.json", {"model_cfg": model_cfg, "preprocess_cfg": {}})
    torch.manual_seed(0)
    save_file(open_clip.CLIP(**model_cfg).state_dict(), folder / "open_clip_model.safetensors")
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    encoder = load_encoder(folder, precision="fp32")
    pixels = next(pictures())
    with torch.inference_mode():
        image = model.eval().encode_image(transform(Image.fromarray(pixels))[None], normalize=True)[0].numpy()
        texts = model.encode_text(open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS), normalize=True).numpy()
    ours = encoder.encode_slices(prepare_slices(pixels[None], encoder.spec.preprocess))[0]
    assert float(ours @ image) >= 0.999999
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), texts, atol=2e-6)


def test_a_missing_folder_or_name_offers_the_nearest(tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean biomedclip"):
        load_encoder("biomedclipp")
    with pytest.raises(UnknownNameError, match="builtin, random, biomedclip"):
        load_encoder(tmp_path / "nowhere")


def test_a_missing_built_in_says_what_else_there_is(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "BUILTIN", tmp_path)
    with pytest.raises(EncoderError, match="--model biomedclip"):
        load_encoder("builtin")


def test_another_precision_is_a_usage_error(folder):
    with pytest.raises(UsageError, match="fp32 or bf16"):
        load_encoder(folder, precision="fp16")


def test_default_precision_follows_the_processor(monkeypatch):
    for computes_in_it, precision in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, including_emulation, yes=computes_in_it: yes)
        assert default_precision("cuda") == precision
    monkeypatch.setattr(Path, "read_text", lambda *a, **k: "flags : sse4_2 avx2")
    assert default_precision("cpu") == "fp32"
    monkeypatch.setattr(Path, "read_text", lambda *a, **k: "flags : avx2 amx_bf16")
    assert default_precision("cpu") == "bf16"


@pytest.mark.slow
def test_the_random_model_is_the_same_each_time_and_owns_up():
    one, two = load_encoder("random"), load_encoder("random")
    assert one.spec == two.spec
    assert one.spec.meaningless
    slices = np.random.default_rng(0).integers(0, 256, (3, 3, 96, 96), dtype=np.uint8)
    np.testing.assert_array_equal(one.encode_slices(slices), two.encode_slices(slices))
    np.testing.assert_array_equal(one.encode_texts(TEXTS), two.encode_texts(TEXTS))


def test_building_the_random_model_leaves_the_callers_seed_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_encoder("random")
    assert torch.equal(torch.rand(3), expected)


def test_loading_is_quiet(folder, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_encoder(folder)
    assert capfd.readouterr() == ("", "")


def test_the_configuration_on_disk_is_not_touched(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    load_encoder(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert "hf_model_name" in json.loads(before["open_clip_config.json"])["model_cfg"]["text_cfg"]


def test_the_manual_names_what_a_folder_holds() -> None:
    said = (Path(__file__).resolve().parents[1] / "docs" / "manual" / "own-encoder.md").read_text("utf8")
    named = {CONFIG, TEXT_CONFIG, WEIGHTS[0], "tokenizer_config.json", "slice_pooling.safetensors", "calibration.json"}
    assert not {one for one in named if f"`{one}`" not in said}
    assert all(any(f"`{one}`" in said for one in group) for group in VOCABULARIES[:3])


def test_a_folder_brings_its_own_imaging_recipe(folder, tmp_path):
    own = copy_folder(folder, tmp_path / "own")
    file = own / "imaging_recipe.json"
    file.write_text('{"ct_channels": [[-1024, 1024], [-135, 215], [0, 80]], "max_slices": 85}', "utf8")
    plain, shown = load_encoder(folder).spec, load_encoder(own).spec
    assert shown.recipe == ImagingRecipe(ct_channels=((-1024, 1024), (-135, 215), (0, 80)), max_slices=85)
    assert plain.towers_hash == shown.towers_hash
    with pytest.raises(EncoderMismatchError, match="the imaging recipe's ct_channels, the imaging recipe's max_slices"):
        check_match(plain, shown)
    for wrong in ('{"windows": []}', '{"ct_channels": [[0, 1]]}', '{"max_gap_mm": 0}', "[1]", '{"volume": {}}'):
        file.write_text(wrong, "utf8")
        with pytest.raises(EncoderError, match=r"imaging_recipe\.json"):
            load_encoder(own)
