"""One Milvus collection: the views of one index, and a row without a view that says which state of it they are."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.errors import MissingExtraError, UnreachableError, UsageError
from radseek.retrieval.index.catalog.where import NUMBERS, SERIES_FIELDS
from radseek.retrieval.index.milvus.filter_compiler import MilvusFilter
from radseek.retrieval.index.milvus.view_rows import TEXT_FIELDS

if TYPE_CHECKING:
    from pymilvus import MilvusClient

__all__ = ["MOST_FOUND", "TOKEN", "NearIds", "ViewCollection", "collection_name"]

TOKEN: Final = "RADSEEK_MILVUS_TOKEN"  # noqa: S105 - the variable's name
MOST_FOUND = 16_384  # rows that Milvus gives to one query
_STAMP_ROW = 0  # SQLite's row numbers begin at 1
_TIMEOUT = 60.0  # seconds that an answer may take
_LONGEST = 65_535  # bytes of a text, Milvus' own limit
_MOST_SERIES = 4096  # different values that the series of a study may have, Milvus' own limit
_STRONG: Final = {"consistency_level": "Strong"}  # what was written before is seen

NearIds = tuple[NDArray[np.int64], NDArray[np.float32]]  # row numbers of views and their inner products, best first


def collection_name(index: Path) -> str:
    """Return what the collection of an index folder is called: `radseek_archive_index` of `archive.index`."""
    return "radseek_" + re.sub(r"\W", "_", index.absolute().name, flags=re.ASCII)


class ViewCollection:
    """Speaks with Milvus; nothing else here does. What fails there is raised as `UnreachableError`."""

    def __init__(self, uri: str, name: str) -> None:
        """Connect; the token is that of the variable `RADSEEK_MILVUS_TOKEN`, `user:password` or an API key.

        Raises `MissingExtraError` without pymilvus, `UnreachableError` where nothing answers.
        """
        self.uri, self.name = uri, name
        client = _client_type(uri)
        with self._speaking():
            self._client: MilvusClient = client(uri=uri, token=os.environ.get(TOKEN, ""), timeout=_TIMEOUT)
            self._takes_params = not self._client.get_server_version().startswith("milvus_lite")

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def exists(self) -> bool:
        """Say whether the collection is there."""
        with self._speaking():
            return bool(self._client.has_collection(self.name))

    def load(self) -> None:
        """Have the collection ready to be asked, as it is not in a server that started again."""
        with self._speaking():
            self._client.load_collection(self.name)

    def require(self) -> None:
        """Raise `UsageError` unless the collection is there; load it."""
        if not self.exists():
            raise UsageError(
                f"There is no collection {self.name} at {self.uri}; make it with `radseek milvus push INDEX --uri URI`."
            )
        self.load()

    def make(self, dim: int, index_type: str) -> None:
        """Make the collection, empty, and load it.

        A search asks for views of one name, so that name is the partition key: other partitions are not looked at.
        """
        from pymilvus import DataType, MilvusClient

        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("mark", DataType.INT64)
        schema.add_field("view", DataType.VARCHAR, max_length=_LONGEST, is_partition_key=True)
        for field in SERIES_FIELDS:
            several: dict[str, Any] = {"element_type": DataType.VARCHAR, "max_capacity": _MOST_SERIES}
            schema.add_field(field, DataType.ARRAY, max_length=_LONGEST, **several)
        for field in TEXT_FIELDS:
            schema.add_field(field, DataType.VARCHAR, max_length=_LONGEST, nullable=True)
        for field in NUMBERS:
            schema.add_field(field, DataType.DOUBLE, nullable=True)
        schema.add_field("stamp", DataType.VARCHAR, max_length=_LONGEST)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
        index = MilvusClient.prepare_index_params()
        # Not COSINE: rows are of unit length but for their rounding, and the inner product is what is scored with.
        index.add_index("vector", index_type=index_type, metric_type="IP")
        with self._speaking():
            self._client.create_collection(self.name, schema=schema, index_params=index, **_STRONG)

    def drop(self) -> None:
        """Delete the collection."""
        with self._speaking():
            self._client.drop_collection(self.name)

    def dim(self) -> int:
        """Return how wide its vectors are. Raises `UsageError` where it is not one of ours."""
        with self._speaking():
            fields = {one["name"]: one for one in self._client.describe_collection(self.name)["fields"]}
        if not {"id", "mark", "view", "stamp", "vector"} <= set(fields):
            raise UsageError(f"The collection {self.name} at {self.uri} is not radseek's; rename the index folder.")
        return int(fields["vector"]["params"]["dim"])

    def stamp(self) -> str:
        """Return the stamp as it is now; "" without one."""
        with self._speaking():
            rows = self._client.get(self.name, ids=[_STAMP_ROW], output_fields=["stamp"], timeout=_TIMEOUT, **_STRONG)
        return str(rows[0]["stamp"]) if rows else ""

    def write_stamp(self, stamp: str, dim: int) -> None:
        """Replace the stamp."""
        row: dict[str, Any] = {field: [] for field in SERIES_FIELDS} | dict.fromkeys((*TEXT_FIELDS, *NUMBERS))
        row |= {"id": _STAMP_ROW, "mark": 0, "view": "", "stamp": stamp, "vector": np.eye(1, dim, dtype=np.float32)[0]}
        with self._speaking():
            self._client.upsert(self.name, [row], timeout=_TIMEOUT)

    def marks(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the row numbers of all views that are there, ascending, and their marks."""
        found = [np.zeros((0, 2), np.int64)]
        with self._speaking():
            pages = self._client.query_iterator(
                self.name, filter=f"id > {_STAMP_ROW}", output_fields=["id", "mark"], batch_size=MOST_FOUND, **_STRONG
            )
            while page := pages.next():
                found.append(np.array([(row["id"], row["mark"]) for row in page], np.int64))
            pages.close()
        ids, marks = np.concatenate(found).T
        order = np.argsort(ids, kind="stable")
        return ids[order], marks[order]

    def insert(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows that are not there."""
        if rows:
            with self._speaking():
                self._client.insert(self.name, list(rows), timeout=_TIMEOUT)

    def delete(self, ids: NDArray[np.int64]) -> None:
        """Delete rows by their numbers."""
        for start in range(0, len(ids), MOST_FOUND):
            with self._speaking():
                self._client.delete(self.name, ids=ids[start : start + MOST_FOUND].tolist(), timeout=_TIMEOUT)

    def flush(self) -> None:
        """Have what was written sealed and indexed."""
        with self._speaking():
            self._client.flush(self.name)

    def search(self, queries: NDArray[np.float32], limit: int, condition: MilvusFilter) -> list[NearIds]:
        """Return for each of `(Q, D)` queries its `limit` nearest rows that pass a filter."""
        sent: dict[str, Any] = {"filter": condition.expression, "filter_params": dict(condition.params)}
        if not self._takes_params:
            sent = {"filter": condition.with_literals()}
        with self._speaking():
            found = self._client.search(
                self.name,
                data=list(queries),
                limit=limit,
                output_fields=["id"],
                search_params={"metric_type": "IP"},
                timeout=_TIMEOUT,
                **sent,
                **_STRONG,
            )
        return [
            (np.array([hit["id"] for hit in hits], np.int64), np.array([hit["distance"] for hit in hits], np.float32))
            for hits in found
        ]

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        from pymilvus.exceptions import MilvusException

        try:
            yield
        except (MilvusException, OSError) as error:
            what = str(getattr(error, "message", "") or error).strip().splitlines()
            raise UnreachableError(
                f"Milvus at {self.uri} does not answer as it should ({what[0] if what else type(error).__name__}); see "
                f"that it runs, that the address is right, and that {TOKEN} holds its token where it asks for one."
            ) from error


def _client_type(uri: str) -> Callable[..., MilvusClient]:
    """Return pymilvus' client. Raises `MissingExtraError` without it, or without milvus-lite for a file."""
    try:
        from pymilvus import MilvusClient

        if "://" not in uri:
            import milvus_lite  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(f"Milvus needs {error.name}; install it with: pip install 'radseek[milvus]'") from error
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it also logs, with tracebacks, what it raises
    found: Callable[..., MilvusClient] = MilvusClient
    return found
