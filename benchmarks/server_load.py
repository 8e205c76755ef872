"""Fifty clients at once against a server for a minute: errors, waiting times, memory, and what happens past the limit.

    python -m benchmarks.server_load [--clients 50] [--seconds 60] [--limit 64] [--model builtin]

The archive is eight phantoms, two of each kind, served in a process of its own. Each client asks one question after
another: screen, similar, search, explain of a stored study, and the list of studies. First as many may wait as there
are clients, so that nobody is refused; then a tenth of that, where the rest must be told to come back (503) at once.
Memory is the server's resident set, at the end of each quarter of the time.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
RADSEEK = str(Path(sys.executable).with_name("radseek"))
_ENGINE_TIMEOUT = 120.0  # seconds after which an answer counts as a hang


@dataclass
class Load:
    """What a run came to: seconds of each answer by route and status; `memory`: MiB at the end of each quarter."""

    seconds: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    hangs: int = 0
    errors: list[str] = field(default_factory=list)  # of the connection; answers count by their status
    memory: list[float] = field(default_factory=list)

    def of(self, *statuses: int) -> list[float]:
        """Return the seconds of all answers of some statuses."""
        return [one for (_, status), times in self.seconds.items() if status in statuses for one in times]

    @property
    def statuses(self) -> Counter[int]:
        """Return how many answers had each status."""
        counts: Counter[int] = Counter()
        for (_, status), times in self.seconds.items():
            counts[status] += len(times)
        return counts


def load(base: str, clients: int, seconds: float, *, process: int | None = None, seed: int = 0) -> Load:
    """Ask from `clients` threads for `seconds`; `process` is the server's, whose memory is looked at."""
    keys = [one["study"] for one in httpx.get(f"{base}/v1/studies", timeout=60).json()["studies"]]
    result, lock, ends = Load(), threading.Lock(), time.monotonic() + seconds

    def client(number: int) -> None:
        chance = random.Random(1000 * seed + number)
        with httpx.Client(base_url=base, timeout=_ENGINE_TIMEOUT) as asking:
            while time.monotonic() < ends:
                method, path, body = _question(chance, keys)
                began = time.monotonic()
                try:
                    status = asking.request(method, path, json=body).status_code
                except httpx.TimeoutException:
                    with lock:
                        result.hangs += 1
                    continue
                except httpx.TransportError as error:
                    with lock:
                        result.errors.append(repr(error))
                    continue
                with lock:
                    result.seconds.setdefault((path, status), []).append(time.monotonic() - began)
                if status == 503:
                    time.sleep(0.05)  # a client that comes back, if not as late as it was told to

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        time.sleep(seconds / 4)
        if process is not None:
            result.memory.append(psutil.Process(process).memory_info().rss / 2**20)
    for thread in threads:
        thread.join()
    return result


def _question(chance: random.Random, keys: list[str]) -> tuple[str, str, dict[str, Any] | None]:
    key = chance.choice(keys)
    return chance.choice(
        [
            ("POST", "/v1/screen", {"study": key}),
            ("POST", "/v1/similar", {"study": key, "k": 5}),
            ("POST", "/v1/search", {"text": chance.choice(["pleural effusion", "颅内出血", "no nodule"]), "k": 5}),
            ("POST", "/v1/explain", {"study": key, "k": 3}),
            ("GET", "/v1/studies", None),
        ]
    )


@contextmanager
def served(index: Path, most_waiting: int, home: Path) -> Iterator[tuple[str, int]]:
    """Serve an index in a process of its own; the value is its base URL and process id."""
    code = (
        "import sys, uvicorn\n"
        "from radseek.app.session import Session\n"
        "from radseek.server.server_app import create_app\n"
        "from radseek.server.settings import Settings\n"
        "with Session.open(sys.argv[1]) as session:\n"
        "    session.warm()\n"
        "    app = create_app(session, Settings(most_waiting=int(sys.argv[2])))\n"
        "    uvicorn.run(app, port=7995, log_level='warning', access_log=False, timeout_keep_alive=20)\n"
    )
    command = [sys.executable, "-c", code, str(index), str(most_waiting)]
    process = subprocess.Popen(command, env=_environment(home), cwd=ROOT)
    try:
        for _ in range(1200):
            try:
                httpx.get("http://127.0.0.1:7995/readyz", timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.2)
        yield "http://127.0.0.1:7995", process.pid
    finally:
        process.terminate()
        process.wait(60)


def archive(home: Path, model: str) -> Path:
    """Write the phantoms and index them."""
    made, index = home / "phantoms", home / "archive.index"
    phantoms = [RADSEEK, "phantoms", str(made), "--kind", "mixed", "--studies", "8", "--seed", "7"]
    build = [RADSEEK, "build", str(made / "studies"), "--index", str(index), "--model", model]
    for command in (phantoms, [*build, "--reports", str(made / "reports.csv")]):
        subprocess.run(command, env=_environment(home), check=True, capture_output=True, cwd=ROOT)
    return index


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "XDG_CONFIG_HOME": str(home / "config"), "XDG_CACHE_HOME": str(home / "cache")}


def main() -> None:
    """Run both and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--limit", type=int, default=64)
    parser.add_argument("--model", default="builtin")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        index = archive(home, asked.model)
        for most_waiting in (asked.limit, max(1, asked.clients // 10)):
            with served(index, most_waiting, home) as (base, process):
                load(base, 4, 5, seed=9)  # what a first question reads once is not what is measured
                _print(most_waiting, asked.clients, load(base, asked.clients, asked.seconds, process=process))


def _print(most_waiting: int, clients: int, result: Load) -> None:
    print(
        f"{clients} clients, {most_waiting} may wait: "
        f"answers {dict(sorted(result.statuses.items()))}, {result.hangs} hangs"
    )
    print(f"    {len(result.errors)} connections lost {result.errors[:2]}")
    for (path, status), times in sorted(result.seconds.items()):
        p50, p99 = np.percentile(times, [50, 99])
        print(f"    {path} {status}: {len(times)}, p50 {1000 * p50:.0f} ms, p99 {1000 * p99:.0f} ms")
    for statuses in ((200,), (503,)):
        if times := result.of(*statuses):
            p50, p99 = np.percentile(times, [50, 99])
            print(f"    all {statuses[0]}: {len(times)}, p50 {1000 * p50:.0f} ms, p99 {1000 * p99:.0f} ms")
    print(f"    memory, MiB: {', '.join(f'{one:.0f}' for one in result.memory)}", flush=True)


if __name__ == "__main__":
    main()
