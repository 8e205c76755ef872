"""Sentence polarity on our own sentences: English, and Chinese in both scripts (docs/polarity.md).

    python -m benchmarks.polarity_own                     # macro F1 by set, and by lines tuned on and held out
    python -m benchmarks.polarity_own --errors even       # what is read otherwise than labelled, on even lines

A set is a file of JSON lines: `text`, the `region` its report is about, what it `says` of each finding that it names,
and mostly the `kind` of wording. Even lines (from 0) were looked at while the rules were made, odd ones were not.
medspaCy and negspaCy on the same sentences: benchmarks/polarity_libraries.py.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import opencc

from benchmarks.polarity_iu import CLASSES, macro_f1, scores
from radseek.retrieval.language.report_findings import findings_in

TESTS = Path(__file__).resolve().parents[1] / "tests"
SETS = {"English": "polarity_own_en", "Chinese": "polarity_own_zh", "later": "polarity_later", "more": "polarity_more"}
# OpenCC's conversions with which the Chinese set is written in traditional characters, of the mainland and of Taiwan.
TRADITIONAL = ("s2t", "s2tw")


class Labelled(NamedTuple):
    """A sentence of ours with its labels."""

    text: str
    region: str
    says: Mapping[str, str]
    kind: str = ""


Rules = Callable[[Labelled], Mapping[str, str]]


def rules(sentence: Labelled) -> dict[str, str]:
    """Our rules over the whole catalogue."""
    return {said.finding: said.polarity for said in findings_in(sentence.text, region=sentence.region)}


def read_set(name: str) -> list[Labelled]:
    """The sentences of `tests/NAME.jsonl`."""
    lines = (TESTS / f"{name}.jsonl").read_text(encoding="utf8").splitlines()
    return [Labelled(**json.loads(line)) for line in lines]


def traditional(labelled: Sequence[Labelled], conversion: str) -> list[Labelled]:
    """The same sentences in traditional characters."""
    convert = opencc.OpenCC(conversion).convert
    return [one._replace(text=convert(one.text)) for one in labelled]


def confusion(labelled: Sequence[Labelled], say: Rules = rules) -> Counter[tuple[str, str]]:
    """Count (label, said) over every finding that either names; "silent" is the other's side."""
    counts: Counter[tuple[str, str]] = Counter()
    for sentence in labelled:
        said = say(sentence)
        for finding in {*sentence.says, *said}:
            counts[sentence.says.get(finding, "silent"), said.get(finding, "silent")] += 1
    return counts


def all_sets() -> Iterator[tuple[str, list[Labelled]]]:
    """Every set by its name, the Chinese one in both scripts."""
    for name, file in SETS.items():
        labelled = read_set(file)
        yield name, labelled
        if name == "Chinese":
            yield from ((f"Chinese, {one}", traditional(labelled, one)) for one in TRADITIONAL)


def row(name: str, labelled: Sequence[Labelled], say: Rules = rules) -> str:
    """One line of the table."""
    counts = confusion(labelled, say)
    table = scores(counts)
    classes = " | ".join(f"{table[one][2]:.3f}" for one in CLASSES)
    labels = sum(len(one.says) for one in labelled)
    return f"| {name} | {len(labelled)} | {labels} | {classes} | {macro_f1(counts):.3f} |"


def print_errors(labelled: Sequence[Labelled]) -> None:
    """Show what the rules read otherwise than the labels say, with the cue that decided."""
    for one in labelled:
        if rules(one) != one.says:
            print(f"{one.text}\n    labels {dict(one.says)}")
            for said in findings_in(one.text, region=one.region):
                print(f"    said   {said}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--errors", choices=("even", "odd", "all"))
    options = parser.parse_args()
    halves = {"even": slice(0, None, 2), "odd": slice(1, None, 2), "all": slice(None)}
    print(f"| set | sentences | labels | {' | '.join(CLASSES)} | macro F1 |\n|---|---|---|---|---|---|---|")
    for name, labelled in all_sets():
        print(row(name, labelled))
        if name in ("English", "Chinese"):
            print(row(f"{name}, even lines", labelled[halves["even"]]))
            print(row(f"{name}, odd lines", labelled[halves["odd"]]))
        if options.errors:
            print_errors(labelled[halves[options.errors]])


if __name__ == "__main__":
    main()
