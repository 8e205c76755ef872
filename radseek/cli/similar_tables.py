"""How `radseek similar` shows its answer: the nearest cases, and two lists side by side where a contrast was asked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from radseek.cli.asked_indexes import place
from radseek.cli.console import errors, number, numbers_apart, print_lines, print_table
from radseek.retrieval.search.ranking import Match
from radseek.retrieval.search.search_results import Contrast, ContrastRow, SimilarResult, SimilarRow

__all__ = ["print_similar"]

_REPORT = 120  # characters of a report shown
_SENTENCE = 70
_KINDS = {True: "other", False: "same", None: "unknown"}  # modality and body part, against the query's


def print_similar(result: SimilarResult, target: str) -> None:
    """Print the cases most like a target, and the contrast where there is one."""
    asked = target
    if result.query.get("mask"):
        mask = result.query["mask"]
        first, last = mask["slices"]
        asked = f"'{mask['label']}' of {target} (slices {first + 1} to {last + 1})"
        for caveat in mask["caveats"]:
            errors.print(f"mask: {caveat}", markup=False, soft_wrap=True)
    title = f"Cases most like {asked}"
    if result.nothing_close_enough is not None:
        print_lines(title, [result.nothing_close_enough.note])
    elif not result.results:
        print_lines(title, ["No case."])
    else:
        columns = ["", "study", "score", "kind", "slices (query:case)", "report"]
        shown = numbers_apart([row.score for row in result.results])
        print_table(title, columns, [_line(row, score) for row, score in zip(result.results, shown, strict=True)])
    if result.contrast is not None:
        _print_contrast(result.contrast)


def _line(row: SimilarRow, score: str) -> list[object]:
    report = _short(row.report, _REPORT)
    return [row.rank, f"{place(row)}{_same(row)}", score, _KINDS[row.other_kind], _matches(row.matches), report]


def _same(row: SimilarRow) -> str:
    """Say that a case is a copy of the query, and how many others hold the same images."""
    own = " (a copy of what was asked)" if row.is_copy else ""
    return f"{own} (and {len(row.copies)} with the same images)" if row.copies else own


def _print_contrast(contrast: Contrast) -> None:
    name = contrast.name["en"]
    sides = [_side(contrast.present), _side(contrast.absent)]
    nobody = ["", "", ""]
    rows = [[rank, *one, *other] for rank, (one, other) in enumerate(zip_longest(*sides, fillvalue=nobody), 1)]
    columns = ["", f"with {name}", "score", "because", f"without {name}", "score", "because"]
    print_table(f"Nearest with and without {name}", columns, rows)
    for side, found in (("with", contrast.present), ("without", contrast.absent)):
        if not found:
            errors.print(f"No case {side} {name} among {contrast.looked_at} looked at.", markup=False)
    if contrast.neither:
        words = "say neither: no report that decides, and no calibrated score"
        errors.print(f"{contrast.neither} of {contrast.looked_at} cases {words}.", markup=False)


def _side(rows: Sequence[ContrastRow]) -> list[list[str]]:
    scores = numbers_apart([row.case.score for row in rows])
    return [_cells(row, score) for row, score in zip(rows, scores, strict=True)]


def _cells(row: ContrastRow, score: str) -> list[str]:
    report = f"report: {_short(row.sentence, _SENTENCE)}"
    why = report if row.source == "report" else f"score: p {number(row.probability, 2)}"
    other = " (other kind)" if row.case.other_kind else ""
    return [f"{row.case.path or row.case.study}{other}", score, why]


def _matches(matches: Sequence[Match]) -> str:
    return " ".join(f"{match.query_slice + 1}:{match.case_slice + 1}" for match in matches[:3])


def _short(text: str | None, length: int) -> str:
    line = " ".join((text or "").split())
    return line if len(line) <= length else line[: length - 1] + "…"
