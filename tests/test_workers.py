"""Supervised workers: order, crashes, time limits, memory limits."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest

from retrieval.errors import InputError, Reason
from retrieval.workers import supervised_map

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
