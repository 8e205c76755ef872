"""The synthetic chest is what it says it is: same every time, lesions where and what they are said to be."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from functools import cache

import numpy as np
import pytest

from radseek.demo.phantoms.make import FINDINGS, make_phantom
from radseek.demo.phantoms.phantom import Lesion, Phantom
from radseek.prompts.word_errors import UnknownNameError
from tests.each_support import each

pytestmark = pytest.mark.cohort

# One study a finding and a seed of its own; drawn once for the whole module.
CT_CASES = [(name, 40 + k) for k, name in enumerate(FINDINGS["chest_ct"])]
XRAY_CASES = [(name, 60 + k) for k, name in enumerate(FINDINGS["chest_xray"])]
HU_RANGE = {
    "lung_mass": (20, 60),
    "pleural_effusion": (0, 20),
    "pneumothorax": (-1024, -950),
    "consolidation": (-50, 50),
    "emphysema": (-1024, -930),
}


@cache
def chest(kind: str, seed: int, *findings: str) -> Phantom:
    return make_phantom(kind, seed, findings=findings)


def only(phantom: Phantom, finding: str) -> Lesion:
    found = [lesion for lesion in phantom.lesions if lesion.finding == finding]
    return found[0]


def eroded(mask: np.ndarray) -> np.ndarray:
    """The mask's inside, where neither an edge nor the slice profile mixes in a neighbour."""
    inner = mask.copy()
    for axis in (0, 1, 2):
        inner &= np.roll(mask, 1, axis) & np.roll(mask, -1, axis)
    return inner if inner.sum() >= 10 else mask


def centre_mm(phantom: Phantom, mask: np.ndarray) -> np.ndarray:
    z, y, x = (np.mean(index) for index in np.nonzero(mask))
    return (phantom.series[0].affine @ np.array([x, y, z, 1.0]))[:3]


def digest(phantom: Phantom) -> str:
    parts = [phantom.series[0].voxels.tobytes(), *(v.mask.tobytes() for v in phantom.lesions)]
    return hashlib.sha256(b"".join(parts)).hexdigest()


@pytest.mark.parametrize("kind", ["chest_ct", "chest_xray"])
def test_the_same_seed_gives_the_same_study_in_another_process(kind: str) -> None:
    code = (
        "from radseek.demo.phantoms.make import make_phantom\nfrom tests.test_phantom_chest import digest\n"
        f"print(digest(make_phantom({kind!r}, 9)))"
    )
    env_run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert env_run.stdout.split()[-1] == digest(make_phantom(kind, 9))
    assert digest(make_phantom(kind, 10)) != env_run.stdout.split()[-1]


@each(("finding", "seed"), CT_CASES)
def test_what_is_asked_for_is_there_and_nothing_else(finding: str, seed: int) -> None:
    phantom = chest("chest_ct", seed, finding)
    assert {name for name, present in phantom.labels.items() if present} == {finding}
    for lesion in phantom.lesions:
        assert lesion.mask.shape == phantom.series[0].voxels.shape
        assert lesion.mask.any()
        assert lesion.volume_ml == pytest.approx(
            lesion.mask.sum() * np.prod(phantom.series[0].spacing) / 1000, rel=1e-3
        )


@each(("finding", "seed"), XRAY_CASES)
def test_a_radiograph_shows_the_shadow_of_each_lesion(finding: str, seed: int) -> None:
    phantom = chest("chest_xray", seed, finding)
    series = phantom.series[0]
    assert series.modality == "DX"
    assert series.voxels.shape[0] == 1
    assert min(series.voxels.shape[1:]) >= 320
    assert {name for name, present in phantom.labels.items() if present} == {finding}
    assert all(lesion.mask.shape == series.voxels.shape and lesion.mask.any() for lesion in phantom.lesions)


@pytest.mark.parametrize("kind", ["chest_ct", "chest_xray"])
def test_a_normal_study_has_no_lesion(kind: str) -> None:
    phantom = chest(kind, 77)
    assert phantom.lesions == ()
    assert set(phantom.labels.values()) == {0}
    assert phantom.facts["ctr"] < 0.5


@each(("finding", "seed"), [case for case in CT_CASES if case[0] in HU_RANGE])
def test_a_lesion_has_the_density_that_design_states(finding: str, seed: int) -> None:
    phantom = chest("chest_ct", seed, finding)
    lesion = only(phantom, finding)
    low, high = HU_RANGE[finding]
    inside = phantom.series[0].voxels[eroded(lesion.mask)]
    assert low - 8 <= np.median(inside) <= high + 8
    if finding != "emphysema":
        assert low <= float(lesion.details["hu"]) <= high


@each("seed", range(200, 206))
def test_nodules_are_as_large_and_as_dense_as_recorded(seed: int) -> None:
    phantom = chest("chest_ct", seed, "lung_nodule")
    step = phantom.series[0].spacing[1]
    for lesion in phantom.lesions:
        assert 4 <= lesion.size_mm <= 30
        widest = max(np.ptp(np.flatnonzero(s.any(axis=k))) + 1 for s in lesion.mask if s.any() for k in (0, 1))
        assert abs(widest * step - lesion.size_mm) <= max(3 * step, 0.35 * lesion.size_mm)
        assert -650 <= float(lesion.details["hu"]) <= 60
        if lesion.size_mm > 2.5 * phantom.series[0].spacing[0]:  # a slice lies wholly inside, apart from any profile
            inner = phantom.series[0].voxels[eroded(lesion.mask)]
            assert np.median(inner) == pytest.approx(float(lesion.details["hu"]), abs=60)


@each("finding", ["lung_nodule", "lung_mass", "consolidation", "pleural_effusion", "pneumothorax", "rib_fracture"])
@each("seed", [301, 302])
def test_left_is_positive_x(finding: str, seed: int) -> None:
    phantom = chest("chest_ct", seed, finding)
    for lesion in phantom.lesions:
        assert lesion.side == ("left" if centre_mm(phantom, lesion.mask)[0] > 0 else "right")
        assert lesion.side in lesion.location


def test_the_heart_lies_to_the_left_and_the_liver_to_the_right() -> None:
    phantom = chest("chest_ct", 45, "cardiomegaly")
    assert centre_mm(phantom, only(phantom, "cardiomegaly").mask)[0] > 0
    series = phantom.series[0]
    low = series.voxels[1]
    x = series.affine[0, 3] + series.affine[0, 0] * np.arange(low.shape[1])
    soft = (low > 20) & (low < 200)
    assert soft[:, (x < -40) & (x > -100)].mean() > soft[:, (x > 40) & (x < 100)].mean()


def test_on_a_radiograph_the_left_is_on_the_viewers_right() -> None:
    phantom = chest("chest_xray", 65, "cardiomegaly")
    mask = only(phantom, "cardiomegaly").mask[0]
    columns = np.flatnonzero(mask.any(axis=0))
    film = phantom.series[0]
    x = film.affine[0, 3] + film.affine[0, 0] * columns
    assert film.affine[0, 0] > 0
    assert x.max() > -x.min()
    lungs = film.voxels[0, film.voxels.shape[1] // 3]
    assert lungs.min() < lungs.max()


@each("seed", range(400, 406))
def test_the_heart_is_as_wide_as_the_ratio_says(seed: int) -> None:
    wanted = ("cardiomegaly",) if seed % 2 else ()
    phantom = chest("chest_ct", seed, *wanted)
    ratio = float(phantom.facts["ctr"])
    assert 0.40 <= ratio <= 0.65
    assert (ratio > 0.5) == bool(wanted)
    if wanted:
        mask = only(phantom, "cardiomegaly").mask
        width = (np.ptp(np.flatnonzero(mask.any(axis=(0, 1)))) + 1) * phantom.series[0].spacing[2]
        assert width == pytest.approx(only(phantom, "cardiomegaly").size_mm, rel=0.06)


def test_fluid_layers_behind_and_air_in_front_when_lying() -> None:
    fluid = chest("chest_ct", 301, "pleural_effusion")
    air = chest("chest_ct", 301, "pneumothorax")
    assert centre_mm(fluid, only(fluid, "pleural_effusion").mask)[1] > 20
    assert centre_mm(air, only(air, "pneumothorax").mask)[1] < -20


@pytest.mark.parametrize("seed", range(500, 504))
def test_effusions_hold_what_they_are_said_to(seed: int) -> None:
    lesions = chest("chest_ct", seed, "pleural_effusion").lesions
    assert all(35 <= lesion.volume_ml <= 1500 for lesion in lesions)


def test_a_scan_is_hounsfield_units_with_air_round_the_patient() -> None:
    series = chest("chest_ct", 77).series[0]
    assert series.voxels.dtype == np.int16
    assert series.unit == "HU"
    assert 40 <= series.voxels.shape[0] <= 64
    corner = series.voxels[:, :6, :6]
    assert np.median(corner) == pytest.approx(-1000, abs=15)
    assert 8 <= float(series.attributes["noise_hu"]) <= 40
    assert np.all(np.diag(series.affine)[:3] > 0)


def test_random_draws_are_a_third_normal_and_hold_at_most_three() -> None:
    from radseek.demo.phantoms.chest.chest import _draw_findings

    draws = [_draw_findings("chest_ct", seed) for seed in range(600)]
    assert 0.28 < np.mean([not draw for draw in draws]) < 0.42
    assert max(len(draw) for draw in draws) == 3
    assert {name for draw in draws for name in draw} == set(FINDINGS["chest_ct"])


def test_unknown_names_say_what_there_is() -> None:
    with pytest.raises(UnknownNameError, match="chest_ct"):
        make_phantom("knee", 1)
    with pytest.raises(UnknownNameError, match="lung_nodule"):
        make_phantom("chest_ct", 1, findings=("fracture",))
