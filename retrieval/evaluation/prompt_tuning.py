"""Choose among a finding's paraphrases by labels, and say on other patients what that gains.

Candidates are the finding's own pairs of sentences and the general ones around each of its English names. Forward
selection by AUROC on one half of the patients: the pair that helps most is added until the set has as many as a finding
needs, and then as long as it gains. What is reported is measured on the other half, whose labels chose nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radseek.prompts.catalogue import GENERAL_PAIRS
from radseek.prompts.finding import MIN_PARAPHRASES, Finding
from radseek.prompts.normalise import normalise
from radseek.retrieval.encoders.unit_rows import mean_pool
from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.labelled_finding import LabelledFinding, labelled_features
from radseek.retrieval.evaluation.learning_curve import resampled_aurocs
from radseek.retrieval.evaluation.metrics import Estimate
from radseek.retrieval.evaluation.patient_folds import owners_of, patient_folds
from radseek.retrieval.index.store import Scope, Store
from radseek.retrieval.scoring.stored_margins import direction_margins
from radseek.retrieval.scoring.text_vectors import TextVectors

__all__ = ["PromptTuning", "candidate_pairs", "forward_selection", "tune_prompts"]

_REPEATS = 1000
Pair = tuple[str, str]  # present, absent


@dataclass(frozen=True, slots=True)
class PromptTuning:
    """A finding with the pairs that were chosen, and what they are worth on the patients that did not choose.

    `before`, `after`: AUROC of the words as they were and as chosen, and `gain`, their difference on the same
    resamples. `alone`: AUROC of each of the words' own paraphrases by itself, in their order; `alone_interval`: the
    10th to 90th percentile of these. `chose`: studies that chose.
    """

    finding: Finding
    before: Estimate
    after: Estimate
    gain: Estimate
    alone: tuple[float, ...]
    alone_interval: tuple[float, float]
    chose: int

    def to_dict(self) -> dict[str, Any]:
        """Return the tuning as JSON-able values."""
        numbers = ("before", "after", "gain")
        return {
            "finding": self.finding.name,
            "pairs": [list(pair) for pair in zip(self.finding.present, self.finding.absent, strict=True)],
            **{name: asdict(getattr(self, name)) for name in numbers},
            "alone": list(self.alone),
            "alone_interval": list(self.alone_interval),
            "chose": self.chose,
        }


def candidate_pairs(finding: Finding) -> tuple[Pair, ...]:
    """Return a finding's own pairs, then the general sentences around each of its English names, each once."""
    own = list(zip(finding.present, finding.absent, strict=True))
    names = (finding.names["en"], *finding.synonyms["en"])
    general = [(present.format(name), absent.format(name)) for name in names for present, absent in GENERAL_PAIRS]
    found: list[Pair] = []
    seen: set[str] = set()
    for pair in (*own, *general):
        sentences = {normalise(text) for text in pair}
        if not seen & sentences:  # a sentence may stand in a finding once, on either side
            found.append(pair)
            seen |= sentences
    return tuple(found)


def forward_selection(
    features: NDArray[np.float64],
    labels: NDArray[np.int8],
    positives: NDArray[np.float32],
    negatives: NDArray[np.float32],
    fewest: int = MIN_PARAPHRASES,
) -> list[int]:
    """Return which of K pairs, in the order of adding, make the direction of the highest AUROC found.

    Args:
        features: `(N, D)`, one vector a study.
        labels: `(N,)` in 1, 0, both there.
        positives: `(K, D)` unit vectors of the sentences for the finding.
        negatives: `(K, D)`, of those against it.
        fewest: how many are chosen at least.
    """
    chosen: list[int] = []
    best, weights = -np.inf, np.ones((1, len(labels)))
    while len(chosen) < len(positives):
        left = [one for one in range(len(positives)) if one not in chosen]
        tried = np.stack([_direction(positives, negatives, [*chosen, one]) for one in left], axis=1)
        reached = resampled_aurocs(labels, features @ tried, weights)[0]
        if len(chosen) >= fewest and reached.max() <= best:
            break
        best = float(reached.max())
        chosen.append(left[int(reached.argmax())])
    return chosen


def tune_prompts(store: Store, text_vectors: TextVectors, known: LabelledFinding, *, seed: int = 0) -> PromptTuning:
    """Choose among a finding's paraphrases by an index's labelled studies.

    Args:
        store: an open index.
        text_vectors: of the encoder that built it.
        known: the finding and the studies that have a label of it.
        seed: of the split and the bootstrap.

    Returns:
        The finding with the chosen pairs, and what it gains on patients that chose nothing.

    Raises:
        UsageError: fewer than two patients have one of the labels, or no view shows the finding.
    """
    pair = text_vectors.pair(known.finding)
    known, vectors = labelled_features(store, known, pair)
    folds = patient_folds(known.values, owners_of(known.patients), 2, seed)
    if len(folds) < 2:
        raise UsageError(
            f"{known.finding.name}: fewer than two patients have one of the labels; half of them choose the words and "
            "half say what that gains. Label more studies."
        )
    choosing, measured = folds[0]
    pairs = candidate_pairs(known.finding)
    rows = text_vectors.encoder.encode_texts([text for one in pairs for text in one])
    chosen = forward_selection(vectors[choosing], known.values[choosing], rows[0::2], rows[1::2])
    present, absent = zip(*(pairs[one] for one in chosen), strict=True)
    tuned = replace(known.finding, present=present, absent=absent)
    directions = np.column_stack([text_vectors.pair(tuned).directions()[:, 0], pair.directions()])
    return _measured(store, known.take(measured), tuned, directions, len(choosing), seed)


def _measured(
    store: Store,
    known: LabelledFinding,
    tuned: Finding,
    directions: NDArray[np.float64],
    chose: int,
    seed: int,
) -> PromptTuning:
    """Return the tuning as it is on some patients; directions `(D, 2 + K)`: as chosen, as it was, each paraphrase."""
    scope = Scope(only_studies=frozenset(known.studies))
    asked = [known.finding] * directions.shape[1]
    margins = direction_margins(store, directions, asked, scope).margins.astype(np.float64)
    owners = owners_of(known.patients)
    whole = resampled_aurocs(known.values, margins, np.ones((1, len(owners))))[0]
    count = int(owners.max()) + 1
    taken = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=_REPEATS)
    each = resampled_aurocs(known.values, margins[:, :2], taken[:, owners].astype(np.float64))

    def estimate(value: float, values: NDArray[np.float64]) -> Estimate:
        low, high = np.nanpercentile(values, [2.5, 97.5])
        return Estimate(value, float(low), float(high), len(owners), count)

    low, high = np.percentile(whole[2:], [10, 90])
    return PromptTuning(
        finding=tuned,
        before=estimate(float(whole[1]), each[:, 1]),
        after=estimate(float(whole[0]), each[:, 0]),
        gain=estimate(float(whole[0] - whole[1]), each[:, 0] - each[:, 1]),
        alone=tuple(map(float, whole[2:])),
        alone_interval=(float(low), float(high)),
        chose=chose,
    )


def _direction(
    positives: NDArray[np.float32], negatives: NDArray[np.float32], chosen: Sequence[int]
) -> NDArray[np.float64]:
    some = list(chosen)
    return mean_pool(positives[some]).astype(np.float64) - mean_pool(negatives[some]).astype(np.float64)
