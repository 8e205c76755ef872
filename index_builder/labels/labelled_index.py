"""An index with the labels of a file: what every command that learns or measures from labels opens first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from radseek.index_builder.labels.label_file import read_labels
from radseek.index_builder.labels.label_join import JoinReport, join_labels
from radseek.index_builder.labels.label_values import Uncertain
from radseek.prompts.finding import Finding
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.load_encoder import check_here, load_encoder
from radseek.retrieval.encoders.spec import check_match
from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.chosen_studies import chosen_studies
from radseek.retrieval.evaluation.label_table import LabelTable
from radseek.retrieval.evaluation.protocol import Protocol
from radseek.retrieval.index.local_store import LocalStore

__all__ = ["LabelledIndex", "labelled_index"]


@dataclass(frozen=True, slots=True, eq=False)
class LabelledIndex:
    """An open index, the encoder that built it, the labels of its studies, how they were found, and by what chosen."""

    store: LocalStore
    encoder: Encoder
    table: LabelTable
    report: JoinReport
    where: tuple[str, ...] = ()


@contextmanager
def labelled_index(
    index: str | Path,
    labels: str | Path,
    asked: Sequence[Finding] | None = None,
    *,
    uncertain: Uncertain | None = None,
    study_column: str | None = None,
    where: Sequence[str] | None = None,
    protocol: Protocol | None = None,
    model: str | None = None,
) -> Iterator[LabelledIndex]:
    """Open an index to read, with its encoder, and join a file of labels to it; close it after.

    Args:
        index: the index folder.
        labels: the file.
        asked: of the labels, these findings in these words; None for all of them.
        uncertain: what -1 counts as; None for the protocol's rule, else "ignore".
        study_column: the heading that names studies, where it is unusual.
        where: `COLUMN=VALUE` of the file's further columns ("split=val"), else filters as `screen` takes them; studies
            that do not pass are left out.
        protocol: a published way of reading such a file.
        model: an encoder's name or folder; None is the one that built the index.

    Raises:
        UsageError: no index, a file that cannot be read, labels of no study of the index, or of none of `asked`.
        EncoderError: the encoder that built the index is not on this machine.
        EncoderMismatchError: `model` has other towers or another recipe.
    """
    from radseek.retrieval.index.local_store import LocalStore

    with LocalStore.open(index) as store:
        file = read_labels(
            labels, uncertain=uncertain, findings=asked or (), study_column=study_column, protocol=protocol
        )
        joined = join_labels(file, store)
        table = joined.table if asked is None else _only(joined.table, asked, labels)
        matched = len(table.studies)
        table = chosen_studies(table, store, where or ())
        if matched and not table.studies:
            said = " ".join(f"--where {one}" for one in where or ())
            raise UsageError(f"None of the {matched} labelled studies in {index} passes {said}; ask for other values.")
        encoder = load_encoder(model if model is not None else check_here(store.spec.name))
        check_match(store.spec, encoder.spec)
        encoder = store.with_own_pooling(encoder)
        yield LabelledIndex(store, encoder, table, joined.report, tuple(where or ()))


def _only(table: LabelTable, asked: Sequence[Finding], file: str | Path) -> LabelTable:
    """Return the labels of some findings, in the words asked. Raises `UsageError` where the file has none of them."""
    column = {one.name: place for place, one in enumerate(table.findings)}
    known = list({one.name: one for one in asked if one.name in column}.values())
    if not known:
        raise UsageError(
            f"{file} labels none of {', '.join(one.names['en'] for one in asked[:5])}; it labels "
            f"{', '.join(column) or 'nothing that is known'}; "
            "ask for one of those, or add a column."
        )
    return replace(table, findings=tuple(known), values=table.values[:, [column[one.name] for one in known]])
