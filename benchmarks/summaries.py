"""Explained phantoms, judged: `python benchmarks/summaries.py FOLDER [--studies 200] [--narrator template,local]`.

FOLDER gets a cohort and its index, once; a second run uses them. Prints JSON: for each narrator the statements, what
contradicts truth or source (beyond the scores' own errors: the bar is 0), the share of sentences that the checker
replaced, and seconds a study.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.summary_judge import judge, statements
from radseek.demo.phantoms.write.cohort import write_cohort
from radseek.index_builder import build_index
from radseek.retrieval.engine import Engine
from radseek.retrieval.explain.narrators.load_narrator import load_narrator
from radseek.retrieval.explain.narrators.narrator import Narrator

SETS = {"chest_ct": "chest_ct", "chest_xray": "chest_xray", "head_ct": "head_ct", "brain_mr": "brain_mr"}


@dataclass(frozen=True)
class Truth:
    """One phantom: where its files are, what it holds, and a mask of one of its findings."""

    path: Path
    kind: str
    labels: dict[str, int]
    mask: Path | None


def main() -> None:
    args = _arguments()
    index = args.folder / "summaries.index"
    if not (args.folder / "labels.csv").exists():
        write_cohort(args.folder, args.kind, args.studies, args.seed)
    if not index.exists():
        build_index(args.folder / "studies", index, reports=args.folder / "reports.csv")
    truths = list(_truths(args.folder))[: args.studies]
    told = {name: _narrator(name, args) for name in args.narrator.split(",")}
    with Engine.open(index) as engine:
        rows = {name: _judged(engine, truths, narrator, args) for name, narrator in told.items()}
    print(json.dumps({"studies": len(truths), "lang": args.lang, "narrators": rows}, ensure_ascii=False, indent=1))


def _narrator(name: str, args: argparse.Namespace) -> Narrator:
    if name == "template":
        return load_narrator()
    return load_narrator(name, model=args.model_file, url=args.llm_url if name == "openai" else None)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--kind", default="mixed")
    parser.add_argument("--seed", type=int, default=41)
    parser.add_argument("--narrator", default="template")
    parser.add_argument("--model-file", default=None)
    parser.add_argument("--llm-url", default=None)
    parser.add_argument("--lang", default="en", choices=("en", "zh"))
    parser.add_argument("--documents", type=Path, default=None, help="where documents are kept, not to be made again")
    return parser.parse_args()


def _truths(folder: Path) -> Iterator[Truth]:
    labels: dict[str, dict[str, int]] = defaultdict(dict)
    kinds: dict[str, str] = {}
    with (folder / "labels.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            labels[row["path"]][row["finding"]] = int(row["label"])
            kinds[row["path"]] = row["kind"]
    for path, known in labels.items():
        masks = sorted((folder / "masks").glob(f"{Path(path).name}_*.nii.gz"))
        yield Truth(folder / path, kinds[path], known, masks[0] if masks else None)


def _judged(engine: Engine, truths: list[Truth], narrator: Narrator, args: argparse.Namespace) -> dict[str, Any]:
    wrong: list[dict[str, Any]] = []
    counts: Counter[str] = Counter()
    seconds = []
    for number, truth in enumerate(truths, 1):
        started = time.perf_counter()
        document = _told(engine, truth, narrator, args)
        seconds.append(time.perf_counter() - started)
        wrong += [{**one, "study": truth.path.name} for one in judge(document, truth.labels)]
        said = document["summary"]
        counts["sentences"] += len(said)
        counts["statements"] += statements(document)
        counts["replaced"] += sum(one["replaced"] for one in said)
        print(f"{narrator.name} {number}/{len(truths)} {seconds[-1]:.1f} s", file=sys.stderr, flush=True)
    unexcused = [one for one in wrong if not one["excused"]]
    return {
        **counts,
        "replaced_share": round(counts["replaced"] / max(1, counts["sentences"]), 4),
        "wrong": len(unexcused),
        "wrong_by_the_scores": len(wrong) - len(unexcused),
        "examples": unexcused[:20],
        "seconds_median": round(sorted(seconds)[len(seconds) // 2], 2),
    }


def _told(engine: Engine, truth: Truth, narrator: Narrator, args: argparse.Namespace) -> dict[str, Any]:
    """Return the study's document; one that an earlier run left in `--documents` is not made again."""
    path = None if args.documents is None else args.documents / f"{truth.path.name}_{narrator.name}_{args.lang}.json"
    if path is not None and path.exists():
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return kept
    result = engine.explain(truth.path, SETS[truth.kind], k=5, mask=truth.mask, narrator=narrator, lang=args.lang)
    document = result.to_dict()
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
    return document


if __name__ == "__main__":
    main()
