"""The page of an evaluation: everything measured is on it, hostile names are text, charts draw what they are given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from radseek.html.charts import ChartLine, ForestRow, forest_plot, line_chart
from radseek.html.evaluation_misses import pictured_misses, worst_rows
from radseek.html.evaluation_page import Miss, render_evaluation, write_evaluation
from radseek.retrieval.engine import Engine
from radseek.retrieval.evaluation.archive_retrieval import archive_retrieval
from radseek.retrieval.evaluation.audit_columns import audit_columns
from radseek.retrieval.evaluation.index_evaluation import IndexEvaluation, evaluate_index
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.scoring.states import Judge
from radseek.retrieval.scoring.text_vectors import TextVectors
from tests.calibration_support import FILMS, Planted, drawn, plant
from tests.encoder_support import TinyEncoder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Planted, IndexEvaluation]:
    findings = [FILMS["pleural_effusion"], FILMS["lung_nodule"]]
    planted = plant(tmp_path_factory.mktemp("page") / "a.index", TinyEncoder(), findings, drawn(60, [0.5, 0.0]))
    texts = TextVectors(TinyEncoder())
    with LocalStore.open(planted.path) as store:
        return planted, evaluate_index(
            store,
            texts,
            planted.labels,
            Judge(texts),
            by=audit_columns(store, planted.labels, ["sex"]),
            retrieval=archive_retrieval(store, planted.labels, repeats=10),
            label_lines=["labels.csv: 60 rows <script>"],
            repeats=10,
        )


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def test_a_chart_draws_its_points_inside_its_frame() -> None:
    chart = parsed(
        line_chart([ChartLine("a <b>", [0, 0.5, 2], [0, 1, 9]), ChartLine("c", [0, 1], [1, 0])], "x", "y & z")
    )
    lines = [one for one in chart.iter() if one.tag == "polyline"]
    points = [tuple(map(float, pair.split(","))) for pair in lines[0].attrib["points"].split()]
    frame = next(one.attrib for one in chart.iter() if one.tag == "rect")
    left, top, side = float(frame["x"]), float(frame["y"]), float(frame["width"])
    assert points == [(left, top + side), (left + side / 2, top), (left + side, top)]
    assert chart.attrib["aria-label"] == "y & z by x: a <b>, c"
    assert {one.text for one in chart.iter() if one.tag == "text"} >= {"a <b>", "c", "x", "y & z"}
    many = line_chart([ChartLine("m", np.linspace(0, 1, 5000), np.linspace(0, 1, 5000))], "x", "y")
    (line,) = (one for one in parsed(many).iter() if one.tag == "polyline")
    assert len(line.attrib["points"].split()) == 400


def test_a_forest_has_a_row_an_estimate() -> None:
    rows = [ForestRow("effusion", 0.9, 0.8, 0.95, "0.90"), ForestRow("nodule", 0.5, 0.4, 0.6, "0.50")]
    plot = parsed(forest_plot(rows))
    dots = [float(one.attrib["cx"]) for one in plot.iter() if one.tag == "circle"]
    chance = next(float(one.attrib["x1"]) for one in plot.iter() if one.attrib.get("class") == "chance")
    assert dots[1] == chance < dots[0]


def test_the_worst_come_first_and_only_what_is_wrong_counts() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, -1, 0], np.int8)
    scores = np.array([0.9, 0.7, 0.1, 0.2, 0.8, 0.3, 0.99, np.nan])
    assert worst_rows(labels, scores, 0.5) == ([0, 1], [3, 5])
    assert worst_rows(labels, scores, 0.5, count=1) == ([0], [3])


def test_all_that_was_measured_is_there_and_nothing_runs(made: tuple[Planted, IndexEvaluation], tmp_path: Path) -> None:
    planted, evaluation = made
    with LocalStore.open(planted.path) as store:
        done: list[tuple[int, int | None]] = []
        misses = pictured_misses(
            evaluation, Engine(TinyEncoder(), store), planted.path, lambda stage, at, of: done.append((at, of))
        )
    assert done == [(1, 2), (2, 2)]
    measures = evaluation[0].measures
    assert measures is not None
    point = measures.points[0]
    rows = worst_rows(planted.labels.values[:, 0], evaluation.scores[:, 0], point.threshold)
    assert [one.kind for one in misses[0]] == ["false alarm"] * len(rows[0]) + ["missed"] * len(rows[1])
    assert {one.picture for one in misses[0]} == {None}  # made-up studies have no files
    hostile = Miss("<img src=x onerror=alert(1)>", "missed", -1.0, None)
    page = write_evaluation(evaluation, [[*misses[0], hostile], []], tmp_path / "out" / "e.html").read_text("utf8")
    for text in (str(measures.auroc), str(measures.average_precision), "By sex: 2 groups", "largest gap"):
        assert text in page
    assert "Not measured, since the labels do not hold both answers: Lung nodule" in page
    assert page.count("<svg") == 1 + 2 + 1  # forest, ROC and precision-recall, retrieval
    assert "<script" not in page
    assert "onerror=alert" not in page.replace("&lt;img src=x onerror=alert(1)&gt;", "")
    assert "Research use only" in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page


def test_without_any_measure_the_page_says_so(made: tuple[Planted, IndexEvaluation]) -> None:
    _, evaluation = made
    nothing = tuple(replace(one, measures=None, audits=()) for one in evaluation.results)
    page = render_evaluation(replace(evaluation, results=nothing, macro=None, retrieval=None), [[], []], title="E")
    assert "No finding has both answers" in page
    assert "<svg" not in page
