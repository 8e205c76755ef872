"""Does late interaction over slices order similar cases better than pooled vectors do?

    python -m benchmarks.rerank_gain [--folder /tmp/radseek-pooling] [--count 120] [--model builtin]

Fresh phantoms ask for one another, kind by kind: a case is as relevant as the share of findings that both have
(Jaccard; two without any share all). Pooled: a query's mean over its views of the cosine of pooled vectors. Late
interaction: `mean_i max_j q_i . d_j` over slices of one view, likewise (DESIGN section 7). nDCG@10 and recall@10 of
both, their difference with a 95 % interval over queries, and how long 200 candidates of 64 slices take.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.pooling_volumes import KINDS, PhantomVolume, plan, volume
from radseek.retrieval.encoders.encode_series import encode_padded, pool_view
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.evaluation.patient_draws import mean_estimates, patient_draws
from radseek.retrieval.evaluation.ranked_relevance import label_relevance, ndcg_at, rank_relevance, recall_at

Slices = dict[str, NDArray[np.float32]]  # of each view


def encoded(encoder: Any, one: PhantomVolume, cache: Path) -> Slices:
    """Return a volume's slice vectors `(N, D)` by view, kept beside it."""
    path = cache / f"{one.kind}-{one.seed}-{encoder.spec.towers_hash[:8]}.npz"
    if not path.is_file():
        slices = np.repeat(one.slices[:, None], 3, axis=1)
        rows = encode_padded(encoder, slices)
        np.savez(path, **{name: rows[start:end] for name, start, end in one.views})
    with np.load(path) as kept:
        return {name: kept[name].astype(np.float32) for name in kept.files}


def pooled_alike(encoder: Any, cases: list[Slices]) -> NDArray[np.float64]:
    """Return the mean over views of cosines of pooled vectors, `(N, N)`."""
    out = np.zeros((len(cases), len(cases)))
    for name in cases[0]:
        rows = np.stack([pool_view(encoder, case[name].astype(np.float16)) for case in cases]).astype(np.float64)
        out += rows @ rows.T
    return out / len(cases[0])


def late_alike(cases: list[Slices]) -> NDArray[np.float64]:
    """Return the mean over views of `mean_i max_j q_i . d_j`, `(N, N)`: of row's slices among column's."""
    out = np.zeros((len(cases), len(cases)))
    for name in cases[0]:
        ends = np.cumsum([0, *(len(case[name]) for case in cases)])
        every = np.concatenate([case[name] for case in cases])
        for row, case in enumerate(cases):
            best = np.maximum.reduceat(case[name] @ every.T, ends[:-1], axis=1)
            out[row] += best.mean(axis=0)
    return out / len(cases[0])


def measures(labels: NDArray[Any], alike: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return nDCG@10 and recall@10 of every query, `(N, 2)`."""
    ranked = rank_relevance(alike, label_relevance(labels), np.eye(len(labels), dtype=bool))
    return np.stack([ndcg_at(ranked, 10), recall_at(ranked, 10)], axis=1)


def latency(dim: int, cases: int = 200, slices: int = 64) -> float:
    """Return milliseconds that one query of `slices` takes against as many of each of `cases`, the median of 21."""
    rng = np.random.default_rng(0)
    query = rng.standard_normal((slices, dim)).astype(np.float32)
    kept = rng.standard_normal((cases * slices, dim)).astype(np.float16)
    ends = np.arange(cases) * slices
    taken = []
    for _ in range(21):
        start = time.perf_counter()
        np.maximum.reduceat(query @ kept.astype(np.float32).T, ends, axis=1).mean(axis=0)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken)) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/radseek-pooling"))
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--model", default="builtin")
    asked = parser.parse_args()
    encoder = load_encoder(asked.model)
    kept = [volume(asked.folder, kind, seed) for kind, seed in plan("test", asked.count)]
    found: dict[str, Any] = {}
    values: list[NDArray[np.float64]] = []
    for kind in KINDS:
        of_kind = [one for one in kept if one.kind == kind]
        names = sorted({name for one in of_kind for name in one.labels})
        labels = np.array([[one.labels.get(name, -1) for name in names] for one in of_kind])
        cases = [encoded(encoder, one, asked.folder) for one in of_kind]
        shared = sorted(set.intersection(*(set(case) for case in cases)))
        cases = [{name: case[name] for name in shared} for case in cases]
        both = [measures(labels, alike) for alike in (pooled_alike(encoder, cases), late_alike(cases))]
        values.append(np.hstack([*both, both[1] - both[0]]))
        found[kind] = _row(values[-1])
    found["all"] = _row(np.concatenate(values))
    found["200 cases of 64 slices, ms"] = round(latency(encoder.spec.dim), 1)
    print(json.dumps(found, indent=1))


def _row(values: NDArray[np.float64]) -> dict[str, str]:
    titles = ("pooled nDCG@10", "pooled recall@10", "late nDCG@10", "late recall@10", "gain nDCG@10", "gain recall@10")
    draws = patient_draws([str(n) for n in range(len(values))])
    estimates = [*mean_estimates(values[:, :4], draws), *mean_estimates(values[:, 4:], draws, "difference")]
    return {title: str(one) for title, one in zip(titles, estimates, strict=True)}


if __name__ == "__main__":
    main()
