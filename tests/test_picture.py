"""Pictures: PNG and JPEG by content, nothing else, and never a bomb."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from radseek.retrieval.errors import InputError, Reason
from radseek.retrieval.imaging.picture_file import read_picture
from radseek.retrieval.imaging.views.series_views import make_views
from tests.each_support import each

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5


def saved(path, image, **options):
    image.save(path, **options)
    return path


def reason_of(path):
    with pytest.raises(InputError) as caught:
        read_picture(path)
    assert path.name in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_grey_stays_grey_and_as_it_is(tmp_path, suffix):
    path = saved(tmp_path / f"a.{suffix}", Image.fromarray(GREY))
    series = read_picture(path)
    assert series.volume.affine is None
    assert series.volume.voxels.shape == (1, 6, 8)
    (view,) = make_views(series)
    assert view.name == "picture"
    np.testing.assert_array_equal(view.slices[0], np.asarray(Image.open(path)))


def test_a_named_modality_makes_it_that(tmp_path):
    path = saved(tmp_path / "a.png", Image.fromarray(GREY))
    series = read_picture(path, "DX")
    (view,) = make_views(series)
    assert (series.modality, view.name) == ("DX", "radiograph")
    tinted = np.stack([GREY, GREY, GREY // 2], axis=-1)
    red = read_picture(saved(tmp_path / "t.png", Image.fromarray(tinted)), "DX")
    assert red.volume.voxels.shape == (1, 6, 8)
    np.testing.assert_array_equal(red.volume.voxels[0], np.asarray(Image.fromarray(tinted).convert("L")))


def test_equal_channels_are_grey_and_colour_is_rgb(tmp_path):
    three = Image.fromarray(np.stack([GREY] * 3, axis=-1))
    assert read_picture(saved(tmp_path / "a.png", three)).volume.voxels.shape == (1, 6, 8)
    rgb = np.stack([GREY, GREY[::-1], GREY // 2], axis=-1)
    series = read_picture(saved(tmp_path / "b.png", Image.fromarray(rgb)))
    np.testing.assert_array_equal(series.volume.voxels[0], rgb)
    np.testing.assert_array_equal(make_views(series)[0].slices[0], rgb)


def test_16_bit_palette_1_bit_alpha_and_cmyk(tmp_path):
    deep = (np.arange(48, dtype=np.uint16) * 1300).reshape(6, 8)
    series = read_picture(saved(tmp_path / "deep.png", Image.fromarray(deep)))
    np.testing.assert_array_equal(series.volume.voxels[0], deep)
    assert make_views(series)[0].slices.max() == 255
    palette = Image.fromarray(np.stack([GREY, GREY[::-1], GREY], axis=-1)).convert("P")
    np.testing.assert_array_equal(
        read_picture(saved(tmp_path / "p.png", palette)).volume.voxels[0], np.asarray(palette.convert("RGB"))
    )
    bits = read_picture(saved(tmp_path / "1.png", Image.fromarray(GREY > 100)))
    assert set(bits.volume.voxels.ravel()) == {0, 255}
    alpha = np.dstack([GREY, GREY, GREY, np.full_like(GREY, 255)])
    alpha[0, :, 3] = 0
    clear = read_picture(saved(tmp_path / "alpha.png", Image.fromarray(alpha))).volume.voxels[0]
    assert not clear[0].any()
    np.testing.assert_array_equal(clear[1:], GREY[1:])
    cmyk = read_picture(saved(tmp_path / "cmyk.jpg", Image.new("CMYK", (5, 4), (0, 200, 10, 30))))
    assert cmyk.volume.voxels.shape == (1, 4, 5, 3)


def test_exif_orientation_is_applied_and_said(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    series = read_picture(saved(tmp_path / "a.png", Image.fromarray(GREY), exif=exif))
    np.testing.assert_array_equal(series.volume.voxels[0], np.rot90(GREY, -1))
    assert series.volume.provenance.orientation == ("exif orientation",)


@each("kind", ["GIF", "TIFF", "BMP", "PPM", "WEBP", "ICO", "EPS"])
def test_other_formats_are_refused_even_under_a_png_name(tmp_path, kind):
    image = Image.fromarray(GREY).resize((64, 64)).convert("RGB")
    path = tmp_path / "a.png"
    image.save(path, format=kind)
    assert reason_of(path) == Reason.NOT_AN_IMAGE


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def test_bombs_are_refused_by_their_header(tmp_path):
    path = tmp_path / "bomb.png"
    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))
    path.write_bytes(head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""))
    assert reason_of(path) == Reason.TOO_LARGE
    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 12_000, 12_000, 8, 0, 0, 0, 0))
    path.write_bytes(head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""))
    assert reason_of(path) == Reason.TOO_LARGE


def test_damage_has_its_reason(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8))
    for name in ("a.png", "a.jpg"):
        path = saved(tmp_path / name, noise)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert reason_of(path) == Reason.TRUNCATED
    (tmp_path / "e.png").write_bytes(b"")
    assert reason_of(tmp_path / "e.png") == Reason.TRUNCATED


PNG, JPEG = io.BytesIO(), io.BytesIO()
_EXIF = Image.Exif()
_EXIF[0x0112] = 3
Image.fromarray(np.dstack([GREY] * 4)).save(PNG, "PNG", exif=_EXIF)
Image.fromarray(GREY).save(JPEG, "JPEG", exif=_EXIF)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(
    st.sampled_from([PNG.getvalue(), JPEG.getvalue()]),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(0, 300),
)
def test_mutated_files_are_read_or_refused(tmp_path, content, edits, cut):
    raw = bytearray(content)
    for at, value in edits:
        raw[at % len(raw)] = value
    path = tmp_path / "a.png"
    path.write_bytes(raw[: len(raw) - cut] if cut < 150 else raw)
    with contextlib.suppress(InputError):
        assert make_views(read_picture(path))[0].slices.dtype == np.uint8


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1)])
def test_tiny_pictures(tmp_path, size):
    series = read_picture(saved(tmp_path / "a.png", Image.new("L", size, 9)))
    assert not make_views(series)[0].slices.any()
