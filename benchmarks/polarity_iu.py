"""Sentence polarity on labelled sentences of the Indiana reports (docs/polarity.md).

    python -m benchmarks.polarity_iu REPORTS.csv                                    # the 300
    python -m benchmarks.polarity_iu REPORTS.csv --labels tests/polarity_tuning_labels.csv [--errors]

Whole reports against their `Problems`: benchmarks/polarity_problems.py.

A pair of sentence and finding counts for a class where labels and rules agree; a finding that only one of them names
is an error of that class. `--errors` shows sentences on the terminal, for tuning: never use it on the 300.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.polarity_sample import Sentence, sentences
from radseek.retrieval.language.report_findings import findings_in

CLASSES = ("present", "absent", "uncertain")
Rules = Callable[[str], Mapping[str, str]]


def rules(sentence: str) -> dict[str, str]:
    """Our rules over the whole catalogue, in a chest report."""
    return {said.finding: said.polarity for said in findings_in(sentence, region="chest")}


def read_labels(path: Path, reports: Path) -> list[tuple[Sentence, dict[str, str]]]:
    """The labelled sentences with their text, looked up by id."""
    texts = {one[:3]: one for one in sentences(reports)}
    with path.open(newline="", encoding="utf8") as file:
        rows = list(csv.DictReader(file))
    ids = [(row["uid"], row["section"], int(row["number"])) for row in rows]
    labels = [dict(label.split("=") for label in row["labels"].split()) for row in rows]
    return [(texts[key], label) for key, label in zip(ids, labels, strict=True)]


def confusion(labelled: Sequence[tuple[Sentence, Mapping[str, str]]], say: Rules) -> Counter[tuple[str, str]]:
    """Count (label, said) over every finding that either names; "silent" is the other's side."""
    counts: Counter[tuple[str, str]] = Counter()
    for sentence, label in labelled:
        said = say(sentence.text)
        for finding in {*label, *said}:
            counts[label.get(finding, "silent"), said.get(finding, "silent")] += 1
    return counts


def scores(counts: Mapping[tuple[str, str], int]) -> dict[str, tuple[float, float, float]]:
    """Precision, recall and F1 of each class."""
    found = {}
    for name in CLASSES:
        hit = counts.get((name, name), 0)
        said = sum(n for (_, s), n in counts.items() if s == name)
        true = sum(n for (t, _), n in counts.items() if t == name)
        precision, recall = hit / max(said, 1), hit / max(true, 1)
        found[name] = (precision, recall, 2 * hit / max(said + true, 1))
    return found


def macro_f1(counts: Mapping[tuple[str, str], int]) -> float:
    """The mean F1 of the three classes."""
    return sum(f1 for _, _, f1 in scores(counts).values()) / len(CLASSES)


def print_sentences(labelled: Sequence[tuple[Sentence, Mapping[str, str]]], say: Rules) -> None:
    """Print the table of the labelled sentences."""
    counts = confusion(labelled, say)
    print(f"{len(labelled)} sentences, {sum(len(label) for _, label in labelled)} labels\n")
    print("| label | said present | absent | uncertain | silent | precision | recall | F1 |")
    print("|---|---|---|---|---|---|---|---|")
    table = scores(counts)
    for name in (*CLASSES, "silent"):
        row = " | ".join(str(counts.get((name, said), 0)) for said in (*CLASSES, "silent"))
        measured = " | ".join(f"{value:.3f}" for value in table[name]) if name in table else " |  | "
        print(f"| {name} | {row} | {measured} |")
    print(f"\nmacro F1 {macro_f1(counts):.3f}\n")


def print_errors(labelled: Sequence[tuple[Sentence, Mapping[str, str]]], say: Rules) -> None:
    """Show what the rules read otherwise than the reader."""
    for sentence, label in labelled:
        said = say(sentence.text)
        wrong = {f: (label.get(f), said.get(f)) for f in {*label, *said} if label.get(f) != said.get(f)}
        if wrong:
            print(f"{sentence.uid} {sentence.section} {sentence.number}: {sentence.text}\n    {wrong}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", type=Path)
    parser.add_argument("--labels", type=Path, default=Path("tests/polarity_labels.csv"))
    parser.add_argument("--errors", action="store_true")
    options = parser.parse_args()
    labelled = read_labels(options.labels, options.reports)
    print_sentences(labelled, rules)
    if options.errors:
        print_errors(labelled, rules)


if __name__ == "__main__":
    main()
