"""Which columns of a table of labels are labels, and of which findings: long, wide, or names in one cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from radseek.index_builder.labels.cell_columns import CellColumns
from radseek.index_builder.labels.label_values import cell_says, label_words, list_items
from radseek.index_builder.reports.report_columns import identifying_headings
from radseek.index_builder.tables.headings import by_plain_heading, first_heading, plain_heading, shown_headings
from radseek.prompts.catalogue import free_finding, suggest
from radseek.prompts.finding import Finding
from radseek.prompts.normalise import normalise
from radseek.prompts.shipped_sets import all_findings, list_sets, load_set, terms
from radseek.retrieval.errors import PromptError, UsageError, nearest

__all__ = ["LabelLayout", "LabelNames", "find_layout", "identifying_columns"]

_CHEST = ("chest_ct", "chest_xray")


class LabelNames:
    """What the names of labels mean: a user's own findings, then the catalogue, in any of its words."""

    def __init__(
        self, own: Iterable[Finding] = (), classes: Mapping[str, Finding] | None = None, *, are_open: bool = False
    ) -> None:
        """Take findings that are meant before the catalogue's, or the classes of a protocol.

        `classes`: what these names mean; no others count, unless the classes `are_open`: then every name is one, in
        general sentences where the catalogue has none.
        """
        mine = {finding.name: finding for finding in own}
        self._classes = None if classes is None else {_form(name): finding for name, finding in classes.items()}
        self._known = {form: mine.get(finding.name, finding) for form, finding in _catalogue().items()}
        self._known |= {_form(term): finding for finding in mine.values() for term in (finding.name, *finding.terms)}
        self._known |= self._classes or {}
        self.are_fixed = classes is not None and not are_open
        self.are_open = are_open

    def meant(self, names: Iterable[str]) -> dict[str, Finding]:
        """Return the findings that names of one table mean; a name that means none is left out.

        A short name of chest data sets ("Effusion") counts where another names a finding of the chest alone.
        """
        if self._classes is not None and self.are_fixed:
            return {name: self._classes[_form(name)] for name in names if _form(name) in self._classes}
        names = list(names)
        found = {name: self._known[_form(name)] for name in names if _form(name) in self._known}
        if any(finding.name in _only_of_the_chest() for finding in found.values()):
            found |= {name: _short_names()[_form(name)] for name in names if self._is_short(name)}
        if self.are_open:
            found |= {name: free for name in names if name not in found and (free := _free(name)) is not None}
        return {name: found[name] for name in names if name in found}

    def ordered(self, findings: Iterable[Finding]) -> tuple[Finding, ...]:
        """Return a protocol's classes in their order, also those that the table lacks, then the table's findings."""
        classes = {finding.name: finding for finding in (self._classes or {}).values()}
        if not self.are_fixed:
            classes |= {finding.name: finding for finding in findings}
        return tuple(classes.values())

    def known(self, heading: str) -> bool:
        """Say whether a name alone means a finding, or may in a table of the chest."""
        return _form(heading) in self._known or _form(heading) in _short_names()

    def _is_short(self, name: str) -> bool:
        return _form(name) in _short_names() and _form(name) not in self._known


@dataclass(frozen=True, slots=True)
class LabelLayout:
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


def find_layout(
    table: CellColumns, names: LabelNames, study_column: str | None, list_column: str | None
) -> LabelLayout:
    """Return what a table's columns hold, by their headings and, where those leave it open, their cells.

    `list_column`: the heading of a column whose cells list findings, where that is known.

    Raises `UsageError` where a column is missing, or none holds labels.
    """
    study, patient = identifying_columns(table.headings, study_column)
    rest = [heading for heading in table.headings if heading not in (study, patient)]
    finding, label = ("", "") if list_column else _long_columns(table, names, rest)
    wide = {} if label or list_column else _wide_columns(table, names, rest)
    listed = "" if label or wide else _list_column(table, names, rest, list_column)
    if not (label or listed or wide):
        raise UsageError(_no_labels(table, rest))
    if listed and list_column is None:
        _check_no_label_beside(listed, rest)
    text = tuple(heading for heading in rest if heading not in (finding, label, *wide))
    unmatched = tuple(heading for heading in text if wide and _is_labels(table.cells[heading]))
    return LabelLayout(study, patient, finding, label, listed, wide, text, unmatched)


def _check_no_label_beside(listed: str, rest: Sequence[str]) -> None:
    """Raise `UsageError` where the column that would be read as a list stands beside one of labels that are none."""
    by_plain, words = by_plain_heading(rest), label_words()["headings"]
    label = first_heading(by_plain, [name for name in words["label"] if by_plain.get(name) != listed])
    if label and listed == first_heading(by_plain, words["finding"]):
        raise UsageError(
            f"the column {label!r} beside {listed!r} does not hold labels; write 1 (present), 0 (absent), -1 "
            "(uncertain) or nothing (not known)"
        )


def _long_columns(table: CellColumns, names: LabelNames, rest: Sequence[str]) -> tuple[str, str]:
    by_plain = by_plain_heading(rest)
    words = label_words()["headings"]
    finding = first_heading(by_plain, words["finding"])
    label = first_heading(by_plain, [name for name in words["label"] if by_plain.get(name) != finding])
    if not finding or not label or not _mostly_labels(table.cells[label]) or _mostly_labels(table.cells[finding]):
        return "", ""
    named = names.meant(dict.fromkeys(cell.strip() for cell in table.cells[finding]))
    return (finding, label) if named else ("", "")


def _wide_columns(table: CellColumns, names: LabelNames, rest: Sequence[str]) -> dict[str, Finding]:
    are_labels = _is_labels if names.are_open else _mostly_labels
    return {heading: finding for heading, finding in names.meant(rest).items() if are_labels(table.cells[heading])}


def _list_column(table: CellColumns, names: LabelNames, rest: Sequence[str], given: str | None) -> str:
    by_plain = by_plain_heading(rest)
    if given is not None:
        found = by_plain.get(plain_heading(given), "")
        if not found:
            raise UsageError(f"it has no column {given!r}, which lists the findings; {shown_headings(table.headings)}")
        return found
    lists = [by_plain[name] for name in label_words()["headings"]["list"] if name in by_plain]
    return next((heading for heading in lists if _lists_names(table.cells[heading], names)), "")


def _lists_names(cells: Sequence[str], names: LabelNames) -> bool:
    """Say whether cells, which are not labels themselves, list names of findings."""
    items = dict.fromkeys(item for cell in set(cells) for item in list_items(cell))
    return not _mostly_labels(cells) and bool(names.meant(items))


def _no_labels(table: CellColumns, rest: Sequence[str]) -> str:
    named = [heading for heading in rest if _is_labels(table.cells[heading])]
    finding = first_heading(by_plain_heading(rest), label_words()["headings"]["finding"])
    named += dict.fromkeys(table.cells[finding]) if finding else []
    hint = next((offer for name in named if (offer := suggest(name))), "")
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


def _free(name: str) -> Finding | None:
    try:
        return free_finding(name)
    except PromptError:  # too long, negated or empty: no question
        return None


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
