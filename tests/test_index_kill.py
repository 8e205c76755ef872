"""A writer killed (SIGKILL) at any step loses nothing that was committed and leaves nothing half there.

Process kills are tested; loss of power is not.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from radseek.retrieval.index.local_store import LocalStore
from tests.encoder_support import tiny_spec
from tests.index_support import key_of, make_record, make_records

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]

# One process is started and forks a writer for every job; each writer dies at its own step: a function of ours or of
# `os`, and on which call.
DRIVER = """
import json, os, signal, sys
sys.path.insert(0, {root!r})
import radseek.retrieval.index.catalog.catalog_file as catalog
from radseek.retrieval.index.catalog import catalog_write
from radseek.retrieval.index import commit
from radseek.retrieval.index import new_index
from radseek.retrieval.index.segments import merging
from radseek.retrieval.index.segments import rewriting
from radseek.retrieval.index.segments import segment_folders
from radseek.retrieval.index.local_store import LocalStore
from tests.encoder_support import tiny_spec
from tests.index_support import key_of, make_record

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def die_at(owner, name, call, after=False):
    real, calls = getattr(owner, name), [0]
    def wrapped(*args, **kwargs):
        calls[0] += 1
        if calls[0] == call and not after:
            die()
        result = real(*args, **kwargs)
        if calls[0] == call:
            die()
        return result
    setattr(owner, name, wrapped)

codes = []
for path, steps in json.load(sys.stdin):
    child = os.fork()
    if child == 0:
        store = LocalStore.open(path, read_only=False) if os.path.exists(path) else None
        for step in steps:
            exec(step)
        os._exit(0)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(codes))
"""

ADD_STEPS = [
    "die_at(commit, 'write_segment', 1)",
    "die_at(segment_folders, '_write_array', 1, after=True)",
    "die_at(segment_folders, '_write_array', 3, after=True)",
    "die_at(os, 'fsync', 1)",
    "die_at(os, 'fsync', 4)",
    "die_at(os, 'rename', 1)",
    "die_at(os, 'rename', 1, after=True)",
    "die_at(catalog_write, 'insert_segment', 1)",
    "die_at(catalog_write, 'insert_study', 1)",
    "die_at(catalog_write, 'insert_study', 3, after=True)",
    "die_at(catalog_write, 'set_value', 1, after=True)",
]
COMPACT_STEPS = [
    "die_at(rewriting, 'write_segment', 1)",
    "die_at(rewriting, 'write_segment', 1, after=True)",
    "die_at(catalog_write, 'insert_segment', 1, after=True)",
    "die_at(catalog_write, 'set_value', 2, after=True)",
    "die_at(rewriting.shutil, 'rmtree', 2)",
    "die_at(catalog.Catalog, 'vacuum', 1)",
]
# Seven small folders are there; the eighth commit's are merged with them.
MERGE_STEPS = [
    "die_at(merging, 'write_segment', 1)",
    "die_at(segment_folders, '_write_array', 5, after=True)",
    "die_at(os, 'rename', 2)",
    "die_at(merging, 'write_segment', 1, after=True)",
    "die_at(catalog_write, 'move_segments', 1)",
    "die_at(catalog_write, 'insert_folder', 2, after=True)",
    "die_at(catalog_write, 'move_segments', 1, after=True)",
    "die_at(merging.shutil, 'rmtree', 3)",
    "die_at(merging.shutil, 'rmtree', 7)",
]


ADD = "store.add([make_record(i, sentences=['A nodule.']) for i in range(5, 9)])"
MORE = [f"store.add([make_record({i})])" for i in range(100, 106)]
JOBS: dict[str, list[str]] = {
    **{f"add: {step}": ["store.add([make_record(100)])", step, ADD] for step in ADD_STEPS},
    **{f"compact: {step}": ["store.remove([key_of('study', 2)])", step, "store.compact()"] for step in COMPACT_STEPS},
    **{f"merge: {step}": [*MORE, step, "store.add([make_record(106)])"] for step in MERGE_STEPS},
    "committed": ["store.add([make_record(100)])", "die()"],
    "create": ["die_at(new_index, 'write_manifest', 1)", "LocalStore.create(path, tiny_spec())"],
}


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Indexes whose writers were killed, by job."""
    folder = tmp_path_factory.mktemp("killed")
    paths = {job: folder / f"{i}.index" for i, job in enumerate(JOBS)}
    for job, path in paths.items():
        if job != "create":
            with LocalStore.create(path, tiny_spec()) as store:
                store.add(make_records(5, sentences=["A small effusion."]))
    jobs = json.dumps([[str(paths[job]), steps] for job, steps in JOBS.items()])
    command = [sys.executable, "-B", "-c", DRIVER.format(root=str(ROOT))]
    done = subprocess.run(command, input=jobs, capture_output=True, text=True, check=True, timeout=280)
    codes = dict(zip(JOBS, json.loads(done.stdout), strict=True))
    assert codes == dict.fromkeys(JOBS, -signal.SIGKILL)
    return paths


@pytest.mark.parametrize("step", ADD_STEPS)
def test_killed_while_adding(killed: dict[str, Path], step: str) -> None:
    index = killed[f"add: {step}"]
    acknowledged = {key_of("study", i) for i in (0, 1, 2, 3, 4, 100)}
    with LocalStore.open(index) as reader:  # before any writer has cleaned up
        assert {c.key for c in reader.cases()} == acknowledged
        assert reader.verify()["studies"] == 6
    with LocalStore.open(index, read_only=False) as store:
        assert store.verify()["studies"] == 6
        store.add([make_record(i, sentences=["A nodule."]) for i in range(5, 9)])  # the rerun finishes the job
        assert store.verify()["studies"] == 10
    assert len(list((index / "segments").iterdir())) == 3


def test_killed_after_the_commit_keeps_it(killed: dict[str, Path]) -> None:
    with LocalStore.open(killed["committed"]) as reader:
        assert reader.contains([key_of("study", 100)])
        assert reader.verify()["studies"] == 6


@pytest.mark.parametrize("step", COMPACT_STEPS)
def test_killed_while_compacting(killed: dict[str, Path], step: str) -> None:
    index = killed[f"compact: {step}"]
    with LocalStore.open(index, read_only=False) as store:
        assert {c.key for c in store.cases()} == {key_of("study", i) for i in (0, 1, 3, 4)}
        store.compact()
        assert store.verify()["studies"] == 4
        assert len(store.slice_vectors(key_of("study", 3))) == 2
    gone = make_record(2).key.encode()
    assert not [f for f in index.rglob("*") if f.is_file() and gone in f.read_bytes()]


@pytest.mark.parametrize("step", MERGE_STEPS)
def test_killed_while_merging(killed: dict[str, Path], step: str) -> None:
    index = killed[f"merge: {step}"]
    acknowledged = {key_of("study", i) for i in (*range(5), *range(100, 106))}
    with LocalStore.open(index) as reader:  # before any writer has cleaned up
        keys = {c.key for c in reader.cases()}
        assert keys == acknowledged | {key_of("study", 106)}  # its commit was before the merging
        assert reader.verify()["studies"] == 12
    with LocalStore.open(index, read_only=False) as store:
        store.add([make_record(107)])
        assert store.verify()["studies"] == 13
        for number in (*range(5), *range(100, 108)):
            sentences = ["A small effusion."] if number < 5 else []
            (was,) = make_record(number, sentences=sentences).series
            assert np.array_equal(store.slice_vectors(key_of("study", number))[1].slices, was.views[1].slices)
    assert len(list((index / "segments").iterdir())) <= 2


def test_killed_while_creating(killed: dict[str, Path]) -> None:
    with LocalStore.create(killed["create"], tiny_spec()) as store:
        store.add([make_record(1)])
        assert store.verify()["studies"] == 1
