"""The command that measures an index against labels: evaluate."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radseek.cli.asked_labels import asked_of
from radseek.cli.console import errors, number, print_json, print_notice, print_table, progress
from radseek.cli.options import (
    Json,
    LabelFindings,
    LabelsFile,
    LabelStudyColumn,
    LabelTexts,
    LabelWhere,
    Model,
    UncertainLabel,
)
from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.protocol_file import list_protocols, load_protocol
from radseek.retrieval.path_text import printable

if TYPE_CHECKING:
    from radseek.index_builder.labels.labelled_index import LabelledIndex
    from radseek.retrieval.evaluation.index_evaluation import IndexEvaluation
    from radseek.retrieval.evaluation.protocol_run import ProtocolRun

__all__ = ["evaluate"]

_PROTOCOLS = ", ".join(list_protocols())


def evaluate(
    index: Annotated[Path, typer.Argument(help="The index folder.")],
    labels: LabelsFile,
    findings: LabelFindings = None,
    finding: LabelTexts = None,
    by: Annotated[
        list[str] | None,
        typer.Option(help="Audit groups: sex, age, site, vendor, a column of the labels; sex,age crosses. Repeatable."),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help=f"A published protocol: {_PROTOCOLS}; or a TOML file."),
    ] = None,
    uncertain: Annotated[
        UncertainLabel | None, typer.Option(help="What -1 counts as; without: the protocol's rule, else ignore.")
    ] = None,
    study_column: LabelStudyColumn = None,
    where: LabelWhere = None,
    model: Model = None,
    out: Annotated[Path | None, typer.Option(help="Write evaluation.html, .json and .csv into this folder.")] = None,
    checklist: Annotated[
        bool,
        typer.Option("--checklist", help="Fill what code can know of TRIPOD+AI, CLAIM and a model card, in --out."),
    ] = False,
    repeats: Annotated[int, typer.Option(min=1, help="Resamples of patients, for intervals.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same figures.")] = 0,
    json: Json = False,
) -> None:
    """Measure an index's zero-shot scores, and its retrieval, against labels."""
    from radseek.index_builder.labels.evaluate_archive import evaluated
    from radseek.index_builder.labels.labelled_index import labelled_index

    if checklist and out is None:
        raise UsageError("--checklist writes checklist.md beside the evaluation; say where with --out DIR.")
    known = None if protocol is None else load_protocol(protocol)
    said = None if uncertain is None else uncertain.value
    reading: Any = {"uncertain": said, "study_column": study_column, "where": where, "model": model, "protocol": known}
    with labelled_index(index, labels, asked_of(findings, finding), **reading) as opened:
        with progress() as update:
            update("measure", 0, None)
            evaluation = evaluated(opened, by=by, protocol=known, repeats=repeats, seed=seed)
        if out is not None:
            _write(evaluation, opened, out)
    if out is not None and checklist:
        _write_checklist(evaluation, out)
    if json:
        print_json(evaluation.to_dict())
        return
    for line in opened.report.lines():
        errors.print(printable(line), markup=False, soft_wrap=True)
    _print(evaluation)
    if out is not None:
        errors.print(
            f"Written: {out / 'evaluation.html'}, and the same as .json and .csv.", markup=False, soft_wrap=True
        )
    print_notice(meaningless=evaluation.encoder.meaningless)


def _write(evaluation: IndexEvaluation, opened: LabelledIndex, out: Path) -> None:
    from radseek.html.evaluation_misses import pictured_misses
    from radseek.html.evaluation_page import write_evaluation
    from radseek.retrieval.disk_errors import writing_to
    from radseek.retrieval.engine import Engine

    with progress() as update, Engine(opened.encoder, opened.store, isolated=True) as engine:
        misses = pictured_misses(evaluation, engine, opened.store.path, update)
    with writing_to(out.parent):
        out.mkdir(parents=True, exist_ok=True)
    with writing_to(out):
        evaluation.to_json(out / "evaluation.json")
        evaluation.to_csv(out / "evaluation.csv")
    write_evaluation(evaluation, misses, out / "evaluation.html", title=f"Evaluation of {opened.store.path.name}")


def _write_checklist(evaluation: IndexEvaluation, out: Path) -> None:
    from radseek.retrieval.disk_errors import writing_to
    from radseek.retrieval.evaluation.checklist import checklist_markdown, checklist_rows

    command = shlex.join(["radseek", *sys.argv[1:]])
    with writing_to(out):
        (out / "checklist.md").write_text(checklist_markdown(checklist_rows(evaluation, command)), encoding="utf-8")


def _print(evaluation: IndexEvaluation) -> None:
    columns = ["finding", "with / without", "AUROC [95 %]", "AP [95 %]", "prevalence", "sens.", "spec.", "ECE"]
    rows = []
    for one in evaluation.results:
        found = one.measures
        if found is None:
            rows.append([one.finding.name, "not both answers", *["-"] * 6])
            continue
        point = next(point for point in found.points if point.rule == evaluation.rule)
        rows.append(
            [
                one.finding.name,
                f"{found.positives} / {found.images - found.positives}",
                str(found.auroc),
                str(found.average_precision),
                f"{found.prevalence.value:.3f}",
                f"{point.measures.sensitivity.value:.3f}",
                f"{point.measures.specificity.value:.3f}",
                "-" if found.ece_width is None else f"{found.ece_width.value:.3f}",
            ]
        )
    if evaluation.macro is not None:
        macro = evaluation.macro
        rows.append([f"mean of {macro.findings}", "", str(macro.auroc), str(macro.average_precision), *[""] * 4])
    title = f"{len(evaluation.labels.studies)} studies, {len(set(evaluation.labels.patients))} patients"
    print_table(title, columns, rows)
    if evaluation.protocol is not None:
        _print_protocol(evaluation.protocol)
    for way in evaluation.retrieval.ways if evaluation.retrieval is not None else ():
        table = [[name, *map(str, values)] for name, values in way.at.items()]
        print_table(f"{way.title}: {way.queries} queries", ["", *(f"at {k}" for k in way.ks)], table)
        print_table("", ["", ""], [[name, str(value)] for name, value in way.overall.items()])


def _print_protocol(found: ProtocolRun) -> None:
    rows = [[f"radseek, {run.prompts} prompts", "macro AUROC", str(run.macro or "-"), ""] for run in found.runs]
    rows += [[row.model, row.metric, f"{row.value:g}", f"{row.source} {row.tag}"] for row in found.protocol.published]
    print_table(f"{found.protocol.title}: ours beside the published", ["", "metric", "value", "source"], rows)
    both = [(run.prompts, one) for run in found.runs for one in run.both_ways]
    both += [("", one) for one in found.retrieval]
    if both:
        lines = [
            [prompts, one.finding or "all", one.measure, number(one.published), number(one.ours), one.flaw]
            for prompts, one in both
        ]
        columns = ["prompts", "finding", "measure", "published way", "ours", "flaw"]
        print_table("As published scripts compute it, and without the flaw", columns, lines)
    for flaw in found.protocol.flaws:
        said = f"Known flaw of the published number: {flaw.text} {flaw.tag}"
        errors.print(printable(said), markup=False, soft_wrap=True)
