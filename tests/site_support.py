"""Made-up archives split over sites: indexes in folders, and some of them behind servers on loopback."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from radseek.app.session import Session
from radseek.retrieval.engine import Engine
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import StudyRecord
from radseek.retrieval.scoring.study_vectors import SeriesVectors, StudyVectors
from radseek.server.server_app import create_app
from radseek.server.settings import Settings
from tests.encoder_support import TinyEncoder
from tests.index_support import key_of, make_record
from tests.server_support import listening

SENTENCES = (
    *("Small nodule in the left lung.", "No nodule.", "Large pleural effusion on the right.", "No pleural effusion."),
    *("The lungs are clear.", "A nodule and a nodule beside a nodule.", "左肺结节。", "Pacemaker in place."),
)
ENCODER = TinyEncoder()


def archive_records(count: int = 14) -> list[StudyRecord]:
    """Studies of two modalities with a report each; two have the vectors of another, so that scores tie."""
    records = []
    for number in range(count):
        twin = {5: 2, 9: 2}.get(number, number)
        said = [SENTENCES[(number * 3 + i) % len(SENTENCES)] for i in range(number % 4)]
        modality, views = ("MR", ("mr_t1",)) if number % 5 == 4 else ("CT", ("lung", "soft"))
        one = make_record(number, modality=modality, views=views, patient=f"p{number // 2}", sentences=said)
        series = make_record(twin, modality=modality, views=views).series[0]
        vectors = ENCODER.encode_texts(list(said)).astype(np.float16) if said else None
        series = replace(series, key=one.series[0].key)
        records.append(replace(one, series=(series,), sentence_vectors=vectors))
    return records


def query_of(record: StudyRecord) -> StudyVectors:
    series = tuple(SeriesVectors(one.key, one.modality, one.body_part, one.views) for one in record.series)
    return StudyVectors(record.key, record.patient_key, record.source_path, series, record.attributes)


def stranger(seed: int = 99) -> StudyVectors:
    """A study that is in no archive."""
    return query_of(make_record(1_000, seed=seed))


def write_site(path: Path, records: Sequence[StudyRecord]) -> Path:
    with LocalStore.create(path, ENCODER.spec) as store:
        store.add(records)
    return path


@contextmanager
def serving(index: Path, settings: Settings | None = None) -> Iterator[str]:
    """A server of one index, with the made-up encoder; the value is its URL."""
    with ExitStack() as stack:
        store = stack.enter_context(LocalStore.open(index))
        session = stack.enter_context(Session(Engine(TinyEncoder(), store)))
        yield stack.enter_context(listening(create_app(session, settings)))


__all__ = ["ENCODER", "archive_records", "key_of", "query_of", "serving", "stranger", "write_site"]
