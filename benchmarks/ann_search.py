"""Searching 1e5 and 1e6 vectors of 512 columns: our codes beside what other libraries do with the same float32 rows.

    python -m benchmarks.ann_search --count 100000            # one thread each; peers that are installed
    python -m benchmarks.ann_search --count 1000000 --peers faiss

Rows lie in 1,000 clusters. Image questions are drawn as the rows are; text questions lie away from all of them, with a
cosine of about 0.3 with one (`text_like`). Recall is of the ten nearest by float32 products of the float16 rows. Build
seconds include what each needs before its first answer; ours include measuring recall. Times are the processor's, of
all threads together, which on one thread and a quiet machine are the wall's. Of over 100,000 rows no graph is built:
that takes many minutes.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.index.kept_codes import KeptCodes, ViewCodes, codes_file
from radseek.retrieval.index.vectors.approximate_search import fit_codes, left_out_rows, text_like
from radseek.retrieval.index.view_search import PlacedCodes, ViewSearch

DIM, FIRST, CLUSTERS = 512, 10, 1000
TARGET = 0.995  # as an index asks for
GRAPHS_TO = 100_000  # rows; a graph of more takes over two minutes on one thread
TOTAL = 10_000  # questions in the last column, at the median time of one

Search = Callable[[NDArray[np.float32]], NDArray[np.integer]]


@dataclass
class Row:
    name: str
    build: float
    held: float  # bytes a vector that an answer needs, the rows themselves included
    search: Search


class Rows:
    """Stands for the index's views: `N` rows in memory, a study each."""

    def __init__(self, rows: NDArray[np.float16]) -> None:
        self.id = self.owner = self.place = np.arange(len(rows))
        self._rows = rows

    def rows(self, of: NDArray[np.int64]) -> NDArray[np.float16]:
        return self._rows[of]


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def clustered(count: int, seed: int) -> NDArray[np.float16]:
    centres = unit(np.random.default_rng(0).standard_normal((CLUSTERS, DIM), np.float32))
    rng, rows = np.random.default_rng([1, seed]), np.empty((count, DIM), np.float16)
    for start in range(0, count, 100_000):
        size = min(100_000, count - start)
        noise = rng.standard_normal((size, DIM), np.float32) / np.float32(np.sqrt(DIM))
        rows[start : start + size] = unit(centres[rng.integers(0, CLUSTERS, size)] + np.float32(0.8) * noise)
    return rows


def truth(rows: NDArray[np.float16], questions: NDArray[np.float32]) -> NDArray[np.int64]:
    scores = np.empty((len(questions), len(rows)), np.float32)
    for start in range(0, len(rows), 65_536):
        scores[:, start : start + 65_536] = questions @ rows[start : start + 65_536].astype(np.float32).T
    return np.argpartition(-scores, FIRST, axis=1)[:, :FIRST]


def ours(rows: NDArray[np.float16]) -> Row:
    started = time.process_time()
    asked = {"image": left_out_rows(rows, 200), "text": text_like(rows, 200)}
    fitted = fit_codes(rows, asked, TARGET)
    if fitted.codes is None:
        raise SystemExit(f"no codes reach {TARGET}: {dict(fitted.recall)}")
    ids = np.arange(len(rows))
    sha256, data = codes_file(fitted.codes, ids)
    about = ViewCodes(
        "all", 1, 0, len(rows), DIM, fitted.columns, fitted.factor, fitted.recall, "drawn", sha256, data.nbytes, ()
    )
    search = ViewSearch(Rows(rows), PlacedCodes(KeptCodes(about, fitted.codes, ids), ids))  # type: ignore[arg-type]
    build, allowed = time.process_time() - started, np.ones(len(rows), bool)
    held = data.nbytes / len(rows) + 2 * DIM
    name = f"radseek: 4-bit codes of {fitted.columns} columns, {fitted.factor} candidates each, rows re-scored"
    return Row(name, build, held, lambda query: search.search(query, FIRST, allowed)[0])


def exact(rows: NDArray[np.float16]) -> Row:
    started = time.process_time()
    search, allowed = ViewSearch(Rows(rows), None), np.ones(len(rows), bool)  # type: ignore[arg-type]
    search.search_all(np.ones(DIM, np.float32), FIRST, allowed)
    build = time.process_time() - started
    return Row("radseek: exact, float16", build, 2 * DIM, lambda query: search.search_all(query, FIRST, allowed)[0])


def faiss_flat(rows: NDArray[np.float16]) -> Iterator[Row]:
    import faiss

    faiss.omp_set_num_threads(1)
    started = time.process_time()
    index = faiss.IndexFlatIP(DIM)
    for start in range(0, len(rows), 65_536):
        index.add(rows[start : start + 65_536].astype(np.float32))
    yield Row(
        "faiss Flat", time.process_time() - started, 4 * DIM, lambda query: index.search(query[None], FIRST)[1][0]
    )


def faiss_hnsw(rows: NDArray[np.float16]) -> Iterator[Row]:
    import faiss

    faiss.omp_set_num_threads(1)
    if len(rows) > GRAPHS_TO:
        return
    started = time.process_time()
    index = faiss.IndexHNSWFlat(DIM, 32, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 40
    index.add(rows.astype(np.float32))
    build, held = time.process_time() - started, faiss.serialize_index(index).nbytes / len(rows)
    for wide in (64, 256):

        def search(query: NDArray[np.float32], wide: int = wide) -> NDArray[np.integer]:
            index.hnsw.efSearch = wide
            return index.search(query[None], FIRST)[1][0]

        yield Row(f"faiss HNSW32, efSearch {wide}", build, held, search)


def usearch(rows: NDArray[np.float16]) -> Iterator[Row]:
    from usearch.index import Index

    if len(rows) > GRAPHS_TO:
        return
    started = time.process_time()
    index = Index(ndim=DIM, metric="ip", dtype="f16", connectivity=16)
    index.add(np.arange(len(rows)), rows, threads=1)
    build, held = time.process_time() - started, index.memory_usage / len(rows)
    for wide in (64, 256):

        def search(query: NDArray[np.float32], wide: int = wide) -> NDArray[np.integer]:
            index.expansion_search = wide
            return index.search(query, FIRST, threads=1).keys.astype(np.int64)

        yield Row(f"usearch HNSW f16, expansion {wide}", build, held, search)


def hnswlib(rows: NDArray[np.float16]) -> Iterator[Row]:
    import hnswlib as library

    if len(rows) > GRAPHS_TO:
        return
    started = time.process_time()
    index = library.Index(space="ip", dim=DIM)
    index.init_index(max_elements=len(rows), M=16, ef_construction=100)
    index.add_items(rows.astype(np.float32), num_threads=1)
    build = time.process_time() - started
    for wide in (64, 256):

        def search(query: NDArray[np.float32], wide: int = wide) -> NDArray[np.integer]:
            index.set_ef(wide)
            return index.knn_query(query, FIRST, num_threads=1)[0][0].astype(np.int64)

        yield Row(f"hnswlib M16, ef {wide}", build, 4 * DIM + 2 * 16 * 4, search)


def qdrant(rows: NDArray[np.float16]) -> Iterator[Row]:
    from qdrant_client import QdrantClient, models

    if len(rows) > GRAPHS_TO:
        return
    started = time.process_time()
    client = QdrantClient(":memory:")
    client.create_collection("a", models.VectorParams(size=DIM, distance=models.Distance.DOT))
    client.upload_collection("a", rows.astype(np.float32), ids=range(len(rows)))
    build = time.process_time() - started

    def search(query: NDArray[np.float32]) -> NDArray[np.integer]:
        return np.array([point.id for point in client.query_points("a", query.tolist(), limit=FIRST).points])

    yield Row("qdrant-client, local", build, 4 * DIM, search)


def lancedb(rows: NDArray[np.float16]) -> Iterator[Row]:
    import lancedb as library
    import pyarrow as pa

    folder = Path(tempfile.mkdtemp(prefix="radseek-lance-"))
    try:
        started = time.process_time()
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.astype(np.float32).ravel()), DIM)
        data = pa.table({"id": pa.array(np.arange(len(rows))), "vector": vectors})
        table = library.connect(folder).create_table("a", data)
        table.create_index(metric="dot", num_partitions=256, num_sub_vectors=DIM // 16, vector_column_name="vector")
        build = time.process_time() - started
        held = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / len(rows)
        for probes, factor in ((20, 10), (64, 50)):

            def search(query: NDArray[np.float32], probes: int = probes, factor: int = factor) -> NDArray[np.integer]:
                asked = table.search(query).distance_type("dot").nprobes(probes).refine_factor(factor)
                return asked.select(["id"]).limit(FIRST).to_arrow()["id"].to_numpy()

            yield Row(f"lancedb IVF256,PQ32, {probes} probes, refined {factor} times", build, held, search)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


PEERS: dict[str, Callable[[NDArray[np.float16]], Iterator[Row]]] = {
    "faiss": faiss_flat,
    "hnsw": faiss_hnsw,
    "usearch": usearch,
    "hnswlib": hnswlib,
    "qdrant": qdrant,
    "lancedb": lancedb,
}


def measure(
    row: Row, asked: dict[str, tuple[NDArray[np.float32], NDArray[np.int64]]], limit: int = 200
) -> tuple[float, float, float]:
    """Return recall for images and texts, and the median milliseconds of a question."""
    recall, seconds = {}, []
    for kind, (questions, nearest) in asked.items():
        hits = 0
        for query, best in zip(questions[:limit], nearest, strict=False):
            started = time.process_time()
            found = row.search(query)
            seconds.append(time.process_time() - started)
            hits += len(set(np.asarray(found).tolist()) & set(best.tolist()))
        recall[kind] = hits / (FIRST * min(limit, len(questions)))
    return recall["image"], recall["text"], 1000 * float(np.median(seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=100, help="of each kind")
    parser.add_argument("--peers", default=",".join(PEERS))
    chosen = parser.parse_args()
    rows = clustered(chosen.count, 0)
    images = clustered(chosen.questions, 1).astype(np.float32)
    texts = text_like(clustered(chosen.questions, 2), chosen.questions).vectors
    asked = {"image": (images, truth(rows, images)), "text": (texts, truth(rows, texts))}
    print(f"{chosen.count} x {DIM}, {chosen.questions} questions a kind, one thread, processor times\n")
    print("| what | recall@10 image | text | p50 ms | bytes a vector | build s | and 10,000 questions, s |")
    print("|---" * 7 + "|")
    print_row(ours(rows), asked)
    print_row(exact(rows), asked)
    for name in filter(None, chosen.peers.split(",")):
        try:
            for row in PEERS[name](rows):
                print_row(row, asked)
        except ImportError:
            print(f"| {name} | not installed here |")


def print_row(row: Row, asked: dict[str, tuple[NDArray[np.float32], NDArray[np.int64]]]) -> None:
    image, text, ms = measure(row, asked)
    total = row.build + TOTAL * ms / 1000
    cells = (
        row.name,
        f"{image:.3f}",
        f"{text:.3f}",
        f"{ms:.2f}",
        f"{row.held:.0f}",
        f"{row.build:.1f}",
        f"{total:.0f}",
    )
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
