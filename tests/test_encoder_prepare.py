"""Prepared slices are open_clip's own pixels, byte for byte, and need no torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.transform import image_transform
from PIL import Image

from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.spec import Preprocess
from radseek.retrieval.errors import UsageError
from tests.each_support import each

SHAPES = st.tuples(st.integers(1, 90), st.integers(1, 90)).filter(lambda hw: max(hw) <= 16 * min(hw))


def reference(pixels: np.ndarray, preprocess: Preprocess) -> np.ndarray:
    """open_clip's transform up to, and without, `ToTensor`, on the RGB picture: `(S, S, 3)`."""
    transform = image_transform(
        preprocess.size,
        is_train=False,
        resize_mode=preprocess.resize_mode,
        interpolation=preprocess.interpolation,
        fill_color=preprocess.fill,
    )
    image = Image.fromarray(pixels).convert("RGB")
    for step in transform.transforms[:-2]:
        image = step(image)
    return np.asarray(image)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    shape=SHAPES,
    colour=st.booleans(),
    mode=st.sampled_from(["shortest", "longest", "squash"]),
    interpolation=st.sampled_from(["bicubic", "bilinear"]),
    size=st.integers(8, 64),
    fill=st.sampled_from([0, 114]),
    seed=st.integers(0, 2**32 - 1),
)
def test_same_bytes_as_open_clip(shape, colour, mode, interpolation, size, fill, seed):
    preprocess = Preprocess(size=size, resize_mode=mode, interpolation=interpolation, fill=fill)
    full = (*shape, 3) if colour else shape
    pixels = np.random.default_rng(seed).integers(0, 256, full, dtype=np.uint8)
    if mode == "longest" and round(min(shape) * size / max(shape)) == 0:
        return  # open_clip itself fails there; see test_a_strip_is_prepared
    got = prepare_slices(pixels[None], preprocess)
    assert got.shape == (1, 3, size, size)
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got[0].transpose(1, 2, 0), reference(pixels, preprocess))


@pytest.mark.parametrize("size", [160, 224])
def test_same_bytes_at_the_sizes_scanners_use(size):
    rng = np.random.default_rng(3)
    for shape in [(512, 512), (1024, 1024), (320, 260), (61, 73), (2022, 1736)]:
        pixels = rng.integers(0, 256, shape, dtype=np.uint8)
        for mode in ("shortest", "longest", "squash"):
            preprocess = Preprocess(size=size, resize_mode=mode)
            got = prepare_slices(pixels[None], preprocess)[0].transpose(1, 2, 0)
            np.testing.assert_array_equal(got, reference(pixels, preprocess))


@each("mode", ["shortest", "longest", "squash"])
@each("shape", [(1, 1), (1, 40_000), (40_000, 1), (3, 20_000)])
def test_a_strip_is_prepared(mode, shape):
    """Far longer than wide: open_clip asks for gigabytes or fails; we neither."""
    pixels = np.full((1, *shape), 200, np.uint8)
    got = prepare_slices(pixels, Preprocess(size=32, resize_mode=mode))
    assert got.shape == (1, 3, 32, 32)
    assert got.max() == 200


def test_a_long_strip_is_the_centre_that_open_clip_would_keep():
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 256, (10, 400), dtype=np.uint8)
    preprocess = Preprocess(size=32)
    got = prepare_slices(pixels[None], preprocess)[0].transpose(1, 2, 0).astype(int)
    assert np.abs(got - reference(pixels, preprocess)).max() <= 1


def test_no_slices_is_no_rows():
    assert prepare_slices(np.zeros((0, 20, 20), np.uint8), Preprocess(size=32)).shape == (0, 3, 32, 32)


@each(
    "slices",
    [
        np.zeros((2, 4, 4), np.float32),
        np.full((2, 4, 4), np.nan),
        np.zeros((4, 4), np.uint8),
        np.zeros((1, 4, 4, 4), np.uint8),
        np.zeros((1, 0, 4), np.uint8),
    ],
)
def test_anything_else_is_a_usage_error(slices):
    with pytest.raises(UsageError):
        prepare_slices(slices, Preprocess(size=32))


def test_workers_need_no_torch():
    code = (
        "import sys, radseek.retrieval.encoders.input_pixels; print('torch' in sys.modules, 'open_clip' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
