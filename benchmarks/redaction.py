"""Redaction: recall on planted identifiers, and what it takes out of reports that hold none (docs/results.md).

    python -m benchmarks.redaction REPORTS.csv             # the Indiana reports, de-identified: every hit is false
    python -m benchmarks.redaction REPORTS.csv --words 40  # and words that were taken, with how often

`tests/redaction_planted.jsonl`: 500 lines, English and Chinese, written before the rules that they test; every
identifier in them is invented.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections import Counter
from difflib import SequenceMatcher
from pathlib import Path

from radseek.retrieval.privacy.redaction import scrub

PLANTED = Path(__file__).resolve().parents[1] / "tests" / "redaction_planted.jsonl"
_MARK = re.compile(r"\[(?:date|time|name|number|phone|address|place|url|email|uid|age|ip|handle|postcode)\]")


def planted() -> list[dict[str, str]]:
    """The lines: `text`, what must be `gone` from it, and the `kind`."""
    return [json.loads(line) for line in PLANTED.read_text("utf8").splitlines()]


def left_over() -> list[tuple[str, str, str]]:
    """Kind, identifier and scrubbed line of every planted identifier that is still there."""
    found = []
    for one in planted():
        text = scrub(one["text"])
        found += [(one["kind"], name, text) for name in one["gone"] if name in text]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reports", help="indiana_reports.csv")
    parser.add_argument("--words", type=int, default=0, help="how many of the words taken to print")
    given = parser.parse_args()
    total, left = sum(len(one["gone"]) for one in planted()), left_over()
    print(f"planted: {total - len(left)} of {total} gone, recall {1 - len(left) / total:.4f}")
    for kind, count in Counter(kind for kind, _, _ in left).most_common():
        print(f"  left: {kind} {count}")
    texts, changed, marks, taken = 0, 0, Counter[str](), Counter[str]()
    with open(given.reports, encoding="utf8", newline="") as file:
        for row in csv.DictReader(file):
            for text in (row["findings"], row["impression"]):
                if not text:
                    continue
                texts += 1
                scrubbed = scrub(text)
                if scrubbed != text:
                    changed += 1
                    marks.update(_MARK.findall(scrubbed))
                    taken.update(_taken(text, scrubbed))
    print(f"reports_iu: {sum(marks.values())} hits in {changed} of {texts} texts; {dict(marks.most_common())}")
    for words, count in taken.most_common(given.words):
        print(f"  {count} {words!r}")


def _taken(text: str, scrubbed: str) -> list[str]:
    one, other = text.split(), scrubbed.split()
    codes = SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    return [" ".join(one[a:b]) for tag, a, b, _, _ in codes if tag != "equal"]


if __name__ == "__main__":
    main()
