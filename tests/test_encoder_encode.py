"""Encoding: a row depends on its own input only, nothing non-finite leaves, and a cut text is announced."""

from __future__ import annotations

import warnings
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from radseek.retrieval.encoders import text_batches
from radseek.retrieval.encoders.encode_series import embed_series, encode_padded, pool_view
from radseek.retrieval.encoders.encoder import Encoder, TextCutWarning
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.unit_rows import mean_pool, unit_rows
from radseek.retrieval.errors import EncoderError, UsageError
from radseek.retrieval.types import Provenance, Series, Volume
from tests.each_support import each
from tests.encoder_folder_support import WORDS, write_folder
from tests.encoder_support import TinyEncoder

SENTENCES = [
    "effusion",
    "no effusion",
    "there is no evidence of pneumothorax in the left lung",
    "heart size is normal and the lung is clear " * 3,
    "large consolidation of the right base with small pleural effusion " * 6,
    "",
    "胸腔积液",
    "\ud800 mangled",
    "[PAD] [SEP] effusion",
]


@pytest.fixture(scope="module", params=["fp32", "bf16"])
def encoder(request, tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("encode") / "model", vision="test_efficientnet")
    return load_encoder(folder, precision=request.param)


@pytest.fixture(scope="module")
def slices():
    return np.random.default_rng(2).integers(0, 256, (21, 3, 160, 160), dtype=np.uint8)


def test_tiny_and_loaded_are_encoders(encoder):
    assert isinstance(encoder, Encoder)
    assert isinstance(TinyEncoder(), Encoder)


@pytest.mark.slow
def test_a_slices_row_does_not_depend_on_its_batch(encoder, slices):
    together = encode_padded(encoder, slices)
    assert together.dtype == np.float16
    np.testing.assert_array_equal(encode_padded(encoder, slices[::-1])[::-1], together)
    for start, stop in [(0, 1), (5, 6), (3, 12), (20, 21)]:
        np.testing.assert_array_equal(encode_padded(encoder, slices[start:stop]), together[start:stop])
    np.testing.assert_array_equal(encoder.encode_slices(slices).astype(np.float16), together)


def test_any_encoder_gets_one_batch_shape(slices):
    class Recording(TinyEncoder):
        shapes: ClassVar[list[tuple[int, ...]]] = []

        def encode_slices(self, slices):
            self.shapes.append(slices.shape)
            return super().encode_slices(slices)

    encoder = Recording()
    small = slices[:, :, :32, :32]
    rows = encode_padded(encoder, small)
    assert set(encoder.shapes) == {(encoder.batch_size, 3, 32, 32)}
    np.testing.assert_array_equal(rows, TinyEncoder().encode_slices(small).astype(np.float16))


def test_a_texts_row_does_not_depend_on_the_others(encoder):
    together = encoder.encode_texts(SENTENCES)
    np.testing.assert_array_equal(encoder.encode_texts(SENTENCES[::-1])[::-1], together)
    np.testing.assert_array_equal(encoder.encode_texts(SENTENCES * 3)[len(SENTENCES) : 2 * len(SENTENCES)], together)
    for number, text in enumerate(SENTENCES):
        np.testing.assert_array_equal(encoder.encode_texts([text])[0], together[number])


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join), min_size=1, max_size=9))
def test_alone_and_together_are_equal(words):
    encoder = shared_encoder()
    together = encoder.encode_texts(words)
    for number, text in enumerate(words):
        np.testing.assert_array_equal(encoder.encode_texts([text])[0], together[number])


_SHARED: list[Encoder] = []


def shared_encoder() -> Encoder:
    if not _SHARED:
        _SHARED.append(load_encoder("random", precision="fp32"))
    return _SHARED[0]


def test_trimming_is_equal_to_the_whole_context(encoder, monkeypatch):
    trimmed = encoder.encode_texts(SENTENCES)
    monkeypatch.setattr(text_batches, "BUCKETS", (256,))
    np.testing.assert_allclose(encoder.encode_texts(SENTENCES), trimmed, atol=2e-6)


def test_texts_run_in_few_fixed_shapes(encoder, monkeypatch):
    seen = []
    original = encoder._model.encode_text
    monkeypatch.setattr(encoder._model, "encode_text", lambda ids: seen.append(tuple(ids.shape)) or original(ids))
    encoder.encode_texts(SENTENCES)
    assert {shape[0] for shape in seen} == {text_batches.TEXT_BATCH}
    assert {shape[1] for shape in seen} <= {16, 32, 64, 128, 256}
    assert min(shape[1] for shape in seen) == 16


@pytest.mark.slow
def test_rows_are_unit_and_finite(encoder, slices):
    for rows in (encoder.encode_slices(slices), encoder.encode_texts(SENTENCES)):
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert encoder.encode_slices(slices[:0]).shape == (0, 48)
    assert encoder.encode_texts([]).shape == (0, 48)


@pytest.mark.slow
def test_read_only_and_reversed_arrays_are_welcome(encoder, slices):
    locked = slices.copy()
    locked.flags.writeable = False
    np.testing.assert_array_equal(encoder.encode_slices(locked), encoder.encode_slices(slices))
    rows = encoder.encode_slices(locked[::-1])
    rows.flags.writeable = False
    assert encoder.pool(rows).shape == encoder.pool(rows[::-1]).shape == (48,)


def test_a_cut_text_warns_and_keeps_its_beginning(encoder):
    whole = " ".join(["effusion"] * 254)  # 256 with start and end
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fits = encoder.encode_texts([whole])
    with pytest.warns(TextCutWarning, match="258 tokens was cut to the 256"):
        cut = encoder.encode_texts([whole + " no pneumothorax"])
    np.testing.assert_allclose(cut, fits, atol=1e-6)


def test_the_random_model_warns_at_its_own_context():
    encoder = shared_encoder()
    with pytest.warns(TextCutWarning, match="cut to the 77"):
        encoder.encode_texts(["effusion " * 90])


@each("texts", ["effusion", [b"effusion"], [None]])
def test_texts_must_be_strings(encoder, texts):
    with pytest.raises(UsageError, match="list of strings"):
        encoder.encode_texts(texts)


@each(
    "slices",
    [
        np.full((1, 3, 160, 160), np.nan, np.float32),
        np.zeros((1, 3, 96, 96), np.uint8),
        np.zeros((3, 160, 160), np.uint8),
    ],
)
def test_slices_must_be_prepared(encoder, slices):
    with pytest.raises(UsageError, match="prepare_slices"):
        encoder.encode_slices(slices)


def test_an_encoder_that_gives_nan_is_stopped(slices):
    class Broken(TinyEncoder):
        def encode_slices(self, slices):
            return super().encode_slices(slices) * np.float32("nan")

    with pytest.raises(EncoderError, match="not finite"):
        encode_padded(Broken(), slices[:3, :, :32, :32])


def test_unit_rows_name_the_bad_one_and_survive_extremes():
    with pytest.raises(EncoderError, match="row 1 of 2"):
        unit_rows(np.array([[1.0, 0], [np.inf, 0]]), "image vectors")
    rows = unit_rows(np.array([[3e38, 3e38], [0, 0], [1e-30, 0]], np.float32), "x")
    np.testing.assert_allclose(rows, [[0.5**0.5] * 2, [1, 0], [1, 0]], atol=1e-6)


def test_mean_pool_of_slices_that_cancel_is_still_a_direction():
    np.testing.assert_array_equal(mean_pool(np.array([[0.0, 1.0], [0.0, -1.0]])), [0, 1])


def series(voxels, affine=None, modality="CT", body_part="chest"):
    unit = "HU" if modality == "CT" else "raw"
    return Series("1.2", modality, body_part, "", Volume(voxels, affine, unit, Provenance("none")))


def test_embed_series_gives_one_entry_a_view_with_places_in_mm():
    rng = np.random.default_rng(0)
    voxels = rng.integers(-1000, 400, (6, 40, 50), dtype=np.int16)
    affine = np.array([[0.5, 0, 0, -10], [0, 0.5, 0, -20], [0, 0, 4.0, 100], [0, 0, 0, 1]])
    encoder = TinyEncoder()
    views = embed_series(series(voxels, affine), encoder, "2.25.3")
    assert len(views) >= 2
    for view in views:
        assert view.series_key == "2.25.3"
        assert view.slices.shape == (6, 32)
        assert view.slices.dtype == view.pooled.dtype == np.float16
        np.testing.assert_allclose(np.linalg.norm(view.pooled.astype(float)), 1, atol=2e-3)
        assert view.position[2] == pytest.approx((-10 + 0.5 * 24.5, -20 + 0.5 * 19.5, 100 + 4.0 * 2))
        np.testing.assert_array_equal(pool_view(encoder, view.slices), view.pooled)


@each(
    "voxels",
    [
        np.zeros((1, 1, 1), np.int16),
        np.full((3, 16, 16), 3.0e38, np.float32),
        np.full((2, 8, 8), np.nan, np.float32),
        np.array([np.nan, np.inf, -np.inf, 1.0], np.float32).reshape(1, 2, 2),
        np.zeros((1, 9, 7, 3), np.uint8),
    ],
    ids=["one-voxel", "huge", "nan", "mixed", "colour"],
)
@each("modality", ["CT", "MR", "CR", "US", ""])
def test_no_image_gives_nan(voxels, modality):
    for view in embed_series(series(voxels, modality=modality), TinyEncoder()):
        assert np.isfinite(view.slices).all()
        assert np.isfinite(view.pooled).all()


def test_evaluation_mode_and_no_gradients(encoder):
    assert not encoder._model.training
    assert not any(parameter.requires_grad for parameter in encoder._model.parameters())
    assert not torch.is_inference_mode_enabled()
