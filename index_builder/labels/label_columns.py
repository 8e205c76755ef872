"""Which columns of a table of labels are labels, and of which findings: long, wide, or names in one cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from radseek.index_builder.labels.cell_columns import CellColumns
from radseek.index_builder.labels.label_values import cell_says, label_words
from radseek.index_builder.reports.report_columns import identifying_headings
from radseek.index_builder.tables.headings import by_plain_heading, first_heading, plain_heading, shown_headings
from radseek.prompts.catalogue import suggest
from radseek.prompts.finding import Finding
from radseek.prompts.normalise import normalise
from radseek.prompts.shipped_sets import all_findings, list_sets, load_set, terms
from radseek.retrieval.errors import UsageError, nearest

__all__ = ["LabelNames", "Layout", "find_layout", "identifying_columns"]

_CHEST = ("chest_ct", "chest_xray")


class LabelNames:
    """What the names of labels mean: a user's own findings, then the catalogue, in any of its words."""

    def __init__(self, own: Iterable[Finding] = (), fixed: Mapping[str, Finding] | None = None) -> None:
        """Take findings that are meant before the catalogue's; `fixed`: of these names alone, and no others."""
        self._fixed = None if fixed is None else {_form(name): finding for name, finding in fixed.items()}
        mine = {finding.name: finding for finding in own}
        self._known = {form: mine.get(finding.name, finding) for form, finding in _catalogue().items()}
        self._known |= {_form(term): finding for finding in mine.values() for term in (finding.name, *finding.terms)}

    def meant(self, names: Iterable[str]) -> dict[str, Finding]:
        """Return the findings that names of one table mean; a name that means none is left out.

        A short name of chest data sets ("Effusion") counts where another names a finding of the chest alone.
        """
        if self._fixed is not None:
            return {name: self._fixed[_form(name)] for name in names if _form(name) in self._fixed}
        names = list(names)
        found = {name: self._known[_form(name)] for name in names if _form(name) in self._known}
        if any(finding.name in _only_of_the_chest() for finding in found.values()):
            found |= {name: _short_names()[_form(name)] for name in names if self._is_short(name)}
        return {name: found[name] for name in names if name in found}

    @property
    def are_fixed(self) -> bool:
        """Say whether only the names that were given count."""
        return self._fixed is not None

    def ordered(self, findings: Iterable[Finding]) -> tuple[Finding, ...]:
        """Return findings of a table once each, in its order; all that were fixed, in theirs, also those it lacks."""
        return tuple(dict.fromkeys(findings if self._fixed is None else self._fixed.values()))

    def known(self, heading: str) -> bool:
        """Say whether a name alone means a finding, or may in a table of the chest."""
        return bool(self.meant([heading])) or (self._fixed is None and _form(heading) in _short_names())

    def _is_short(self, name: str) -> bool:
        return _form(name) in _short_names() and _form(name) not in self._known


@dataclass(frozen=True, slots=True)
class Layout:
    """What the columns of a table of labels hold; "" for what it lacks.

    `study` names the study and `patient` whose it is. Labels are in one of three forms: `finding` and `label` of a
    long table; `names`, a column whose cells list findings; `wide`, the finding of each column of labels. `text` are
    all further columns. `unmatched`: those that hold nothing but labels and whose heading means no finding.
    """

    study: str
    patient: str
    finding: str
    label: str
    names: str
    wide: Mapping[str, Finding]
    text: tuple[str, ...]
    unmatched: tuple[str, ...]


def identifying_columns(headings: Sequence[str], study_column: str | None) -> tuple[str, str]:
    """Return the headings of what names the study and of what names the patient, "" where nothing does.

    A table that has a patient and nothing else is by patient. Raises `UsageError` where a study's name is missing.
    """
    by_plain = by_plain_heading(headings)
    patient = first_heading(by_plain, identifying_headings("patient"))
    if study_column is not None:
        found = study_column if study_column in headings else by_plain.get(plain_heading(study_column), "")
        if not found:
            offered = nearest(study_column, headings)
            raise UsageError(f"it has no column {study_column!r}{offered}; {shown_headings(headings)}")
        return found, patient
    names = (*identifying_headings("study"), *label_words()["headings"]["study"])
    study = first_heading(by_plain, names) or patient
    if not study:
        raise UsageError(
            f"no column names the study; {shown_headings(headings)}; head the one that holds a StudyInstanceUID, an "
            "accession number, a path or a file name with 'study'"
        )
    return study, patient


def find_layout(table: CellColumns, names: LabelNames, study_column: str | None, list_column: str | None) -> Layout:
    """Return what a table's columns hold, by their headings and, where those leave it open, their cells.

    `list_column`: the heading of a column whose cells list findings, where that is known.

    Raises `UsageError` where a column is missing, or none holds labels.
    """
    study, patient = identifying_columns(table.headings, study_column)
    rest = [heading for heading in table.headings if heading not in (study, patient)]
    finding, label = ("", "") if list_column else _long_columns(table, rest)
    wide = {} if label or list_column else _wide_columns(table, names, rest)
    listed = "" if label or wide else _list_column(table, rest, list_column)
    if not (label or listed or wide):
        raise UsageError(_no_labels(table, rest))
    text = tuple(heading for heading in rest if heading not in (finding, label, *wide))
    unmatched = tuple(heading for heading in text if wide and _is_labels(table.cells[heading]))
    return Layout(study, patient, finding, label, listed, wide, text, unmatched)


def _long_columns(table: CellColumns, rest: Sequence[str]) -> tuple[str, str]:
    by_plain = by_plain_heading(rest)
    words = label_words()["headings"]
    finding = first_heading(by_plain, words["finding"])
    label = first_heading(by_plain, [name for name in words["label"] if by_plain.get(name) != finding])
    if not finding or not label or not _mostly_labels(table.cells[label]) or _mostly_labels(table.cells[finding]):
        return "", ""
    return finding, label


def _wide_columns(table: CellColumns, names: LabelNames, rest: Sequence[str]) -> dict[str, Finding]:
    return {
        heading: finding
        for heading, finding in names.meant(rest).items()
        if _mostly_labels(table.cells[heading])
    }  # fmt: skip


def _list_column(table: CellColumns, rest: Sequence[str], given: str | None) -> str:
    by_plain = by_plain_heading(rest)
    if given is not None:
        found = by_plain.get(plain_heading(given), "")
        if not found:
            raise UsageError(f"it has no column {given!r}, which lists the findings; {shown_headings(table.headings)}")
        return found
    lists = [name for name in label_words()["headings"]["list"] if name in by_plain]
    return next((by_plain[name] for name in lists if not _mostly_labels(table.cells[by_plain[name]])), "")


def _no_labels(table: CellColumns, rest: Sequence[str]) -> str:
    numbers = [heading for heading in rest if _is_labels(table.cells[heading])]
    hint = next((offer for heading in numbers if (offer := suggest(heading))), "")
    return (
        f"no column holds labels of a finding that is known{hint}; {shown_headings(table.headings)}; write 'study, "
        "finding, label', or a column of 1 and 0 for each finding, headed with a name of the catalogue or of your set"
    )


def _mostly_labels(cells: Sequence[str]) -> bool:
    """Say whether at least half of the cells that are not empty are labels."""
    said = [cell_says(cell) for cell in cells]
    filled = [says for says in said if says != "empty"]
    return 2 * sum(says is not None for says in filled) >= len(filled)


def _is_labels(cells: Sequence[str]) -> bool:
    """Say whether a column holds nothing but 1, 0 and -1, and some; letters may be a sex or a code."""
    kinds = {None if cell_says(cell) != "empty" and cell.isalpha() else cell_says(cell) for cell in set(cells)}
    return None not in kinds and kinds != {"empty"}


def _form(name: str) -> str:
    return plain_heading(normalise(name))


@cache
def _catalogue() -> dict[str, Finding]:
    return {plain_heading(term): finding for term, finding in terms().items()}


@cache
def _short_names() -> dict[str, Finding]:
    return {_form(word): all_findings()[name] for name, words in label_words()["chest"].items() for word in words}


@cache
def _only_of_the_chest() -> frozenset[str]:
    others = {f.name for name in list_sets() if name not in _CHEST for f in load_set(name).findings}
    return frozenset(f.name for name in _CHEST for f in load_set(name).findings) - others
