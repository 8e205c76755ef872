"""Are a finding's words any good? What an encoder makes of them, without a label and, of the last measure, an image.

Four measures of the words alone: whether sentences for and against the finding separate when left out of its
direction; whether the bare word lies nearer to "present" than the bare denial; how far each paraphrase alone agrees
with all of them; and which finding of the catalogue the encoder takes it for. On an index, a fifth: whether the order
of its studies by these words is that by meaningless ones or by "anything abnormal" (`word_separation`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from radseek.prompts.finding import Finding
from radseek.prompts.shipped_sets import all_findings
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.negation_test import PASS_MARK
from radseek.retrieval.index.store import Scope, Store
from radseek.retrieval.scoring.stored_margins import stored_margins
from radseek.retrieval.scoring.text_vectors import TextVectors
from radseek.retrieval.scoring.word_separation import FEWEST, LIMIT, likeness, references

__all__ = ["KindLikeness", "NearestFinding", "PromptTest", "nearest_findings", "prompt_test"]

_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class NearestFinding:
    """A finding of the catalogue, and the cosine of its name's vector with that of the words asked."""

    name: str
    cosine: float


@dataclass(frozen=True, slots=True)
class KindLikeness:
    """How alike the words and others order the `studies` of a kind, 0 to 1; from 0.9 they are not told apart."""

    modality: str
    body_part: str
    studies: int
    likeness: float
    not_told_apart: bool


@dataclass(frozen=True, slots=True)
class PromptTest:
    """What an encoder makes of one finding's words.

    `separation`: AUROC of sentences for against sentences against it, each judged without itself. `stated`, `denied`:
    margins of the bare word and of "no" before it. `agreement`: cosine of each paraphrase's direction with that of all,
    in the order of `present`. `nearest`: of the catalogue, best first.
    """

    finding: str
    words: str
    separation: float
    stated: float
    denied: float
    present: tuple[str, ...]
    agreement: tuple[float, ...]
    nearest: tuple[NearestFinding, ...]
    kinds: tuple[KindLikeness, ...] = ()

    @property
    def separates_negation(self) -> bool:
        """Say whether the bare word lies nearer to "present" than its denial does."""
        return self.stated > self.denied

    @property
    def can_be_judged(self) -> bool:
        """Say whether `screen` would not abstain on account of these words."""
        return self.separation >= PASS_MARK

    def to_dict(self) -> dict[str, Any]:
        """Return the test as JSON-able values."""
        return {**asdict(self), "separates_negation": self.separates_negation, "can_be_judged": self.can_be_judged}


def prompt_test(text_vectors: TextVectors, finding: Finding, store: Store | None = None) -> PromptTest:
    """Return what the encoder makes of a finding's words.

    Args:
        text_vectors: of the encoder that is asked.
        finding: a finding in words.
        store: an index of that encoder, for the order of its studies; None tests the words alone.
    """
    name = finding.names["en"]
    directions = text_vectors.pair(finding).directions()
    unit = directions / np.maximum(np.linalg.norm(directions, axis=0), _TINY)  # words that it cannot hear have none
    stated, denied = (float(text_vectors.text(text) @ directions[:, 0]) for text in (name, f"no {name}"))
    return PromptTest(
        finding=finding.name,
        words=name,
        separation=text_vectors.self_test(finding),
        stated=stated,
        denied=denied,
        present=finding.present,
        agreement=tuple(map(float, unit[:, 0] @ unit[:, 1:])),
        nearest=nearest_findings(text_vectors.encoder, finding),
        kinds=() if store is None else _kinds(store, text_vectors, finding),
    )


def nearest_findings(encoder: Encoder, finding: Finding, count: int = 3) -> tuple[NearestFinding, ...]:
    """Return the other findings of the catalogue whose English names the encoder puts nearest to a finding's."""
    others = [one for one in all_findings().values() if one.name != finding.name]
    rows = encoder.encode_texts([finding.names["en"], *(one.names["en"] for one in others)]).astype(np.float64)
    cosines = rows[1:] @ rows[0]
    best = np.argsort(-cosines, kind="stable")[:count]
    return tuple(NearestFinding(others[row].name, float(cosines[row])) for row in best)


def _kinds(store: Store, text_vectors: TextVectors, finding: Finding) -> tuple[KindLikeness, ...]:
    """Return the likeness on each kind of study that there are enough of."""
    asked: Sequence[Finding] = [finding, *references(finding)]
    found = []
    for kind in store.kinds():
        scope = Scope(kind=kind)
        if store.passing(scope) < FEWEST:
            continue
        margins = stored_margins(store, text_vectors, asked, scope).margins.astype(np.float64)
        alike = likeness(margins[:, 0], margins[:, 1:])
        if alike is not None:
            read = int((~np.isnan(margins).any(axis=1)).sum())
            found.append(KindLikeness(*kind, read, alike, alike >= LIMIT))
    return tuple(found)
