"""Counts of an archive, what was noticed in its studies, how its map is coloured, and work that the page follows."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from radseek.app.archive_facts import count_cases, noticed_in
from radseek.app.archive_state import archive_of, generation_of
from radseek.app.embedding_map import EmbeddingMap
from radseek.retrieval.index.store import Case, CaseSeries
from tests.archive_support import made_session
from tests.index_support import make_record, make_records

SERIES = CaseSeries("s", "CT", "chest", "thin", "HU", (9, 8, 8), None, {"warnings": [], "dropped_slices": 0})


def case(key: str, **told: object) -> Case:
    series = replace(SERIES, provenance={**SERIES.provenance, **told})
    return Case(key, "", {}, (series,), None, ("One.", "Two."), None)


def test_studies_series_slices_and_sentences_are_counted_and_kinds_come_most_first() -> None:
    film = Case("c", "", {}, (replace(SERIES, modality="DX", shape=(1, 8, 8)),), None, (), None)
    counts = count_cases([film, case("a"), case("b")])
    assert (counts.studies, counts.series, counts.slices, counts.sentences) == (3, 3, 19, 4)
    assert counts.kinds == ((("CT", "chest"), 2), (("DX", "chest"), 1))


def test_what_a_reader_should_know_is_noticed_and_nothing_else() -> None:
    assert noticed_in(case("a")) == []
    odd = case("b", warnings=["hu_suspect"], dropped_slices=3, time_point=0, inverted=True)
    assert [(one.code, one.count, one.text) for one in noticed_in(odd)] == [
        ("warning", None, "hu_suspect"),
        ("dropped", 3, ""),
        ("time_point", 0, ""),
        ("inverted", None, ""),
    ]


def test_a_desk_has_one_archive_and_its_map_is_drawn_once_a_generation(tmp_path: Path) -> None:
    drawn: list[str] = []
    with made_session(tmp_path / "a.index", make_records(4)) as session:
        archive = archive_of(session)
        assert archive_of(session) is archive
        assert archive.drawn(session) is None
        first = archive.draw(session, lambda stage, done, total: drawn.append(stage), lambda: False)
        assert archive.draw(session, lambda stage, done, total: drawn.append("again"), lambda: False) is first
        assert "again" not in drawn
        assert archive.drawn(session) is first
        assert first.generation == generation_of(session) > 0


def test_points_are_grouped_the_largest_first_and_hostile_names_are_escaped() -> None:
    pytest.importorskip("gradio")
    from radseek.demo.page.map_plot import by_kind, points_list, traces

    cases = [case("a"), case("b"), replace(case("c"), series=(replace(SERIES, modality="<b>DX"),))]
    drawn = EmbeddingMap(1, ("a", "b", "c", "gone"), np.zeros((4, 2), np.float32), "pca", 4)
    found = traces(drawn, cases, by_kind(lambda modality, body: modality), lambda one: f"<i>{one.key}", "en")
    assert [(one["title"], one["customdata"]) for one in found] == [("CT", ["a", "b"]), ("<b>DX", ["c"])]
    assert found[1]["name"] == "&lt;b&gt;DX (1)"
    assert found[0]["text"] == ["&lt;i&gt;a", "&lt;i&gt;b"]
    listed = points_list(found, "All", str)
    assert "<b>" not in listed
    assert 'data-open="c"' in listed


def test_the_map_takes_its_colours_from_a_column_of_the_archives_own(tmp_path: Path) -> None:
    pytest.importorskip("gradio")
    from radseek.demo.page.map_panel import plotted

    records = [make_record(n, **{"own:arm": arm}) for n, arm in enumerate(["treated", "control", "treated"])]
    with made_session(tmp_path / "a.index", [*records, make_record(3)]) as session:
        assert session.own_columns() == ["arm"]
        keys = tuple(session.study_keys())
        drawn = EmbeddingMap(1, keys, np.zeros((4, 2), np.float32), "pca", 4)
        groups = {one["title"]: len(one["customdata"]) for one in plotted(session, drawn, "en", "own:arm", None)}
        assert groups == {"treated": 2, "control": 1, "unknown": 1}


def test_work_is_followed_to_its_end_and_its_error_is_kept() -> None:
    pytest.importorskip("gradio")
    from radseek.demo.page.background_job import follow

    def job(told: Callable[[str, int, int], None], stopped: object) -> int:
        told("step", 1, 2)
        return 7

    looks = list(follow(job))
    assert (looks[-1].is_done, looks[-1].result, looks[-1].step) == (True, 7, ("step", 1, 2))

    def fails(told: object, stopped: object) -> int:
        raise CancelledError

    assert isinstance(list(follow(fails))[-1].error, CancelledError)


def test_work_is_asked_to_stop_when_its_page_is_gone() -> None:
    pytest.importorskip("gradio")
    from radseek.demo.page.background_job import follow

    ended: list[bool] = []

    def job(told: object, stopped: object) -> None:
        for _ in range(5000):
            if stopped():  # type: ignore[operator]
                ended.append(True)
                return
            time.sleep(0.05)

    looking = follow(job)
    next(looking)
    looking.close()  # type: ignore[attr-defined]
    for _ in range(4000):
        if ended:
            break
        time.sleep(0.05)
    assert ended == [True]
