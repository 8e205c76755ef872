"""medspaCy's ConText and negspaCy on the sentences on which our rules are measured (docs/polarity.md).

    python3 -m venv V && V/bin/pip install medspacy==1.3.1 negspacy==1.1.0 opencc "numpy<2"
    V/bin/python -m benchmarks.polarity_libraries                  # our English sentences
    V/bin/python -m benchmarks.polarity_libraries REPORTS.csv      # and the 300 of the Indiana reports

Neither library finds the findings, so both are given our mentions in our plain text (contractions written out, which
helps them); findings said by an organ called normal are ours, too. Neither has rules for Chinese. An environment of
their own, because spaCy is no dependency of the project.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import spacy  # type: ignore[import-not-found]  # not of this environment
from medspacy.context import ConText  # type: ignore[import-not-found]
from negspacy.negation import Negex  # type: ignore[import-not-found]
from negspacy.termsets import termset  # type: ignore[import-not-found]
from spacy.util import filter_spans  # type: ignore[import-not-found]

from benchmarks.polarity_iu import read_labels
from benchmarks.polarity_own import Labelled, read_set, row, rules
from radseek.prompts.shipped_sets import all_findings
from radseek.retrieval.language.finding_mentions import Mention, mentions
from radseek.retrieval.language.organ_statements import organ_statements
from radseek.retrieval.language.polarity import Polarity, strongest
from radseek.retrieval.language.report_text import plain_text

Judge = Callable[[str, list[Mention]], Iterable[tuple[str, Polarity]]]


def says(sentence: Labelled, judge: Judge) -> dict[str, str]:
    """What a library says of our mentions, beside what our organ statements say."""
    text = plain_text(sentence.text)
    found: dict[str, list[Polarity]] = {}
    for name, said in judge(text, mentions(text, all_findings().values(), sentence.region)):
        found.setdefault(name, []).append(said)
    for name, one in organ_statements(text, set(all_findings())):
        found.setdefault(name, []).append(one.polarity)
    return {name: value for name, said in found.items() if (value := strongest(said)) is not None}


def context() -> Judge:
    """ConText with its default rules: negated is absent; possible, hypothetical or historical is uncertain."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    component = ConText(nlp)

    def judge(text: str, found: list[Mention]) -> Iterable[tuple[str, Polarity]]:
        document = nlp(text)
        for mention, entity in _entities(document, found):
            document.ents = [entity]
            component(document)
            of = entity._
            doubted = of.is_uncertain or of.is_hypothetical or of.is_historical
            yield mention.finding, "absent" if of.is_negated else "uncertain" if doubted else "present"

    return judge


def negex() -> Judge:
    """negspaCy with its clinical terms, which has no third state."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    component = Negex(nlp, "negex", termset("en_clinical").get_patterns())

    def judge(text: str, found: list[Mention]) -> Iterable[tuple[str, Polarity]]:
        document = nlp(text)
        for mention, entity in _entities(document, found):
            document.ents = [entity]
            component(document)
            yield mention.finding, "absent" if document.ents[0]._.negex else "present"

    return judge


def _entities(document: Any, found: list[Mention]) -> Iterable[tuple[Mention, Any]]:
    for mention in found:
        span = document.char_span(mention.start, mention.end, label="FINDING", alignment_mode="expand")
        if span is not None and filter_spans([span]):
            yield mention, span


def main() -> None:
    """Print a line for each library and set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", type=Path, nargs="?")
    options = parser.parse_args()
    sets = {"English": read_set("polarity_own_en")}
    if options.reports:
        labels = read_labels(Path("tests/polarity_labels.csv"), options.reports)
        sets["the 300"] = [Labelled(one.text, "chest", said) for one, said in labels]
    print("| set | sentences | labels | present | absent | uncertain | macro F1 |\n|---|---|---|---|---|---|---|")
    for name, labelled in sets.items():
        print(row(f"{name}: ours", labelled, rules))
        for library, judge in (("medspaCy ConText", context()), ("negspaCy", negex())):
            print(row(f"{name}: {library}", labelled, lambda one, judge=judge: says(one, judge)))  # type: ignore[misc]


if __name__ == "__main__":
    main()
