"""A desk on a made-up index, for tests of the archive's parts: no pixels, no weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from radseek.app.session import Session
from radseek.retrieval.engine import Engine
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import StudyRecord
from tests.encoder_support import TinyEncoder


@contextmanager
def made_session(index: Path, records: Sequence[StudyRecord]) -> Iterator[Session]:
    """A desk on an index of these records."""
    encoder = TinyEncoder()
    with LocalStore.create(index, encoder.spec) as writer:
        writer.add(records)
    with LocalStore.open(index) as store, Session(Engine(encoder, store), index) as session:
        yield session
