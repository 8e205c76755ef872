"""An index with the encoder that built it, and a file of labels that belongs to its studies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from radseek.cli.console import errors
from radseek.index_builder.labels.label_file import read_labels
from radseek.index_builder.labels.label_join import JoinedLabels, JoinReport, join_labels
from radseek.prompts.finding import Finding
from radseek.retrieval.encoders.load_encoder import check_here, load_encoder
from radseek.retrieval.encoders.spec import check_match
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.path_text import printable
from radseek.retrieval.scoring.text_vectors import TextVectors

__all__ = ["LabelsOption", "StudyNameColumn", "index_words", "joined_labels", "print_joined"]

LabelsOption = Annotated[
    Path, typer.Option("--labels", help="CSV, TSV, JSONL or Parquet: study, finding, label; or a column a finding.")
]
StudyNameColumn = Annotated[
    str | None, typer.Option("--study-column", help="The heading in --labels that names studies, where it is unusual.")
]


@contextmanager
def index_words(index: Path, model: str | None) -> Iterator[tuple[LocalStore, TextVectors]]:
    """Open an index to read, with its encoder's words. Raises as `Engine.open` does."""
    with LocalStore.open(index) as store:
        encoder = load_encoder(model if model is not None else check_here(store.spec.name))
        check_match(store.spec, encoder.spec)
        yield store, TextVectors(encoder)


def joined_labels(
    labels: Path, store: LocalStore, findings: Sequence[Finding], study_column: str | None
) -> JoinedLabels:
    """Return what a file says of an index's studies; `findings` are meant before those of the catalogue."""
    return join_labels(read_labels(labels, findings=findings, study_column=study_column), store)


def print_joined(report: JoinReport) -> None:
    """Say what became of the file."""
    for line in report.lines():
        errors.print(printable(line), markup=False, soft_wrap=True)
