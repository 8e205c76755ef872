"""Filters read what people type, refuse what means nothing, and write themselves back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radseek.retrieval.errors import RadseekError, UnknownNameError, UsageError
from radseek.retrieval.index.catalog.where import FIELDS, Clause, Where
from tests.each_support import each


def test_reads_fields() -> None:
    where = Where.parse(["Modality=ct,MR", "modality=us", "age=40-60", "year=2019-", "body part=Chest"])
    assert where.clauses == (
        Clause("age", (), 40, 60),
        Clause("body_part", ("chest",)),
        Clause("modality", ("ct", "mr", "us")),
        Clause("year", (), 2019, None),
    )


@each("text", ["modality", "modality=", "age=old", "age=60-40", "age=-", "report=maybe", "sex=,", "="])
def test_refuses(text: str) -> None:
    with pytest.raises((UsageError, UnknownNameError)):
        Where.parse([text])


def test_columns_of_ones_own_are_words_or_numbers() -> None:
    own = {"grade": True, "分级": False}
    where = Where.parse(["Grade=2-3.5", "分级=高,低"], own)
    assert where.clauses == (Clause("own:grade", (), 2, 3.5), Clause("own:分级", ("低", "高")))
    assert Where.parse(where.texts(), own) == where
    with pytest.raises(UnknownNameError, match="did you mean grade"):
        Where.parse(["grad=2"], own)
    with pytest.raises(UsageError, match="write grade=40"):
        Where.parse(["grade=high"], own)


def test_unknown_field_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean modality"):
        Where.parse(["modalty=CT"])


@pytest.mark.slow
@given(
    st.lists(st.one_of(st.text(max_size=30), st.tuples(st.sampled_from(FIELDS), st.text(max_size=20)).map("=".join)))
)
def test_any_text_is_read_or_refused_and_written_back(texts: list[str]) -> None:
    try:
        where = Where.parse(texts)
    except RadseekError:
        return
    assert Where.parse(where.texts()) == where
