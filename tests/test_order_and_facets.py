"""Answers in the order asked for, and facets: counts over the studies that pass, as a count by hand has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from radseek.cli.asked_order import asked_order
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import UnknownNameError, UsageError
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.repooled_store import RepooledStore
from radseek.retrieval.index.store import Scope, StudyRecord
from radseek.retrieval.search.sorting import sort_field, sorted_rows
from radseek.server.questions import SearchQuestion
from tests.encoder_support import TinyEncoder, tiny_spec
from tests.index_support import key_of, make_record

DAYS = ("20240301", "2024.01.05", "", "19991231")


def study(number: int) -> StudyRecord:
    kind = ("MR", "head") if number % 5 == 0 else ("CT", "chest")
    about: dict[str, Any] = {"own:grade": f"{number * 7 % 12}", "own:team": ("b", "A", "")[number % 3]}
    if number % 4 != 2:
        about["year"] = int(DAYS[number % 4][:4])
    made = make_record(
        number, modality=kind[0], body_part=kind[1], views=("lung",), sentences=["A nodule."][: number % 2], **about
    )
    return replace(made, linkage=replace(made.linkage, date=DAYS[number % 4]))


RECORDS = {one.key: one for one in map(study, range(24))}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path = tmp_path_factory.mktemp("order") / "a.index"
    with LocalStore.create(path, tiny_spec()) as store:
        store.add(RECORDS.values())
    with LocalStore.open(path) as store:
        yield Engine(TinyEncoder(), store)


def values(field: str, keys: set[str]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for key in keys:
        one = RECORDS[key]
        series = {"modality": one.series[0].modality, "body_part": one.series[0].body_part}
        value = series.get(field) or one.attributes.get(field if field in one.attributes else f"own:{field}", "")
        found[str(value)] += 1
    found.pop("", None)
    return dict(found)


@pytest.mark.parametrize("where", [[], ["modality=MR"], ["sex=F", "grade=3-9"]])
def test_facets_count_the_studies_that_pass(engine: Engine, where: list[str]) -> None:
    found = engine.search(
        "nodule", 4, where=where, facets=["Modality", "body part", "grade", "team", "sex", "modality"]
    )
    assert engine.store is not None
    passing = {
        key
        for key, one in RECORDS.items()
        if (where != ["modality=MR"] or one.series[0].modality == "MR")
        and (len(where) < 2 or (one.attributes["sex"] == "F" and 3 <= int(one.attributes["own:grade"]) <= 9))
    }
    shown = {*(row.study for row in found.studies), *(row.study for row in found.sentences)}
    assert [one.field for one in found.facets] == ["modality", "body_part", "grade", "team", "sex"]
    for facet in found.facets:
        assert {one.value: one.count for one in facet.values} == values(facet.field, passing)
        assert {one.value: one.shown for one in facet.values if one.shown} == values(facet.field, shown)
        assert [one.count for one in facet.values] == sorted((one.count for one in facet.values), reverse=True)
    assert len(found.studies) == min(4, len(passing))


def test_similar_is_sorted_and_keeps_its_ranks(engine: Engine) -> None:
    def keys(sort: str, **more: Any) -> list[str]:
        found = engine.similar(key_of("study", 1), 9, sort=sort, **more)
        assert found.query["sort"] == sort
        assert sorted(row.rank for row in found.results) == list(range(1, 10))
        return [row.study for row in found.results]

    near = keys("similarity")
    assert set(keys("grade")) == set(near)  # the same nine
    grades = [int(RECORDS[key].attributes["own:grade"]) for key in keys("grade")]
    assert grades == sorted(grades)
    teams = [str(RECORDS[key].attributes["own:team"]) for key in keys("team")]
    assert teams == sorted(teams, key=lambda one: (not one, one.casefold()))
    days = [RECORDS[key].linkage.date.replace(".", "") for key in keys("date")]
    assert days == sorted(days, reverse=True)
    years = [int(RECORDS[key].attributes.get("year", 0)) for key in keys("year")]
    assert years == sorted(years, reverse=True)
    counted = engine.similar(key_of("study", 1), 9, facets=["modality"]).facets[0]
    assert sum(one.count for one in counted.values) == 23  # less the study itself
    assert sum(one.shown for one in counted.values) == 9


def test_equal_ones_stay_by_similarity_and_stores_without_linkage_go_by_year(engine: Engine) -> None:
    assert engine.store is not None
    rows = engine.search("nodule", 24, within="images").studies
    by_modality = sorted_rows(rows, sort_field("modality", engine.store), engine.store)
    ranks = [row.rank for row in by_modality]
    mri = sum(one.series[0].modality == "MR" for one in RECORDS.values())
    assert ranks == [*sorted(ranks[:-mri]), *sorted(ranks[-mri:])]
    pooled = RepooledStore(engine.store, TinyEncoder())
    by_date = [RECORDS[row.study].attributes.get("year", 0) for row in sorted_rows(rows, "date", pooled)]
    assert by_date == sorted(by_date, key=int, reverse=True)
    assert pooled.values_of("sex", Scope(only_studies=frozenset({key_of("study", 1)}))) == {"F": 1}


def test_what_cannot_be_sorted_or_counted_is_refused(engine: Engine) -> None:
    with pytest.raises(UnknownNameError, match="did you mean grade"):
        engine.search("nodule", sort="grad")
    with pytest.raises(UnknownNameError, match="No filter is called 'colour'"):
        engine.similar(key_of("study", 1), facets=["colour"])
    assert asked_order(["a.index", "b.index"], "similarity", None) == {}
    with pytest.raises(UsageError, match="--sort and --facet"):
        asked_order(["a.index", "b.index"], "year", None)
    with pytest.raises(ValidationError):  # an order by day, over HTTP, would tell days
        SearchQuestion(text="nodule", sort="Date")
