"""Whole numbers in a row as runs, short enough to be kept for every series: which image of it each slice is."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["place_in_runs", "write_runs"]


def write_runs(numbers: Sequence[int]) -> str:
    """Return numbers as runs by one, up or down, in their order; "" for none.

    >>> write_runs([34, 33, 32, 7, 9]), write_runs([5])
    ('34-32,7,9', '5')
    """
    runs: list[list[int]] = []
    for number in numbers:
        run = runs[-1] if runs else []
        step = run[1] - run[0] if len(run) > 1 else 0
        if run and (number - run[-1] == step or (not step and abs(number - run[-1]) == 1)):
            run.append(number)
        else:
            runs.append([number])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def place_in_runs(runs: str, number: int) -> int | None:
    """Return where a number stands in what `write_runs` wrote, from 0; None where it does not.

    >>> place_in_runs("34-32,7,9", 33), place_in_runs("34-32,7,9", 9), place_in_runs("34-32", 8)
    (1, 4, None)
    """
    before = 0
    for run in runs.split(",") if runs else ():
        first, _, last = run.partition("-")
        start, end = int(first), int(last or first)
        if min(start, end) <= number <= max(start, end):
            return before + abs(number - start)
        before += abs(end - start) + 1
    return None
