"""BM25 over the keyword index, as FTS5's own `bm25()` computes it, from whole posting lists.

FTS5 computes a score row by row, which takes long for a word that most reports have. Here the rows of a word come in
one step and are kept, and all scores are computed at once, to the same bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.index.catalog.catalog_file import Catalog
from radseek.retrieval.index.catalog.columns import read_columns
from radseek.retrieval.index.catalog.keywords import query_terms, query_words
from radseek.retrieval.index.store import WordStatistics

__all__ = ["KeywordIndex"]

_K1, _B = 1.2, 0.75  # FTS5's constants
_LEAST = 1e-6  # FTS5's weight of a word that more than half of the rows have
_MOST_ROWS = 8_000_000  # of posting lists kept, 16 bytes each
_LAST = "\U0010ffff"


@dataclass(frozen=True, slots=True, eq=False)
class _Postings:
    """Rows that have a word, ascending, and how often."""

    rows: NDArray[np.int64]
    counts: NDArray[np.float64]


class KeywordIndex:
    """The sentences' words; the row ids are those of the sentences. Reads what the catalogue holds when it is made."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        catalog.query("PRAGMA temp_store = MEMORY")
        for table in ("words_seen USING fts5vocab(main, words, instance)", "words_asked USING fts5(body, {})"):
            catalog.query(f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.{table.format(_TOKENS)}")
        catalog.query("CREATE VIRTUAL TABLE IF NOT EXISTS temp.words_of USING fts5vocab(temp, words_asked, row)")
        (rows,), (sizes,) = read_columns(catalog, ["id"], ["hex(sz)"], "words_docsize")
        number = {size: _varint(size) for size in set(sizes)}
        self._sizes = np.zeros(int(rows.max(initial=0)) + 1)
        self._sizes[rows] = [number[size] for size in sizes]
        self._count = len(rows)
        self._kept: dict[tuple[str, bool], _Postings] = {}

    def statistics(self, text: str) -> WordStatistics:
        """Return how many sentences there are, their words, and how many sentences have each word of `text`."""
        return self._statistics(self._found(text))

    def _statistics(self, found: list[_Postings] | None) -> WordStatistics:
        having = None if found is None else tuple(len(one.rows) for one in found)
        return WordStatistics(self._count, float(self._sizes.sum()), having)

    def scores(self, text: str, of: WordStatistics | None = None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the row ids of the sentences that have any of the words of `text`, and their scores, higher better.

        `of`: the statistics of a larger collection that these sentences are part of, in place of their own.
        """
        found = self._found(text)
        if found is None:
            return self._by_fts5(text)
        if of is None or of.having is None or len(of.having) != len(found):
            of = self._statistics(found)
        count, average = of.sentences, of.words / max(1, of.sentences)
        total = np.zeros(len(self._sizes))
        met = np.zeros(len(self._sizes), bool)
        for one, having in zip(found, of.having or (), strict=True):
            weight = math.log((count - having + 0.5) / (having + 0.5))
            weight = weight if weight > 0 else _LEAST
            length = 1 - _B + _B * self._sizes[one.rows] / average
            total[one.rows] += weight * ((one.counts * (_K1 + 1.0)) / (one.counts + _K1 * length))
            met[one.rows] = True
        rows = np.flatnonzero(met)
        return rows, total[rows]

    def _found(self, text: str) -> list[_Postings] | None:
        """Return the rows of each word; None for words that FTS5 takes apart and finds as phrases."""
        with self._catalog.reading():  # one thread at a time: a word is put into a table and read from it again
            terms = [(self._token(word), is_start) for word, is_start in query_terms(text)]
            return [self._postings(*one) for one in terms] if all(token for token, _ in terms) else None

    def _by_fts5(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """As `scores`, for words that FTS5 takes apart and finds as phrases."""
        rows = self._catalog.query("SELECT rowid, -bm25(words) FROM words WHERE words MATCH ?", (query_words(text),))
        return np.array([row for row, _ in rows], np.int64), np.array([score for _, score in rows], np.float64)

    def _token(self, word: str) -> str:
        """Return a word as the keyword index has it: without accents and endings."""
        self._catalog.query("DELETE FROM temp.words_asked")
        self._catalog.query("INSERT INTO temp.words_asked VALUES (?)", (word,))
        tokens = [row[0] for row in self._catalog.query("SELECT term FROM temp.words_of")]
        return str(tokens[0]) if len(tokens) == 1 else ""

    def _postings(self, token: str, is_start: bool) -> _Postings:
        if (token, is_start) not in self._kept:
            end = token + _LAST if is_start else token
            source = "temp.words_seen WHERE term >= ? AND term <= ?"
            (seen,), _ = read_columns(self._catalog, ["doc"], [], source, (token, end))
            seen = np.sort(seen[seen < len(self._sizes)])  # in order already, but for a beginning
            first = np.flatnonzero(np.diff(seen, prepend=-1))
            rows, counts = seen[first], np.diff(first, append=len(seen))
            self._kept[token, is_start] = _Postings(rows, counts.astype(np.float64))
            while len(self._kept) > 1 and sum(len(one.rows) for one in self._kept.values()) > _MOST_ROWS:
                del self._kept[next(iter(self._kept))]
        return self._kept[token, is_start]


_TOKENS = "tokenize = 'porter unicode61'"  # the schema's


def _varint(text: str) -> int:
    """Return SQLite's variable-length number, given in hexadecimal."""
    value = 0
    for byte in bytes.fromhex(text):
        value = (value << 7) | (byte & 0x7F)
    return value
