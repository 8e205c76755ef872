"""How the reader takes files changed at random: `python -m benchmarks.hostile_mutants [--mutants N] [--batches N]`.

In process: `read_study` of each, in processes of this script's own so that one that dies is counted.
Through `radseek build --model random`: folders of 300 mutants beside a good study, which must be in the index then.
Prints the bars: uncaught exceptions, process deaths, mutants over 10 s, and memory above what importing takes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from benchmarks.mutating import mutant

LIMIT: Final = 10.0  # seconds that one file may take
_HANGS: Final = 60  # seconds after which a mutant is taken to hang
_PART: Final = 500  # mutants a process
_GOOD: Final = 8  # slices of the good study of a batch


class TooLong(BaseException):
    """A mutant hangs."""


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--mutants", type=int, default=20_000)
    options.add_argument("--batches", type=int, default=20)
    options.add_argument("--each", type=int, default=300, help="mutants a batch")
    options.add_argument("--seed", type=int, default=12)
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--seconds", type=float, default=float("inf"), help="time box of the part in process")
    options.add_argument("--child", nargs=2, type=int, metavar=("FIRST", "COUNT"), help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.child:
        _read_all(given.seed, *given.child)
        return
    failed = _in_process(given.seed, given.first, given.mutants, given.seconds) if given.mutants else 0
    failed += sum(_through_build(given.seed, given.first + n, given.each) for n in range(given.batches))
    sys.exit(1 if failed else 0)


def _in_process(seed: int, first: int, count: int, seconds: float) -> int:
    """Read mutants in processes; return how many bars were missed."""
    outcomes: Counter[str] = Counter()
    done = deaths = 0
    slow: list[dict[str, Any]] = []
    growth, uncaught, started = 0, [], time.monotonic()
    while done < count and time.monotonic() - started < seconds:
        part = min(_PART, count - done)
        lines, died = _part(seed, first + done, part)
        outcomes.update(line["outcome"] for line in lines)
        uncaught += [line for line in lines if line["outcome"].startswith("uncaught")]
        slow += [line for line in lines if line["seconds"] > LIMIT]
        growth = max([growth, *(line["growth"] for line in lines)])
        if died:
            deaths += 1
            print(f"died: mutant {first + done + len(lines)} ({died})", flush=True)
        done += len(lines) + bool(died)
    print(f"in process: {done} mutants of seed {seed}, from {first}; {time.monotonic() - started:.0f} s")
    print(f"  outcomes {dict(outcomes.most_common())}")
    print(f"  uncaught {len(uncaught)}, deaths {deaths}, over {LIMIT:.0f} s {len(slow)}, + {growth / 2**20:.0f} MiB")
    for line in (*uncaught, *slow):
        print(f"  {line}")
    return len(uncaught) + deaths + len(slow) + (growth > 2 << 30)


def _part(seed: int, first: int, count: int) -> tuple[list[dict[str, Any]], str]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.hostile_mutants",
        "--seed",
        str(seed),
        "--child",
        str(first),
        str(count),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    return lines, "" if len(lines) == count else f"exit {ended.returncode}: {ended.stderr.strip()[-300:]}"


def _read_all(seed: int, first: int, count: int) -> None:
    """In a process of its own: read mutants, one line of JSON each."""
    from radseek.retrieval.errors import RadseekError
    from radseek.retrieval.imaging.study_reader import read_study
    from radseek.retrieval.imaging.views.series_views import make_views

    signal.signal(signal.SIGALRM, _hangs)
    before = _peak()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(first, first + count):
            one = mutant(seed, number)
            path = Path(folder) / one.name
            path.write_bytes(one.data)
            started, outcome = time.monotonic(), "read"
            signal.alarm(_HANGS)
            try:
                for series in read_study(path).series:
                    make_views(series)
            except RadseekError as error:
                outcome = str(getattr(error, "reason", type(error).__name__))
                if len(str(error)) < 10 or str(error).rstrip().endswith(":"):
                    outcome = f"uncaught: says nothing: {error}"
            except TooLong:
                outcome = "uncaught: hangs"
            except BaseException as error:  # noqa: BLE001 - what the bar counts
                outcome = f"uncaught: {type(error).__name__}: {error}"
            signal.alarm(0)
            path.unlink()
            took = round(time.monotonic() - started, 3)
            line = {"name": one.name, "outcome": outcome, "seconds": took, "growth": _peak() - before}
            print(json.dumps(line), flush=True)


def _peak() -> int:
    """The most memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _hangs(_signal: int, _frame: object) -> None:
    raise TooLong


def _through_build(seed: int, number: int, each: int) -> int:
    """Build one folder of mutants and a good study; return 1 where a bar is missed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _batch(folder / "archive", seed, number, each)
        started = time.monotonic()
        command = [
            sys.executable,
            "-c",
            "from radseek.cli.main import main; main()",
            "build",
            str(folder / "archive"),
            "--index",
            str(folder / "i"),
            "--model",
            "random",
        ]
        ended = subprocess.run([*command, "--json"], capture_output=True, text=True, env=dict(os.environ), check=False)
        took = time.monotonic() - started
        answer = json.loads(ended.stdout) if ended.stdout.strip() else {}
        skipped = answer.get("skipped", [])
        mute = [line for line in skipped if len(line["message"]) < 10]
        late = [line for line in skipped if line["reason_code"] == "timeout"]
        good = ended.returncode == 0 and answer.get("studies", 0) >= 1 and "Traceback" not in ended.stderr
        kept = answer.get("slices", 0) >= _GOOD
        print(
            f"build {number}: exit {ended.returncode}, {answer.get('studies')} studies, {len(skipped)} refused, "
            f"{len(mute)} without a message, {len(late)} too slow, {took:.0f} s",
            flush=True,
        )
        if not good:
            print(ended.stderr[-2000:])
        return int(not good or not kept or bool(mute) or bool(late))


def _batch(folder: Path, seed: int, number: int, each: int) -> None:
    from benchmarks.mutating import own_slices

    shutil.rmtree(folder, ignore_errors=True)
    (folder / "good").mkdir(parents=True)
    for z, data in enumerate(own_slices(_GOOD)):
        (folder / "good" / f"{z}.dcm").write_bytes(data)
    for one in (mutant(seed, 1_000_000 + number * each + n) for n in range(each)):
        (folder / one.name).write_bytes(one.data)


if __name__ == "__main__":
    main()
