"""Peak memory of a build over 40 and over 400 generated series: it must not grow with the archive.

    python benchmarks/build_memory.py [--model builtin]

Each build runs in a process of its own; peak RSS is that process's and that of its largest reader.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
SIZES = (40, 400)


def build(archive: str, index: str, model: str) -> None:
    from radseek.index_builder import build_index

    report = build_index(archive, index, model=model, workers=1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    reader = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps({"series": report.series, "slices": report.slices, "mib": peak, "reader_mib": reader}))


def measure(series: int, model: str) -> dict[str, float]:
    from tests.build_support import write_ct

    with tempfile.TemporaryDirectory() as folder:
        for seed in range(series):
            write_ct(Path(folder) / "archive" / str(seed), seed)
        command = [sys.executable, __file__, "--archive", f"{folder}/archive", "--index", f"{folder}/a.index"]
        done = subprocess.run([*command, "--model", model], capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="random")
    parser.add_argument("--archive")
    parser.add_argument("--index")
    arguments = parser.parse_args()
    if arguments.archive:
        build(arguments.archive, arguments.index, arguments.model)
        return
    small, large = (measure(series, arguments.model) for series in SIZES)
    print("| series | slices | peak RSS, MiB | largest reader, MiB |\n|---|---|---|---|")
    for row in (small, large):
        print(f"| {row['series']} | {row['slices']} | {row['mib']:.0f} | {row['reader_mib']:.0f} |")
    print(f"ratio {large['mib'] / small['mib']:.3f} (bar: within 15 %)")


if __name__ == "__main__":
    main()
