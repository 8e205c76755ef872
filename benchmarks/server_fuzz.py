"""Schemathesis over the whole API: made-up and malformed requests of every operation, every answer checked.

    python -m benchmarks.server_fuzz [--cases 10000] [--uploads 200] [--seed 1]

Checks: no answer of 500 or above; status, content type, headers and body as the description says; what breaks the
description is refused; other methods are refused. The archive is four small CTs indexed with random weights, served
in a process of its own and asked with the admin token; uploads start a worker process each, so there are fewer.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[1]
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection,unsupported_method"
)
UPLOADS = ("--include-path", "/v1/uploads")
QUESTIONS = ("--exclude-path", "/v1/uploads", "--exclude-method", "DELETE")
DELETING = ("--include-method", "DELETE")  # last: schemathesis reuses the keys that it has seen
TOKEN = "admin-token-of-the-sweep-0123456789"


@dataclass
class Figures:
    """What a sweep came to: cases by operation, statuses of the answers, and failures as schemathesis words them."""

    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0
    output: str = ""

    @property
    def server_errors(self) -> int:
        """Return how many answers were 500 or above, 503 (busy) apart."""
        return sum(count for status, count in self.statuses.items() if status >= 500 and status != 503)


def fuzz(base: str, examples: int, which: Sequence[str], *, seed: int = 1) -> Figures:
    """Run schemathesis against a server that listens, `examples` an operation, and return its figures.

    `which`: schemathesis's own options that choose operations.
    """
    shown = {"Authorization": f"Bearer {TOKEN}"}
    keys = [one["study"] for one in httpx.get(f"{base}/v1/studies", timeout=60, headers=shown).json()["studies"]]
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "events.ndjson"
        command = [str(Path(sys.executable).with_name("st")), "run", f"{base}/openapi.json", "--no-color"]
        command += ["--phases", "examples,coverage,fuzzing", "--checks", CHECKS, "--max-examples", str(examples)]
        command += ["--seed", str(seed), "--generation-database", "none", "--continue-on-failure", "--workers", "2"]
        command += ["--suppress-health-check", "all", "--request-timeout", "120", "--warnings", "off"]
        command += ["--report", "ndjson", "--report-ndjson-path", str(written)]
        command += ["--header", f"Authorization: Bearer {TOKEN}"]
        command += which
        own = {"RADSEEK_FUZZ_KEYS": ",".join(keys), "SCHEMATHESIS_HOOKS": "benchmarks.server_fuzz_hooks"}
        began = time.monotonic()
        done = subprocess.run(
            command, env={**os.environ, **own, "PYTHONPATH": str(ROOT)}, cwd=folder, capture_output=True, text=True
        )
        figures = _figures(written)
    figures.seconds, figures.output = time.monotonic() - began, done.stdout + done.stderr
    if done.returncode != 0:
        figures.failures += re.findall(r"^- .*$", done.stdout, re.M) or [f"schemathesis ended with {done.returncode}"]
    return figures


def _figures(written: Path) -> Figures:
    figures = Figures()
    for line in written.read_text("utf-8").splitlines():
        event = json.loads(line).get("ScenarioFinished")
        if event is None:
            continue
        for one in event["recorder"].get("interactions", {}).values():
            answer = one.get("response")
            figures.cases += 1
            figures.statuses[0 if answer is None else answer["status_code"]] += 1
            figures.operations[event["recorder"]["label"]] += 1
    return figures


def _served(port: int) -> None:
    """Serve a small archive; in a process of its own."""
    import warnings

    import uvicorn

    from radseek.app.session import Session
    from radseek.index_builder import build_index
    from radseek.retrieval.encoders.encoder import TextCutWarning
    from radseek.server.server_app import create_app
    from radseek.server.settings import Settings
    from tests.build_support import write_ct

    warnings.simplefilter("ignore", TextCutWarning)
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        uids = [write_ct(base / "studies" / str(seed), seed) for seed in range(4)]
        rows = "\n".join(f'{uid},"Small nodule in the left lung. No pleural effusion."' for uid in uids)
        (base / "reports.csv").write_text(f"study,report\n{rows}\n")
        build_index([base / "studies"], base / "i.index", model="random", reports=base / "reports.csv", workers=1)
        with Session.open(base / "i.index") as session:
            uvicorn.run(
                create_app(session, Settings(admin_token=TOKEN)), port=port, log_level="warning", access_log=False
            )


def main() -> None:
    """Run the sweep and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--uploads", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        _served(asked.serve)
        return
    with tempfile.TemporaryDirectory() as home, _server(Path(home)) as base:
        total, seed = Figures(), asked.seed
        while total.cases < asked.cases - 2 * asked.uploads:
            _add(total, f"questions, seed {seed}", fuzz(base, 400, QUESTIONS, seed=seed))
            seed += 1
        _add(total, "uploads", fuzz(base, asked.uploads, UPLOADS, seed=asked.seed))
        _add(total, "deleting", fuzz(base, 400, DELETING, seed=asked.seed))
    _print("all", total)
    print(f"{total.cases} cases, {total.server_errors} server errors, {len(total.failures)} failures")
    sys.exit(1 if total.failures or total.server_errors else 0)


@contextmanager
def _server(home: Path, port: int = 7991) -> Iterator[str]:
    """Run a server in a process of its own while the block lasts; the value is its base URL."""
    own = {"XDG_CONFIG_HOME": str(home / "config"), "XDG_CACHE_HOME": str(home / "cache")}
    command = [sys.executable, "-m", "benchmarks.server_fuzz", "--serve", str(port)]
    process = subprocess.Popen(command, env={**os.environ, **own}, cwd=ROOT)
    try:
        base = f"http://127.0.0.1:{port}"
        for _ in range(1200):
            try:
                httpx.get(f"{base}/readyz", timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.2)
        yield base
    finally:
        process.terminate()
        process.wait(30)


def _add(total: Figures, name: str, some: Figures) -> None:
    _print(name, some)
    total.cases += some.cases
    total.seconds += some.seconds
    total.statuses += some.statuses
    total.operations += some.operations
    total.failures += some.failures


def _print(name: str, figures: Figures) -> None:
    statuses = ", ".join(f"{status}: {count}" for status, count in sorted(figures.statuses.items()))
    print(f"{name}: {figures.cases} cases in {figures.seconds:.0f} s; answers {statuses}", flush=True)
    for operation, count in sorted(figures.operations.items()):
        print(f"    {operation}: {count}", flush=True)
    if figures.failures:
        print("\n".join(figures.failures), figures.output[-20_000:], flush=True)


if __name__ == "__main__":
    main()
