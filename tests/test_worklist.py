"""The worklist: its order, what it says where nothing is calibrated, its CSV; and screening the whole archive."""

from __future__ import annotations

import csv
import io
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path

import pytest

from radseek.app.archive_screening import ArchiveScreening, fitting_set
from radseek.app.worklist import NOT_ABNORMAL, Screened, sort_worklist, worklist_csv, worklist_row
from radseek.prompts.catalogue import load_set
from radseek.retrieval.document import NOTICE
from radseek.retrieval.index.store import Case, CaseSeries
from tests.archive_support import made_session
from tests.each_support import each
from tests.index_support import key_of, make_records


def case(key: str, modality: str = "CT", body_part: str = "chest", path: str | None = None) -> Case:
    series = CaseSeries(f"{key}.1", modality, body_part, "", "HU", (9, 8, 8), None, {})
    return Case(key, "", {"sex": "F", "age": 61}, (series,), None, (), path)


def score(finding: str, probability: float | None, key_slice: int = 4) -> Screened:
    return Screened(finding, "uncertain" if probability is None else "present", probability, "s", "lung", key_slice)


def test_a_study_stands_by_its_likeliest_abnormal_finding() -> None:
    found = [
        score("no_finding", 0.99),
        score("emphysema", 0.4, 2),
        score("lung_nodule", 0.7, 5),
        score("pneumonia", None),
    ]
    row = worklist_row(case("a"), "chest_ct", found)
    assert (row.finding, row.probability, row.key_slice, row.series, row.gap) == ("lung_nodule", 0.7, 5, "s", "")
    assert (row.modality, row.body_part, row.sex, row.age) == ("CT", "chest", "F", 61)


@pytest.mark.parametrize("finding", sorted(NOT_ABNORMAL))
def test_what_is_not_abnormal_is_no_risk(finding: str) -> None:
    row = worklist_row(case("a"), "chest_ct", [score(finding, 0.99)])
    assert (row.finding, row.probability, row.gap) == (None, None, "uncalibrated")


def test_uncalibrated_studies_come_last_and_say_why() -> None:
    rows = [
        worklist_row(case("b"), "chest_ct", [score("emphysema", None)]),
        worklist_row(case("a", "US", ""), None, []),
        worklist_row(case("d"), "chest_ct", [score("emphysema", 0.02)]),
        worklist_row(case("c"), "chest_ct", [score("emphysema", 0.9)]),
        worklist_row(case("e"), "chest_ct", [score("emphysema", 0.9)]),
    ]
    ordered = sort_worklist(rows)
    assert [row.study for row in ordered] == ["c", "e", "d", "a", "b"]
    assert [row.gap for row in ordered[3:]] == ["no_set", "uncalibrated"]


def test_the_csv_says_what_it_is_and_keeps_the_order() -> None:
    rows = sort_worklist([worklist_row(case("a"), "chest_ct", [score("emphysema", p)]) for p in (0.123456, None)])
    lines = worklist_csv(rows).splitlines()
    assert NOTICE in lines[0]
    table = list(csv.DictReader(lines[1:]))
    assert [row["rank"] for row in table] == ["1", "2"]
    assert (table[0]["probability"], table[0]["finding"], table[0]["key_slice"]) == ("0.1235", "emphysema", "4")
    assert (table[1]["probability"], table[1]["reason"]) == ("", "uncalibrated")


@each("path", ["=cmd()", "+1", "-1", "@x", "\tx"])
def test_a_file_name_is_no_formula(path: str) -> None:
    row = worklist_row(case("a", path=path), None, [])
    written = next(csv.DictReader(io.StringIO(worklist_csv([row]).split("\n", 1)[1])))
    assert written["path"] == f"'{path}"


@pytest.mark.slow
def test_every_stored_study_is_screened_as_the_engine_screens_it(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with made_session(tmp_path / "a.index", make_records(13)) as session:
        screening = ArchiveScreening(session)
        assert not screening.is_done()
        screening.run(lambda done, total: told.append((done, total)))
        assert screening.is_done()
        assert told == [(10, 13), (13, 13)]
        key = key_of("study", 3)
        with session.engine() as engine:
            rows = engine.screen(key, "chest_ct").results
        assert [replace(one) for one in screening.of(key)] == [
            Screened(r.finding, r.state, r.probability, r.series, r.view, r.key_slice) for r in rows
        ]
        assert len(rows) == len(load_set("chest_ct").findings)
        assert {row.gap for row in screening.worklist()} == {"uncalibrated"}


@pytest.mark.slow
def test_screening_stops_when_asked_keeps_what_it_has_and_goes_on(tmp_path: Path) -> None:
    with made_session(tmp_path / "a.index", make_records(25)) as session:
        screening = ArchiveScreening(session)
        looks = iter([False, True])
        with pytest.raises(CancelledError):
            screening.run(stopped=lambda: next(looks))
        assert len(screening.worklist()) == 10
        screening.run()
        assert len(screening.worklist()) == 25


def test_another_generation_is_screened_anew(tmp_path: Path) -> None:
    with made_session(tmp_path / "a.index", make_records(3)) as session:
        screening = ArchiveScreening(session)
        screening.run()
        with session.engine() as engine:
            store = engine.store
            assert store is not None
            moved = type(
                "Moved",
                (),
                {
                    "generation": 99,
                    "cases": store.cases,
                    "passing": store.passing,
                    "slice_vectors": store.slice_vectors,
                },
            )()
            engine.store = moved
        assert not screening.is_done()
        assert screening.of(key_of("study", 0)) == ()


def test_a_study_without_a_set_has_its_row(tmp_path: Path) -> None:
    records = make_records(2, modality="US", body_part="", views=("ultrasound",))
    with made_session(tmp_path / "a.index", records) as session:
        screening = ArchiveScreening(session)
        screening.run()
        assert [(row.finding_set, row.gap) for row in screening.worklist()] == [(None, "no_set")] * 2


def test_the_first_series_that_has_a_set_decides() -> None:
    both = replace(case("a"), series=(*case("a", "US", "").series, *case("a", "MR", "head").series))
    assert fitting_set(both) == "brain_mr"
