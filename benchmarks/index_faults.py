"""A disk that fills, becomes read-only or breaks at any call of what writes an index; well again, all is there.

    python -m benchmarks.index_faults [--faults 300] [--seed 0] [--action NAME ...]

Needs a C compiler (`cc`): `failing_disk.c` is preloaded and fails the n-th write, sync, rename or creation below the
index, and every later one, with ENOSPC, EROFS or EIO; SQLite's own are among them. What writes is what
`index_kills` kills. It must end by itself, or with an error of radseek that has exit code 7 or 8; afterwards, on a disk
that is well again, every study of before opens, verifies and is found, and the action, run again, ends as it should.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import faiss
import numpy as np
import torch

from benchmarks.index_kills import (
    ACTIONS,
    few_views_have_codes,
    make_template,
    prepare,
    wrong_after,
)
from radseek.retrieval.errors import IndexDamagedError, RadseekError, StorageError

SHIM = "RADSEEK_FAILING_DISK"
WRITE, CREATE, RENAME, SYNC = 1, 2, 4, 8
FAULTS = {"ENOSPC": WRITE | CREATE, "EROFS": WRITE | CREATE | RENAME | SYNC, "EIO": WRITE | SYNC}


def run_with(action: Callable[[Path], None], index: Path, at: int, fault: str) -> tuple[int, str]:
    """Run an action in a process whose disk fails from the `at`-th call on; return its calls and how it ended."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        os.write(write, _ending(action, index, at, fault).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as said:
        text = said.read()
    os.waitpid(child, 0)
    calls, _, ending = text.partition(" ")
    return int(calls or 0), ending or "died"


def _ending(action: Callable[[Path], None], index: Path, at: int, fault: str) -> str:
    disk = ctypes.CDLL(os.environ[SHIM])
    disk.disk_fails(ctypes.c_long(at), getattr(errno, fault), FAULTS[fault], str(index.parent).encode())
    try:
        action(index)
        ending = "done"
    except IndexDamagedError as error:
        ending = f"damaged: {error}"
    except RadseekError as error:
        said = isinstance(error, StorageError) or error.exit_code in (7, 8)
        ending = f"said {type(error).__name__}" if said else f"{error!r}"
    except BaseException as error:  # noqa: BLE001 - what the table counts
        ending = f"{type(error).__name__}: {error}"
    calls = disk.disk_calls()
    disk.disk_fails(ctypes.c_long(0), 0, 0, b"")
    return f"{calls} {ending}"


def copied(action: str, template: Path) -> Path:
    """Return a fresh copy of the template, made ready for an action."""
    folder = template.parent.with_name("copy")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template.parent, folder)
    prepare(action, folder / template.name)
    return folder / template.name


def one_fault(action: str, template: Path, at: int, fault: str) -> tuple[str, list[str]]:
    """Let the disk fail, look, run the action again, look; return how it ended and what is wrong."""
    index = copied(action, template)
    _, ending = run_with(ACTIONS[action], index, at, fault)
    problems = [] if ending == "done" or ending.startswith("said ") else [ending]
    return ending, problems + wrong_after(action, index)


def sweep(faults: int, seed: int, folder: Path, actions: list[str]) -> dict[str, Counter[str]]:
    """Return for each action how its faults ended and what went wrong."""
    torch.set_num_threads(1)  # a forked process has none of the parent's
    faiss.omp_set_num_threads(1)
    template = make_template(folder)
    rng = np.random.default_rng(seed)
    found: dict[str, Counter[str]] = {}
    each = max(1, faults // (len(actions) * len(FAULTS)))
    for name in actions:
        found[name] = Counter()
        for fault in FAULTS:
            calls, ending = run_with(ACTIONS[name], copied(name, template), 0, fault)
            if ending != "done" or not calls:
                raise RuntimeError(f"{name} without a fault: {ending}, {calls} calls")
            found[name][f"{fault} calls"] = calls
            for at in sorted({int(one) for one in rng.integers(1, calls + 1, each)}):
                ending, problems = one_fault(name, template, at, fault)
                found[name]["faults"] += 1
                found[name][ending] += ending.startswith("said ")
                for problem in problems:
                    found[name][f"{fault}: {problem}"] += 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--action", choices=tuple(ACTIONS), nargs="+", default=list(ACTIONS))
    options = parser.parse_args()
    if SHIM not in os.environ:
        with tempfile.TemporaryDirectory(prefix="radseek-shim-") as folder:
            made = Path(folder) / "failing_disk.so"
            source = Path(__file__).with_name("failing_disk.c")
            subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(made), str(source), "-ldl"], check=True)
            told = {**os.environ, SHIM: str(made), "LD_PRELOAD": str(made)}
            sys.exit(
                subprocess.run([sys.executable, "-m", "benchmarks.index_faults", *sys.argv[1:]], env=told).returncode
            )
    with suppress(KeyError):
        del os.environ["LD_PRELOAD"]  # for whatever this process starts
    with tempfile.TemporaryDirectory(prefix="radseek-faults-") as folder, few_views_have_codes():
        (Path(folder) / "t").mkdir()
        found = sweep(options.faults, options.seed, Path(folder) / "t", options.action)
    for name, counts in found.items():
        calls = ", ".join(f"{counts[f'{fault} calls']} {fault}" for fault in FAULTS)
        wrong = {what: n for what, n in counts.items() if what.split(":")[0] in FAULTS and ":" in what}
        said = ", ".join(f"{n} {what}" for what, n in sorted(counts.items()) if what.startswith("said "))
        print(f"{name}: {counts['faults']} faults ({calls} calls), {said}; wrong: {wrong or 'nothing'}")


if __name__ == "__main__":
    main()
