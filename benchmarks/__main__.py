"""Every benchmark, one after another: `python -m benchmarks [NAME...]`. Hours; one that fails does not stop the rest.

Needs the extras `dev`, `demo`, `llm`, `openai`, `seg` and `train`, and the real data at ../shared/data or
`$RADSEEK_DATA`. A name given runs those that begin with it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

DATA = os.environ.get("RADSEEK_DATA", str(Path(__file__).resolve().parents[2] / "shared" / "data"))
REPORTS = str(Path(DATA) / "reports_iu" / "indiana_reports.csv")
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("bootstrap_coverage",),
    ("build_memory", "--model", "builtin"),
    ("conformal_coverage",),
    ("encode_speed", "builtin", "--threads", "2"),
    ("evaluate_builtin", "--real", "--words"),
    ("evaluate_builtin", "--phantoms", "200"),
    ("few_shot", "--kept", "{folder}"),
    ("heatmap_choice", "--each", "12", "--methods", "gradient16:1", "gradient16:2", "smooth16:1", "layercam16:1"),
    ("heatmap_faithfulness", "--studies", "60", "--real", DATA),
    ("hostile_mutants",),
    ("index_faults", "--faults", "600"),
    ("index_kills", "--kills", "300"),
    ("index_mutations", "--mutations", "1000"),
    ("index_readers",),
    ("index_states",),
    ("many_studies", "{folder}"),
    ("measure_solids", "--places", "40"),
    ("narrator_sentences",),
    ("noise_drift", "--model", "builtin", "--pool", "300"),
    ("phantom_fairness", "--studies", "120", "--seed", "700000"),
    ("pointing_game", "--studies", "20", "--occlusion", "2"),
    ("polarity_iu", REPORTS),
    ("polarity_problems", REPORTS),
    ("pooling_volumes",),
    ("pooling_table", "--model", "builtin", "--train", "120", "--test", "60"),
    ("random_filters",),
    ("region_query", "--each", "5", "--beside"),
    ("search_words",),
    ("server_fuzz",),
    ("server_load",),
    ("similar_speed",),
    ("summaries", "{folder}", "--studies", "200", "--narrator", "template,local"),
    ("viewer_speed",),
)


def main() -> None:
    chosen = [one for one in COMMANDS if not sys.argv[1:] or one[0].startswith(tuple(sys.argv[1:]))]
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        for name, *arguments in chosen:
            told = [folder if one == "{folder}" else one for one in arguments]
            print(f"== python -m benchmarks.{' '.join([name, *told])}", flush=True)
            if subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *told], check=False).returncode:
                failed.append(name)
    if failed:
        sys.exit(f"these failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
