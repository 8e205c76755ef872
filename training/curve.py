"""Keep what a run said: `python -m training.curve RUN NAME` writes training/logs/NAME.jsonl and NAME.csv."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path

__all__ = ["main"]


def main() -> None:
    """Copy the log; write the image phase's measures as a table."""
    run, name = Path(sys.argv[1]), sys.argv[2]
    folder = Path(__file__).with_name("logs")
    folder.mkdir(exist_ok=True)
    shutil.copy(run / "log.jsonl", folder / f"{name}.jsonl")
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row.get("phase") == "image" and "step" in row]
    with (folder / f"{name}.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[-1]))
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    main()
