"""Captions the encoder is taught with: many phrasings of "there is", "there is not" and "perhaps".

The words are in captions.toml. Every fifth template, name and bespoke sentence is held out: it is never
fitted on and measures how unseen wording fares. A caption equal to a catalogue prompt is dropped.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from radseek.prompts.normalise import normalise

__all__ = ["Caption", "Words", "compose", "load_words", "single_captions"]

State = Literal["present", "absent", "uncertain"]
STATES: tuple[State, ...] = ("present", "absent", "uncertain")
HELD_EVERY = 5
PER_CONCEPT = 60
PER_GENERAL = 6
PER_UNCERTAIN = 15
PER_HELD = 24


@dataclass(frozen=True, slots=True)
class Caption:
    """One sentence and what it says: `states` pairs a concept with present, absent or uncertain."""

    text: str
    states: tuple[tuple[str, State], ...]
    held: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """The parsed captions.toml: concepts by name, the shared templates, the unclaimed general names, and `nothing`:
    words that are not of an image at all, alone and in contexts, and must order no images."""

    concepts: dict[str, dict[str, Any]]
    templates: dict[str, Any]
    general: tuple[str, ...]
    nothing: tuple[str, ...] = ()

    def in_region(self, region: str) -> list[str]:
        """Return the concepts read in a region ("chest", "head") or that say the kind of image."""
        return [name for name, entry in self.concepts.items() if entry["region"] == region]


def load_words(path: Path | None = None) -> Words:
    """Read captions.toml (this folder's by default)."""
    data = tomllib.loads((path or Path(__file__).with_name("captions.toml")).read_text(encoding="utf-8"))
    return Words(data["concept"], data["templates"], tuple(data["general"]["names"]), _nothing(data["nothing"]))


def _nothing(data: dict[str, list[str]]) -> tuple[str, ...]:
    """Return each name alone and in the next two of the contexts."""
    names, contexts = data["names"], data["contexts"]
    turns = [contexts[(2 * i + k) % len(contexts)].format(name) for i, name in enumerate(names) for k in (0, 1)]
    return (*names, *turns)


def _held(index: int) -> bool:
    return index % HELD_EVERY == HELD_EVERY - 1


def _fill(template: str, name: str, where: str) -> str:
    bare = name.split(" ", 1)[1] if name.startswith(("a ", "an ", "the ")) else name
    text = template.format(a=name, n=bare, A=name[0].upper() + name[1:], where=where)
    text = " ".join(text.split()).replace(" .", ".").replace(" ,", ",").replace(",.", ".").replace(" ;", ";")
    return text if text[:1].isupper() or template[:1].islower() else text[:1].upper() + text[1:]


def _dressed(text: str, templates: dict[str, Any], rng: random.Random) -> str:
    text = rng.choice(templates["prefixes"]) + text + rng.choice(templates["suffixes"])
    return text.lower() if rng.random() < 0.15 else text


def _from_templates(concept: str, entry: dict[str, Any], words: Words, rng: random.Random) -> Iterable[Caption]:
    where = entry.get("where", [""])
    for state in STATES:
        for t, template in enumerate(words.templates[state]):
            for n, name in enumerate(entry["names"]):
                spot = rng.choice(where) if state != "absent" else ""
                text = _dressed(_fill(template, name, spot), words.templates, rng)
                yield Caption(text, ((concept, state),), _held(t) or _held(n))


def _bespoke(concept: str, entry: dict[str, Any], words: Words, rng: random.Random) -> Iterable[Caption]:
    for state in ("present", "absent"):
        for i, text in enumerate(entry.get(state, ())):
            for spelled in {text, _dressed(text, words.templates, rng)}:
                yield Caption(spelled, ((concept, state),), _held(i))


def single_captions(words: Words, seed: int, forbidden: Iterable[str] = ()) -> list[Caption]:
    """Return every caption about one concept, general names included (concept `general:<name>`).

    `forbidden`: sentences (catalogue prompts) that no caption may equal after normalisation.
    """
    entries = dict(words.concepts) | {f"general:{n}": {"names": [n]} for n in words.general}
    banned = {normalise(text) for text in forbidden}
    found: dict[str, Caption] = {}
    for concept, entry in entries.items():
        rng = random.Random(f"{seed} {concept}")  # its own, so that a new concept leaves the others' captions alone
        made = [*_bespoke(concept, entry, words, rng), *_from_templates(concept, entry, words, rng)]
        for caption in _thinned([c for c in made if normalise(c.text) not in banned], rng):
            found.setdefault(caption.text, caption)
    return list(found.values())


def _thinned(captions: list[Caption], rng: random.Random) -> list[Caption]:
    """Keep at most `PER_CONCEPT` captions of a concept and state; fewer general, uncertain and held-out ones."""
    groups: dict[tuple[str, str, bool], list[Caption]] = {}
    for caption in captions:
        groups.setdefault((*caption.states[0], caption.held), []).append(caption)
    kept: list[Caption] = []
    for (concept, state, held), group in groups.items():
        limit = PER_GENERAL if concept.startswith("general:") else PER_CONCEPT
        limit = min(limit, PER_HELD if held else limit, PER_UNCERTAIN if state == "uncertain" else limit)
        kept += group if len(group) <= limit else rng.sample(group, limit)
    return kept


def compose(
    pool: Sequence[Caption], count: int, seed: int, regions: dict[str, str], forbidden: Iterable[str] = ()
) -> list[Caption]:
    """Return `count` captions of two to four sentences about one region, as a report's impression has."""
    rng = random.Random(seed)
    banned = {normalise(text) for text in forbidden}
    by_region: dict[str, list[Caption]] = {}
    for caption in pool:
        region = regions.get(caption.states[0][0])
        if region is not None and caption.states[0][1] != "uncertain":
            by_region.setdefault(region, []).append(caption)
    made: list[Caption] = []
    while len(made) < count:
        region = rng.choice(sorted(by_region))
        parts = rng.sample(by_region[region], rng.choice((2, 2, 3, 4)))
        if len({part.states[0][0] for part in parts}) < len(parts):
            continue
        text = " ".join(part.text if part.text.endswith(".") else part.text + "." for part in parts)
        if normalise(text) not in banned:
            made.append(Caption(text, tuple(part.states[0] for part in parts), any(p.held for p in parts)))
    return made
