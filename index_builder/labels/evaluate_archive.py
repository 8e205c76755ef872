"""A file of labels and an index, in one call: measured, or calibrated. What the commands of these names do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from radseek.index_builder.labels.label_values import Uncertain
from radseek.index_builder.labels.labelled_index import LabelledIndex, labelled_index
from radseek.prompts.finding import Finding
from radseek.retrieval.evaluation.archive_retrieval import archive_retrieval
from radseek.retrieval.evaluation.audit_columns import audit_columns
from radseek.retrieval.evaluation.calibrate_index import CalibrationReport, calibrate_index
from radseek.retrieval.evaluation.calibration_fit import Aims
from radseek.retrieval.evaluation.index_evaluation import IndexEvaluation, evaluate_index
from radseek.retrieval.evaluation.protocol import Protocol
from radseek.retrieval.evaluation.protocol_file import load_protocol
from radseek.retrieval.evaluation.protocol_run import run_protocol
from radseek.retrieval.scoring.own_calibration import own_calibration
from radseek.retrieval.scoring.states import Judge
from radseek.retrieval.scoring.text_vectors import TextVectors

__all__ = ["calibrate_archive", "evaluate_archive", "evaluated"]


def evaluate_archive(
    index: str | Path,
    labels: str | Path,
    *,
    findings: Sequence[Finding] | None = None,
    by: Sequence[str] | None = None,
    protocol: str | None = None,
    uncertain: Uncertain | None = None,
    study_column: str | None = None,
    where: Sequence[str] = (),
    repeats: int = 1000,
    seed: int = 0,
) -> IndexEvaluation:
    """Measure an index's zero-shot scores, and its retrieval, against a file of labels.

    Args:
        index: the index folder.
        labels: CSV, JSONL or Parquet: `study, finding, label`, or a column a finding; 1, 0, -1 or nothing.
        findings: of the labels, these in these words; None for all of them.
        by: columns of the fairness audit, "sex,age" crosses; None for sex and age where they are known.
        protocol: the name of a published one (`list_protocols`), or a TOML file: its classes, columns, rules and
            prompts, and its published numbers beside ours.
        uncertain: what -1 counts as: "ignore", "present" or "absent"; None for the protocol's rule, else "ignore".
        study_column: the heading that names studies, where it is unusual.
        where: only studies of a column of the file ("split=val") or of a filter of the index.
        repeats: resamples of patients, for intervals.
        seed: of resamples and folds; the same one gives the same figures.

    Returns:
        A row a finding, with 95 % intervals over patients.

    Raises:
        UsageError: no index, a file that cannot be read, or labels of no study of the index.
        EncoderError: the encoder that built the index is not on this machine.
    """
    known = None if protocol is None else load_protocol(protocol)
    chosen = labelled_index(
        index, labels, findings, uncertain=uncertain, study_column=study_column, where=where, protocol=known
    )
    with chosen as opened:
        return evaluated(opened, by=by, protocol=known, repeats=repeats, seed=seed)


def evaluated(
    opened: LabelledIndex,
    *,
    by: Sequence[str] | None = None,
    protocol: Protocol | None = None,
    repeats: int = 1000,
    seed: int = 0,
) -> IndexEvaluation:
    """Measure an index that is open with its labels; see `evaluate_archive`."""
    texts = TextVectors(opened.encoder)
    run = None
    if protocol is not None:
        run = run_protocol(protocol, opened.store, texts, opened.table, repeats=repeats, seed=seed)
    return evaluate_index(
        opened.store,
        texts,
        opened.table,
        Judge(texts, own_calibration(opened.store, opened.encoder.spec)),
        by=audit_columns(opened.store, opened.table, by),
        retrieval=archive_retrieval(opened.store, opened.table, repeats=repeats, seed=seed),
        about={**opened.report.to_dict(), "where": list(opened.where)},
        label_lines=opened.report.lines(),
        protocol=run,
        repeats=repeats,
        seed=seed,
    )


def calibrate_archive(
    index: str | Path,
    labels: str | Path,
    *,
    findings: Sequence[Finding] | None = None,
    coverage: float = 0.9,
    sensitivity: float | None = None,
    specificity: float | None = None,
    uncertain: Uncertain = "ignore",
    study_column: str | None = None,
    where: Sequence[str] = (),
) -> CalibrationReport:
    """Fit probabilities and states to labels of an index's studies, and keep them in it.

    Args:
        index: the index folder.
        labels: as for `evaluate_archive`.
        findings: of the labels, these in these words; None for all of them.
        coverage: of the studies with a finding, the share not called absent; and the other way round.
        sensitivity: also keep a threshold that reaches this share.
        specificity: also keep a threshold that reaches this share.
        uncertain: what -1 counts as: "ignore", "present" or "absent".
        study_column: the heading that names studies, where it is unusual.
        where: only studies of a column of the file ("split=train") or of a filter of the index.

    Returns:
        What was fitted, how it did on patients held out, and why the rest was not.

    Raises:
        UsageError: no index, a file that cannot be read, random weights, or a share that is none.
        EncoderError: the encoder that built the index is not on this machine.
        IndexBusyError: another process writes.
    """
    chosen = labelled_index(index, labels, findings, uncertain=uncertain, study_column=study_column, where=where)
    with chosen as opened:
        return calibrate_index(opened.store, opened.encoder, opened.table, Aims(coverage, sensitivity, specificity))
