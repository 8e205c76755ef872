"""Draw sentences of the Indiana reports to read and label: by a fixed seed, stratified, each wording once.

    python benchmarks/polarity_sample.py REPORTS.csv                       # the 300 behind tests/polarity_labels.csv
    python benchmarks/polarity_sample.py REPORTS.csv --seed 2 --other-than tests/polarity_labels.csv

Prints to the terminal only: the reports' licence does not let us keep their text. A sentence's id is the report's
uid, the section (findings or impression) and the sentence's number there from 0, as `split_sentences` splits it.
The strata are coarse word lists of this script's own, so that the draw does not depend on the rules it will judge.
"""

from __future__ import annotations

import argparse
import csv
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from radseek.retrieval.language.sentence_split import split_sentences

SECTIONS = ("findings", "impression")
SEED = 20261122
# How many of each stratum; a sentence belongs to the first that fits. They add up to 300.
STRATA = {"hedged": 75, "compared": 45, "denied": 80, "named": 75, "other": 25}
_NAMES = re.compile(
    r"effusion|pneumothora|consolidat|infiltrat|opaci|densit|pneumonia|infect|atelecta|collapse|edema|congest|vascular|"
    r"cardiomegaly|heart|cardiac|cardiomediast|mediastin|nodul|mass|lesion|granulom|calcifi|scar|fibro|emphysem|bulla|"
    r"inflat|expan|fractur|scolio|hernia|thicken|plaque|catheter|tube|line\b|pacemaker|wires|clips|tubercul|adenopathy|"
    r"free air|airspace|air space|aneurysm|bronch|atheroscl|embol|unremarkable|normal|disease",
    re.IGNORECASE,
)
_HEDGES = re.compile(
    r"possib|probab|likely|may\b|might|could|suggest|suspic|suspect|question|concern|versus|\bvs\b|exclude|rule out|"
    r"borderline|upper limit|cannot|differential|represent|\?| or (?!.*\bno\b)",
    re.IGNORECASE,
)
_CHANGES = re.compile(
    r"prior|previous|interval|unchanged|stable|history|resol|improv|decreas|increas|again|chang|old|remote|new\b|"
    r"status post",
    re.IGNORECASE,
)
_DENIALS = re.compile(r"\b(?:no|not|without|negative|free of|absent|clear of|neither|nor)\b", re.IGNORECASE)


class Sentence(NamedTuple):
    """One sentence and where it stands."""

    uid: str
    section: str
    number: int
    text: str


def sentences(path: Path) -> Iterator[Sentence]:
    """Every sentence of both sections of every report, in the file's order."""
    with path.open(newline="", encoding="utf8") as file:
        for row in csv.DictReader(file):
            for section in SECTIONS:
                for number, text in enumerate(split_sentences(row[section])):
                    yield Sentence(row["uid"], section, number, text)


def draw(pool: Iterable[Sentence], seed: int = SEED, scale: float = 1.0, taken: Iterable[str] = ()) -> list[Sentence]:
    """Draw each stratum's share without repeating a wording; `taken` wordings are left out."""
    seen = {wording(text) for text in taken}
    strata: dict[str, list[Sentence]] = {name: [] for name in STRATA}
    for sentence in pool:
        if (words := wording(sentence.text)) not in seen:
            seen.add(words)
            strata[stratum(sentence.text)].append(sentence)
    chance = random.Random(seed)
    drawn = [one for name, count in STRATA.items() for one in chance.sample(strata[name], round(count * scale))]
    chance.shuffle(drawn)
    return drawn


def stratum(text: str) -> str:
    """The stratum of a sentence."""
    if not _NAMES.search(text):
        return "other"
    first = (("hedged", _HEDGES), ("compared", _CHANGES), ("denied", _DENIALS))
    return next((name for name, words in first if words.search(text)), "named")


def wording(text: str) -> str:
    """A sentence without case, punctuation and spacing: what makes two sentences one."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def labelled(path: Path) -> list[tuple[str, str, int]]:
    """The ids in a file of labels."""
    with path.open(newline="", encoding="utf8") as file:
        return [(row["uid"], row["section"], int(row["number"])) for row in csv.DictReader(file)]


def main() -> None:
    """Print the drawn sentences with their ids."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", type=Path)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--scale", type=float, default=1.0, help="1 draws 300")
    parser.add_argument("--other-than", type=Path, nargs="*", default=[], help="labels whose wordings are left out")
    options = parser.parse_args()
    pool = list(sentences(options.reports))
    ids = {key for path in options.other_than for key in labelled(path)}
    taken = [one.text for one in pool if one[:3] in ids]
    for position, one in enumerate(draw(pool, options.seed, options.scale, taken)):
        print(f"{position}\t{one.uid} {one.section} {one.number}\t{one.text}")


if __name__ == "__main__":
    main()
