"""How many examinations' names give the right body part and MR view, language by language.

    python benchmarks/description_words.py [--misses]

Two lists: tests/description_words.toml was written before the rules, tests/description_words_held_out.toml after them
and the rules were not changed for it, so the second is the honest figure.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

from radseek.retrieval.imaging.body_part import body_part
from radseek.retrieval.imaging.mr_sequence import mr_view

TESTS = Path(__file__).resolve().parent.parent / "tests"
ASKED: Mapping[str, Callable[[str], str]] = {"body_part": body_part, "sequence": lambda text: mr_view(text, {})}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--misses", action="store_true", help="print each name that is read wrongly")
    misses = parser.parse_args().misses
    for name in ("description_words", "description_words_held_out"):
        path = TESTS / f"{name}.toml"
        if path.is_file():
            table(path, misses=misses)


def table(path: Path, *, misses: bool) -> None:
    lists: dict[str, dict[str, dict[str, str]]] = tomllib.loads(path.read_text(encoding="utf-8"))
    print(f"\n{path.name}\n{'language':10s}" + "".join(f"{kind:>16s}" for kind in ASKED))
    wrong: list[str] = []
    for language in lists["body_part"]:
        row = f"{language:10s}"
        for kind, ask in ASKED.items():
            terms = lists[kind].get(language, {})
            bad = [(text, right, ask(text)) for text, right in terms.items() if ask(text) != right]
            wrong += [f"  {kind} {language}: {text!r} is {right!r}, read as {got!r}" for text, right, got in bad]
            share = f"{1 - len(bad) / len(terms):.2f}" if terms else "-"
            row += f"{f'{len(terms) - len(bad)}/{len(terms)} {share}':>16s}"
        print(row)
    if misses:
        print("\n".join(wrong))


if __name__ == "__main__":
    main()
