"""A probe of one finding, fitted to what is known of an index's studies, and what it is worth on patients held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.document import NOTICE, describe_encoder
from radseek.retrieval.encoders.spec import EncoderSpec, canonical_hash
from radseek.retrieval.errors import UsageError
from radseek.retrieval.evaluation.anchored_probe import fit_anchored, resampled_directions
from radseek.retrieval.evaluation.label_table import LabelTable
from radseek.retrieval.evaluation.labelled_finding import LabelledFinding, labelled_features, labelled_finding
from radseek.retrieval.evaluation.learning_curve import LabelledFeatures, LearningCurve, learning_curve
from radseek.retrieval.index.store import Scope, Store
from radseek.retrieval.scoring.probe import Probe
from radseek.retrieval.scoring.stored_margins import direction_margins
from radseek.retrieval.scoring.text_vectors import TextPair, TextVectors

__all__ = ["ProbeReport", "probe_index"]

_SHOWN = ("name", "prompts", "strength", "present", "absent", "patients", "labels", "data")
_REPLICATES = 20  # of the patients, for a margin's interval


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """A fitted probe and its learning curve. `unread`: labelled studies of which no view shows the finding."""

    encoder: EncoderSpec
    probe: Probe
    curve: LearningCurve
    unread: int

    def to_dict(self) -> dict[str, Any]:
        """Return the document that `radseek probe --json` prints: the probe without its numbers."""
        about = self.probe.to_dict()
        return {
            "notice": NOTICE,
            "encoder": describe_encoder(self.encoder),
            "probe": {name: about[name] for name in _SHOWN} | {"hash": self.probe.hash},
            "unread": self.unread,
            "curve": self.curve.to_dict(),
        }


def probe_index(
    store: Store, text_vectors: TextVectors, table: LabelTable, finding: str, *, labels: str, seed: int = 0
) -> ProbeReport:
    """Fit a probe of a finding to an index's labelled studies.

    Args:
        store: an open index.
        text_vectors: of the encoder that built it.
        table: what is known of its studies.
        finding: the name of one of the table's findings.
        labels: what the label file is called.
        seed: of splits, draws and resamples.

    Returns:
        The probe, fitted to all labels, and the learning curve, in which half of the patients are held out.

    Raises:
        UnknownNameError: no such finding in the table.
        UsageError: fewer than four patients with either label, or no view shows the finding; of an encoder without a
            text tower, labels that show no more than chance, as then there are no words that would stand.
    """
    known = labelled_finding(table, finding)
    pair = text_vectors.start(known.finding)
    labelled = len(known.studies)
    known, vectors = labelled_features(store, known, pair)
    studies = LabelledFeatures(vectors, known.values, known.patients)
    scope = Scope(only_studies=frozenset(known.studies))

    def score(directions: NDArray[np.float64]) -> NDArray[np.float64]:
        asked = [known.finding] * directions.shape[1]
        return direction_margins(store, directions, asked, scope).margins.astype(np.float64)

    curve = learning_curve(studies, pair.directions()[:, 0], score, seed=seed)
    probe = _fitted(studies, pair, known, store.spec, labels, seed)
    return ProbeReport(store.spec, probe, curve, labelled - len(known.studies))


def _fitted(
    studies: LabelledFeatures, pair: TextPair, known: LabelledFinding, spec: EncoderSpec, labels: str, seed: int
) -> Probe:
    """Return the probe fitted to all labels."""
    prior, replicates = pair.directions()[:, 0], pair.directions()[:, 1:].T
    data = (studies.features, studies.labels, studies.patients, prior)
    fitted = fit_anchored(*data, seed=seed)
    if fitted.strength is None and not spec.text:
        raise UsageError(
            f"The labels of {len(set(known.patients))} patients do not show {known.finding.name} to '{spec.name}', "
            "which has no text tower, so that there are no words that would stand in their place. Label studies of "
            "more patients (20 are needed at least), or build with a --model that reads words."
        )
    if fitted.strength is not None:
        replicates = resampled_directions(*data, fitted.strength, count=_REPLICATES, seed=seed)
    return Probe(
        words=known.finding,
        direction=fitted.direction,
        replicates=replicates,
        strength=fitted.strength,
        present=int(known.values.sum()),
        absent=int((known.values == 0).sum()),
        patients=len(set(known.patients)),
        labels=labels,
        data=canonical_hash(list(zip(known.studies, known.values.tolist(), strict=True))),
        imaging=spec.imaging_hash,
        towers=spec.towers_hash,
        pooling=spec.pooling_hash,
    )
