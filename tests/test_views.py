"""Windows, percentiles, names and slices: from voxels to uint8."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydicom.dataset import Dataset
from pydicom.pixels import apply_windowing

from radseek.prompts.finding import VIEW_NAMES as PROMPT_VIEWS
from radseek.retrieval.imaging.body_part import body_part
from radseek.retrieval.imaging.mr_sequence import mr_view
from radseek.retrieval.imaging.views import intensity
from radseek.retrieval.imaging.views.intensity import finite, foreground, sample
from radseek.retrieval.imaging.views.recipe import IMAGING_RECIPE, imaging_hash, recipe_hash
from radseek.retrieval.imaging.views.series_views import VIEW_NAMES, iter_views, make_views, slice_positions
from radseek.retrieval.imaging.views.slice_rule import MAX_SLICES, choose_slices
from radseek.retrieval.imaging.views.windows import CT_WINDOWS, WINDOW_FUNCTIONS, window
from radseek.retrieval.types import ImagingRecipe, Voi
from tests.each_support import each
from tests.imaging_support import make_series


def pydicom_window(voxels, level, width, function):
    """pydicom's own windowing, brought from its stored range to 0..255."""
    dataset = Dataset()
    dataset.PhotometricInterpretation, dataset.VOILUTFunction = "MONOCHROME2", function
    dataset.WindowCenter, dataset.WindowWidth = level, width
    dataset.BitsStored, dataset.PixelRepresentation = 8, 0
    with np.errstate(over="ignore"):  # in its sigmoid
        return np.floor(apply_windowing(voxels, dataset) + 0.5)


@pytest.mark.slow
@settings(deadline=None)
@given(
    voxels=hnp.arrays(np.int16, st.integers(1, 50)),
    level=st.floats(-2000, 3000).map(lambda x: round(x, 2)),
    width=st.floats(1, 5000).map(lambda x: round(x, 2)),
    function=st.sampled_from(WINDOW_FUNCTIONS),
)
def test_windows_are_those_of_the_standard(voxels, level, width, function):
    ours = window(voxels, level, width, function).astype(int)
    theirs = pydicom_window(voxels, level, width, function)
    # float32 against float64: a value exactly between two levels may round either way, no more.
    assert np.abs(ours - theirs).max() <= 1
    if function == "LINEAR_EXACT" and width == int(width):
        middle = np.abs(voxels - level) < width / 2
        exact = ((voxels.astype(float) - level) / width + 0.5) * 255
        clear = middle & (np.abs(exact % 1 - 0.5) > 1e-2)
        np.testing.assert_array_equal(ours[clear], np.rint(exact[clear]))


def test_window_edges():
    level, width = CT_WINDOWS["soft"]
    assert window(np.array([-160, -159, 40, 240, 241, 32767], np.int16), level, width).tolist() == [
        0,
        1,
        128,
        255,
        255,
        255,
    ]
    assert window(np.array([39, 40], np.int16), 40, 1, "LINEAR").tolist() == [0, 255]
    for bad in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="width"):
            window(np.zeros(1, np.int16), 0, bad)
    with pytest.raises(ValueError, match="not one of"):
        window(np.zeros(1, np.int16), 0, 1, "CUBIC")


odd_floats = st.one_of(
    st.floats(width=32, allow_nan=True, allow_infinity=True),
    st.sampled_from([3.4e38, -3.4e38, float("nan"), float("inf"), 1e-45]),
)
shapes = st.tuples(st.integers(1, 5), st.integers(1, 7), st.integers(1, 7))
volumes = st.one_of(
    hnp.arrays(np.float32, shapes, elements=odd_floats),
    hnp.arrays(np.int16, shapes),
    hnp.arrays(np.int32, shapes),
    hnp.arrays(np.float64, shapes),
    shapes.map(lambda shape: np.full(shape, 7, np.int16)),
    shapes.map(lambda shape: np.full(shape, np.nan, np.float32)),
    hnp.arrays(np.uint8, shapes.map(lambda shape: (*shape, 3))),
)
vois = st.one_of(
    st.none(),
    st.builds(Voi, center=odd_floats, width=odd_floats, function=st.sampled_from([*WINDOW_FUNCTIONS, "ODD"])),
    st.builds(Voi, lut=hnp.arrays(np.float32, st.integers(0, 9), elements=st.floats(width=32)), lut_first=odd_floats),
)


@pytest.mark.slow
@settings(deadline=None)
@given(
    voxels=volumes,
    modality=st.sampled_from(["CT", "MR", "CR", "DX", "MG", "XA", "PT", "NM", "US", "SC", "OP", ""]),
    unit=st.sampled_from(["HU", "SUV", "raw"]),
    voi=vois,
    inverted=st.booleans(),
    padding=st.sampled_from(["", "0", "nan", "x", "-32768"]),
)
def test_anything_becomes_uint8(voxels, modality, unit, voi, inverted, padding):
    attributes = {"PixelPaddingValue": padding}
    series = make_series(voxels, modality, unit=unit, voi=voi, inverted=inverted, attributes=attributes)
    with np.errstate(all="raise", under="ignore"):
        views = make_views(series)
    assert views
    for view in views:
        assert view.name in VIEW_NAMES
        assert view.slices.dtype == np.uint8
        assert view.slices.shape == (len(view.z), *voxels.shape[1:])
        good = voxels[np.isfinite(voxels)] if voxels.dtype.kind == "f" else voxels
        if good.size == 0 or (good == good.flat[0]).all():
            assert not view.slices.any()  # a constant gives zeros, inverted or not


def test_not_finite_counts_as_the_minimum_and_huge_does_not_overflow():
    voxels = np.array([[[np.nan, 1.0, 2.0, np.inf, -np.inf]]], np.float32)
    assert finite(voxels).ravel().tolist() == [1, 1, 2, 1, 1]
    assert np.isfinite(finite(np.array([3e38, -3e38], np.float32))).all()
    assert finite(np.array([1e300, -5.0])).dtype == np.float32
    assert finite(np.full(3, np.inf, np.float32)).tolist() == [0, 0, 0]


def test_names_agree_with_the_words():
    """But those that an encoder's own recipe makes, which no finding names."""
    assert VIEW_NAMES - frozenset(PROMPT_VIEWS) == {"ct_channels", "ct_volume", "mr_volume"}
    assert frozenset(PROMPT_VIEWS) < VIEW_NAMES


def test_a_ct_in_the_colours_of_an_encoders_recipe():
    """Each channel is the window of its range, as scikit-image rescales it; the slice rule is the recipe's too."""
    voxels = np.random.default_rng(3).integers(-1200, 1500, (40, 6, 5)).astype(np.int16)
    ranges = ((-1024.0, 1024.0), (-135.0, 215.0), (0.0, 80.0))
    recipe = ImagingRecipe(ct_channels=ranges, max_gap_mm=3.0, max_slices=12)
    series = make_series(voxels, "CT", unit="HU", affine=np.diag([1.0, 1.0, 1.5, 1.0]))
    (view,) = make_views(series, recipe)
    assert view.name == "ct_channels"
    assert view.z.tolist() == choose_slices(40, 1.5, 3.0, 12).tolist()
    assert len(view.z) == 12
    for channel, (low, high) in enumerate(ranges):
        expected = np.interp(voxels[view.z], (low, high), (0, 255))
        assert np.abs(view.slices[..., channel] - expected).max() <= 0.51
    assert recipe_hash(ImagingRecipe()) == imaging_hash()
    assert len({recipe_hash(one) for one in (recipe, ImagingRecipe(), ImagingRecipe(max_slices=12))}) == 3


@each(
    ("part", "names"),
    [
        ("chest", ["lung", "soft", "bone"]),
        ("head", ["brain", "subdural", "bone"]),
        ("abdomen", ["soft", "liver", "bone"]),
        ("chest_abdomen", ["lung", "soft", "bone", "liver"]),
        ("", ["lung", "soft", "bone"]),
        ("tail", ["lung", "soft", "bone"]),
    ],
)
def test_ct_is_read_in_the_windows_of_its_part(part, names):
    voxels = np.linspace(-1000, 1000, 60).reshape(3, 4, 5).astype(np.int16)
    views = make_views(make_series(voxels, "CT", unit="HU", body_part=part))
    assert [view.name for view in views] == names
    for view in views:
        expected = np.stack([window(voxels[z], *CT_WINDOWS[view.name]) for z in view.z])
        np.testing.assert_array_equal(view.slices, expected)


@each(
    ("modality", "unit", "name"),
    [
        ("CT", "raw", "percentile"),
        ("CR", "raw", "radiograph"),
        ("DX", "raw", "radiograph"),
        ("MG", "raw", "mammogram"),
        ("XA", "raw", "angiogram"),
        ("PT", "SUV", "pet"),
        ("PT", "raw", "pet"),
        ("NM", "raw", "nm"),
        ("US", "raw", "ultrasound"),
        ("SC", "raw", "capture"),
        ("MR", "raw", "mr"),
        ("", "raw", "percentile"),
    ],
)
def test_one_view_by_modality(modality, unit, name):
    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    assert [view.name for view in make_views(make_series(voxels, modality, unit=unit))] == [name]


def test_suv_has_one_window_for_all_patients():
    voxels = np.array([[[0.0, 5.0, 10.0, 40.0]]], np.float32)
    (view,) = make_views(make_series(voxels, "PT", unit="SUV"))
    assert view.slices.ravel().tolist() == [0, 128, 255, 255]


def test_monochrome1_is_inverted_after_the_window():
    voxels = np.arange(16, dtype=np.int16).reshape(1, 4, 4)
    voi = Voi(center=8, width=10, function="LINEAR_EXACT")
    (plain,) = make_views(make_series(voxels, "DX", voi=voi))
    (turned,) = make_views(make_series(voxels, "DX", voi=voi, inverted=True))
    np.testing.assert_array_equal(turned.slices, 255 - plain.slices)
    np.testing.assert_array_equal(plain.slices[0], window(voxels[0], 8, 10))


def test_a_window_tag_is_used_only_where_it_is_sane():
    voxels = np.arange(100, dtype=np.int16).reshape(1, 10, 10)
    by_percentiles = make_views(make_series(voxels, "DX"))[0].slices
    for center, width in ((50, 0), (50, -3), (50, 1000), (5000, 50), (float("nan"), 50), (None, 50)):
        insane = make_series(voxels, "DX", voi=Voi(center=center, width=width))
        np.testing.assert_array_equal(make_views(insane)[0].slices, by_percentiles)
    sane = make_series(voxels, "DX", voi=Voi(center=50, width=20))
    np.testing.assert_array_equal(make_views(sane)[0].slices[0], window(voxels[0], 50, 20, "LINEAR"))


def test_a_voi_table_goes_before_a_window():
    voxels = np.array([[[-5, 10, 11, 12, 50]]], np.int16)
    voi = Voi(center=10, width=5, lut=np.array([0.0, 0.5, 1.0], np.float32), lut_first=10)
    (view,) = make_views(make_series(voxels, "MG", voi=voi))
    assert view.slices.ravel().tolist() == [0, 0, 128, 255, 255]


def test_padding_does_not_move_the_percentiles():
    voxels = np.arange(1000, 1400, dtype=np.int16).reshape(1, 20, 20)
    padded = np.full((1, 20, 40), -2000, np.int16)
    padded[..., :20] = voxels
    plain = make_views(make_series(voxels, "CR"))[0].slices
    ours = make_views(make_series(padded, "CR", attributes={"PixelPaddingValue": "-2000"}))[0].slices
    np.testing.assert_array_equal(ours[..., :20], plain)
    assert not ours[..., 20:].any()


def test_colour_and_8_bit_ultrasound_stay_as_they_are():
    grey = np.random.default_rng(0).integers(0, 200, (3, 4, 5)).astype(np.int16)
    np.testing.assert_array_equal(make_views(make_series(grey, "US"))[0].slices, grey)
    rgb = np.random.default_rng(0).integers(0, 255, (3, 4, 5, 3)).astype(np.uint8)
    (view,) = make_views(make_series(rgb, "US"))
    np.testing.assert_array_equal(view.slices, rgb)
    assert make_views(make_series(rgb, ""))[0].name == "picture"
    assert make_views(make_series(rgb, "CT", unit="HU"))[0].name == "capture"


def test_mr_ignores_the_air_around_the_head():
    rng = np.random.default_rng(1)
    voxels = rng.normal(10, 3, (4, 40, 40)).astype(np.float32)
    head = rng.normal(500, 50, (4, 20, 20)).astype(np.float32)
    voxels[:, 10:30, 10:30] = head
    assert foreground(voxels).size == head.size
    (view,) = make_views(make_series(voxels, "MR"))
    low, high = np.percentile(head, (1, 99.5))
    np.testing.assert_array_equal(
        view.slices, np.stack([window(plane, (low + high) / 2, high - low) for plane in voxels])
    )
    # One hot voxel changes next to nothing.
    voxels[0, 0, 0] = 1e6
    (hot,) = make_views(make_series(voxels, "MR"))
    assert np.abs(hot.slices.astype(int) - view.slices).mean() < 2


def test_large_volumes_are_sampled_on_a_grid(monkeypatch):
    voxels = np.random.default_rng(3).normal(100, 20, (20, 30, 40)).astype(np.float32)
    assert sample(voxels).shape == voxels.shape
    (whole,) = make_views(make_series(voxels, "MR"))
    monkeypatch.setattr(intensity, "SAMPLE_VOXELS", 4000)
    np.testing.assert_array_equal(sample(voxels), voxels[::2, ::2, ::2])
    (part,) = make_views(make_series(voxels, "MR"))
    assert np.abs(whole.slices.astype(int) - part.slices).max() < 16


def test_otsu_is_the_brute_force_maximum():
    values = np.random.default_rng(2).choice([3, 5, 60, 62, 90], 500).astype(np.int16)
    best, spread = 0.0, -1.0
    for cut in np.unique(values)[:-1]:
        below, above = values[values <= cut], values[values > cut]
        between = len(below) * len(above) * (below.mean() - above.mean()) ** 2
        if between > spread:
            best, spread = cut, between
    assert sorted(foreground(values)) == sorted(values[values > best])


@settings(deadline=None)
@given(st.integers(1, 2000), st.one_of(st.none(), st.floats(0.05, 20), st.just(0.0)))
def test_slices_are_evenly_spaced_and_close_enough(count, gap):
    z = choose_slices(count, gap)
    steps = np.diff(z)
    assert 1 <= len(z) <= MAX_SLICES
    assert z[0] >= 0
    assert z[-1] < count
    assert (steps >= 1).all()
    assert np.ptp(steps) <= 1 if len(steps) else True
    if len(z) < MAX_SLICES and gap:
        step = steps[0] if len(steps) else count
        assert step == 1 or step * gap <= 5.01 or len(steps) == 0
        assert (step + 1) * gap > 5 or len(steps) == 0  # no more slices than needed
        assert z[0] * gap < 5
        assert (count - 1 - z[-1]) * gap < 5


@each(
    ("count", "gap", "number"),
    [(300, 1.0, 60), (60, 5.0, 60), (30, 7.5, 30), (161, None, 160), (90, 1.66669, 30), (4000, 1.0, 160)],
)
def test_slice_counts(count, gap, number):
    assert len(choose_slices(count, gap)) == number


def test_positions_are_the_centres_of_the_slices():
    affine = np.diag([2.0, 3.0, 5.0, 1.0])
    affine[:3, 3] = (10, 20, 30)
    series = make_series(np.arange(2 * 3 * 5, dtype=np.int16).reshape(2, 3, 5), "MR", affine=affine)
    (view,) = iter_views(series)
    assert slice_positions(series.volume, view.z) == ((14.0, 23.0, 30.0), (14.0, 23.0, 35.0))
    assert slice_positions(make_series(series.volume.voxels).volume, view.z) == ()


@each(
    ("description", "attributes", "name"),
    [
        ("t1_mprage_sag", {}, "mr_t1"),
        ("Ax T2 FLAIR", {}, "mr_flair"),
        ("T1 FLAIR", {}, "mr_t1"),
        ("AX T2 FSE", {}, "mr_t2"),
        ("t2_tirm_tra_dark-fluid", {}, "mr_flair"),
        ("DWI b1000", {}, "mr_dwi"),
        ("ADC map DWI", {}, "mr"),
        ("SWI", {}, "mr_swi"),
        ("T2* GRE", {}, "mr"),
        ("PD FS", {}, "mr_pd"),
        ("PD T2 dual", {}, "mr"),
        ("bold rest", {}, "mr_bold"),
        ("spine T10-L2", {}, "mr"),
        ("ax", {"ScanningSequence": "SE", "RepetitionTime": "500", "EchoTime": "12"}, "mr_t1"),
        ("ax", {"ScanningSequence": "SE", "RepetitionTime": "4000", "EchoTime": "100"}, "mr_t2"),
        ("ax", {"ScanningSequence": "SE", "RepetitionTime": "3000", "EchoTime": "15"}, "mr_pd"),
        (
            "ax",
            {"ScanningSequence": "SE\\IR", "RepetitionTime": "9000", "EchoTime": "120", "InversionTime": "2500"},
            "mr_flair",
        ),
        (
            "ax",
            {"ScanningSequence": "SE\\IR", "RepetitionTime": "4000", "EchoTime": "60", "InversionTime": "150"},
            "mr",
        ),
        ("ax", {"ScanningSequence": "GR", "RepetitionTime": "500", "EchoTime": "12"}, "mr"),
        ("ax", {"ScanningSequence": "SE", "RepetitionTime": "x", "EchoTime": ""}, "mr"),
        ("", {"SequenceName": "*tfl3d1_16ns"}, "mr_t1"),
        ("ep2d", {"DiffusionBValue": "1000"}, "mr_dwi"),
        ("ep2d", {"DiffusionBValue": "0"}, "mr"),
        ("t1", {"ImageType": "ORIGINAL\\PRIMARY\\P\\ND"}, "mr"),
        ("t1", {"ImageType": "ORIGINAL\\PRIMARY\\M\\ND"}, "mr_t1"),
        ("", {}, "mr"),
    ],
)
def test_mr_contrast_is_named_only_when_certain(description, attributes, name):
    assert mr_view(description, attributes) == name


@each(
    ("texts", "part"),
    [
        (("CHEST",), "chest"),
        (("", "CT Chest/Abd W"), "chest_abdomen"),
        (("THORAX", "HEAD"), "chest"),
        (("Thoracic spine",), "spine"),
        (("CHESTABDPELVIS",), "chest_abdomen_pelvis"),
        (("CSPINE",), "spine"),
        (("Head^Routine",), "head"),
        (("", ""), ""),
        (("KNEE",), "extremity"),
    ],
)
def test_body_parts(texts, part):
    assert body_part(*texts) == part


def test_the_recipe_hash_follows_every_field():
    known = imaging_hash()
    assert known == imaging_hash(copy.deepcopy(IMAGING_RECIPE))
    hashes = set()
    for key in IMAGING_RECIPE:
        changed = copy.deepcopy(IMAGING_RECIPE)
        changed[key] = "something else"
        hashes.add(imaging_hash(changed))
    assert len(hashes) == len(IMAGING_RECIPE)
    assert known not in hashes
