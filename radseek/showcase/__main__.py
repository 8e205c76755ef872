"""The main job from end to end on synthetic scans: `python -m radseek.showcase FOLDER`, which `make demo` runs.

Writes FOLDER/phantoms, FOLDER/archive.index (with its linkage file), FOLDER/report.html and, for one study,
FOLDER/explain.html; nothing is downloaded.
The README's picture is the top of `python -m radseek.showcase FOLDER --phantoms-only`, 1200 pixels wide.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import platform
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from radseek.app.case_images import CaseImages
from radseek.demo.phantoms.write.cohort import write_cohort
from radseek.html.report_cards import CardMaker, case_title
from radseek.html.report_html import NOTICE, write_report
from radseek.html.screen_report import Fact, Page, SearchAnswer, SimilarCase, SkippedGroup, StudyCard
from radseek.index_builder import BuildReport, build_index
from radseek.pictures.slice_pictures import Picture
from radseek.prompts.catalogue import load_set
from radseek.prompts.set_choice import set_for
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import EncoderError
from radseek.retrieval.index.store import Case
from radseek.retrieval.privacy.pseudonyms import load_key
from radseek.retrieval.scoring.score_results import FindingScore
from radseek.retrieval.scoring.text_vectors import TextVectors
from radseek.showcase.showcase_explain import Question, explain_one
from radseek.showcase.showcase_inputs import clear_folder, drawn_findings, shipped_scans, showcase_encoder
from radseek.showcase.showcase_tables import built_table, screen_table, search_tables, similar_table

__all__ = ["MEANINGLESS", "STUDIES", "main", "run_showcase"]

STUDIES = 25
KINDS = "chest_ct,chest_xray,chest_ct,head_ct,brain_mr"  # taken in turns
SEED = 2026
QUERIES = ("pleural effusion", "颅内出血", "no pneumothorax")
MEANINGLESS = "Scores are meaningless: random weights. They show that everything runs, not what is in a scan."
_LEAD = "{}: indexed, screened for findings in words, compared, and searched in English and Chinese."
_PHANTOMS = "A cohort of synthetic scans"
_WITH_SHIPPED = "A cohort of synthetic scans, and the scans that pydicom and nibabel carry in their packages"
_COUNTS = ("files", "studies", "series", "slices", "sentences")
_AMONG = ("report=yes",)  # the scans that packages ship for testing are a few pixels wide and have no reports
_SIMILAR = 3
_FOUND = 4
_VERSIONS = ("radseek", "torch", "open_clip_torch", "pydicom", "nibabel", "faiss-cpu", "numpy")


@dataclass(slots=True)
class _Shown:
    """What has been shown so far, and what the page needs of it."""

    engine: Engine
    cards: CardMaker
    cases: dict[str, Case]
    scores: dict[str, tuple[FindingScore, ...]] = field(default_factory=dict)
    studies: list[StudyCard] = field(default_factory=list)
    query: Case | None = None
    query_picture: Picture | None = None
    similar: list[SimilarCase] = field(default_factory=list)
    searches: list[SearchAnswer] = field(default_factory=list)

    def show(self, table: Table, console: Console) -> None:
        """Print a table of scores, saying so where they mean nothing."""
        if self.engine.encoder.spec.meaningless:
            table.caption = " ".join(str(part) for part in (table.caption, MEANINGLESS) if part)
        console.print(table)


def run_showcase(folder: str | Path, *, studies: int = STUDIES, shipped: bool = True, console: Console) -> Path:
    """Write a cohort, build, screen, compare, search and explain it; return the report's path.

    What an earlier run wrote into `folder` is replaced. `shipped` adds the real scans that pydicom and nibabel carry
    in their packages for testing.
    """
    started = time.monotonic()
    folder = Path(folder)
    clear_folder(folder)
    encoder = showcase_encoder()
    console.print(f"[bold]radseek[/bold]  {NOTICE}")
    if encoder.spec.meaningless:
        console.print(MEANINGLESS, style="bold yellow")
    with console.status("writing a synthetic cohort"):
        write_cohort(folder / "phantoms", KINDS, studies, SEED)
    index, cohort = folder / "archive.index", folder / "phantoms"
    sources = [cohort / "studies", *(shipped_scans() if shipped else ())]
    with console.status("building the index"):
        report = build_index(sources, index, encoder=encoder, reports=cohort / "reports.csv")
    console.print(built_table(report))
    with Engine.open(index, encoder.spec.name) as engine:
        page, question = _ask(engine, index, cohort, report, console)
        if question is not None:
            explained = explain_one(engine, index, question, folder / "explain.html", console)
            console.print(f"{explained} written; {time.monotonic() - started:.0f} s so far. {NOTICE}")
    written = write_report(page, folder / "report.html")
    console.print(f"{written} written; {time.monotonic() - started:.0f} s in all. {NOTICE}")
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with the folder to write into, or `demo-output`; `--phantoms-only` leaves the real scans out."""
    parser = argparse.ArgumentParser(prog="python -m radseek.showcase", description="Show what radseek does.")
    parser.add_argument("folder", nargs="?", default="demo-output", help="the folder to write into")
    parser.add_argument("--phantoms-only", action="store_true", help="leave the real scans out")
    given = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", module=r"pydicom|nibabel|torch|open_clip|timm")
    run_showcase(given.folder, shipped=not given.phantoms_only, console=Console(highlight=False))
    return 0


def _ask(
    engine: Engine, index: Path, cohort: Path, report: BuildReport, console: Console
) -> tuple[Page, Question | None]:
    """Screen, compare and search; return the page, and what to explain: the study that was compared."""
    store, encoder = engine.store, engine.encoder
    if store is None:
        raise EncoderError(f"{index} did not open as an index; run the demonstration again.")
    images = CaseImages(index, load_key())
    try:
        drawn = drawn_findings(cohort)
        cards = CardMaker(store, encoder, TextVectors(encoder), images, drawn)
        shown = _Shown(engine, cards, {case.key: case for case in store.cases()})
        _screen(shown, console)
        _similar(shown, console)
        _search(shown, console)
    finally:
        images.close()
    question = None
    if shown.query is not None and shown.query.path is not None:
        question = Question.of(cohort, shown.query.path, "chest_ct", drawn[shown.query.key])
    return _page(shown, report), question


def _screen(shown: _Shown, console: Console) -> None:
    """Score every study that a shipped set fits; show one of each kind, and one real scan."""
    chosen = _to_show(shown.cases, shown.cards.drawn)
    for key, case in shown.cases.items():
        name = _set_of(case)
        if name is None:
            continue
        shown.scores[key] = shown.engine.screen(key, name).results
        if key in chosen:
            shown.studies.append(shown.cards.study(case, load_set(name), shown.scores[key]))
    shown.studies.sort(key=lambda card: card.title)
    scored = {key: shown.scores[key] for key in chosen}
    shown.show(screen_table(scored, shown.cases, shown.cards.drawn), console)
    console.print(f"{len(shown.scores)} of {len(shown.cases)} studies fit a shipped set of findings and were screened.")


def _similar(shown: _Shown, console: Console) -> None:
    """Find cases like the most difficult chest CT: the one with most findings drawn."""
    drawn = shown.cards.drawn
    chests = [case for key, case in shown.cases.items() if key in drawn and _set_of(case) == "chest_ct"]
    if not chests:
        return
    query = max(chests, key=lambda case: (len(drawn[case.key]), case.path or ""))
    answer = shown.engine.similar(query.key, k=_SIMILAR, where=_AMONG)
    shown.query = query
    shown.similar = [shown.cards.similar(query, row, shown.cases[row.study]) for row in answer.results]
    shown.show(similar_table(answer, shown.cases, query), console)


def _search(shown: _Shown, console: Console) -> None:
    for query in QUERIES:
        answer = shown.engine.search(query, k=_FOUND, where=_AMONG)
        shown.searches.append(shown.cards.search(query, answer))
        for table in search_tables(query, answer, shown.cases):
            shown.show(table, console)


def _page(shown: _Shown, report: BuildReport) -> Page:
    spec = shown.engine.encoder.spec
    query = ""
    if shown.query is not None:
        drawn = ", ".join(name.replace("_", " ") for name in sorted(shown.cards.drawn[shown.query.key]))
        query = f"The query is {case_title(shown.query)} ({shown.query.path}), into which were drawn: {drawn}"
    return Page(
        title="radseek demonstration",
        lead=_LEAD.format(_PHANTOMS if len(shown.cases) == len(shown.cards.drawn) else _WITH_SHIPPED),
        warning=MEANINGLESS if spec.meaningless else "",
        encoder=(
            Fact("encoder", spec.name),
            Fact("vector width", str(spec.dim)),
            Fact("precision", spec.precision),
            Fact("imaging recipe", spec.imaging_hash[:16]),
            Fact("towers", spec.towers_hash[:16]),
            Fact("index generation", str(report.generation)),
        ),
        built=(
            *(Fact(name, f"{getattr(report, name):,}") for name in _COUNTS),
            Fact("skipped", f"{len(report.skipped):,}"),
            Fact("seconds", f"{report.seconds:.1f}"),
        ),
        skipped=_skipped(report),
        studies=tuple(shown.studies),
        query_title=query,
        similar=tuple(shown.similar),
        searches=tuple(shown.searches),
        footer=(
            *(Fact(name, _version(name)) for name in _VERSIONS),
            Fact("python", platform.python_version()),
            Fact("phantom seed", str(SEED)),
        ),
    )


def _to_show(cases: Mapping[str, Case], drawn: Mapping[str, Collection[str]]) -> list[str]:
    """One phantom of each kind, the richest in findings, and the largest real scan that a set fits."""
    best: dict[str, str] = {}
    for key, case in cases.items():
        name = _set_of(case)
        kind = name if key in drawn else "real"
        if name is not None and kind is not None:
            best[kind] = max(best.get(kind, key), key, key=lambda k: _interest(cases[k], drawn))
    return sorted(best.values(), key=lambda key: (key not in drawn, _set_of(cases[key]) or "", key))


def _interest(case: Case, drawn: Mapping[str, Collection[str]]) -> tuple[int, int, str]:
    """Findings drawn, then size, then path: keys differ from user to user and would show each another study."""
    return len(drawn.get(case.key, ())), _size(case), case.path or ""


def _set_of(case: Case) -> str | None:
    return set_for(str(case.attributes.get("modality", "")), str(case.attributes.get("body_part", "")))


def _size(case: Case) -> int:
    shape = case.series[0].shape if case.series else ()
    return shape[-1] * shape[-2] if len(shape) >= 2 else 0


def _skipped(report: BuildReport) -> tuple[SkippedGroup, ...]:
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for line in report.skipped:
        groups[line.reason_code.value].append((line.path, line.message))
    return tuple(
        SkippedGroup(reason, tuple(groups[reason])) for reason in sorted(groups, key=lambda r: -len(groups[r]))
    )


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    sys.exit(main())
