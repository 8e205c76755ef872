"""Can this encoder hear "no"? Leave one paraphrase out, and see whether "X" and "no X" still separate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.text_tower import require_text
from radseek.retrieval.encoders.unit_rows import mean_pool

__all__ = ["PASS_MARK", "Paraphrased", "held_out_auroc", "negation_self_test"]

PASS_MARK = 0.95  # an encoder below it cannot judge the finding, whatever the image


class Paraphrased(Protocol):
    """What the test needs of a finding: several ways to say that it is there, and that it is not."""

    @property
    def present(self) -> Sequence[str]:
        """Return sentences that say it is there."""
        ...

    @property
    def absent(self) -> Sequence[str]:
        """Return sentences that say it is not."""
        ...


def negation_self_test(encoder: Encoder, finding: Paraphrased) -> float:
    """Return the AUROC at which held-out sentences for `finding` are distinguished from held-out ones against it.

    Each k-th pair of sentences is judged, as an image would be, by the prompts made of all other pairs:
    `v.t+ - v.t-` with `t` the unit mean of unit vectors (see `scoring`). The images play no part. A finding with
    fewer than two paraphrases on either side cannot be tested, and gets 0. Raises `NoTextTowerError` without a text
    tower.
    """
    require_text(encoder.spec)
    pairs = min(len(finding.present), len(finding.absent))
    if pairs < 2:
        return 0.0
    vectors = encoder.encode_texts([*finding.present[:pairs], *finding.absent[:pairs]])
    return held_out_auroc(vectors[:pairs], vectors[pairs:])


def held_out_auroc(present: NDArray[np.float32], absent: NDArray[np.float32]) -> float:
    """Return `negation_self_test` from the sentences' vectors, `(K, D)` each; of unequal counts the first are taken."""
    pairs = min(len(present), len(absent))
    if pairs < 2:
        return 0.0
    present, absent = present[:pairs], absent[:pairs]
    margins = [_held_out_margins(present, absent, k) for k in range(pairs)]
    scored = np.array(margins)
    # Mann and Whitney's U over all pairs; scikit-learn, which counts so, too, takes seconds to import
    above = scored[:, :1] - scored[:, 1]
    return float(np.mean((above > 0) + 0.5 * (above == 0)))


def _held_out_margins(present: NDArray[np.float32], absent: NDArray[np.float32], k: int) -> tuple[float, float]:
    direction = mean_pool(np.delete(present, k, axis=0)) - mean_pool(np.delete(absent, k, axis=0))
    return float(present[k] @ direction), float(absent[k] @ direction)
