"""Head phantoms are the same for the same seed, hold what they are asked for, and show it where the mask says."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from radseek.demo.phantoms.brain.brain_mr import signal
from radseek.demo.phantoms.head.distance_fields import NoiseBank, chain, ellipsoid
from radseek.demo.phantoms.head.head_ct import make_brain_mr, make_head
from radseek.demo.phantoms.head.patient_plan import OEDEMA_CUT_ML, SHIFT_CUT_MM
from radseek.demo.phantoms.phantom import FINDINGS, Lesion, Phantom
from tests.each_support import each

pytestmark = pytest.mark.cohort

# What a request brings with it: a subdural haematoma is an intracranial haemorrhage.
IMPLIED = {"subdural_haematoma": {"subdural_haematoma", "intracranial_haemorrhage"}}


def around(lesion: Lesion, brain: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Brain in a ring round the lesion, in its slices."""
    inner = ndimage.binary_dilation(lesion.mask, np.ones((1, 5, 5)))
    return ndimage.binary_dilation(inner, np.ones((1, 3, 3)), iterations=8) & ~inner & brain


def bilateral_seed(findings: list[str], wanted: str, make=make_head) -> Phantom:  # type: ignore[no-untyped-def]
    """The first phantom with `findings` whose lesion is of the wanted type."""
    for seed in range(40):
        phantom: Phantom = make(seed, findings)
        if phantom.lesions[0].details.get("type") == wanted:
            return phantom
    pytest.fail(f"no {wanted} in 40 seeds")


@pytest.mark.parametrize("make", [make_head, make_brain_mr])
def test_the_same_seed_is_the_same_phantom(make) -> None:  # type: ignore[no-untyped-def]
    one, two, other = make(5), make(5), make(6)
    for a, b in zip(one.series, two.series, strict=True):
        np.testing.assert_array_equal(a.voxels, b.voxels)
        np.testing.assert_array_equal(a.affine, b.affine)
    assert one.labels == two.labels
    assert one.facts == two.facts
    assert one.series[0].voxels.shape != other.series[0].voxels.shape or not np.array_equal(
        one.series[0].voxels, other.series[0].voxels
    )


@each("finding", FINDINGS["head_ct"])
def test_a_head_holds_what_was_asked_for_and_nothing_else(finding: str) -> None:
    phantom = make_head(17, [finding])
    assert {name for name, there in phantom.labels.items() if there} == IMPLIED.get(finding, {finding})
    for lesion in phantom.lesions:
        assert lesion.mask.shape == phantom.series[0].voxels.shape
        assert lesion.mask.any()
        voxel = np.prod(phantom.series[0].spacing) / 1000
        assert lesion.volume_ml == pytest.approx(lesion.mask.sum() * voxel, abs=0.01)


@each("finding", FINDINGS["brain_mr"])
def test_a_brain_holds_what_was_asked_for_and_nothing_else(finding: str) -> None:
    phantom = make_brain_mr(23, [finding])
    assert [name for name, there in phantom.labels.items() if there] == [finding]
    assert [s.name for s in phantom.series] == ["t1", "t2", "flair"]
    assert len({s.voxels.shape for s in phantom.series}) == 1


def test_a_normal_head_has_no_lesion() -> None:
    phantom = make_head(3, [])
    assert phantom.lesions == ()
    assert not any(phantom.labels.values())
    assert abs(float(phantom.facts["midline_shift_mm"])) < SHIFT_CUT_MM


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_one_sided_lesions_are_on_the_side_they_say(seed: int) -> None:
    phantom = make_head(seed, ["brain_tumour"])
    lesion = phantom.lesions[0]
    z, y, x = (axis.mean() for axis in np.nonzero(lesion.mask))
    left = (phantom.series[0].affine @ (x, y, z, 1))[0]
    assert lesion.side in {"left", "right"}
    assert (left > 0) == (lesion.side == "left")
    assert lesion.side in lesion.location


def test_blood_is_dense_and_infarcts_are_not() -> None:
    blood = bilateral_seed(["intracranial_haemorrhage"], "intraparenchymal")
    infarct = bilateral_seed(["cerebral_infarct"], "territorial")
    for phantom, low, high in ((blood, 10, 45), (infarct, -16, -2)):
        hu = phantom.series[0].voxels
        ring = around(phantom.lesions[0], (hu > 5) & (hu < 70))
        difference = float(np.median(hu[phantom.lesions[0].mask]) - np.median(hu[ring]))
        assert low < difference < high


def test_haemorrhage_is_between_50_and_80_hu_in_a_brain_between_25_and_42() -> None:
    phantom = bilateral_seed(["intracranial_haemorrhage"], "intraparenchymal")
    hu = phantom.series[0].voxels
    core = ndimage.binary_erosion(phantom.lesions[0].mask, np.ones((1, 3, 3)))
    assert 48 < np.median(hu[core]) < 80
    inside = ndimage.binary_erosion((hu > 0) & (hu < 80), np.ones((1, 5, 5)), iterations=4)
    assert 22 < np.median(hu[inside]) < 42


def test_an_infarct_is_bright_in_flair_and_dark_in_t1() -> None:
    phantom = bilateral_seed(["cerebral_infarct"], "territorial", make_brain_mr)
    mask = phantom.lesions[0].mask
    t1, t2, flair = (s.voxels.astype(float) for s in phantom.series)
    ring = around(phantom.lesions[0], flair > 0.4 * np.median(flair[mask]))
    assert np.median(flair[mask]) > 1.1 * np.median(flair[ring])
    assert np.median(t2[mask]) > np.median(t2[ring])
    assert np.median(t1[mask]) < np.median(t1[ring])


def test_hydrocephalus_is_wider_than_a_normal_of_the_same_seed() -> None:
    def fluid(phantom: Phantom) -> int:
        hu = ndimage.gaussian_filter(phantom.series[0].voxels.astype(float), (0, 1.5, 1.5))
        z, y, x = (n // 2 for n in hu.shape)
        return int((hu[z - 4 : z + 5, y - 40 : y + 40, x - 30 : x + 30] < 16).sum())

    assert fluid(make_head(8, ["hydrocephalus"])) > 1.8 * fluid(make_head(8, []))


def test_midline_shift_is_labelled_by_its_cut() -> None:
    for seed in range(9):
        phantom = make_head(seed)
        measured = float(phantom.facts["midline_shift_mm"])
        assert phantom.labels["midline_shift"] == int(measured >= SHIFT_CUT_MM)
        assert phantom.facts["midline_shift_cut_mm"] == SHIFT_CUT_MM
        for lesion in phantom.lesions:
            if lesion.finding == "cerebral_oedema":
                assert lesion.volume_ml > 0.6 * OEDEMA_CUT_ML  # measured on thick slices
            if lesion.finding == "midline_shift":
                assert 5 <= float(lesion.details["shift_mm"]) <= 16


def test_signals_follow_the_spin_echo_equation() -> None:
    t1w = {"tr": 500.0, "te": 10.0, "ti": 0.0}
    by_hand = 0.7 * (1 - np.exp(-500 / 600)) * np.exp(-10 / 80)
    assert signal(t1w, (0.7, 600, 80)) == pytest.approx(by_hand)
    flair = {"tr": 9000.0, "te": 120.0, "ti": 4200 * np.log(2 / (1 + np.exp(-9000 / 4200)))}
    assert signal(flair, (1.0, 4200, 1800)) == pytest.approx(0, abs=1e-6)  # fluid is nulled


def test_distances_are_distances() -> None:
    rng = np.random.default_rng(0)
    x, y, z = rng.uniform(-30, 30, (3, 500)).astype(np.float32)
    ball = np.sqrt((x - 1) ** 2 + y**2 + z**2) - 9
    np.testing.assert_allclose(ellipsoid(x, y, z, (1, 0, 0), (9, 9, 9)), ball, atol=1e-3)
    rod = chain(x, y, z, [(-5, 0, 0, 2), (5, 0, 0, 2)])
    nearest = np.sqrt((x - np.clip(x, -5, 5)) ** 2 + y**2 + z**2) - 2
    np.testing.assert_allclose(rod, nearest, atol=1e-3)


def test_noise_has_the_wavelength_asked_for() -> None:
    bank = NoiseBank(np.random.default_rng(4))
    line = np.arange(0, 4000, 0.5, dtype=np.float32)
    field = bank.at(line, line * 0 + 3, line * 0 + 5, 20.0, 0)
    spread = [bank.at(*rng_points(k), 20.0, 7).std() for k in range(3)]
    assert 0.8 < np.mean(spread) < 1.2
    crossings = np.count_nonzero(np.diff(np.sign(ndimage.uniform_filter1d(field, 5))))
    assert 20 < 2 * 4000 / crossings < 45  # along a line, sheets are met at a slant


def rng_points(seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-500, 500, (3, 20000)).astype(np.float32)
