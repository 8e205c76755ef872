"""Transformers folders: pixels and vectors are the reference's own, on pictures of many shapes and on awkward texts."""

from __future__ import annotations

import numpy as np
import pytest
from transformers import AutoTokenizer

from radseek.retrieval.encoders.encoder import TextCutWarning
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.load_encoder import load_encoder
from tests.transformers_support import TEXTS, WRITERS, pictures, reference_images, reference_texts, write_siglip

BAR = 0.99999


@pytest.fixture(scope="module", params=list(WRITERS))
def folder(request, tmp_path_factory):
    return WRITERS[request.param](tmp_path_factory.mktemp(request.param) / "model")


@pytest.fixture(scope="module")
def encoder(folder):
    return load_encoder(folder, precision="fp32", device="cpu")


def prepared(encoder, images):
    return np.concatenate([prepare_slices(one[None], encoder.spec.preprocess) for one in images])


def cosines(ours, theirs):
    return (ours.astype(np.float64) * theirs.astype(np.float64)).sum(axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["pil", "torchvision"])
def test_pixels_and_vectors_are_the_references(folder, encoder, backend):
    """Pillow's resize to the byte; torchvision's rounds elsewhere, by one grey level at most."""
    images = pictures()
    pixels, features = reference_images(folder, images, backend)
    slices = prepared(encoder, images)
    mean, std = (np.array(v).reshape(1, 3, 1, 1) for v in (encoder.spec.preprocess.mean, encoder.spec.preprocess.std))
    levels = np.abs(slices - (pixels * std + mean) * 255)
    assert levels.max() <= (1e-2 if backend == "pil" else 1 + 1e-2)
    assert cosines(encoder.encode_slices(slices), features).min() >= BAR
    np.testing.assert_allclose(encoder.tower.as_input(slices).numpy(), (slices / 255 - mean) / std, atol=1e-5)


def test_texts_are_the_references(folder, encoder):
    theirs = reference_texts(folder, AutoTokenizer.from_pretrained(folder), TEXTS)
    ours = encoder.encode_texts(TEXTS)
    assert cosines(ours, theirs).min() >= BAR
    assert np.unique(ours.round(4), axis=0).shape[0] >= len(TEXTS) - 2


def test_a_texts_row_does_not_depend_on_the_others(encoder):
    together = encoder.encode_texts(TEXTS)
    np.testing.assert_array_equal(encoder.encode_texts(TEXTS[::-1])[::-1], together)
    np.testing.assert_array_equal(encoder.encode_texts(TEXTS[5:6])[0], together[5])


def test_a_long_text_is_cut_as_the_reference_cuts_and_said(folder, encoder):
    long = "effusion of the left base " * 12
    with pytest.warns(TextCutWarning, match=f"cut to the {encoder.spec.context}"):
        ours = encoder.encode_texts([long])
    assert cosines(ours, reference_texts(folder, AutoTokenizer.from_pretrained(folder), [long])).min() >= BAR


def test_scale_and_bias_are_the_models_own(folder, encoder):
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder)
    assert encoder.spec.scale == pytest.approx(float(model.logit_scale.detach().exp()))
    bias = getattr(model, "logit_bias", None)
    assert encoder.spec.bias == pytest.approx(0.0 if bias is None else float(bias.detach()))


@pytest.mark.slow
def test_medsiglips_shape(tmp_path):
    """448 pixels, patches of 14, 64 tokens padded to the full length, (-1, 1)."""
    folder = write_siglip(tmp_path / "med", size=448, patch=14)
    encoder = load_encoder(folder, precision="fp32", device="cpu")
    assert (encoder.spec.preprocess.size, encoder.spec.context, encoder.spec.preprocess.mean[0]) == (448, 64, 0.5)
    images = pictures(3)
    slices = prepared(encoder, images)
    pixels, features = reference_images(folder, images)
    assert np.abs(encoder.tower.as_input(slices).numpy() - pixels).max() <= 1e-5
    assert cosines(encoder.encode_slices(slices), features).min() >= BAR


@pytest.mark.slow
def test_padding_is_read_by_siglip_and_so_is_kept(tmp_path):
    """The pitfall that users met: the same text padded to the longest of its batch is another vector."""
    folder = write_siglip(tmp_path / "model")
    encoder = load_encoder(folder, precision="fp32", device="cpu")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.model_max_length = 20
    assert cosines(encoder.encode_texts(["effusion"]), reference_texts(folder, tokenizer, ["effusion"])).min() < BAR


@pytest.mark.slow
def test_half_precision_weights_and_bf16(folder, encoder):
    slices = prepared(encoder, pictures())
    rough = load_encoder(folder, precision="bf16", device="cpu")
    assert cosines(rough.encode_slices(slices), encoder.encode_slices(slices)).min() >= 0.999
    assert rough.spec.towers_hash == encoder.spec.towers_hash
