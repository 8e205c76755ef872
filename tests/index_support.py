"""Made-up studies for index tests: seeded unit vectors, keyed names, no pixels."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.index.catalog.linkage import linkage_path
from radseek.retrieval.index.store import Linkage, SeriesRecord, StudyRecord
from radseek.retrieval.privacy.pseudonyms import keyed_hash
from radseek.retrieval.types import ViewVectors
from tests.encoder_support import DIM

KEY = b"k" * 32


def key_of(kind: str, value: object) -> str:
    return keyed_hash(KEY, kind, str(value))


def unit(rng: np.random.Generator, n: int, dim: int = DIM) -> NDArray[np.float16]:
    rows = rng.standard_normal((n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def mean_of(slices: NDArray[np.float16]) -> NDArray[np.float16]:
    mean = slices.astype(np.float64).mean(axis=0)
    return (mean / np.linalg.norm(mean)).astype(np.float16)


def make_view(rng: np.random.Generator, name: str, n: int, series: str) -> ViewVectors:
    slices = unit(rng, n)
    z = np.arange(n, dtype=np.int32) * 2
    position = tuple((1.5, -2.25, 5.0 * i) for i in range(n)) if n > 1 else ()
    return ViewVectors(name, series, slices, mean_of(slices), z, position)


def make_record(
    number: int,
    *,
    seed: int = 0,
    modality: str = "CT",
    body_part: str = "chest",
    views: Sequence[str] = ("lung", "soft"),
    slices: int | None = None,
    patient: str | None = None,
    sentences: Sequence[str] = (),
    **attributes: str | int,
) -> StudyRecord:
    rng = np.random.default_rng([seed, number])
    n = slices if slices is not None else int(rng.integers(1, 9))
    key = key_of("study", number)
    series_key = key_of("series", number)
    series = SeriesRecord(
        key=series_key,
        modality=modality,
        body_part=body_part,
        views=tuple(make_view(rng, name, n, f"1.2.3.{number}") for name in views),
        description="made up",
        unit="HU",
        shape=(2 * n, 64, 64),
        spacing=(5.0, 0.7, 0.7),
        provenance={"rescale": "rescale", "warnings": []},
    )
    return StudyRecord(
        key=key,
        patient_key=key_of("patient", patient if patient is not None else f"p{number}"),
        source_path=f"source/study{number}",
        attributes={"sex": "F" if number % 2 else "M", "age": 20 + number % 60, **attributes},
        series=(series,),
        report=" ".join(sentences),
        sentences=tuple(sentences),
        sentence_vectors=unit(rng, len(sentences)) if sentences else None,
        linkage=Linkage(
            study_uid=f"1.2.3.{number}",
            patient_id=patient if patient is not None else f"p{number}",
            accession=f"A{number}",
            paths=(f"source/study{number}",),
            series_uids=(f"1.2.3.{number}.1",),
        ),
    )


def make_records(count: int, **options: object) -> list[StudyRecord]:
    return [make_record(i, **options) for i in range(count)]  # type: ignore[arg-type]


def make_format_1(index: Path) -> None:
    """Take from a closed index, whose folders were not merged, what format 1 had not."""
    connection = sqlite3.connect(index / "catalog.sqlite")
    with connection:
        connection.execute("DROP INDEX segments_folder")
        connection.execute("ALTER TABLE segments ADD COLUMN files TEXT NOT NULL DEFAULT ''")
        connection.execute("UPDATE segments SET files = (SELECT files FROM folders f WHERE f.number = folder)")
        connection.execute("ALTER TABLE segments DROP COLUMN folder")
        connection.execute("DROP TABLE folders")
        connection.execute("DROP TABLE forgotten")
        for column in ("digest", "views_digest", "words_digest"):
            connection.execute(f"ALTER TABLE studies DROP COLUMN {column}")
        connection.execute("DELETE FROM meta WHERE name IN ('digests', 'seal', 'live', 'segments', 'key_check')")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    connection = sqlite3.connect(linkage_path(index))
    with connection:
        connection.execute("ALTER TABLE studies DROP COLUMN digest")
        connection.execute("ALTER TABLE studies DROP COLUMN seen")
        connection.execute("PRAGMA user_version = 0")
    connection.close()
    (index / "sums.json").unlink()
    manifest = index / "manifest.json"
    document = json.loads(manifest.read_text("utf8"))
    document.pop("key_check", None)
    manifest.write_text(json.dumps({**document, "format": 1}), "utf8")
