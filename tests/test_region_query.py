"""A masked region as a query: which pixels are looked at, how cases are ranked, and what the engine says of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.region_query import looked_at
from radseek.retrieval.encoders.encode_series import embed_series
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import MaskError, UsageError
from radseek.retrieval.imaging.views.series_views import iter_views, make_views
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Scope
from radseek.retrieval.privacy.pseudonyms import load_key, study_key
from radseek.retrieval.regions.region import Region
from radseek.retrieval.search.region_query import MARGIN_MM, rank_by_region, region_views
from radseek.retrieval.types import Provenance, Series, Study, ViewVectors, Volume
from tests.encoder_support import SIZE, TinyEncoder
from tests.mask_support import affine_of, write_mask
from tests.test_engine import to_record

SHAPE = (12, 96, 96)
SPOT = (slice(5, 8), slice(60, 72), slice(20, 32))


class Watching(TinyEncoder):
    """Remembers the slices that it was given."""

    def encode_slices(self, slices: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.seen = [*getattr(self, "seen", []), slices.copy()]
        return super().encode_slices(slices)


def series_of(seed: int, spot: int | None = None, spacing: tuple[float, float, float] = (1.0, 1.0, 5.0)) -> Series:
    rng = np.random.default_rng(seed)
    voxels = rng.normal(-600, 80, SHAPE)
    if spot is not None:
        pattern = np.random.default_rng(spot).choice([-1000, 1000], (3, 4, 4)).repeat(3, 1).repeat(3, 2)
        voxels[SPOT] = pattern
    affine = affine_of(spacing, (-48, -48, 0))
    volume = Volume(voxels.astype(np.int16), affine, "HU", Provenance("rescale", plane="axial"))
    return Series(f"1.2.840.9.{seed}.0", "CT", "chest", "thin", volume)


def spot_region() -> Region:
    mask = np.zeros(SHAPE, bool)
    mask[SPOT] = True
    return Region.of("spot", mask)


def study_of(seed: int, spot: int | None = None) -> Study:
    return Study(
        f"1.2.840.9.{seed}", f"{seed:064x}", (f"/data/x/{seed}.dcm",), (series_of(seed, spot),), patient_id=f"P{seed}"
    )


def shown_to(look: str) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """For each view, its whole slices and what the encoder was given of them."""
    encoder, series = Watching(), series_of(0, 1)
    views = looked_at(look, series, spot_region(), encoder)
    whole = {view.name: view for view in make_views(series)}
    assert [view.view for view in views] == list(whole)
    assert all(list(view.z) == [5, 6, 7] for view in views)
    assert all(seen.shape[1:] == (3, SIZE, SIZE) and not seen[3:].any() for seen in encoder.seen)  # padding of a batch
    return [(whole[view.view].slices[5:8], seen[:3, 0]) for view, seen in zip(views, encoder.seen, strict=True)]


def test_only_the_slices_and_the_surroundings_of_the_region_are_seen() -> None:
    margin = int(MARGIN_MM)
    for whole, seen in shown_to("masked"):
        kept = np.zeros(whole.shape[1:], bool)
        kept[60 - margin : 72 + margin, : 32 + margin] = True
        expected = np.where(kept, whole, 0)
        assert expected.any()
        assert [float(one.mean()) for one in seen] == pytest.approx([float(one.mean()) for one in expected], abs=3)


def test_the_benchmark_crop_is_a_square_around_the_region_moved_inwards() -> None:
    side = 12 + 2 * int(MARGIN_MM)
    for whole, seen in shown_to("crop"):
        crop = whole[:, 96 - side : 96, 0:side]  # the region is at the lower left
        assert [float(one.mean()) for one in seen] == pytest.approx([float(one.mean()) for one in crop], abs=3)


def test_the_rest_of_the_image_does_not_matter() -> None:
    one, other = series_of(0, 1), series_of(0, 1)
    changed = other.volume.voxels.copy()
    changed[:, :20] = 3000  # more than the margin away
    changed[:3] = changed[10:] = -900
    other = replace(other, volume=replace(other.volume, voxels=changed))
    encoder = TinyEncoder()
    for a, b in zip(
        region_views(one, spot_region(), encoder), region_views(other, spot_region(), encoder), strict=True
    ):
        assert np.array_equal(a.slices, b.slices)
    crops = [looked_at("crop", s, spot_region(), encoder) for s in (one, other)]
    assert all(np.array_equal(a.slices, b.slices) for a, b in zip(*crops, strict=True))
    whole = [looked_at("slices", s, spot_region(), encoder) for s in (one, other)]
    assert not all(np.array_equal(a.slices, b.slices) for a, b in zip(*whole, strict=True))


def test_a_thin_region_between_the_slices_that_are_indexed_is_still_seen() -> None:
    series = series_of(0, 1, spacing=(1.0, 1.0, 1.0))  # every fifth slice is indexed
    indexed = next(iter(iter_views(series))).z
    z = next(z for z in range(SHAPE[0]) if z not in indexed)
    mask = np.zeros(SHAPE, bool)
    mask[z, 40:50, 40:50] = True
    (first, *_) = region_views(series, Region.of("thin", mask), TinyEncoder())
    assert list(first.z) == [z]


def test_slices_at_the_recipes_distance() -> None:
    series = series_of(0, 1, spacing=(1.0, 1.0, 1.0))
    mask = np.zeros(SHAPE, bool)
    mask[1:12, 40:50, 40:50] = True
    mask[6] = False  # a hole where a slice would be chosen
    z = region_views(series, Region.of("long", mask), TinyEncoder())[0].z
    assert len(z) == 3
    assert mask[z].any(axis=(1, 2)).all()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RADSEEK_KEY", "a key for these tests only")
    path = tmp_path / "archive.index"
    encoder = TinyEncoder()
    with LocalStore.create(path, encoder.spec) as store:
        store.add([to_record(study_of(seed), encoder) for seed in range(1, 12)])
    return path


@pytest.fixture
def engine(index: Path) -> Iterator[Engine]:
    with LocalStore.open(index) as store:
        yield Engine(TinyEncoder(), store)


def test_ranking_is_what_comparing_every_slice_gives(engine: Engine) -> None:
    assert engine.store is not None
    views = region_views(series_of(0, 1), spot_region(), engine.encoder)
    found = rank_by_region(engine.store, views, 4, Scope())
    expected = {}
    for seed in range(1, 12):
        case = embed_series(series_of(seed), engine.encoder)
        expected[study_key(study_of(seed), load_key())] = np.mean([_best(view, case) for view in views])
    best = sorted(expected, key=lambda key: (-expected[key], key))[:4]
    assert [one.study for one in found] == best
    assert [one.score for one in found] == pytest.approx([expected[key] for key in best])


def _best(view: ViewVectors, case: list[ViewVectors]) -> float:
    (other,) = [one for one in case if one.view == view.view]
    return float((view.slices.astype(float) @ other.slices.astype(float).T).max(axis=1).mean())


def test_the_engine_asks_with_the_region(engine: Engine, tmp_path: Path) -> None:
    study = study_of(3, 1)  # in the archive too: left out of the answer
    (series,) = study.series
    assert series.volume.affine is not None
    path = write_mask(tmp_path / "spot.nii.gz", spot_region().voxels.astype(np.uint8), series.volume.affine, axes="RAS")
    answer = engine.similar(study, 3, mask=path).to_dict()
    assert answer["query"]["mask"]["label"] == "spot"
    assert answer["query"]["mask"]["slices"] == [5, 7]
    assert answer["query"]["study"] == study_key(study, load_key())
    assert len(answer["results"]) == 3
    assert answer["query"]["study"] not in [row["study"] for row in answer["results"]]
    assert {m["query_slice"] for row in answer["results"] for m in row["matches"]} <= {5, 6, 7}
    assert answer["contrast"] is None
    plain = engine.similar(study, 3).to_dict()
    assert plain["query"]["mask"] is None
    assert [r["score"] for r in plain["results"]] != [r["score"] for r in answer["results"]]
    worded = engine.similar(study, 3, mask=path, text="with effusion").to_dict()
    assert [r["score"] for r in worded["results"]] != [r["score"] for r in answer["results"]]


def test_of_several_labels_one_must_be_meant(engine: Engine, tmp_path: Path) -> None:
    study = study_of(3, 1)
    affine = study.series[0].volume.affine
    assert affine is not None
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:4, 10:20, 10:20], labels[6:9, 50:60, 50:60] = 1, 2
    path = write_mask(tmp_path / "two.nii.gz", labels, affine)
    with pytest.raises(MaskError, match=r"2 labels \('label 1', 'label 2'\); say which is meant"):
        engine.similar(study, 3, mask=path)
    assert engine.similar(study, 3, mask=path, mask_labels=["label 2"]).query["mask"]["slices"] == [6, 8]
    both = engine.similar(study, 3, mask=path, mask_labels=["label 1", "label 2"]).query["mask"]
    assert both["slices"] == [2, 8]
    assert both["label"] == "label 1 + label 2"


def test_a_stored_study_has_no_pixels_for_a_mask(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="an index keeps none"):
        engine.similar(study_key(study_of(3), load_key()), 3, mask=tmp_path / "spot.nii.gz")
