"""Folders are merged as they grow: few of them at any size, and nobody who asks notices."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radseek.index_builder import build_index
from radseek.retrieval.errors import IndexDamagedError, StorageError
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.segments import merging, opened_layout
from radseek.retrieval.index.segments.merging import due
from radseek.retrieval.index.segments.segment_folders import Segment, SegmentInfo
from radseek.retrieval.index.store import StudyRecord
from tests.build_support import write_ct
from tests.encoder_support import TinyEncoder, tiny_spec
from tests.index_support import key_of, make_format_1, make_record, make_records, unit

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
SENTENCES = ["A small effusion.", "No pneumothorax."]


def folders(index: Path) -> list[str]:
    return sorted(path.name for path in (index / "segments").iterdir())


def answers(store: LocalStore) -> list[Any]:
    queries = unit(np.random.default_rng(1), 3)
    found: list[Any] = [store.search_views("lung", queries, 7)]
    found += [store.search_slices(query, 7) for query in queries]
    found += [store.search_sentences(query, "effusion", 5) for query in queries]
    for case in store.cases():
        found += [case, store.sentence_vectors(case.key).tobytes()]
        found += [(v.slices.tobytes(), v.pooled.tobytes(), v.z.tobytes()) for v in store.slice_vectors(case.key)]
    return found


def commit_each(store: LocalStore, records: list[StudyRecord]) -> None:
    for record in records:
        store.add([record])


def test_tiers() -> None:
    def infos(*sizes: int) -> list[SegmentInfo]:
        return [SegmentInfo(i, {}, {"views.f16.npy": ("", size)}) for i, size in enumerate(sizes, 1)]

    def picked(*sizes: int) -> list[int]:
        return [info.number for info in due(infos(*sizes))]

    assert picked(*[1000] * 7) == []
    assert picked(*[1000] * 8) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert picked(100_000, *[1000] * 8) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert picked(*[100_000] * 8, *[1000] * 7) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert picked(*[1 << 30] * 100) == []  # the largest stay as they are
    many = picked(*[200 << 20] * 3000)  # an index of an earlier format: no folder grows without end
    assert many == list(range(1, 11))


def test_as_many_commits_as_one_likes_make_few_folders() -> None:
    sizes: list[int] = []
    for _ in range(20_000):
        sizes.append(5_000_000)
        while group := due([SegmentInfo(i, {}, {"f": ("", size)}) for i, size in enumerate(sizes)]):
            merged = sum(info.bytes for info in group)
            sizes = [size for i, size in enumerate(sizes) if i not in {info.number for info in group}] + [merged]
        assert sum(size < 256 << 20 for size in sizes) <= 3 * 7
    assert max(sizes) <= 2 << 30


def test_answers_are_the_same_however_the_rows_lie(tmp_path: Path) -> None:
    records = make_records(30, sentences=SENTENCES)
    with LocalStore.create(tmp_path / "one.index", tiny_spec()) as one:
        one.add(records)
        with LocalStore.create(tmp_path / "many.index", tiny_spec()) as many:
            commit_each(many, records)
            assert len(folders(many.path)) < 10
            assert many.generation == 30
            assert answers(many) == answers(one)
        with LocalStore.open(tmp_path / "many.index") as reader:
            assert answers(reader) == answers(one)
            reader.verify()


def test_a_reader_goes_on_while_its_folders_are_merged(tmp_path: Path) -> None:
    path = tmp_path / "a.index"
    with LocalStore.create(path, tiny_spec()) as writer:
        commit_each(writer, make_records(7, sentences=SENTENCES))
        with LocalStore.open(path) as asked, LocalStore.open(path) as reader:
            before = answers(asked)
            writer.add([make_record(7, sentences=SENTENCES)])
            assert len(folders(path)) == 1
            assert reader.generation == 7
            assert answers(reader) == before == answers(asked)
            assert reader.verify()["studies"] == 7


def test_a_merge_between_the_names_and_the_opening_of_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.index"
    with LocalStore.create(path, tiny_spec()) as writer:
        commit_each(writer, make_records(7))
        opened: list[int] = []

        def opening(root: Path, info: SegmentInfo, dim: int) -> Segment:
            opened.append(info.number)
            if len(opened) == 3:
                with monkeypatch.context() as patch:
                    patch.setattr(opened_layout, "Segment", Segment)
                    writer.add([make_record(7)])
            return Segment(root, info, dim)

        monkeypatch.setattr(opened_layout, "Segment", opening)
        with LocalStore.open(path) as reader:
            assert reader.counts()["studies"] == 8
        assert len(folders(path)) == 1
        shutil.rmtree(path / "segments" / folders(path)[0])  # what is missing for good is still said
        with pytest.raises(IndexDamagedError, match="missing"):
            LocalStore.open(path)


def test_what_is_forgotten_leaves_no_byte_in_a_merged_folder(tmp_path: Path) -> None:
    path = tmp_path / "a.index"
    records = make_records(9, sentences=SENTENCES)
    with LocalStore.create(path, tiny_spec()) as store:
        commit_each(store, records)
        store.remove([records[3].key])
        store.compact()
        assert store.verify()["studies"] == 8
        assert np.array_equal(store.slice_vectors(records[4].key)[0].slices, records[4].series[0].views[0].slices)
        commit_each(store, make_records(20)[9:])  # what was rewritten is merged again
        assert store.verify()["studies"] == 19
    assert records[3].sentence_vectors is not None
    gone = [records[3].sentence_vectors[0].tobytes(), records[3].key.encode()]
    gone += [row.tobytes() for view in records[3].series[0].views for row in (*view.slices, view.pooled)]
    for file in path.rglob("*"):
        if file.is_file():
            assert not [row for row in gone if row in file.read_bytes()], file


def test_a_changed_byte_is_not_merged_into_a_right_hash(tmp_path: Path) -> None:
    path = tmp_path / "a.index"
    with LocalStore.create(path, tiny_spec()) as store:
        commit_each(store, make_records(7))
    file = path / "segments" / "000003" / "views.f16.npy"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with LocalStore.open(path, read_only=False) as store:
        with pytest.raises(IndexDamagedError, match="000003"):
            store.add([make_record(7)])
        assert store.contains([key_of("study", 7)])  # committed before
    assert len(folders(path)) == 8


def test_a_full_disk_leaves_the_folders_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StorageError("no room")

    path = tmp_path / "a.index"
    with LocalStore.create(path, tiny_spec()) as store:
        with monkeypatch.context() as patch:
            patch.setattr(merging, "require_room", full)
            commit_each(store, make_records(10))
            assert len(folders(path)) == 10
        store.add([make_record(10)])
        assert len(folders(path)) == 1
        assert store.verify()["studies"] == 11


def test_an_index_of_format_1_is_read_and_a_writer_brings_it_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.index"
    monkeypatch.setattr(merging, "_FAN", 1000)
    with LocalStore.create(path, tiny_spec()) as store:
        commit_each(store, make_records(12, sentences=SENTENCES))
        expected = answers(store)
    monkeypatch.undo()
    make_format_1(path)
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file() and "-" not in file.name}
    with LocalStore.open(path) as reader:
        assert answers(reader) == expected
        assert reader.verify()["studies"] == 12
        assert {file: file.read_bytes() for file in before} == before
        with LocalStore.open(path, read_only=False) as store:
            assert answers(store) == expected
            assert json.loads((path / "manifest.json").read_text())["format"] == 3
            store.remove([key_of("study", 3)])
            store.compact()
            assert store.verify()["studies"] == 11
    assert len(folders(path)) == 1


LIMITED = """
import json, os, resource, sys
sys.path.insert(0, {root!r})
import numpy as np
from radseek.retrieval.index.segments import merging, opened_layout
from radseek.retrieval.index.local_store import LocalStore
from tests.encoder_support import tiny_spec
from tests.index_support import make_record, unit
import faiss
LocalStore.create(sys.argv[1] + ".first", tiny_spec()).close()
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
if sys.argv[2] == "apart":
    merging._FAN = 10**6
held = lambda: len(os.listdir("/proc/self/fd"))
before = held()
with LocalStore.create(sys.argv[1], tiny_spec()) as store:
    for i in range(1000):
        store.add([make_record(i, sentences=["A small effusion."])])
merging._FAN = 8
with LocalStore.open(sys.argv[1]) as reader:
    query = unit(np.random.default_rng(1), 1)
    found = [len(reader.search_slices(query[0], 2000)), len(reader.search_views("lung", query, 2000)[0])]
    found.append(reader.verify()["studies"])
    used = held() - before
folders = len(os.listdir(sys.argv[1] + "/segments"))
with LocalStore.open(sys.argv[1], read_only=False) as store:
    store.add([make_record(1000)])
    found.append(store.verify()["studies"])
print(json.dumps([found, used, folders, len(os.listdir(sys.argv[1] + "/segments"))]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["merged", pytest.param("apart", marks=pytest.mark.sweep)])
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
def test_a_thousand_commits_where_256_files_may_be_open(how: str, tmp_path: Path) -> None:
    """Also where nothing was merged, as an index of the format before has it."""
    command = [sys.executable, "-B", "-c", LIMITED.format(root=str(ROOT)), str(tmp_path / "a.index"), how]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr
    found, used, before, after = json.loads(done.stdout)
    assert found == [1000, 1000, 1000, 1001]
    assert used <= 10
    assert before <= 40 if how == "merged" else before == 1000
    assert after <= 40


def test_what_is_used_is_checked_and_nothing_else_is_read_first(tmp_path: Path) -> None:
    """A changed row refuses the answers that need its block of rows, and no other."""
    path = tmp_path / "a.index"
    records = make_records(60, slices=10)
    with LocalStore.create(path, tiny_spec()) as store:
        store.add(records)
    file = path / "segments" / "000001" / "slices.f16.npy"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with LocalStore.open(path) as store:
        assert np.array_equal(store.slice_vectors(records[0].key)[1].slices, records[0].series[0].views[1].slices)
        with pytest.raises(IndexDamagedError, match="CRC-32"):
            store.slice_vectors(records[-1].key)
        with pytest.raises(IndexDamagedError, match="SHA-256"):
            store.verify()


@pytest.mark.slow
def test_a_build_reads_once_more_what_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "a.index"

    def spoil(stage: str, *_: object) -> None:
        if stage == "build":
            file = path / "segments" / "000001" / "views.f16.npy"
            data = bytearray(file.read_bytes())
            data[-1] ^= 1
            file.write_bytes(data)

    write_ct(tmp_path / "ct", 1)
    with pytest.raises(IndexDamagedError, match="SHA-256"):
        build_index(tmp_path / "ct", path, encoder=TinyEncoder(), workers=1, progress=spoil)
