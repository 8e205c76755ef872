"""Forgetting leaves no byte, also where it was cut short and run again; what is not there is said."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from benchmarks.index_kills import GONE, NOTE, OLD, forget_patient, left_over, make_template, sweep
from radseek.app.forget_study import Named, forget
from radseek.app.verdicts import VerdictLog
from radseek.cli.main import run
from radseek.retrieval.errors import RadseekError, StorageError, UnknownNameError
from radseek.retrieval.index.catalog import catalog_write, sqlite_file
from radseek.retrieval.index.catalog.catalog_file import Catalog
from radseek.retrieval.index.catalog.linkage import LinkageFile
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.segments import rewriting
from radseek.server.forget_route import forget as forget_at
from tests.each_support import each
from tests.index_support import KEY, key_of, make_record
from tests.test_storage import small_disk

__all__ = ["small_disk"]
PATIENT = Named("patient p2", patient=key_of("patient", f"p{GONE}"), patient_id=f"p{GONE}")


class StoppedError(RuntimeError):
    pass


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def index(template: Path, tmp_path: Path) -> Path:
    copy = shutil.copytree(template.parent, tmp_path / "own")
    return copy / template.name


@pytest.fixture(autouse=True)
def _the_key_of_the_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radseek.cli.index_commands.load_key", lambda **_: KEY)


def nothing_left(index: Path) -> bool:
    assert left_over(index, "forget") == []
    assert NOTE not in VerdictLog(index).path.read_text("utf8")
    with LocalStore.open(index) as store:
        store.verify()
        assert {case.key for case in store.cases()} == {key_of("study", n) for n in OLD if n != GONE}
        assert not store.upkeep.unfinished()
    return True


def stop_at(patch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool = False) -> None:
    real = getattr(owner, name)

    def stopped(*args: Any, **kwargs: Any) -> None:
        if after:
            real(*args, **kwargs)
        raise StoppedError

    patch.setattr(owner, name, stopped)


PLACES: dict[str, tuple[Any, str, bool]] = {
    "verdicts": (VerdictLog, "forget", True),
    "hidden": (catalog_write, "mark_forgotten", True),
    "segments": (rewriting, "write_segment", False),
    "rows": (catalog_write, "insert_segment", False),
    "old segments": (rewriting.shutil, "rmtree", False),
    "linkage": (LinkageFile, "drop", False),
    "linkage pages": (LinkageFile, "vacuum", False),
    "pages": (Catalog, "vacuum", False),
}


@pytest.mark.slow
@each("place", PLACES)
def test_cut_short_anywhere_it_is_finished_by_running_it_again(index: Path, tmp_path: Path, place: str) -> None:
    copy = shutil.copytree(index.parent, tmp_path / place) / index.name
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, *PLACES[place][:2], after=PLACES[place][2])
        with pytest.raises(StoppedError):
            forget(copy, [PATIENT])
    assert run(["forget", str(copy), "--patient", f"p{GONE}"]) == 0
    assert nothing_left(copy)


@pytest.mark.slow
@each("place", ["hidden", "rows", "linkage", "pages"])
def test_the_servers_route_is_finished_by_asking_again(index: Path, tmp_path: Path, place: str) -> None:
    copy = shutil.copytree(index.parent, tmp_path / place) / index.name
    session = _Desk(copy)
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, *PLACES[place][:2], after=PLACES[place][2])
        with pytest.raises(StoppedError):
            forget_at(session, key_of("study", GONE))  # type: ignore[arg-type]
    assert session.reopened == 1  # what is hidden already is not shown
    assert forget_at(session, key_of("study", GONE)) is True  # type: ignore[arg-type]
    assert nothing_left(copy)
    with pytest.raises(UnknownNameError, match="forgotten before"):
        forget_at(session, key_of("study", GONE))  # type: ignore[arg-type]


class _Desk:
    """As much of a desk as forgetting asks of one, without an encoder."""

    def __init__(self, index: Path) -> None:
        self.index, self.reopened = index, 0

    def drop(self, _key: str) -> bool:
        return False

    def engine(self) -> Any:
        return nullcontext()

    def reopen(self) -> None:
        self.reopened += 1


def test_compacting_finishes_it_too(index: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, rewriting, "write_segment")
        with pytest.raises(StoppedError):
            forget(index, [PATIENT])
    assert run(["compact", str(index)]) == 0
    assert nothing_left(index)


@each(
    ("arguments", "says"),
    [
        (["--patient", "nobody"], "nothing of patient nobody"),
        (["--study", "1.2.3.4.5"], "nothing of study 1.2.3.4.5"),
        (["--patient", "p1", "--study", key_of("study", 999)], "so nothing was forgotten"),
    ],
)
def test_what_is_not_there_is_said(
    index: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert run(["forget", str(index), *arguments, "--json"]) == 2
    assert says in json.loads(capsys.readouterr().out)["error"]["message"]
    with LocalStore.open(index) as store:
        assert store.counts()["studies"] == len(OLD)


def test_what_was_forgotten_before_is_said(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["forget", str(index), "--patient", f"p{GONE}", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["forgotten"], answer["resumed"]) == ([key_of("study", GONE)], False)
    assert run(["forget", str(index), "--patient", f"p{GONE}", "--json"]) == 2
    assert "it was forgotten before" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_linkage_of_an_addition_that_was_killed_goes_too(index: Path) -> None:
    with LocalStore.open(index, read_only=False) as store:
        linkage = store._linkage
        assert linkage is not None
        linkage.put([make_record(500, patient="orphan")])
    forget(index, [Named("patient", patient=key_of("patient", "orphan"), patient_id="orphan")])
    assert b"orphan" not in index.with_name("t.linkage.sqlite").read_bytes()


def test_a_reader_in_the_log_is_said_and_waited_for(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "_WAIT", 0.05)
    other = sqlite3.connect(index / "catalog.sqlite", isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM studies").fetchone()
    with pytest.raises(RadseekError, match="being read"):
        forget(index, [PATIENT])
    other.close()
    forget(index, [PATIENT])
    assert nothing_left(index)


@pytest.mark.slow
def test_a_full_disk_is_said_and_the_rerun_leaves_nothing(template: Path, small_disk: Callable[[str], Path]) -> None:
    failed = 0
    for room in range(0, 600, 60):
        disk = small_disk("2m")
        copy = shutil.copytree(template.parent, disk / "own") / template.name
        filler = disk / "filler"
        free = shutil.disk_usage(disk).free
        filler.write_bytes(b"x" * max(0, free - (room << 10)))
        try:
            forget(copy, [PATIENT])
        except StorageError:
            failed += 1
            filler.unlink()
            forget_patient(copy)
        assert nothing_left(copy)
    assert failed > 1


@pytest.mark.slow
def test_killed_anywhere(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    for name, counts in sweep(30, 1, tmp_path / "t").items():
        assert set(counts) == {"places", "kills"}, (name, counts)
