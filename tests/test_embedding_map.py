"""The map of an archive: neighbours stay neighbours, the same archive gives the same map, and it can be stopped."""

from __future__ import annotations

from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pytest

from radseek.app import embedding_map
from radseek.app.embedding_map import FEWEST_FOR_UMAP, lay_out, map_archive, principal_plane, study_vectors
from radseek.retrieval.errors import UsageError
from tests.archive_support import made_session
from tests.index_support import key_of, make_records

pytestmark = pytest.mark.slow


def two_groups(size: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    middles = np.repeat(rng.standard_normal((2, 32)), size, axis=0)
    rows = middles + 0.1 * rng.standard_normal((2 * size, 32))
    unit: np.ndarray = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def parted(places: np.ndarray, size: int) -> bool:
    """Whether every point's nearest other point is of its own group."""
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1) + np.diag(np.full(len(places), np.inf))
    return bool(np.all((apart.argmin(axis=1) < size) == (np.arange(2 * size) < size)))


def test_umap_keeps_groups_together_and_gives_the_same_map_twice() -> None:
    pytest.importorskip("umap")
    rows = two_groups(20)
    places = lay_out(rows)
    assert places.shape == (40, 2)
    assert parted(places, 20)
    assert np.array_equal(places, lay_out(rows))


def test_the_principal_plane_keeps_groups_together_whatever_the_signs() -> None:
    rows = two_groups(6)
    places = principal_plane(rows)
    assert places.dtype == np.float32
    assert parted(places, 6)
    assert np.array_equal(places, principal_plane(rows))
    assert np.allclose(np.linalg.norm(places[0] - places[1]), np.linalg.norm(rows[0] - rows[1]), atol=0.6)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_an_archive_of_hardly_any_studies_has_a_map_too(count: int) -> None:
    places = principal_plane(two_groups(1)[:count] if count else np.zeros((0, 2), np.float32))
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()


def test_a_small_archive_is_laid_out_by_its_principal_plane(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    with made_session(tmp_path / "a.index", make_records(FEWEST_FOR_UMAP - 1)) as session:
        found = map_archive(session, lambda *step: told.append(step))
        assert (found.method, found.total) == ("pca", 14)
        assert set(found.keys) == {key_of("study", n) for n in range(14)}
        assert told == [("read", 14, 14), ("lay_out", 0, 14)]


def test_a_study_is_placed_by_the_unit_mean_of_its_pooled_views(tmp_path: Path) -> None:
    with made_session(tmp_path / "a.index", make_records(3)) as session:
        rows, keys = study_vectors(session, session.cases(), lambda *step: None, lambda: False)
        views = session.vectors(keys[1]).views
        mean = np.mean([view.pooled.astype(np.float64) for view in views], axis=0)
        assert np.allclose(rows[1], mean / np.linalg.norm(mean), atol=1e-3)
        assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_a_larger_archive_is_laid_out_in_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What UMAP gives is asked above; here another layout shows what goes to the worker and comes back.
    monkeypatch.setattr(embedding_map, "_TASK", "radseek.app.embedding_map:principal_plane")
    with made_session(tmp_path / "a.index", make_records(FEWEST_FOR_UMAP)) as session:
        found = map_archive(session)
        rows, keys = study_vectors(session, session.cases(), lambda *step: None, lambda: False)
        assert (found.method, found.keys) == ("umap", keys)
        assert np.allclose(found.places, principal_plane(rows), atol=1e-5)


def test_a_layout_that_fails_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        embedding_map, "_TASK", "radseek.app.embedding_map:study_vectors"
    )  # takes four arguments, not one
    session = made_session(tmp_path / "a.index", make_records(FEWEST_FOR_UMAP))
    with session as opened, pytest.raises(UsageError, match=r"could not be drawn.*TypeError"):
        map_archive(opened)


def test_laying_out_is_stopped_within_seconds(tmp_path: Path) -> None:
    laying = False

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal laying
        laying = laying or stage == "lay_out"

    with made_session(tmp_path / "a.index", make_records(40)) as session:
        with pytest.raises(CancelledError):
            map_archive(session, progress, lambda: laying)
        with session.engine(timeout=0):  # nobody is left holding it
            pass


def test_reading_is_stopped_too(tmp_path: Path) -> None:
    with made_session(tmp_path / "a.index", make_records(2)) as session, pytest.raises(CancelledError):
        map_archive(session, stopped=lambda: True)
