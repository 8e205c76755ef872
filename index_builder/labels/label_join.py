"""Labels of a file for the studies of an index, and what of either side found no partner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from radseek.index_builder.labels.label_file import Contradiction, LabelFile, decided
from radseek.index_builder.labels.study_names import StudyNames
from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.label_table import LabelTable
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.privacy.pseudonyms import patient_key

__all__ = ["JoinReport", "JoinedLabels", "Unjoined", "join_labels"]

_NAMED: Final = 3  # of each kind that a report names


@dataclass(frozen=True, slots=True)
class Unjoined:
    """How many found no partner, and the first three."""

    count: int
    first: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(map(repr, self.first))
        return f"{self.count}" + (f" ({shown}{', …' if self.count > len(self.first) else ''})" if self.first else "")


@dataclass(frozen=True, slots=True)
class JoinReport:
    """What became of a file of labels at an index.

    `rows` of the file named `named` studies, of which `matched` studies of the index are known. `unmatched`: names that
    no study has; `ambiguous`: names that several have; `unlabelled`: studies of the index that no row names, as answers
    show them. `contradictions`: pairs of study and finding that rows call present and absent, which are not known.
    """

    file: str
    rows: int
    named: int
    matched: int
    unmatched: Unjoined
    ambiguous: Unjoined
    unlabelled: Unjoined
    contradictions: Unjoined
    notes: tuple[str, ...]

    def lines(self) -> tuple[str, ...]:
        """Return the report as sentences, the notes last."""
        said = [
            f"{self.file}: {self.rows} rows name {self.named} studies; {self.matched} studies of the index have labels"
        ]
        for what, found in (
            ("names are of no study of the index", self.unmatched),
            ("names are of several studies, and none of them is labelled", self.ambiguous),
            ("studies of the index have no label", self.unlabelled),
            ("labels are contradicted by another row, and not known", self.contradictions),
        ):
            said += [f"{what}: {found}"] if found.count else []
        return (*said, *self.notes)

    def to_dict(self) -> dict[str, object]:
        """Return the report as a document holds it."""
        parts = ("unmatched", "ambiguous", "unlabelled", "contradictions")
        found: dict[str, Unjoined] = {part: getattr(self, part) for part in parts}
        return {
            "file": self.file,
            "rows": self.rows,
            "named": self.named,
            "matched": self.matched,
            **{part: {"count": one.count, "first": list(one.first)} for part, one in found.items()},
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True, eq=False)
class JoinedLabels:
    """The labels of the studies of an index that a file knows, and what found no partner."""

    table: LabelTable
    report: JoinReport


def join_labels(file: LabelFile, store: LocalStore) -> JoinedLabels:
    """Find the studies that a file of labels names in an index.

    A study is named by StudyInstanceUID, accession number, path (absolute, relative to the file or a folder above it,
    as answers show it, or its last parts), name of a file with or without its ending, or key. Rows that name one study
    in different ways count together. Without the linkage file beside the index only keys and, with the user's key,
    StudyInstanceUIDs are found.

    Args:
        file: what `read_labels` gave.
        store: the open index.

    Returns:
        `table`, of the studies that at least one row names, and `report`. Patients are what the file says, as a
        pseudonym where the user's key is there, else the index's, else the study.

    Raises:
        UsageError: where no name is of a study of the index.
    """
    names = StudyNames(store)
    found = [names.find(study, file.path.resolve().parent) for study in file.studies]
    owners = [next(iter(keys)) if len(keys) == 1 else "" for keys in found]
    studies = sorted(set(owners) - {""})
    if not studies:
        raise UsageError(_nothing(file, names))
    rows = _rows_of(owners, studies)
    present, absent = (_any(claims, rows) for claims in (file.present, file.absent))
    table = LabelTable(
        studies=tuple(studies),
        patients=_patients(file, rows, studies, names),
        findings=file.findings,
        values=decided(present, absent),
        columns={heading: _first(cells, rows) for heading, cells in file.columns.items()},
    )
    both = [Contradiction(names.shown[studies[n]], file.findings[f].name) for n, f in np.argwhere(present & absent)]
    report = JoinReport(
        file=file.path.name,
        rows=file.rows,
        named=len(file.studies),
        matched=len(studies),
        unmatched=_unjoined(name for name, keys in zip(file.studies, found, strict=True) if not keys),
        ambiguous=_unjoined(name for name, keys in zip(file.studies, found, strict=True) if len(keys) > 1),
        unlabelled=_unjoined(names.shown[key] for key in sorted(names.shown.keys() - set(studies))),
        contradictions=_unjoined(f"{one.study}: {one.finding}" for one in both),
        notes=(*file.notes, *_notes(names)),
    )
    return JoinedLabels(table, report)


def _rows_of(owners: Sequence[str], studies: Sequence[str]) -> list[list[int]]:
    """Return of each study the numbers of the names that mean it."""
    place = {study: number for number, study in enumerate(studies)}
    rows: list[list[int]] = [[] for _ in studies]
    for number, owner in enumerate(owners):
        if owner:
            rows[place[owner]].append(number)
    return rows


def _any(claims: NDArray[np.bool_], rows: Sequence[Sequence[int]]) -> NDArray[np.bool_]:
    return np.array([claims[numbers].any(axis=0) for numbers in rows], bool).reshape(len(rows), claims.shape[1])


def _first(cells: Sequence[str], rows: Iterable[Sequence[int]]) -> tuple[str, ...]:
    return tuple(next((cells[number] for number in numbers if cells[number]), "") for numbers in rows)


def _patients(
    file: LabelFile,
    rows: Sequence[Sequence[int]],
    studies: Sequence[str],
    names: StudyNames,
) -> tuple[str, ...]:
    said = _first(file.patients, rows)
    own = [patient_key(patient, names.key) if names.key is not None else patient for patient in said]
    known: Mapping[str, str] = names.patients
    return tuple(one or known[study] or study for one, study in zip(own, studies, strict=True))


def _unjoined(names: Iterable[str]) -> Unjoined:
    found = list(names)
    return Unjoined(len(found), tuple(found[:_NAMED]))


def _notes(names: StudyNames) -> list[str]:
    if names.are_linked:
        return []
    return [
        "the linkage file beside the index is missing, or lacks studies: such studies are found by key or "
        "StudyInstanceUID only"
    ]


def _nothing(file: LabelFile, names: StudyNames) -> str:
    theirs, ours = _unjoined(file.studies), _unjoined(names.shown[key] for key in sorted(names.shown))
    said = "".join(f"; {note}" for note in _notes(names))
    return (
        f"{file.path}: none of the studies that it names, {theirs}, is in the index, which has {ours}; name a study by "
        f"StudyInstanceUID, accession number, path or file name, or build the index of these images{said}"
    )
