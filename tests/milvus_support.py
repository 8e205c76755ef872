"""Milvus for tests: milvus-lite where it is installed, and a stand-in of a few lines that reads the same filters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from radseek.retrieval.index.milvus import milvus_search, milvus_store
from radseek.retrieval.index.milvus.filter_compiler import MilvusFilter
from radseek.retrieval.index.milvus.view_collection import ViewCollection

KINDS = ("stand-in", "milvus-lite")
NEEDS_LITE = "pymilvus and milvus-lite are not installed: pip install 'radseek[milvus]', or `make milvus`"
_PART = re.compile(
    r"ARRAY_CONTAINS_ANY\((?P<array>\w+), \{(?P<any>\w+)\}\)|(?P<field>\w+) (?P<sign>==|in|>=|<=) \{(?P<p>\w+)\}"
)


def lets_through(condition: MilvusFilter, row: dict[str, Any]) -> bool:
    """Say whether a row passes a compiled filter, as Milvus' manual says of these operators; null passes none."""
    return all(_passes(part, condition.params, row) for part in condition.expression.split(" and "))


def _passes(part: str, params: Any, row: dict[str, Any]) -> bool:
    found = _PART.fullmatch(part)
    assert found is not None, part
    if found["array"]:
        return bool(set(row[found["array"]]) & set(params[found["any"]]))
    value, other = row[found["field"]], params[found["p"]]
    if value is None:
        return False
    if found["sign"] == "in":
        return value in other
    return bool({"==": value == other, ">=": value >= other, "<=": value <= other}[found["sign"]])


class StandIn:
    """Does what `ViewCollection` does, in memory; what is pushed to an address stays there until `forget`."""

    places: ClassVar[dict[tuple[str, str], dict[int, dict[str, Any]]]] = {}

    def __init__(self, uri: str, name: str) -> None:
        self.uri, self.name, self.asked = uri, name, 0

    def close(self) -> None: ...

    def flush(self) -> None: ...

    def load(self) -> None: ...

    @property
    def rows(self) -> dict[int, dict[str, Any]]:
        return self.places[self.uri, self.name]

    def exists(self) -> bool:
        return (self.uri, self.name) in self.places

    require = ViewCollection.require

    def make(self, dim: int, index_type: str) -> None:
        self.places[self.uri, self.name] = {-1: {"dim": dim}}

    def drop(self) -> None:
        del self.places[self.uri, self.name]

    def dim(self) -> int:
        return int(self.rows[-1]["dim"])

    def stamp(self) -> str:
        return str(self.rows.get(0, {"stamp": ""})["stamp"])

    def write_stamp(self, stamp: str, dim: int) -> None:
        self.rows[0] = {"stamp": stamp}

    def marks(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        found = sorted((row["id"], row["mark"]) for number, row in self.rows.items() if number > 0)
        ids, marks = np.array(found, np.int64).reshape(-1, 2).T
        return ids, marks

    def insert(self, rows: list[dict[str, Any]]) -> None:
        assert not {row["id"] for row in rows} & set(self.rows)
        self.rows.update({row["id"]: row for row in rows})

    def delete(self, ids: NDArray[np.int64]) -> None:
        for number in ids.tolist():
            del self.rows[number]

    def search(self, queries: NDArray[np.float32], limit: int, condition: MilvusFilter) -> list[Any]:
        self.asked += 1
        rows = [row for number, row in self.rows.items() if number > 0 and lets_through(condition, row)]
        if not rows:
            return [(np.zeros(0, np.int64), np.zeros(0, np.float32)) for _ in queries]
        ids, vectors = np.array([row["id"] for row in rows], np.int64), np.stack([row["vector"] for row in rows])
        found = []
        for query in queries:
            scores = vectors @ query
            best = np.argsort(-scores, kind="stable")[:limit]
            found.append((ids[best], scores[best]))
        return found


@contextmanager
def milvus_of(kind: str, folder: Path) -> Iterator[str]:
    """The address of an empty Milvus that is asked however few the views are; skips where its package is lacking."""
    if kind == "milvus-lite" and (find_spec("pymilvus") is None or find_spec("milvus_lite") is None):
        pytest.skip(NEEDS_LITE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(milvus_search, "_FEW", 0)
        if kind == "stand-in":
            patch.setattr(milvus_store, "ViewCollection", StandIn)
        else:
            patch.setattr(ViewCollection, "asked", 0, raising=False)
            patch.setattr(ViewCollection, "search", counted(ViewCollection.search))
        try:
            yield str(folder / "milvus.db")
        finally:
            StandIn.places.clear()


def counted(search: Any) -> Any:
    def called(self: Any, *given: Any) -> Any:
        self.asked += 1
        return search(self, *given)

    return called


__all__ = ["KINDS", "StandIn", "lets_through", "milvus_of"]
