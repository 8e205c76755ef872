"""From a margin to a state: what may be claimed of a score, and the reason where nothing may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from radseek.prompts.finding import Finding
from radseek.retrieval.encoders.concepts import Concept, Source, concepts_of
from radseek.retrieval.encoders.negation_test import PASS_MARK
from radseek.retrieval.scoring.calibration import Calibrator, calibrator_of
from radseek.retrieval.scoring.margins import Reading
from radseek.retrieval.scoring.text_vectors import TextVectors

__all__ = ["ABSENT_UNDER", "PRESENT_OVER", "Judge", "State", "Verdict"]

State = Literal["present", "absent", "uncertain", "abstain"]

# Between the two, a calibrated probability is too near a coin's to be called.
PRESENT_OVER = 0.65
ABSENT_UNDER = 0.35


@dataclass(frozen=True, slots=True)
class Verdict:
    """A state, its reason where it is not plain (a stable word), and a probability where one is calibrated.

    Reasons of `abstain`: `no_view`, `meaningless_encoder`, `cannot_judge`, and what was taught or calibrated on another
    kind of study than this: `phantom_only` (on phantoms, and this is real), `slice_only` (on single slices, and
    this is a volume), `other_kind` (any other way round). With an index that has enough studies of the kind,
    `out_of_domain`: the image is not one of its kind (`scoring.domain`). Of `uncertain`: `unknown_modality`,
    `uncalibrated`, `near_threshold`.
    """

    state: State
    reason: str | None = None
    probability: float | None = None


class Judge:
    """Knows what one encoder can judge: its self-tests, the concepts it was taught, its calibration."""

    def __init__(self, text_vectors: TextVectors) -> None:
        self._text_vectors = text_vectors
        self._spec = text_vectors.encoder.spec
        self._calibrator: Calibrator = calibrator_of(text_vectors.encoder)
        self._concepts: dict[str, tuple[Concept, ...]] = concepts_of(text_vectors.encoder)

    def verdict(
        self, finding: Finding, reading: Reading | None, *, is_phantom: bool, is_outside: bool = False
    ) -> Verdict:
        """Return what may be said of a finding, given its reading; `is_outside`: what was read is out of domain."""
        if reading is None:
            return Verdict("abstain", "no_view")
        source: Source = "phantom" if is_phantom else "real"
        reason = (
            "out_of_domain" if is_outside and not self._spec.meaningless else self._cannot(finding, reading, source)
        )
        if reason is not None:
            return Verdict("abstain", reason)
        if not reading.series.modality:
            return Verdict("uncertain", "unknown_modality")
        view, margin = reading.view.view, reading.margin
        probability = self._calibrator.probability(finding.name, view, reading.slices, margin, source)
        if probability is None and self._calibrator.is_fitted(finding.name, view):
            return Verdict("abstain", "other_kind")
        if probability is None:
            return Verdict("uncertain", "uncalibrated")
        if ABSENT_UNDER < probability < PRESENT_OVER:
            return Verdict("uncertain", "near_threshold", probability)
        return Verdict("present" if probability >= PRESENT_OVER else "absent", None, probability)

    def refuses_map(self, finding: Finding, reading: Reading, *, is_phantom: bool) -> str | None:
        """Return why a map of a finding would show what no score may claim, or None.

        An encoder that claims nothing in particular is not asked: its maps are held to their own checks.
        """
        if not self._concepts:
            return None
        verdict = self.verdict(finding, reading, is_phantom=is_phantom)
        return verdict.reason if verdict.state == "abstain" else None

    def _cannot(self, finding: Finding, reading: Reading, source: Source) -> str | None:
        """Return why the encoder cannot judge a finding in what was read, or None."""
        if self._spec.meaningless:
            return "meaningless_encoder"
        if not self._concepts:  # it claims nothing in particular, so it is tested
            return None if self._text_vectors.self_test(finding) >= PASS_MARK else "cannot_judge"
        known = [c for c in self._concepts.get(finding.name, ()) if c.self_test >= PASS_MARK]
        if reading.series.modality:  # where nobody said it, unknown is not wrong
            known = [c for c in known if reading.view.view in c.views]
        if not known:
            return "cannot_judge"
        known = [c for c in known if c.taught_by == source]
        if not known:
            return "phantom_only" if source == "real" else "other_kind"
        if not any(("many" if reading.slices > 1 else "one") in c.slices for c in known):
            return "slice_only" if reading.slices > 1 else "other_kind"
        return None
