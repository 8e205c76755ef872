"""Approximate search over unit vectors: small codes, all of them scanned, propose the rows that are compared exactly.

Product quantisation with 4 bits a code (Jegou, Douze and Schmid, "Product quantization for nearest neighbor search",
TPAMI 2011), scanned in registers (Andre, Kermarrec and Le Scouarnec, "Cache locality is not enough", VLDB 2015), by
FAISS. Codes only ever propose: what an answer says comes from the rows themselves, so a poor code can lose a row and
never gives it another score. How many are lost is measured when the codes are made, and codes that lose too many are
not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.index.vectors.exact_search import faiss_here, float32_error

__all__ = ["FIRST", "Codes", "FittedCodes", "Questions", "fit_codes", "left_out_rows", "recall", "text_like"]

FIRST: Final = 10  # neighbours whose recall is measured
_CHOICES: Final = (
    (4, (10, 20, 30)),
    (2, (10, 20, 30, 50, 100)),
)  # columns a code stands for, and candidates for each neighbour
_SAMPLE: Final = 20_000  # rows that codes are learned from
_BLOCK: Final = 65_536  # rows widened at a time


@dataclass(frozen=True, slots=True, eq=False)
class Questions:
    """`vectors (Q, D)` float32 to ask, and of each the row that does not count among its neighbours, -1 for none."""

    vectors: NDArray[np.float32]
    without: NDArray[np.int64]


class Codes:
    """Codes of `(N, D)` unit rows, 4 bits for every few columns, in the order of the rows."""

    def __init__(self, index: Any) -> None:
        self._index = index

    @classmethod
    def learn(cls, rows: NDArray[np.float16], columns: int) -> Codes:
        """Learn codes from a sample of `(N, D)` rows and encode all of them; D is a multiple of `columns`."""
        faiss = faiss_here()
        if faiss is None:
            raise ValueError("codes need FAISS")
        count, dim = rows.shape
        index = faiss.IndexPQFastScan(dim, dim // columns, 4, faiss.METRIC_INNER_PRODUCT)
        chosen = np.sort(np.random.default_rng(0).choice(count, min(count, _SAMPLE), replace=False))
        index.train(rows[chosen].astype(np.float32))
        for _, part in _blocks(rows):
            index.add(part)
        return cls(index)

    @classmethod
    def from_bytes(cls, data: NDArray[np.uint8], rows: int, dim: int) -> Codes:
        """Return the codes that `to_bytes` gave. Raises `ValueError` where they are not codes of `rows` such rows."""
        faiss = faiss_here()
        try:
            index = None if faiss is None else faiss.deserialize_index(data)
        except RuntimeError as error:
            raise ValueError(f"FAISS cannot read it ({str(error)[:200]})") from error
        if faiss is None or not isinstance(index, faiss.IndexPQFastScan) or (index.ntotal, index.d) != (rows, dim):
            raise ValueError(f"it is not codes of {rows} rows {dim} wide")
        return cls(index)

    def to_bytes(self) -> NDArray[np.uint8]:
        """Return them as bytes, such as a file holds."""
        faiss = faiss_here()
        found: NDArray[np.uint8] = faiss.serialize_index(self._index) if faiss else np.zeros(0, np.uint8)
        return found

    def candidates(self, query: NDArray[np.floating], count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the `count` rows nearest to `(D,)` by their codes, and how near by those, best first.

        Fewer where there are not as many. Equal rows are equally near.
        """
        asked = np.ascontiguousarray(query, np.float32)[None]
        near, rows = self._index.search(asked, min(count, self._index.ntotal))
        there = rows[0] >= 0
        return rows[0][there].astype(np.int64), near[0][there]


@dataclass(frozen=True, slots=True, eq=False)
class FittedCodes:
    """Codes with what was measured of them: `factor` candidates for each neighbour give `recall` by kind of question.

    `codes` is None where no choice reached the target: `recall` is then the best choice's.
    """

    codes: Codes | None
    columns: int
    factor: int
    recall: Mapping[str, float]


def fit_codes(rows: NDArray[np.float16], asked: Mapping[str, Questions], target: float) -> FittedCodes:
    """Return the first codes, and the fewest candidates, of which every kind of question finds its ten neighbours.

    Args:
        rows: `(N, D)` unit rows.
        asked: questions by kind.
        target: the mean share of the ten to be found, for each kind; 0 to 1.

    Returns:
        The codes, or None for them where D suits none or no choice reaches the target.
    """
    tenth = {kind: _tenth_best(rows, questions) for kind, questions in asked.items()}
    best = FittedCodes(None, 0, 0, {})
    for columns, factors in _CHOICES:
        if rows.shape[1] % columns:
            continue
        codes = Codes.learn(rows, columns)
        of_kind = {kind: _found(codes, rows, one, tenth[kind], factors) for kind, one in asked.items()}
        for place, factor in enumerate(factors):
            found = {kind: float(shares[place]) for kind, shares in of_kind.items()}
            if min(found.values()) >= target:
                return FittedCodes(codes, columns, factor, found)
            if not best.recall or min(found.values()) > min(best.recall.values()):
                best = FittedCodes(None, columns, factor, found)
    return best


def recall(codes: Codes, rows: NDArray[np.float16], questions: Questions, factor: int) -> float:
    """Return the mean share of each question's ten nearest rows that are among `10 * factor` candidates, 0 to 1.

    A row as near as the tenth counts as well as the tenth, so that equal rows do not lower it.
    """
    return float(_found(codes, rows, questions, _tenth_best(rows, questions), (factor,))[0])


def left_out_rows(rows: NDArray[np.float16], count: int) -> Questions:
    """Return some of the rows themselves as questions, as a study that is compared with all others."""
    chosen = _some(rows, count, seed=1)
    return Questions(rows[chosen].astype(np.float32), chosen)


def text_like(rows: NDArray[np.float16], count: int) -> Questions:
    """Return questions that lie away from all rows, as texts do from images (Liang et al., "Mind the gap", 2022).

    Each has a cosine of about 0.3 with one of the rows; the rest of it is half common to all and half its own.
    """
    chosen, rng = _some(rows, count, seed=2), np.random.default_rng(3)
    common, own = (
        _unit(rng.standard_normal((1, rows.shape[1]))),
        _unit(rng.standard_normal((len(chosen), rows.shape[1]))),
    )
    vectors = _unit(0.3 * rows[chosen].astype(np.float64) + 0.67 * common + 0.67 * own)
    return Questions(vectors.astype(np.float32), np.full(len(chosen), -1))


def _some(rows: NDArray[np.float16], count: int, seed: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(len(rows), min(count, len(rows)), replace=False))


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return found


def _blocks(rows: NDArray[np.float16]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    for start in range(0, len(rows), _BLOCK):
        yield start, rows[start : start + _BLOCK].astype(np.float32)


def _tenth_best(rows: NDArray[np.float16], questions: Questions) -> NDArray[np.float32]:
    """Return the product of each question with its tenth nearest row, less what float32 may be off."""
    count = len(questions.vectors)
    best = np.full((count, FIRST), -np.inf, np.float32)
    for start, part in _blocks(rows):
        products = questions.vectors @ part.T
        inside = np.flatnonzero((questions.without >= start) & (questions.without < start + len(part)))
        products[inside, questions.without[inside] - start] = -np.inf
        best = np.partition(np.hstack([best, products]), -FIRST, axis=1)[:, -FIRST:]
    slack = np.array([2 * float32_error(one) for one in questions.vectors], np.float32)
    found: NDArray[np.float32] = best.min(axis=1) - slack
    return found


def _found(
    codes: Codes,
    rows: NDArray[np.float16],
    questions: Questions,
    tenth: NDArray[np.float32],
    factors: Sequence[int],
) -> NDArray[np.float64]:
    """Return the share of ten neighbours found, for each number of candidates: those of fewer are the first of more."""
    hits = np.zeros(len(factors))
    for query, without, least in zip(questions.vectors, questions.without, tenth, strict=True):
        proposed, _ = codes.candidates(query, FIRST * max(factors) + 1)
        proposed = proposed[proposed != without]
        near = np.cumsum(rows[proposed].astype(np.float32) @ query >= least)
        hits += [min(FIRST, int(near[: FIRST * factor][-1])) if len(near) else 0 for factor in factors]
    found: NDArray[np.float64] = hits / (FIRST * max(len(questions.vectors), 1))
    return found
