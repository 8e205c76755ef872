"""An index beside a dictionary and NumPy: hypothesis writes, removes, compacts, reopens and asks as it likes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from numpy.typing import NDArray

from radseek.retrieval.errors import IndexFolderError, UnknownNameError, UsageError
from radseek.retrieval.index.catalog.where import Where
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Scope, StudyRecord
from tests.encoder_support import tiny_spec
from tests.index_support import key_of, make_record, unit

MEMORY = Path("/dev/shm")  # a file system in memory, where there is one: each commit waits for the disk
NUMBERS = st.integers(0, 11)
SEEDS = st.integers(0, 2)
VIEWS = (("lung", "soft"), ("lung",), ("mr_t1",))
MEANT = {"sex=F": lambda one: one.attributes["sex"] == "F", "age=20-25": lambda one: 20 <= one.attributes["age"] <= 25}
MEANT |= {"modality=MR": lambda one: one.series[0].modality == "MR", "report=yes": lambda one: bool(one.report)}
MEANT["grade=1-2"] = lambda one: 1 <= one.attributes["own:grade"] <= 2

Held = dict[str, StudyRecord]


def study(number: int, seed: int) -> StudyRecord:
    """Studies of which some have equal vectors, so that ties are met."""
    said = [f"A nodule of {number} mm.", "No effusion."][: (number + seed) % 3]
    kind = ("MR", "head") if number % 3 == 2 else ("CT", "chest")
    about = {"modality": kind[0], "body_part": kind[1], "patient": f"p{number % 4}", "own:grade": number % 4}
    made = make_record(number, seed=seed, views=VIEWS[number % 3], slices=1 + number % 3, sentences=said, **about)  # type: ignore[arg-type]
    if number not in (4, 7):
        return made
    twin = make_record(1, seed=seed, views=VIEWS[1], slices=2).series[0].views
    return replace(made, series=(replace(made.series[0], views=twin),))


def cosine(row: NDArray[np.float16], query: NDArray[np.float16]) -> float:
    return float(row.astype(np.float64) @ query.astype(np.float64))


class IndexStates(RuleBasedStateMachine):
    """`held` is what the index should hold; `pinned` what a reader that stays open should see."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="radseek-states-", dir=MEMORY if MEMORY.is_dir() else None))
        self.index = self.folder / "a.index"
        self.writer = LocalStore.create(self.index, tiny_spec())
        self.held: Held = {}
        self.reader: LocalStore | None = None
        self.pinned: Held = {}

    def teardown(self) -> None:
        if self.reader is not None:
            self.reader.close()
        self.writer.close()
        shutil.rmtree(self.folder)

    @rule(numbers=st.sets(NUMBERS, min_size=1, max_size=4), seed=SEEDS, over=st.booleans())
    def add(self, numbers: Collection[int], seed: int, over: bool) -> None:
        records = [study(number, seed) for number in sorted(numbers)]
        if not over and any(one.key in self.held for one in records):
            try:
                self.writer.add(records)
            except UsageError:
                return
            raise AssertionError("a study was added twice")
        self.writer.add(records, replace_existing=over)
        self.held |= {one.key: one for one in records}

    @rule(number=NUMBERS)
    def remove(self, number: int) -> None:
        key = key_of("study", number)
        try:
            self.writer.remove([key])
        except UnknownNameError:
            assert key not in self.held
        else:
            del self.held[key]

    @rule(numbers=st.sets(NUMBERS, max_size=2))
    def forget(self, numbers: Collection[int]) -> None:
        keys = {key_of("study", number) for number in numbers}
        self.writer.forget(keys)
        assert self.writer.upkeep.forgotten(keys) == keys
        for key in keys:
            self.held.pop(key, None)
        self._sends_back()

    @rule()
    def compact(self) -> None:
        self.writer.compact()
        self._sends_back()

    @rule()
    def pin(self) -> None:
        if self.reader is not None:
            self.reader.close()
        self.reader, self.pinned = LocalStore.open(self.index), dict(self.held)

    @precondition(lambda self: self.reader is None)
    @rule()
    def open_again(self) -> None:
        self.writer.close()
        self.writer = LocalStore.open(self.index, read_only=False)

    @rule()
    def verify(self) -> None:
        counted = self.writer.verify()
        assert counted["studies"] == len(self.held)
        assert counted["sentences"] == sum(len(one.sentences) for one in self.held.values())

    @rule(
        seed=st.integers(0, 5),
        k=st.integers(1, 14),
        filters=st.lists(st.sampled_from(sorted(MEANT)), max_size=2, unique=True),
        out=st.sets(NUMBERS, max_size=2),
        patients=st.sets(st.sampled_from(["p0", "p1"]), max_size=1),
        view=st.sampled_from(["lung", "soft", "mr_t1"]),
    )
    def ask(
        self, seed: int, k: int, filters: list[str], out: Collection[int], patients: Collection[str], view: str
    ) -> None:
        query = study(1, seed % 3).series[0].views[0].pooled if seed < 3 else unit(np.random.default_rng(seed), 1)[0]
        gone = frozenset(key_of("study", number) for number in out)
        whose = frozenset(key_of("patient", one) for one in patients)
        for store, held in self._open():
            asked = Scope(Where.parse(filters, {"grade": True}), not_studies=gone, not_patients=whose)
            keep = {
                key: one
                for key, one in held.items()
                if key not in gone and one.patient_key not in whose and all(MEANT[text](one) for text in filters)
            }
            assert store.study_keys(asked) == sorted(keep)
            assert store.passing(asked) == len(keep)
            self._near_views(store, keep, view, query, k, asked)
            self._near_slices(store, keep, query, k, asked)
            self._near_sentences(store, keep, query, k, asked)

    @invariant()
    def holds_what_was_written(self) -> None:
        for store, held in self._open():
            cases = {case.key: case for case in store.cases()}
            assert sorted(cases) == sorted(held)
            for key, one in held.items():
                assert cases[key].sentences == one.sentences
                assert (cases[key].report or "") == one.report
                kept = [(v.view, v.slices.tobytes(), v.pooled.tobytes()) for v in store.slice_vectors(key)]
                assert kept == [(v.view, v.slices.tobytes(), v.pooled.tobytes()) for v in one.series[0].views]

    def _open(self) -> list[tuple[LocalStore, Held]]:
        return [(self.writer, self.held), *([] if self.reader is None else [(self.reader, self.pinned)])]

    def _sends_back(self) -> None:
        """A reader of before a compaction says that it was one, or the compaction had nothing to delete."""
        if self.reader is None:
            return
        try:
            assert sorted(case.key for case in self.reader.cases()) == sorted(self.pinned)
        except IndexFolderError:
            self.reader.close()
            self.reader = None

    def _near_views(
        self, store: LocalStore, keep: Held, view: str, query: NDArray[np.float16], k: int, scope: Scope
    ) -> None:
        wanted = sorted(
            (-cosine(one.pooled, query), key)
            for key, s in keep.items()
            for one in s.series[0].views
            if one.view == view
        )
        (found,) = store.search_views(view, query[None], k, scope)
        self._same([(hit.study, hit.similarity) for hit in found], wanted[:k])

    def _near_slices(self, store: LocalStore, keep: Held, query: NDArray[np.float16], k: int, scope: Scope) -> None:
        wanted = sorted(
            (-max(cosine(row, query) for one in s.series[0].views for row in one.slices), key)
            for key, s in keep.items()
        )
        self._same([(hit.study, hit.similarity) for hit in store.search_slices(query, k, scope)], wanted[:k])

    def _near_sentences(self, store: LocalStore, keep: Held, query: NDArray[np.float16], k: int, scope: Scope) -> None:
        wanted = sorted(
            (-cosine(row, query), key, at)
            for key, s in keep.items()
            if s.sentence_vectors is not None
            for at, row in enumerate(s.sentence_vectors)
        )
        hits = store.search_sentences(query, "nodule", k, scope)
        found = sorted((hit for hit in hits if hit.dense_rank is not None), key=lambda hit: hit.dense_rank or 0)
        assert [(hit.study, hit.ordinal) for hit in found] == [(key, at) for _, key, at in wanted[:k]]
        said = {(hit.study, hit.ordinal) for hit in hits if hit.keyword_rank is not None}
        named = {(key, at) for key, s in keep.items() for at, text in enumerate(s.sentences) if "nodule" in text}
        assert said <= named
        assert len(said) == min(k, len(named))

    def _same(self, found: list[tuple[str, float]], wanted: list[tuple[float, str]]) -> None:
        assert [key for key, _ in found] == [key for _, key in wanted]
        assert np.allclose([score for _, score in found], [-score for score, _ in wanted], atol=1e-9)
