"""From a margin to a state: what may be claimed of a score, and the reason where nothing may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from prompts.finding import Finding
from retrieval.encoders.calibration import Calibrator, calibrator_of
from retrieval.encoders.concepts import Concept, concepts_of
from retrieval.encoders.self_test import PASS_MARK
from retrieval.prompt_vectors import PromptBook
from retrieval.scoring import Reading

__all__ = ["ABSENT_UNDER", "PRESENT_OVER", "Judge", "State", "Verdict"]

State = Literal["present", "absent", "uncertain", "abstain"]

# Between the two, a calibrated probability is too near a coin's to be called.
PRESENT_OVER = 0.65
ABSENT_UNDER = 0.35


@dataclass(frozen=True, slots=True)
class Verdict:
    """A state, its reason where it is not plain (a stable word), and a probability where one is calibrated.

    Reasons of `abstain`: `no_view`, `meaningless_encoder`, `cannot_judge`, `phantom_only`. Of `uncertain`:
    `unknown_modality`, `uncalibrated`, `near_threshold`. (`out_of_domain` needs a measure that is not built yet.)
    """

    state: State
    reason: str | None = None
    probability: float | None = None


class Judge:
    """Knows what one encoder can judge: its self-tests, the concepts it was taught, its calibration."""

    def __init__(self, book: PromptBook) -> None:
        self._book = book
        self._spec = book.encoder.spec
        self._calibrator: Calibrator = calibrator_of(book.encoder)
        self._concepts: dict[str, tuple[Concept, ...]] = concepts_of(book.encoder)

    def verdict(self, finding: Finding, reading: Reading | None, *, is_phantom: bool) -> Verdict:
        """Return what may be said of a finding, given its reading."""
        if reading is None:
            return Verdict("abstain", "no_view")
        reason = self._cannot(finding, reading.view.view, reading.series.modality, is_phantom)
        if reason is not None:
            return Verdict("abstain", reason)
        if not reading.series.modality:
            return Verdict("uncertain", "unknown_modality")
        probability = self._calibrator.probability(
            finding.name, reading.view.view, len(reading.view.slices), reading.margin
        )
        if probability is None:
            return Verdict("uncertain", "uncalibrated")
        if ABSENT_UNDER < probability < PRESENT_OVER:
            return Verdict("uncertain", "near_threshold", probability)
        return Verdict("present" if probability >= PRESENT_OVER else "absent", None, probability)

    def _cannot(self, finding: Finding, view: str, modality: str, is_phantom: bool) -> str | None:
        """Return why the encoder cannot judge a finding in a view, or None."""
        if self._spec.meaningless:
            return "meaningless_encoder"
        if not self._concepts:  # it claims nothing in particular, so it is tested
            return None if self._book.self_test(finding) >= PASS_MARK else "cannot_judge"
        known = [c for c in self._concepts.get(finding.name, ()) if c.self_test >= PASS_MARK]
        if modality:  # where nobody said it, unknown is not wrong
            known = [c for c in known if view in c.views]
        if not known:
            return "cannot_judge"
        if not is_phantom and all(c.taught_by == "phantom" for c in known):
            return "phantom_only"
        return None
