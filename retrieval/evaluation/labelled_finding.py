"""Of a table of labels what concerns one finding: the studies that have a label for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radseek.prompts.catalogue import find
from radseek.prompts.finding import Finding
from radseek.retrieval.errors import UnknownNameError, UsageError, nearest
from radseek.retrieval.evaluation.label_table import LabelTable
from radseek.retrieval.index.store import Store
from radseek.retrieval.scoring.finding_features import stored_features
from radseek.retrieval.scoring.text_vectors import TextPair

__all__ = ["LabelledFinding", "labelled_features", "labelled_finding"]


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFinding:
    """A finding and N studies, by key, ascending: `values (N,)` 1 or 0, and whose they are."""

    finding: Finding
    studies: tuple[str, ...]
    values: NDArray[np.int8]
    patients: tuple[str, ...]

    def take(self, rows: NDArray[np.intp]) -> LabelledFinding:
        """Return some of the studies."""
        studies, patients = (tuple(values[row] for row in rows) for values in (self.studies, self.patients))
        return LabelledFinding(self.finding, studies, self.values[rows], patients)


def labelled_finding(table: LabelTable, words: str) -> LabelledFinding:
    """Return the studies that a table has a label of for a finding, which words name as they do for `screen`.

    Raises `UnknownNameError` where the table has no such finding, `PromptError` for words that are no finding.
    """
    names = [one.name for one in table.findings]
    name = words if words in names else find(words).name
    if name not in names:
        raise UnknownNameError(
            f"the labels say nothing of {words!r}; they have {', '.join(names)}{nearest(words, names)}"
        )
    column = names.index(name)
    values = table.values[:, column]
    every = LabelledFinding(table.findings[column], table.studies, values, table.patients)
    return every.take(np.flatnonzero(values >= 0))


def labelled_features(
    store: Store, known: LabelledFinding, pair: TextPair
) -> tuple[LabelledFinding, NDArray[np.float64]]:
    """Return the labelled studies that a view shows the finding in, and a vector each `(N, D)` (`finding_features`).

    Raises `UsageError` where there are none.
    """
    vectors = stored_features(store, known.finding, pair, known.studies)
    read = np.flatnonzero(~np.isnan(vectors).any(axis=1))
    if not len(read):
        raise UsageError(
            f"No labelled study has a view that {known.finding.name} is read in ({', '.join(known.finding.views)}); "
            "name a set of findings for this kind of study, or ask in words."
        )
    return known.take(read), vectors[read]
