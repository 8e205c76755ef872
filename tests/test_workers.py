"""Supervised workers: order, crashes, time limits, memory limits."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from radseek.retrieval import machine_memory, workers
from radseek.retrieval.errors import InputError, Reason, WorkerError
from radseek.retrieval.workers import call_apart, supervised_map

HERE = "tests.test_workers"


def square(task: int) -> int:
    time.sleep(0.02 * (task % 3))
    return task * task


def misbehave(task: str) -> str:
    if task == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "hang":
        time.sleep(3600)
    if task == "bloat":
        np.ones(4 << 30, dtype=np.uint8)
    if task == "refuse":
        raise InputError(Reason.TRUNCATED, "half a file", path="x")
    if task == "bug":
        raise KeyError("surprise")
    return task


def bloat(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    np.ones(4 << 30, dtype=np.uint8)


@pytest.mark.slow
def test_results_keep_the_order_of_the_tasks() -> None:
    outcomes = list(supervised_map(f"{HERE}:square", range(12), workers=2))
    assert [o.value for o in outcomes] == [n * n for n in range(12)]
    assert [o.task for o in outcomes] == list(range(12))


@pytest.mark.slow
def test_a_bad_task_fails_alone() -> None:
    tasks = ["a", "die", "b", "hang", "c", "bloat", "refuse", "bug", "d"]
    outcomes = list(supervised_map(f"{HERE}:misbehave", tasks, workers=2, time_limit=5, memory_limit=3 << 30))
    assert [o.value for o in outcomes if o.error is None] == ["a", "b", "c", "d"]
    reasons = {o.task: o.error.reason for o in outcomes if o.error}
    assert reasons == {
        "die": Reason.DECODE_FAILED,
        "hang": Reason.TIMEOUT,
        "bloat": Reason.TOO_LARGE,
        "refuse": Reason.TRUNCATED,
        "bug": Reason.DECODE_FAILED,
    }
    messages = {o.task: str(o.error) for o in outcomes if o.error}
    assert "SIGKILL" in messages["die"]
    assert "surprise" in messages["bug"]


@pytest.mark.slow
def test_the_window_is_bounded_and_closing_stops_the_workers() -> None:
    taken = []

    def endless() -> Iterator[int]:
        for n in count():
            taken.append(n)
            yield n

    stream = supervised_map(f"{HERE}:square", endless(), workers=2)
    assert [next(stream).value for _ in range(3)] == [0, 1, 4]
    time.sleep(0.3)
    assert len(taken) <= 3 + 2 * 2 + 1
    stream.close()


def test_no_tasks_is_no_work() -> None:
    assert list(supervised_map(f"{HERE}:square", [], workers=1)) == []


def whose(_: object) -> int:
    return os.getpid()


def limit_of_memory(_: object) -> int:
    return resource.getrlimit(resource.RLIMIT_AS)[0]


def environment(name: str) -> str | None:
    return os.environ.get(name)


@pytest.mark.slow
def test_one_call_apart_keeps_its_worker() -> None:
    first = call_apart(f"{HERE}:whose", None)
    assert first != os.getpid()
    assert call_apart(f"{HERE}:whose", None) == first
    assert call_apart(f"{HERE}:square", 3) == 9


@pytest.mark.slow
def test_one_worker_does_what_any_call_asks() -> None:
    first = call_apart(f"{HERE}:whose", None)
    assert [one.value for one in supervised_map(f"{HERE}:whose", [1, 2, 3], workers=1)] == [first] * 3
    assert call_apart("os.path:basename", "a/b") == "b"
    stream = supervised_map(f"{HERE}:whose", iter([1, 2]), workers=1, keep=False)
    assert [one.value for one in stream] == [first] * 2
    assert call_apart(f"{HERE}:whose", None) != first


@pytest.mark.slow
def test_only_two_workers_wait() -> None:
    stream = supervised_map(f"{HERE}:square", range(12), workers=4)
    assert len(list(stream)) == 12
    assert len(workers._idle) <= 2


@pytest.mark.slow
def test_each_task_has_its_own_memory_limit(tmp_path: Path) -> None:
    assert call_apart(f"{HERE}:limit_of_memory", None, memory_limit=2 << 30) == 2 << 30
    assert call_apart(f"{HERE}:limit_of_memory", None, memory_limit=3 << 30) == 3 << 30
    with pytest.raises(InputError, match="memory") as caught:
        call_apart(f"{HERE}:bloat", str(tmp_path / "pid"), memory_limit=3 << 30)
    assert caught.value.reason is Reason.TOO_LARGE
    with pytest.raises(ProcessLookupError):  # what is left of the memory is not another task's
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.slow
def test_a_worker_that_answered_and_cannot_import_the_next_says_its_last_words() -> None:
    call_apart(f"{HERE}:whose", None)
    with pytest.raises(WorkerError, match=r"(?s)exit code 1.*ModuleNotFoundError: No module named .tests.nothing"):
        call_apart("tests.nothing:x", 1)


@pytest.mark.slow
def test_a_worker_that_dies_while_it_waits_is_replaced() -> None:
    first = call_apart(f"{HERE}:whose", None)
    os.kill(first, signal.SIGKILL)
    next(worker for worker in workers._idle if worker.process.pid == first).process.wait(10)
    assert call_apart(f"{HERE}:whose", None) not in (first, os.getpid())


@pytest.mark.slow
def test_one_call_apart_fails_as_its_function_does() -> None:
    with pytest.raises(InputError, match="half a file"):
        call_apart(f"{HERE}:misbehave", "refuse")
    with pytest.raises(InputError, match=r"surprise.*;"):
        call_apart(f"{HERE}:misbehave", "bug")
    with pytest.raises(InputError, match="SIGKILL"):
        call_apart(f"{HERE}:misbehave", "die")
    with pytest.raises(InputError) as caught:
        call_apart(f"{HERE}:misbehave", "hang", time_limit=1)
    assert caught.value.reason is Reason.TIMEOUT
    assert call_apart(f"{HERE}:misbehave", "a") == "a"


@pytest.mark.slow
def test_a_kept_worker_has_the_environment_of_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("one", "two"):
        monkeypatch.setenv("RADSEEK_TEST_VALUE", value)
        assert call_apart(f"{HERE}:environment", "RADSEEK_TEST_VALUE") == value


@pytest.mark.slow
def test_a_worker_that_cannot_start_says_its_last_words() -> None:
    with pytest.raises(WorkerError, match=r"(?s)exit code 1.*ModuleNotFoundError: No module named .tests.nothing"):
        list(supervised_map("tests.nothing:x", [1, 2, 3], workers=2))
    with pytest.raises(WorkerError, match=r"tests\.nothing"):
        call_apart("tests.nothing:x", 1)


def test_memory_is_shared_among_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    for total, many, share in ((64, 1, 12), (64, 4, 12), (16, 4, 3.2), (16, 8, 2), (4, 1, 3.2), (1, 1, 2)):
        monkeypatch.setattr(machine_memory, "usable_memory", lambda total=total: total << 30)
        assert machine_memory.memory_share(many) == int(share * (1 << 30)) or share == 3.2
        assert machine_memory.memory_share(many) <= max(2 << 30, int(0.8 * (total << 30)) // many + 1)


def test_a_control_group_limits_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "memory.max").write_text("3000000000\n")
    (tmp_path / "a" / "b" / "memory.max").write_text("max\n")
    monkeypatch.setattr(machine_memory, "_CGROUP", tmp_path)
    monkeypatch.setattr(machine_memory, "_groups", lambda: [(tmp_path / "a" / "b", "memory.max")])
    assert machine_memory.usable_memory() <= 3_000_000_000
