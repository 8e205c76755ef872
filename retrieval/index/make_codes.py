"""Makes the codes that searching many view vectors begins with, measures them, and compares them with exact search.

It is done where a build or a compaction ends, and not at each commit: learning takes seconds, and what is committed
later is compared in full meanwhile. Codes stay until the views have grown or shrunk by a quarter.
"""

from __future__ import annotations

import logging
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.errors import StorageError
from radseek.retrieval.index.catalog.catalog_file import Catalog
from radseek.retrieval.index.kept_codes import ViewCodes, codes_file, load_codes, read_codes, row_sums, write_codes
from radseek.retrieval.index.snapshot import Snapshot
from radseek.retrieval.index.vectors.approximate_search import (
    FIRST,
    FittedCodes,
    Questions,
    fit_codes,
    left_out_rows,
    text_like,
)
from radseek.retrieval.index.vectors.exact_search import faiss_here
from radseek.retrieval.index.view_search import ViewRows, ViewSearch, place_codes

__all__ = ["compare_codes", "keep_codes", "uncoded"]

_log: Final = logging.getLogger(__name__)

_LEAST: Final = 20_000  # views of a name; fewer are compared in full within a millisecond
_TARGET: Final = 0.995  # share of ten neighbours that codes must find, so that other questions' are over 0.99
_ASKED: Final = 200  # questions of a kind that it is measured by
_FEWEST_SENTENCES: Final = 50  # with fewer, texts are drawn
_CHANGED: Final = 0.25  # share of the views that may come or go before codes are made again
_COMPARED: Final = 32  # questions that `verify` asks both ways
_LOWEST: Final = 0.95  # share found below which they do not agree: so few questions stray by 0.02


@dataclass(frozen=True, slots=True)
class _Texts:
    vectors: NDArray[np.float16]

    def questions(self, rows: NDArray[np.float16]) -> Questions:
        if len(self.vectors) < _FEWEST_SENTENCES:
            return text_like(rows, _ASKED)
        return Questions(self.vectors.astype(np.float32), np.full(len(self.vectors), -1))

    @property
    def origin(self) -> str:
        return "drawn" if len(self.vectors) < _FEWEST_SENTENCES else "sentences"


def keep_codes(path: Path, now: Snapshot) -> None:
    """Make, or make again, the codes of every view name that has many vectors, unless those there still serve.

    Callers hold the writer's lock. A disk without room for them leaves the index without: answers are then exact.
    """
    if faiss_here() is None:
        return
    before = _usable(path, now)
    views, made = [], {}
    texts: _Texts | None = None
    for name in now.view_names():
        rows = now.view_rows(name)
        if len(rows.id) < _LEAST:
            continue
        if name in before and _serves(path, before[name], rows):
            views.append(before[name])
            continue
        texts = texts or _Texts(_sentences(now))
        about, data = _made(name, now, rows, texts)
        views.append(about)
        if about.in_use:
            made[about.sha256] = data
    if views or before:
        _write(path, views, made)


def uncoded(path: Path, catalog: Catalog) -> dict[str, int]:
    """Return the view names with so many views that codes are made of them and none are kept, with their number.

    Nothing is wrong then: answers are exact, and take longer. {} where FAISS is not installed, which makes them.
    """
    if faiss_here() is None:
        return {}
    rows = catalog.query(
        "SELECT v.name, count(*) FROM views v JOIN studies s ON s.id = v.study WHERE s.removed IS NULL GROUP BY v.name"
    )
    try:
        kept = {name for name, one in read_codes(path).items() if one.compacted == int(catalog.setting("compacted"))}
    except ValueError:
        kept = set()
    return {name: count for name, count in sorted(rows) if count >= _LEAST and name not in kept}


def compare_codes(path: Path, now: Snapshot) -> list[str]:
    """Ask some questions by codes and in full; return which view names' codes find too few neighbours."""
    problems = []
    for name, about in _usable(path, now).items():
        if not about.in_use:
            continue
        views = now.view_rows(name)
        try:
            search = ViewSearch(views, place_codes(load_codes(path, about), views))
        except ValueError as error:
            problems.append(f"{error}; answers are exact without them, and `radseek compact` makes them again")
            continue
        found = _agreement(search)
        if found < _LOWEST:
            problems.append(
                f"searching view {name} by its codes finds {found:.3f} of the neighbours that exact search finds; "
                "`radseek compact` makes them again"
            )
    return problems


def _usable(path: Path, now: Snapshot) -> dict[str, ViewCodes]:
    try:
        return {name: one for name, one in read_codes(path).items() if one.compacted == now.compacted}
    except ValueError:
        return {}


def _serves(path: Path, about: ViewCodes, views: ViewRows) -> bool:
    if not about.in_use:
        return abs(len(views.id) - about.rows) <= _CHANGED * about.rows
    try:
        placed = place_codes(load_codes(path, about), views)
    except ValueError:
        return False
    there = int((placed.place >= 0).sum())
    return max(about.rows - there, len(views.id) - there) <= _CHANGED * about.rows


def _sentences(now: Snapshot) -> NDArray[np.float16]:
    """Return some vectors of sentences, each from anywhere in the index."""
    folders = list(now.segments.values())
    counts = np.array([one.info.rows["sentences"] for one in folders], np.int64)
    total = int(counts.sum())
    chosen = np.sort(np.random.default_rng(4).choice(total, min(total, _ASKED), replace=False))
    first = np.cumsum(counts) - counts
    parts = [
        one.picked("sentences", chosen[(chosen >= start) & (chosen < start + count)] - start)
        for one, start, count in zip(folders, first, counts, strict=True)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, 1), np.float16)


def _made(name: str, now: Snapshot, views: ViewRows, texts: _Texts) -> tuple[ViewCodes, NDArray[np.uint8]]:
    order = np.argsort(views.id)
    ids, rows = views.id[order], views.rows(order)
    asked = {"image": left_out_rows(rows, _ASKED), "text": texts.questions(rows)}
    fitted = fit_codes(rows, asked, _TARGET)
    sha256, data = ("", np.zeros(0, np.uint8)) if fitted.codes is None else codes_file(fitted.codes, ids)
    _log.info("codes of %d views %s: %s", len(ids), name, fitted.recall)
    about = _about(name, now, fitted, rows, texts.origin, sha256, data.nbytes)
    return about, data


def _about(
    name: str, now: Snapshot, fitted: FittedCodes, rows: NDArray[np.float16], origin: str, sha256: str, size: int
) -> ViewCodes:
    return ViewCodes(
        view=name,
        generation=now.generation,
        compacted=now.compacted,
        rows=len(rows),
        dim=rows.shape[1],
        columns=fitted.columns,
        factor=fitted.factor,
        recall={kind: round(value, 4) for kind, value in fitted.recall.items()},
        text_from=origin,
        sha256=sha256,
        bytes=size,
        sums=tuple(zlib.crc32(row.tobytes()) for row in rows[row_sums(len(rows))]),
    )


def _write(path: Path, views: list[ViewCodes], made: dict[str, NDArray[np.uint8]]) -> None:
    try:
        write_codes(path, views, made)
    except StorageError as error:
        _log.info("codes of %s are not kept: %s", path, error)


def _agreement(search: ViewSearch) -> float:
    rows = search.views.rows(np.sort(np.random.default_rng(5).choice(len(search.views.id), _COMPARED)))
    everything = np.ones(len(search.views.id), bool)
    found = []
    for query in np.concatenate([rows.astype(np.float32), text_like(rows, _COMPARED).vectors]):
        exact = search.search_all(query, FIRST, everything)[1]
        found.append(float((search.search(query, FIRST, everything)[1] >= exact[-1]).mean()))
    return float(np.mean(found))
