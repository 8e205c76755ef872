"""From a study and a finding to a map: the slice that was scored, checked once, not drawn where the check failed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from radseek.prompts.catalogue import load_set
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import UsageError
from radseek.retrieval.heatmaps import study_heatmap
from radseek.retrieval.heatmaps.check_store import CheckStore, check_key
from radseek.retrieval.heatmaps.faithfulness import MapCheck
from radseek.retrieval.heatmaps.heatmap import heat_map
from radseek.retrieval.imaging.views.series_views import make_views
from radseek.retrieval.types import Provenance, Series, Study, Volume
from tests.heatmap_support import random_slice, tower_encoder

NODULE = next(one for one in load_set("chest_ct").findings if one.name == "lung_nodule")
GOOD = MapCheck(True, 0.3, 0.1, 0.05, 0.15, (0.1, 0.2), -0.02, 8)
AFFINE = np.array([[0.0, -2.0, 0.0, 30.0], [1.5, 0.0, 0.0, -7.0], [0.0, 0.0, 4.0, 100.0], [0.0, 0.0, 0.0, 1.0]])


def a_series(uid: str, depth: int, seed: int) -> Series:
    voxels = random_slice((depth, 60, 70), seed).astype(np.int16) * 4 - 1000
    volume = Volume(voxels, AFFINE, "HU", Provenance("none", spacing=(4.0, 2.0, 1.5)))
    return Series(uid, "CT", "chest", "", volume)


def a_study(*series: Series) -> Study:
    return Study("1.2.3", "hash", ("/scans/1.dcm",), series)


@pytest.fixture
def encoder() -> Any:
    return tower_encoder("timm_conv_avgmax")


def keep(encoder: Any, check: MapCheck) -> None:
    CheckStore(encoder).put(check_key(encoder, NODULE), check)


@pytest.mark.slow
def test_the_map_is_of_the_slice_that_was_scored(encoder: Any) -> None:
    keep(encoder, GOOD)
    study = a_study(a_series("1", 20, 1), a_series("2", 9, 2))
    engine = Engine(encoder)
    (score,) = engine.screen(study, [NODULE]).results
    found = engine.heat_map(study, NODULE)
    assert (found.study, found.series, found.view, found.z) == (score.study, score.series, score.view, score.key_slice)
    depths = {20: study.series[0], 9: study.series[1]}
    (view,) = [
        one for one in make_views(depths[found.maps.view.series.volume.voxels.shape[0]]) if one.name == found.view
    ]
    row = int(np.flatnonzero(view.z == found.z)[0])
    assert found.map is not None
    assert_array_equal(found.map, heat_map(encoder, view.slices[row], engine._texts.pair(NODULE)))
    assert found.peak is not None
    x, y, z = found.peak
    assert z == found.z
    assert found.map[y, x] == np.nanmax(found.map)
    assert_allclose(found.peak_mm, (AFFINE @ [x, y, z, 1])[:3])
    assert found.key_slices[0] == found.z
    assert [z for z, _ in found.profile] == view.z.tolist()
    assert max(found.profile, key=lambda one: one[1])[0] == found.z
    assert json.loads(json.dumps(found.to_dict()))["drawn"] is True


def test_a_failed_map_is_not_there_and_says_why(encoder: Any) -> None:
    keep(encoder, replace(GOOD, passes=False, reason="same_with_random_weights"))
    found = Engine(encoder).heat_map(a_study(a_series("1", 6, 1)), "lung_nodule")
    assert found.map is None
    assert found.peak is None
    assert found.peak_mm is None
    assert found.check.reason == "same_with_random_weights"
    assert found.to_dict()["drawn"] is False


@pytest.mark.slow
def test_a_finding_is_checked_once_and_a_single_slice_each_time(encoder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def check(encoder: object, prepared: np.ndarray, pair: object) -> MapCheck:
        asked.append(len(prepared))
        return replace(GOOD, slices=len(prepared))

    monkeypatch.setattr(study_heatmap, "check_maps", check)
    one, many = a_study(a_series("1", 1, 1)), a_study(a_series("1", 20, 1))
    Engine(encoder).heat_map(one, NODULE)
    Engine(encoder).heat_map(one, NODULE)
    Engine(encoder).heat_map(many, NODULE)
    Engine(encoder).heat_map(many, NODULE)  # another engine: from the file
    Engine(encoder).heat_map(one, NODULE)
    assert asked == [1, 1, 8]


@pytest.mark.slow
def test_every_slice_is_mapped_when_asked(encoder: Any) -> None:
    keep(encoder, GOOD)
    found = Engine(encoder).heat_map(a_study(a_series("1", 12, 3)), NODULE, every_slice=True)
    assert_array_equal(found.maps.z, [z for z, _ in found.profile])
    assert np.isfinite(found.maps.stacked()[found.maps.z]).all()
    assert_array_equal(found.maps.at(found.z), found.map)


@pytest.mark.slow
def test_vectors_in_another_order_of_series_find_their_own_images(encoder: Any) -> None:
    keep(encoder, GOOD)
    study = a_study(a_series("1", 20, 1), a_series("2", 9, 2))
    engine = Engine(encoder)
    vectors = engine._targets.embed(study, "")
    turned = replace(vectors, series=vectors.series[::-1])
    series = engine._targets.keyed_series(study, vectors.key)
    one, other = (engine._mapper.heat_map(series, given, NODULE) for given in (vectors, turned))
    assert one is not None
    assert other is not None
    assert one.to_dict() == other.to_dict()


def test_what_has_no_pixels_or_no_view_is_refused(encoder: Any) -> None:
    keep(encoder, GOOD)
    with pytest.raises(UsageError, match="index keeps vectors"):
        Engine(encoder).heat_map("2.25.123", NODULE)
    head = replace(a_series("1", 4, 1), modality="MR", volume=replace(a_series("1", 4, 1).volume, unit="raw"))
    with pytest.raises(UsageError, match="No view of this study"):
        Engine(encoder).heat_map(a_study(head), NODULE)
