"""What a healthy index meets is told as what it is: only bytes that are not as they were written are damage."""

from __future__ import annotations

import errno
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from radseek.cli.main import run
from radseek.demo.page.error_message import code_of, trouble
from radseek.retrieval.disk_errors import limit_error
from radseek.retrieval.errors import (
    IndexBusyError,
    IndexClosedError,
    IndexDamagedError,
    StoppedError,
    StorageError,
    SystemLimitError,
)
from radseek.retrieval.index.catalog.sqlite_file import guarded
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.manifest import is_index
from radseek.server.problems import problem_of
from tests.encoder_support import tiny_spec
from tests.index_support import make_records

ROOT = Path(__file__).resolve().parents[1]

# Every number of descriptors from none to enough: what fails first changes.
FEW = """
import os, resource, sys
sys.path.insert(0, {root!r})
from radseek.retrieval.errors import RadseekError
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.manifest import is_index
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
LocalStore.open(sys.argv[1]).close()
used = max(map(int, os.listdir("/proc/self/fd")))
for read_only in (True, False):
    for more in range(16):
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + more, hard))
        try:
            is_index(__import__("pathlib").Path(sys.argv[1]))
            store = LocalStore.open(sys.argv[1], read_only=read_only)
            print("whole", len(store.cases()))
            store.close()
        except RadseekError as error:
            print(type(error).__name__, error.exit_code, "ulimit -n" in str(error))
"""


@pytest.fixture
def index(tmp_path: Path) -> Path:
    path = tmp_path / "archive.index"
    with LocalStore.create(path, tiny_spec()) as store:
        store.add(make_records(3))
    return path


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
def test_too_few_open_files_are_said_whichever_is_one_too_many(index: Path) -> None:
    command = [sys.executable, "-B", "-c", FEW.format(root=str(ROOT)), str(index)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.splitlines()) == {"SystemLimitError 8 True", "whole 3"}, done.stdout


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_limit_of_the_system_is_no_damage(
    number: int, index: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def limited(path: str) -> None:
        # Arrow's own words; those of ENOMEM come without the number.
        if number == errno.ENOMEM:
            raise OSError("Memory mapping file failed: Cannot allocate memory")
        raise OSError(number, f"Failed to open local file '{path}'")

    with monkeypatch.context() as patch:
        patch.setattr(pa, "memory_map", limited)
        assert run(["verify", str(index), "--json"]) == 8
        assert json.loads(capsys.readouterr().out)["error"]["kind"] == "SystemLimitError"
    assert run(["verify", str(index)]) == 0

    def unreadable(*_: object, **__: object) -> str:
        raise OSError(number, "as the system says")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", unreadable)
        with pytest.raises(SystemLimitError):
            is_index(index)
        with pytest.raises(SystemLimitError):
            LocalStore.open(index)


def test_a_limit_is_answered_without_a_path() -> None:
    error = limit_error(errno.EMFILE, Path("/srv/secret/archive.index"))
    answer = problem_of(error)
    assert (answer.status_code, "secret" in bytes(answer.body).decode()) == (503, False)
    assert code_of(error) == "busy"
    assert "secret" not in trouble(error, "en")


def test_a_closed_index_is_said(index: Path) -> None:
    store = LocalStore.open(index)
    store.close()
    with pytest.raises(IndexClosedError, match="open it again"):
        store.cases()
    assert problem_of(IndexClosedError("x")).status_code == 503


def test_what_sqlite_says_is_told_as_what_it_is(tmp_path: Path) -> None:
    file = tmp_path / "a.sqlite"
    connection = sqlite3.connect(file, isolation_level=None, timeout=0)
    connection.execute("CREATE TABLE t (x)")
    connection.execute("INSERT INTO t VALUES (1), (2), (3)")

    def told(kind: type[Exception], ask: Callable[[], object]) -> None:
        with pytest.raises(kind) as caught, guarded(file):
            ask()
        assert type(caught.value) is kind

    connection.set_progress_handler(lambda: 1, 1)
    told(StoppedError, lambda: connection.execute("SELECT count(*) FROM t a, t b, t c").fetchall())
    connection.set_progress_handler(None, 1)
    other = sqlite3.connect(file, isolation_level=None, timeout=0)
    other.execute("BEGIN IMMEDIATE")
    told(IndexBusyError, lambda: connection.execute("INSERT INTO t VALUES (4)"))
    other.close()
    connection.execute("PRAGMA max_page_count = 3")
    told(StorageError, lambda: connection.execute("INSERT INTO t VALUES (zeroblob(100000))"))

    def no_memory() -> None:
        raise MemoryError

    told(SystemLimitError, no_memory)  # as Python tells SQLITE_NOMEM
    connection.execute("INSERT INTO t VALUES (CAST(x'ff' AS TEXT))")
    told(IndexDamagedError, lambda: connection.execute("SELECT x FROM t").fetchall())
    connection.close()
    told(IndexClosedError, lambda: connection.execute("SELECT 1"))
    whole = bytearray(file.read_bytes())
    file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    torn = sqlite3.connect(file)
    told(IndexDamagedError, lambda: torn.execute("SELECT * FROM t").fetchall())
    torn.close()
    file.write_bytes(b"no database" * 1000)
    torn = sqlite3.connect(file)
    told(IndexDamagedError, lambda: torn.execute("SELECT 1 FROM t").fetchall())
    torn.close()
