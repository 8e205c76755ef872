"""The archive's studies as a list to look through: words, facets, order, a window of rows. Held in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from threading import Lock
from typing import Final

from radseek.app.original_study import day_of
from radseek.app.session import Session
from radseek.retrieval.errors import RadseekError
from radseek.retrieval.index.catalog.linkage import LinkageFile, linkage_path
from radseek.retrieval.index.store import Case

__all__ = ["FACETS", "ORDERS", "ListQuestion", "Listed", "ListedStudy", "StudyList"]

FACETS: Final = ("kind", "sex", "when", "year", "report")
ORDERS: Final = ("key", "kind", "date", "year", "age", "slices", "description")
# Days ago, up to which a study is counted under a name; what is farther back is "older".
_WHEN: Final = ((7, "week"), (31, "month"), (366, "year"))
_AT_ONCE: Final = 1_000  # accession numbers read in one step


@dataclass(frozen=True, slots=True)
class ListedStudy:
    """One stored study. `accession`, `path` and `date` name it outside, so only who may see them is shown them.

    `patient` is a pseudonym, "" where nobody knows; `date` is YYYY-MM-DD.
    """

    key: str
    kinds: tuple[tuple[str, str], ...]  # modality and body part of each series, without repeats
    sex: str
    age: int | None
    year: int | None
    description: str
    series: int
    slices: int
    has_report: bool
    words: str  # what is looked through, lower case
    accession: str = ""
    path: str = ""
    date: str = ""
    patient: str = ""

    def facet(self, name: str) -> str:
        """Return what a study is counted under; "" where it is not known."""
        if name == "kind":
            return "/".join(self.kinds[0]) if self.kinds else ""
        if name == "report":
            return "yes" if self.has_report else "no"
        if name == "when":
            return _when(self.date)
        return str(getattr(self, name) or "")


@dataclass(frozen=True, slots=True)
class ListQuestion:
    """Which studies: all of the words, in each facet one of the values; then their order and which rows of them.

    `named`: whether accession numbers, paths and dates are looked through and shown. `keys`: of
    these studies only.
    """

    words: str = ""
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    order: str = "key"
    falling: bool = False
    offset: int = 0
    limit: int = 100
    named: bool = False
    keys: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """The rows asked for, how many there are in all, and for each facet how many studies each value would leave."""

    total: int
    rows: tuple[ListedStudy, ...]
    facets: Mapping[str, Mapping[str, int]]


class StudyList:
    """The list of a session's studies, read anew after the archive has changed."""

    def __init__(self, session: Session, words_of: Callable[[Case], str]) -> None:
        """Take a session, and what a study is called in any language, which its words are looked for in."""
        self._session, self._words_of = session, words_of
        self._lock = Lock()
        self._rows: list[ListedStudy] = []
        self._of: tuple[int, int] | None = None

    def ask(self, question: ListQuestion) -> Listed:
        """Return what a question asks for.

        Args:
            question: words, facets, order and rows.

        Returns:
            The rows, the total, and the facets' counts.

        Raises:
            IndexFolderError: the archive cannot be read now.
        """
        rows = [row for row in self.rows() if question.keys is None or row.key in question.keys]
        said = [row for row in rows if _holds(row, question.words.casefold().split(), named=question.named)]
        where = question.where if question.named else {name: v for name, v in question.where.items() if name != "when"}
        left = [row for row in said if _passes(row, where)]
        facets = {name: {} if name == "when" and not question.named else _counted(said, where, name) for name in FACETS}
        order = "year" if question.order == "date" and not question.named else question.order
        left.sort(key=_order(order), reverse=question.falling)
        shown = left[question.offset : question.offset + question.limit]
        return Listed(len(left), tuple(shown), facets)

    def of_patient(self, key: str) -> list[ListedStudy]:
        """Return the other studies of a study's patient, the latest first.

        Args:
            key: the study's.

        Returns:
            Them; none where the study is not stored, or its patient is not known.

        Raises:
            IndexFolderError: the archive cannot be read now.
        """
        rows = self.rows()
        patient = next((row.patient for row in rows if row.key == key), "")
        others = [row for row in rows if patient and row.patient == patient and row.key != key]
        return sorted(others, key=lambda row: (row.date or str(row.year or ""), row.key), reverse=True)

    def rows(self) -> list[ListedStudy]:
        """Return every study, in key order. Raises as `ask` does."""
        with self._lock:
            now = (self._session.count(), self._session.editions)
            if self._of != now:
                self._rows, self._of = self._read(), now
            return self._rows

    def _read(self) -> list[ListedStudy]:
        rows = [_listed(case, self._words_of(case)) for case in self._session.each_case()]
        visits = self._visits([row.key for row in rows])
        return [_with_visit(row, *visits.get(row.key, ("", ""))) for row in rows]

    def _visits(self, keys: list[str]) -> dict[str, tuple[str, str]]:
        """Return accession numbers and dates; none where the file that holds them is not here or not for this user."""
        index = self._session.index
        if index is None or not linkage_path(index).exists():
            return {}
        try:
            linkage = LinkageFile(linkage_path(index), read_only=True)
        except (RadseekError, OSError):
            return {}
        try:
            found: dict[str, tuple[str, str]] = {}
            for first in range(0, len(keys), _AT_ONCE):
                found |= linkage.visits(keys[first : first + _AT_ONCE])
            return found
        except RadseekError:
            return {}
        finally:
            linkage.close()


def _listed(case: Case, words: str) -> ListedStudy:
    age, year = case.attributes.get("age"), case.attributes.get("year")
    descriptions = [str(case.attributes.get("description", "")), *(one.description for one in case.series)]
    description = next((text for text in descriptions if text), "")
    kinds = tuple(dict.fromkeys((one.modality, one.body_part) for one in case.series))
    known = (*descriptions, case.attributes.get("manufacturer", ""), year or "", case.key)
    return ListedStudy(
        key=case.key,
        kinds=kinds,
        sex=str(case.attributes.get("sex", "")),
        age=age if isinstance(age, int) else None,
        year=year if isinstance(year, int) else None,
        description=description,
        series=len(case.series),
        slices=sum(one.shape[0] for one in case.series if one.shape),
        has_report=case.report is not None,
        words=" ".join((words, *map(str, known))).casefold(),
        path=case.path or "",
        patient=case.patient_key,
    )


def _with_visit(row: ListedStudy, accession: str, written: str) -> ListedStudy:
    return replace(row, accession=accession, date=day_of(written)) if accession or written else row


def _when(day: str) -> str:
    """Return how long ago a day is; "" where it is none.

    >>> _when("1999-12-31"), _when("")
    ('older', '')
    """
    try:
        ago = date.today() - date.fromisoformat(day)
    except ValueError:
        return ""
    return next((name for days, name in _WHEN if ago <= timedelta(days)), "older")


def _holds(row: ListedStudy, words: Sequence[str], *, named: bool) -> bool:
    text = f"{row.words} {row.accession} {row.path} {row.date}".casefold() if named and words else row.words
    return all(word in text for word in words)


def _passes(row: ListedStudy, where: Mapping[str, Sequence[str]], *, but: str = "") -> bool:
    return all(not values or name == but or row.facet(name) in values for name, values in where.items())


def _counted(rows: Sequence[ListedStudy], where: Mapping[str, Sequence[str]], name: str) -> dict[str, int]:
    """Return how many studies each value of a facet has, under what the other facets say, less the unknown.

    Years fall, how long ago rises; the others are by how many they are of.
    """
    counts = Counter(row.facet(name) for row in rows if _passes(row, where, but=name))
    if name == "when":
        return {value: counts[value] for value in (*(named for _, named in _WHEN), "older") if counts[value]}
    known = sorted((item for item in counts.items() if item[0]), key=lambda item: (-item[1], item[0]))
    return dict(sorted(known, reverse=True) if name == "year" else known)


def _order(name: str) -> Callable[[ListedStudy], tuple[bool, str | int, str]]:
    """Return what rows are sorted by: what is not known comes first of a rising order, ties by key."""

    def of(row: ListedStudy) -> tuple[bool, str | int, str]:
        words = {"kind": row.facet("kind"), "description": row.description.casefold(), "key": row.key, "date": row.date}
        value = words.get(name)
        number = {"year": row.year, "age": row.age, "slices": row.slices}.get(name)
        if value is not None:
            return bool(value), value, row.key
        return number is not None, number or 0, row.key

    return of
