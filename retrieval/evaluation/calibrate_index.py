"""Calibrates an index's scores on its user's labels: from stored margins to entries that lie in the index.

    labelled_margins -> groups by finding and kind of study -> fit_group -> keep_calibration

No image is read: margins come from the stored slice vectors, and are those that `screen` reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from radseek.retrieval.document import NOTICE, describe_encoder
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.spec import EncoderSpec, check_match
from radseek.retrieval.errors import EncoderMismatchError, UsageError
from radseek.retrieval.evaluation.calibration_fit import Aims, Fit, FittedRow, LabelledGroup, fit_group
from radseek.retrieval.evaluation.label_table import LabelTable
from radseek.retrieval.evaluation.labelled_margins import LabelledMargins, LeftOut, labelled_margins
from radseek.retrieval.index.index_calibration import Entries, keep_calibration
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.scoring.own_calibration import words_hash
from radseek.retrieval.scoring.text_vectors import TextVectors

__all__ = ["CalibrationReport", "calibrate_index"]

_NAMED_BY = ("finding", "words", "view_class", "many", "fitted_on")  # of an entry


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """What a calibration did: one row a finding and kind of study, and which labels could not be used."""

    index: str
    encoder: EncoderSpec
    aims: Aims
    rows: tuple[FittedRow, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def fitted(self) -> int:
        """Return how many rows have a calibrator."""
        return sum(isinstance(row.found, Fit) for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the document that `radseek calibrate --json` prints, less what reading the label file says."""
        return {
            "notice": NOTICE,
            "index": self.index,
            "encoder": describe_encoder(self.encoder),
            "coverage": self.aims.coverage,
            "seed": self.aims.seed,
            "fitted": self.fitted,
            "results": [row.to_dict() for row in self.rows],
            "left_out": [asdict(one) for one in self.left_out],
        }


def calibrate_index(
    store: LocalStore, encoder: Encoder, labels: LabelTable, aims: Aims | None = None
) -> CalibrationReport:
    """Fit what labels allow and keep it in the index, whose scores are then called by it.

    An entry of an earlier run stays unless this run met its finding, in these words, on its kind of study; then it
    gives way, also where the new labels do not allow a fit.

    Args:
        store: the index, open to read.
        encoder: the one that built it, pooling as it does.
        labels: of its studies.
        aims: coverage and targets; None for a coverage of 0.9.

    Returns:
        What was fitted, how it did on patients held out, and why the rest was not.

    Raises:
        UsageError: the encoder has random weights, a share is none, or no labelled study is in the index.
        EncoderMismatchError: the encoder has another recipe, other towers or another pooling than the index.
        IndexBusyError: another process writes.
    """
    _require_own(store, encoder.spec)
    aims = aims if aims is not None else Aims()
    found = labelled_margins(store, TextVectors(encoder), labels)
    if not found.margins.studies:
        raise UsageError(
            f"None of the {len(labels.studies)} labelled studies is in {store.path}; see how the file names studies."
        )
    rows = [row for column in range(len(labels.findings)) for row in _rows(found, column, aims, encoder.spec.scale)]
    left_out = tuple(found.left_out(column, labels) for column in range(len(labels.findings)))
    report = CalibrationReport(str(store.path), encoder.spec, aims, tuple(rows), left_out)
    keep_calibration(store.path, encoder.spec, lambda kept: _together(kept, rows))
    return report


def _require_own(store: LocalStore, spec: EncoderSpec) -> None:
    if check_match(store.spec, spec):
        raise EncoderMismatchError(
            f"{store.path} is pooled otherwise than '{spec.name}' pools, and a calibration is for one pooling. "
            "Calibrate with the encoder that `radseek info` names."
        )
    if spec.meaningless:
        raise UsageError(
            f"{store.path} was built with '{spec.name}', whose weights are random: its scores are never called, so "
            "there is nothing to calibrate. Build an index with another encoder, `radseek build --model`."
        )


def _rows(found: LabelledMargins, column: int, aims: Aims, scale: float) -> list[FittedRow]:
    """Return one finding's rows, one a kind of study."""
    finding, made = found.margins.findings[column], []
    for kind, rows in found.groups(column):
        group = LabelledGroup(
            studies=tuple(found.margins.studies[row] for row in rows),
            patients=tuple(found.patients[row] for row in rows),
            margins=found.margins.margins[rows, column].astype(np.float64),
            labels=found.values[rows, column],
            scale=scale,
        )
        made.append(
            FittedRow(
                finding=finding.name,
                words=words_hash(finding, kind.view_class),
                kind=kind,
                views=found.views_of(rows, column),
                counts=group.counts(),
                data=group.data_hash(aims.seed),
                not_told_apart=found.not_told_apart(rows, column),
                coverage=aims.coverage,
                found=fit_group(group, aims),
            )
        )
    return made


def _together(kept: Entries, rows: Sequence[FittedRow]) -> Entries:
    """Return what is kept from now on: what was fitted, and what an earlier run fitted that this one did not meet."""
    new = [row.to_dict() for row in rows]
    met = {_name(one) for one in new}
    entries = [one for one in kept if _name(one) not in met] + [one for one in new if one["method"] is not None]
    return sorted(entries, key=_name)


def _name(entry: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(entry[name] for name in _NAMED_BY)
