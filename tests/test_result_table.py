"""Results as rows, documents, files and tables; pandas, polars and Arrow each take one in one line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow.csv as arrow_csv
import pytest

from radseek.retrieval.document import NOTICE
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.errors import MissingExtraError
from radseek.retrieval.scoring.score_results import (
    SCREEN_COLUMNS,
    ClassifyResult,
    ClassifyRow,
    FindingScore,
    LabelProbability,
    ScreenResult,
)
from radseek.retrieval.search.ranking import Match
from radseek.retrieval.search.search_results import SearchResult, SentenceRow, SimilarResult, SimilarRow, StudyRow


def score(study: str, finding: str, *, seen: bool = True) -> FindingScore:
    return FindingScore(
        study=study,
        path=f"{study}.dcm" if seen else None,
        series="2.25.1" if seen else None,
        finding=finding,
        prompts={"present": [f"{finding} <here>"], "absent": [f"no {finding}"]},
        score=0.5 if seen else None,
        margin=0.25 if seen else None,
        interval=(0.125, 0.375) if seen else None,
        percentile=None,
        probability=None,
        state="uncertain" if seen else "abstain",
        reason=None if seen else "no_view",
        view="soft" if seen else None,
        key_slice=3 if seen else None,
        position=(1.0, -2.0, 3.5) if seen else None,
        stands_out=True if seen else None,
    )


@pytest.fixture(scope="module")
def screened() -> ScreenResult:
    rows = (score("a", "nodule"), score("a", "气胸"), score("b", "nodule", seen=False))
    return ScreenResult(load_encoder("random").spec, "words@+0123", rows)


def test_rows_are_counted_looked_through_and_taken(screened: ScreenResult) -> None:
    assert len(screened) == 3
    assert [row.study for row in screened] == ["a", "a", "b"]
    assert screened[-1] is screened.results[-1]
    assert screened[1:] == screened.results[1:]
    with pytest.raises(IndexError):
        _ = screened[3]


def test_a_result_without_rows_is_still_a_result(screened: ScreenResult) -> None:
    empty = ScreenResult(screened.encoder, "words@", ())
    assert len(empty) == 0
    assert empty
    assert list(empty.to_pandas().columns) == list(SCREEN_COLUMNS)
    assert empty.to_arrow().num_rows == 0


def test_rows_are_hashable_and_equal_rows_are_one(screened: ScreenResult) -> None:
    assert len({*screened, score("a", "nodule")}) == 3
    match = Match("soft", 1, 2, 0.5)
    assert (
        len({SimilarRow(1, "a", None, 0.5, (match,), "report"), SimilarRow(1, "a", None, 0.5, (match,), "report")}) == 1
    )


def test_prompts_are_said_once_a_finding(screened: ScreenResult) -> None:
    assert screened.prompts["nodule"] == {"present": ["nodule <here>"], "absent": ["no nodule"]}
    assert list(screened.prompts) == ["nodule", "气胸"]


def test_json_is_the_document_as_text_and_as_a_file(screened: ScreenResult, tmp_path: Path) -> None:
    text = screened.to_json(tmp_path / "scores.json")
    assert json.loads(text) == json.loads((tmp_path / "scores.json").read_text("utf8")) == screened.to_dict()
    assert "气胸" in text


def test_csv_is_read_back_with_the_same_values(screened: ScreenResult, tmp_path: Path) -> None:
    text = screened.to_csv(tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert lines == list(csv.DictReader(io.StringIO(text, newline="")))
    assert list(lines[0]) == list(SCREEN_COLUMNS)
    assert [float(lines[0][name]) for name in ("interval_low", "interval_high", "x_mm", "y_mm", "z_mm")] == [
        *(0.125, 0.375, 1.0, -2.0, 3.5)
    ]
    assert lines[2]["margin"] == ""
    assert all(line["notice"] == NOTICE for line in lines)
    assert arrow_csv.read_csv(tmp_path / "scores.csv").column("finding").to_pylist()[1] == "气胸"


def test_pandas_takes_a_result_in_one_line(screened: ScreenResult) -> None:
    table = screened.to_pandas()
    assert table.groupby("finding")["margin"].max()["nodule"] == 0.25
    assert table["margin"].isna().tolist() == [False, False, True]
    pd.testing.assert_frame_equal(
        table[["study", "finding"]],
        pd.DataFrame([(r.study, r.finding) for r in screened], columns=["study", "finding"]),
    )


def test_polars_takes_a_result_in_one_line(screened: ScreenResult) -> None:
    table = pl.from_arrow(screened.to_arrow())
    assert isinstance(table, pl.DataFrame)
    assert table.filter(pl.col("finding") == "nodule")["key_slice"].to_list() == [3, None]
    assert table.schema["key_slice"] == pl.Int64


def test_without_pandas_it_says_what_to_install(screened: ScreenResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(MissingExtraError, match="pip install pandas"):
        screened.to_pandas()


def test_a_notebook_sees_the_first_rows_escaped_and_the_notice(screened: ScreenResult) -> None:
    many = ScreenResult(screened.encoder, "words@", tuple(score(f"<b>{n}", "nodule") for n in range(25)))
    shown = many._repr_html_()
    assert shown.count("<tr>") == 21
    assert "&lt;b&gt;0" in shown
    assert "<b>" not in shown
    assert "and 5 more rows" in shown
    assert NOTICE in shown


def test_classify_has_a_line_a_label(screened: ScreenResult) -> None:
    row = ClassifyRow("a", None, (LabelProbability("CT", 0.75), LabelProbability("MR", 0.25)))
    table = ClassifyResult(screened.encoder, (row,)).to_pandas()
    assert table["label"].tolist() == ["CT", "MR"]
    assert table["probability"].sum() == 1.0


def test_similar_has_its_most_alike_slices_and_search_both_kinds(screened: ScreenResult) -> None:
    matches = (Match("soft", 1, 2, 0.5), Match("lung", 7, 8, 0.75))
    cases = SimilarResult(screened.encoder, {}, (SimilarRow(1, "a", None, 0.9, matches, None),))
    assert cases.to_arrow().select(["view", "query_slice", "case_slice"]).to_pylist() == [
        {"view": "lung", "query_slice": 7, "case_slice": 8}
    ]
    found = SearchResult(
        screened.encoder,
        (StudyRow(1, "a", None, 0.9, 4, "s", "soft", is_read=True),),
        (SentenceRow(1, "b", None, "No nodule.", 0.1, 0.8, "absent"),),
    )
    assert [one["kind"] for one in found.records()] == ["study", "sentence"]
    assert len(found) == 2
    assert found.to_pandas()["text"].tolist()[1] == "No nodule."
