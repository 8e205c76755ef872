"""Identity: which changes an index must refuse, which it re-pools for, and which it accepts."""

from __future__ import annotations

import dataclasses
import json

import pytest

from radseek.retrieval.encoders.checkpoint import read_checkpoint
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.spec import EncoderSpec, Preprocess, TowerParts, check_match
from radseek.retrieval.encoders.tower_identity import architecture_hash, checkpoint_parts, preprocess_hash
from radseek.retrieval.errors import EncoderError, EncoderMismatchError
from radseek.retrieval.imaging.views.recipe import IMAGING_RECIPE, imaging_hash
from tests.each_support import each
from tests.encoder_folder_support import copy_folder, edit_json, write_folder
from tests.encoder_support import TinyEncoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("spec") / "model")


@pytest.fixture(scope="module")
def built_with(folder):
    return load_encoder(folder, precision="fp32").spec


def recipe_with(**changes):
    return imaging_hash({**IMAGING_RECIPE, **changes})


def another_window(spec, folder):
    windows = {**IMAGING_RECIPE["ct_windows"], "lung": [-600, 1600]}
    return dataclasses.replace(spec, imaging_hash=recipe_with(ct_windows=windows))


def another_slice_rule(spec, folder):
    return dataclasses.replace(spec, imaging_hash=recipe_with(slices={"max_gap_mm": 10.0, "max_count": 160}))


def another_precision_class(spec, folder):
    parts = checkpoint_parts(read_checkpoint(folder), "int8")
    return dataclasses.replace(spec, towers=parts, towers_hash=parts.hash(), precision="int8")


def loaded(folder):
    return load_encoder(folder, precision="fp32").spec


def other_weights(spec, folder):
    return loaded(write_folder(folder, seed=1))


def another_architecture_field(spec, folder):
    edit_json(folder / "open_clip_config.json", lambda c: c["model_cfg"]["text_cfg"].update(context_length=128))
    return loaded(folder)


def another_tokenizer(spec, folder):
    edit_json(folder / "tokenizer.json", lambda t: t["normalizer"].update(lowercase=False))
    return loaded(folder)


def another_mean(spec, folder):
    edit_json(folder / "open_clip_config.json", lambda c: c["preprocess_cfg"].update(mean=[0.5, 0.5, 0.5]))
    return loaded(folder)


def another_resize_mode(spec, folder):
    edit_json(folder / "open_clip_config.json", lambda c: c["preprocess_cfg"].update(resize_mode="squash"))
    return loaded(folder)


CHANGES = {
    another_window: "imaging recipe",
    another_slice_rule: "imaging recipe",
    other_weights: "weights",
    another_architecture_field: "architecture",
    another_tokenizer: "tokenizer",
    another_mean: "preprocess",
    another_resize_mode: "preprocess",
    another_precision_class: "precision class",
}


@pytest.mark.slow
@each("change", CHANGES, ids=lambda change: change.__name__)
def test_each_of_eight_one_field_changes_is_refused(change, built_with, folder, tmp_path):
    changed = change(built_with, copy_folder(folder, tmp_path / "changed"))
    assert changed.dim == built_with.dim
    with pytest.raises(EncoderMismatchError, match=CHANGES[change]) as refused:
        check_match(built_with, changed)
    assert refused.value.exit_code == 3
    for spec in (built_with, changed):
        assert f"'{spec.name}'" in str(refused.value)
        assert spec.towers_hash[:12] in str(refused.value)


def test_the_same_model_elsewhere_is_the_same(built_with, folder, tmp_path):
    moved = loaded(copy_folder(folder, tmp_path / "moved"))
    assert check_match(built_with, moved) is False


def test_names_of_places_and_library_versions_are_not_identity(built_with, folder, tmp_path):
    moved = copy_folder(folder, tmp_path / "moved")
    edit_json(moved / "config.json", lambda c: c.update(transformers_version="0", _name_or_path="/home/somebody"))
    edit_json(moved / "open_clip_config.json", lambda c: c["model_cfg"]["text_cfg"].update(hf_model_name="elsewhere"))
    assert check_match(built_with, loaded(moved)) is False


def test_bf16_and_fp32_are_one_class(built_with, folder):
    assert check_match(built_with, load_encoder(folder, precision="bf16").spec) is False


def test_another_pooling_asks_to_repool(built_with):
    assert check_match(built_with, dataclasses.replace(built_with, pooling_hash="f" * 64)) is True


def test_a_spec_survives_its_json(built_with):
    for spec in (built_with, TinyEncoder().spec, dataclasses.replace(built_with, towers=None, concepts=("a", "b"))):
        again = EncoderSpec.from_json(json.loads(json.dumps(spec.to_dict())))
        assert again == spec
        assert hash(again) == hash(spec)


def test_a_spec_of_a_later_version_is_read(built_with):
    assert EncoderSpec.from_json({**built_with.to_dict(), "news": 1}) == built_with


@pytest.mark.parametrize("broken", [{}, {"name": "x"}, {"preprocess": 3}, {"preprocess": {"mean": 3, "std": 3}}])
def test_a_broken_spec_says_so(broken):
    with pytest.raises(EncoderError, match="cannot be read"):
        EncoderSpec.from_json(broken)


def test_every_field_of_the_parts_and_of_preprocess_enters_its_hash():
    parts = TowerParts("a", "b", "c", "d", "e")
    hashes = {dataclasses.replace(parts, **{f.name: "x"}).hash() for f in dataclasses.fields(parts)} | {parts.hash()}
    assert len(hashes) == 1 + len(dataclasses.fields(parts))
    other = {
        "size": 1,
        "resize_mode": "x",
        "interpolation": "x",
        "mean": (1.0,),
        "std": (1.0,),
        "fill": 9,
        "resize": 300,
        "full_range": True,
        "width": 300,
    }
    changed = {preprocess_hash(dataclasses.replace(Preprocess(), **{k: v})) for k, v in other.items()}
    assert len(changed | {preprocess_hash(Preprocess())}) == 1 + len(dataclasses.fields(Preprocess))


def test_a_text_towers_own_fields_are_architecture():
    model = {"embed_dim": 8, "vision_cfg": {"layers": 1}, "text_cfg": {"hf_model_name": "a"}}
    hashes = {architecture_hash(model, {"hidden_size": size, "dtype": "float32"}) for size in (1, 2)}
    assert len(hashes) == 2
    assert architecture_hash(model, {"dtype": "float16"}) == architecture_hash(model, {})
