"""An evaluation as one HTML file: what was measured of each finding, its curves, and the studies it was worst at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from markupsafe import Markup

from radseek.html.charts import ChartLine, ForestRow, forest_plot, line_chart
from radseek.html.report_html import NOTICE, POLICY, page_environment
from radseek.html.screen_report import Fact
from radseek.pictures.slice_pictures import Picture
from radseek.retrieval.disk_errors import writing_to
from radseek.retrieval.evaluation.archive_retrieval import ArchiveRetrieval
from radseek.retrieval.evaluation.curve_points import precision_recall_points, roc_points
from radseek.retrieval.evaluation.estimate import Estimate
from radseek.retrieval.evaluation.fairness import GroupAudit
from radseek.retrieval.evaluation.finding_measures import FindingMeasures
from radseek.retrieval.evaluation.index_evaluation import EvaluatedFinding, IndexEvaluation
from radseek.retrieval.evaluation.metrics import reliability
from radseek.retrieval.evaluation.protocol_run import ProtocolRun
from radseek.retrieval.evaluation.published_metrics import BothWays

__all__ = ["Miss", "render_evaluation", "write_evaluation"]

_SHARES: Final = (
    ("sensitivity", "Sensitivity"), ("specificity", "Specificity"), ("ppv", "PPV"), ("npv", "NPV"),
    ("f1", "F1"), ("balanced_accuracy", "Balanced accuracy"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Miss:
    """A study whose score contradicts its label most: `kind` is "false alarm" or "missed"; no picture where its files
    can no longer be read.
    """

    study: str
    kind: str
    margin: float
    picture: Picture | None


@dataclass(frozen=True, slots=True)
class _Card:
    """One finding as the page shows it."""

    anchor: str
    title: str
    facts: tuple[Fact, ...]
    charts: tuple[tuple[str, Markup], ...]
    shares: tuple[tuple[str, tuple[str, ...]], ...]  # a rule's name, and a text a share
    confusion: tuple[int, int, int, int]
    rule: str
    misses: tuple[Miss, ...]
    audits: tuple[GroupAudit, ...]
    states: tuple[tuple[str, int, int], ...]
    remarks: tuple[str, ...]


def write_evaluation(
    evaluation: IndexEvaluation, misses: Sequence[Sequence[Miss]], path: Path, *, title: str = "Evaluation"
) -> Path:
    """Write the page to `path`, whose folder is made, and return that; see `render_evaluation`."""
    page = render_evaluation(evaluation, misses, title=title)
    with writing_to(path.parent, len(page)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    return path


def render_evaluation(evaluation: IndexEvaluation, misses: Sequence[Sequence[Miss]], *, title: str) -> str:
    """Return an evaluation as HTML, pictures and styles inside.

    Args:
        evaluation: what was measured.
        misses: a list a finding of the studies that it was worst at.
        title: of the page.
    """
    measured = [one for one in evaluation.results if one.measures is not None]
    template = page_environment().get_template("evaluation.html.j2")
    return template.render(
        title=title,
        notice=NOTICE,
        policy=POLICY,
        facts_of_run=_facts_of_run(evaluation),
        forest=_forest(evaluation),
        cards=[
            _card(evaluation, place, one, misses[place])
            for place, one in enumerate(evaluation.results)
            if one.measures is not None
        ],
        unmeasured=[_name(one) for one in evaluation.results if one.measures is None],
        share_names=[name for _, name in _SHARES],
        retrieval=None if evaluation.retrieval is None else _retrieval_charts(evaluation.retrieval),
        protocol=evaluation.protocol,
        both_ways=[] if evaluation.protocol is None else _both_ways(evaluation.protocol),
        label_lines=evaluation.label_lines,
        few=len(measured) == 0,
        estimate=_said,
    )


def _both_ways(found: ProtocolRun) -> list[tuple[str, BothWays]]:
    """Return every number that is computed in two ways, with whose sentences were asked."""
    rows = [(run.prompts, one) for run in found.runs for one in run.both_ways]
    return rows + [("", one) for one in found.retrieval]


def _facts_of_run(evaluation: IndexEvaluation) -> list[Fact]:
    macro = evaluation.macro
    facts = [
        Fact("studies", str(len(evaluation.labels.studies))),
        Fact("patients", str(len(set(evaluation.labels.patients)))),
        Fact("findings measured", str(sum(one.measures is not None for one in evaluation.results))),
        Fact("encoder", evaluation.encoder.name),
        Fact("words", evaluation.findings_version),
        Fact("intervals", f"95 %, {evaluation.repeats} resamples of patients, seed {evaluation.seed}"),
        Fact("data", evaluation.data_hash[:16]),
    ]
    if macro is not None:
        facts[:0] = [Fact("macro AUROC", _said(macro.auroc)), Fact("macro AP", _said(macro.average_precision))]
    return facts


def _forest(evaluation: IndexEvaluation) -> Markup:
    found = [(one, one.measures) for one in evaluation.results if one.measures is not None]
    ordered = sorted(found, key=lambda pair: -pair[1].auroc.value)
    rows = [_forest_row(_name(one), measures.auroc) for one, measures in ordered]
    if evaluation.macro is not None and len(rows) > 1:
        rows.append(_forest_row("Mean over findings", evaluation.macro.auroc))
    return forest_plot(rows)


def _forest_row(label: str, estimate: Estimate) -> ForestRow:
    ends = [value if np.isfinite(value) else estimate.value for value in (estimate.low, estimate.high)]
    return ForestRow(label, estimate.value, ends[0], ends[1], _said(estimate))


def _card(evaluation: IndexEvaluation, place: int, one: EvaluatedFinding, misses: Sequence[Miss]) -> _Card:
    measures = one.measures
    if measures is None:
        raise ValueError(f"{one.finding.name} was not measured")
    point = next(point for point in measures.points if point.rule == evaluation.rule)
    return _Card(
        anchor=f"finding-{one.finding.name}",
        title=_name(one),
        facts=_facts_of(measures),
        charts=_charts(evaluation, place, measures),
        shares=tuple(
            (str(each.rule), tuple(_said(getattr(each.measures, name)) for name, _ in _SHARES))
            for each in measures.points
        ),
        confusion=(point.true_positives, point.false_positives, point.false_negatives, point.true_negatives),
        rule=str(evaluation.rule),
        misses=tuple(misses),
        audits=one.audits,
        states=tuple((state, ill, well) for state, (ill, well) in one.states.items() if ill or well),
        remarks=tuple(_remarks(one)),
    )


def _remarks(one: EvaluatedFinding) -> Iterator[str]:
    """Yield what a reader of the figures must know."""
    if one.not_told_apart:
        yield "Meaningless words order these studies as this finding's do: the score may be of anything abnormal."
    if one.calibrated_by == "index":
        yield (
            "The probabilities were fitted on labels of this index (radseek calibrate): on patients who fitted them, "
            "the Brier score and the calibration error are too good. Evaluate on others, as with --where split=val."
        )


def _facts_of(measures: FindingMeasures) -> tuple[Fact, ...]:
    facts = [
        Fact("AUROC", _said(measures.auroc)),
        Fact("average precision", _said(measures.average_precision)),
        Fact("prevalence (what chance reaches)", _said(measures.prevalence)),
        Fact("with / without", f"{measures.positives} / {measures.images - measures.positives}"),
        Fact("patients", str(measures.patients)),
    ]
    named = (
        ("Brier score", measures.brier),
        ("ECE, equal width", measures.ece_width),
        ("ECE, equal mass", measures.ece_mass),
    )
    facts += [Fact(name, _said(estimate)) for name, estimate in named if estimate is not None]
    if measures.abstained:
        facts.append(Fact("labelled, but no view shows it", str(measures.abstained)))
    if measures.left_out:
        facts.append(Fact("resamples of one answer, left out", str(measures.left_out)))
    return tuple(facts)


def _charts(evaluation: IndexEvaluation, place: int, measures: FindingMeasures) -> tuple[tuple[str, Markup], ...]:
    labels, scores = evaluation.labels.values[:, place], evaluation.scores[:, place]
    known = (labels >= 0) & ~np.isnan(scores)
    roc = roc_points(labels[known], scores[known])
    recall = precision_recall_points(labels[known], scores[known])
    chance, prevalence = ChartLine("", (0, 1), (0, 1), "chance"), measures.prevalence.value
    charts = [
        ("ROC", line_chart([chance, ChartLine("ROC", roc.x, roc.y)], "1 - specificity", "sensitivity")),
        (
            "Precision and recall",
            line_chart(
                [ChartLine("", (0, 1), (prevalence, prevalence), "chance"), ChartLine("precision", recall.x, recall.y)],
                "recall",
                "precision",
            ),
        ),
    ]
    said = known & ~np.isnan(evaluation.probabilities[:, place])
    if said.any():
        table = reliability(labels[said], evaluation.probabilities[said, place])
        line = ChartLine(
            "reliability", [row.mean_probability for row in table], [row.frequency for row in table], "line", dots=True
        )
        charts.append(("Reliability", line_chart([chance, line], "probability said", "share that has it")))
    return tuple(charts)


def _retrieval_charts(retrieval: ArchiveRetrieval) -> list[tuple[str, str, Markup, list[tuple[str, str]]]]:
    """Return for each way of asking its title, what it is, its curves over k, and the measures that have no k."""
    shown = []
    for way in retrieval.ways:
        named = [(name, values) for name, values in way.at.items() if values]
        lines = [
            ChartLine(name, list(way.ks), [one.value for one in values], f"line c{place}", dots=True)
            for place, (name, values) in enumerate(named)
        ]
        chart = line_chart(lines, "k", "mean over queries", x_range=(0, max(way.ks)), x_ticks=way.ks)
        rows = [(name, _said(one)) for name, one in way.overall.items()]
        rows += [(f"{name} {k}", _said(one)) for name, values in named for k, one in zip(way.ks, values, strict=True)]
        shown.append((way.title, way.said, chart, rows))
    return shown


def _name(one: EvaluatedFinding) -> str:
    name = one.finding.names["en"]
    return name[:1].upper() + name[1:]


def _said(estimate: Estimate) -> str:
    if not np.isfinite(estimate.value):
        return "not defined"
    if not np.isfinite(estimate.low):
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"
