"""A finding's words as vectors: the mean present and absent direction, and one pair for each paraphrase."""

from __future__ import annotations

from dataclasses import dataclass
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radseek.prompts.catalogue import translate
from radseek.prompts.finding import Finding
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.negation_test import held_out_auroc
from radseek.retrieval.encoders.text_tower import require_text
from radseek.retrieval.encoders.unit_rows import mean_pool
from radseek.retrieval.scoring.key_slice import KINDS
from radseek.retrieval.scoring.probe import Probe, ProbedFinding

__all__ = ["MOST_KEPT", "TextPair", "TextVectors", "finding_vectors", "forget_oldest"]

MOST_KEPT = 2_000  # findings, and texts; some 10 KB a finding


@dataclass(frozen=True, slots=True, eq=False)
class TextPair:
    """`positive`, `negative`: `(D,)`, `t+` and `t-` of DESIGN section 5; `positives`, `negatives`: `(K, D)`.

    float32 of words; of a probe float64, its direction and replicates, with zeros for `t-`.
    """

    positive: NDArray[np.floating]
    negative: NDArray[np.floating]
    positives: NDArray[np.floating]
    negatives: NDArray[np.floating]

    def directions(self) -> NDArray[np.float64]:
        """Return `(D, 1 + K)`: what a slice vector is multiplied with for its margin, and for each paraphrase's."""
        wide = np.float64
        whole = self.positive.astype(wide) - self.negative.astype(wide)
        each = self.positives.astype(wide) - self.negatives.astype(wide)
        return np.concatenate([whole[:, None], each.T], axis=1)


def forget_oldest(kept: dict[Any, Any], most: int | None = None) -> None:
    """Drop the entries that were put in first until `most` are left (`MOST_KEPT`)."""
    while len(kept) > (MOST_KEPT if most is None else most):
        del kept[next(iter(kept))]


def finding_vectors(encoder: Encoder, finding: Finding) -> TextPair:
    """Return a finding's text vectors: `t+ = norm(mean_k norm(E(present_k)))`, `t-` likewise from the absent ones.

    They depend on this finding's sentences and nothing else. Raises `NoTextTowerError` without a text tower.
    """
    require_text(encoder.spec)
    count = len(finding.present)
    rows = encoder.encode_texts([*finding.present, *finding.absent])
    positives, negatives = rows[:count], rows[count:]
    return TextPair(mean_pool(positives), mean_pool(negatives), positives, negatives)


def _pair_of(probe: Probe) -> TextPair:
    nothing = np.zeros_like
    return TextPair(probe.direction, nothing(probe.direction), probe.replicates, nothing(probe.replicates))


class TextVectors:
    """Remembers, for one encoder, the vectors of texts and findings and which findings it can hear denied.

    Of each, the newest `MOST_KEPT`: a server is asked for other words all day.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self._lock = RLock()
        self._pairs: dict[tuple[tuple[str, ...], tuple[str, ...]], TextPair] = {}
        self._tests: dict[Finding, float] = {}
        self._texts: dict[str, NDArray[np.float32]] = {}
        self._kinds: NDArray[np.float32] | None = None

    def pair(self, finding: Finding) -> TextPair:
        """Return a finding's text vectors; one whose views alone differ has the same.

        Raises `EncoderMismatchError` for the probe of another encoder, `NoTextTowerError` for words without a text
        tower.
        """
        if isinstance(finding, ProbedFinding):
            finding.probe.require_encoder(self.encoder.spec)
            return _pair_of(finding.probe)
        words = (finding.present, finding.absent)
        with self._lock:
            if words not in self._pairs:
                self._pairs[words] = finding_vectors(self.encoder, finding)
                forget_oldest(self._pairs)
            return self._pairs[words]

    def self_test(self, finding: Finding) -> float:
        """Return the finding's leave-one-paraphrase-out AUROC (see `encoders.self_test`); 1 for a probe."""
        if isinstance(finding, ProbedFinding):
            return 1.0
        with self._lock:
            if finding not in self._tests:
                pair = self.pair(finding)
                self._tests[finding] = held_out_auroc(pair.positives, pair.negatives)
                forget_oldest(self._tests)
            return self._tests[finding]

    def reads(self, finding: Finding) -> bool:
        """Say whether the encoder can be asked a finding: its words, or a probe, which needs none."""
        return self.encoder.spec.text or isinstance(finding, ProbedFinding)

    def start(self, finding: Finding) -> TextPair:
        """Return what a probe starts from: a finding's text vectors, or zeros without a text tower."""
        if self.encoder.spec.text:
            return self.pair(finding)
        zeros = np.zeros((1, self.encoder.spec.dim), np.float32)
        return TextPair(zeros[0], zeros[0], zeros, zeros)

    def kinds(self) -> NDArray[np.float32] | None:
        """Return the unit vectors `(len(KINDS), D)` of the kinds of image that are distinguished from one another.

        None without a text tower.
        """
        if not self.encoder.spec.text:
            return None
        if self._kinds is None:
            rows = self.encoder.encode_texts([text for _, _, texts in KINDS for text in texts])
            ends = np.cumsum([len(texts) for _, _, texts in KINDS])[:-1]
            self._kinds = np.stack([mean_pool(each) for each in np.split(rows, ends)])
        return self._kinds

    def text(self, text: str) -> NDArray[np.float32]:
        """Return the `(D,)` unit vector of any text; Chinese finding terms are put into English first.

        Raises `NoTextTowerError` without a text tower.
        """
        require_text(self.encoder.spec)
        with self._lock:
            if text not in self._texts:
                self._texts[text] = self.encoder.encode_texts([translate(text)])[0]
                forget_oldest(self._texts)
            return self._texts[text]
