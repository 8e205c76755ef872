"""From a margin to a state: what may be claimed of a score, and the reason where nothing may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from radseek.prompts.finding import Finding
from radseek.retrieval.encoders.concepts import Concept, Source, concepts_of
from radseek.retrieval.encoders.negation_test import PASS_MARK
from radseek.retrieval.scoring.calibration import Calibrator, calibrator_of
from radseek.retrieval.scoring.margins import Reading
from radseek.retrieval.scoring.own_calibration import AcceptedFrom, OwnCalibration
from radseek.retrieval.scoring.probability_maps import ProbabilityMap
from radseek.retrieval.scoring.probe import ProbedFinding
from radseek.retrieval.scoring.text_vectors import TextVectors

__all__ = ["ABSENT_UNDER", "PRESENT_OVER", "Answer", "Judge", "Seen", "State", "Verdict", "conformal_state"]

State = Literal["present", "absent", "uncertain", "abstain"]

# Of the calibrator that comes with an encoder's weights: between the two, a probability is too near a coin's to be
# called. An index's own calibration has thresholds of its own, see `conformal_state`.
PRESENT_OVER = 0.65
ABSENT_UNDER = 0.35
_EVEN = 0.5


@dataclass(frozen=True, slots=True)
class Verdict:
    """A state, its reason where it is not plain (a stable word), and a probability where one is calibrated.

    Reasons of `abstain`: `no_view`, `no_text_tower` (the encoder reads no words, and this is no probe),
    `meaningless_encoder`, `cannot_judge`, and what was taught or calibrated on another kind of study than this:
    `phantom_only` (on phantoms, and this is real), `slice_only` (on single slices, and this is a volume), `other_kind`
    (any other way round). With an index that has enough studies of the kind, `out_of_domain`: the image is not one of
    its kind (`scoring.domain`). Of `uncertain`: `unknown_modality`, `uncalibrated`, `other_words` (the index's labels
    calibrated the finding with other prompts), `near_threshold`, and `undecided` (of the index's own calibration: its
    thresholds leave both answers, or none).
    """

    state: State
    reason: str | None = None
    probability: float | None = None


def conformal_state(probability: float, accepted: AcceptedFrom) -> State:
    """Return what split-conformal thresholds leave of the two answers: one of them, or `uncertain` for both and none.

    Each label is rejected by its own threshold (Vovk, Gammerman & Shafer 2005, label-conditional), so of the studies in
    which a finding is present no more than 1 - coverage are called absent, and the other way round. That alone would
    call a rare finding present at 0.1, which is more than most studies without it get; so the answer that is left must
    be the likelier one as well. Calling fewer keeps the coverage.
    """
    maybe_present, maybe_absent = probability >= accepted.present, probability <= accepted.absent
    likely = probability >= _EVEN
    if maybe_present == maybe_absent or maybe_present != likely:
        return "uncertain"
    return "present" if likely else "absent"


@dataclass(frozen=True, slots=True)
class Seen:
    """How a margin was read: the best view, of many slices or one, of a known modality or not, on a phantom or not.

    `is_outside`: what was read is out of the domain of its kind.
    """

    view: str
    is_many: bool
    has_modality: bool
    is_phantom: bool
    is_outside: bool = False

    @property
    def source(self) -> Source:
        """Return what kind of study it is, as calibrations name it."""
        return "phantom" if self.is_phantom else "real"


@dataclass(frozen=True, slots=True)
class Answer:
    """What verdicts follow from: one for every margin, or a map to probabilities.

    `accepted`: an index's own conformal thresholds; None where the encoder's own calibrator answers.
    """

    always: Verdict | None
    map: ProbabilityMap | None = None
    accepted: AcceptedFrom | None = None

    def verdict(self, margin: float) -> Verdict:
        """Return what may be said of a margin."""
        if self.map is None:
            return self.always or Verdict("uncertain", "uncalibrated")
        probability = float(self.map.of(margin))
        if self.accepted is not None:
            state = conformal_state(probability, self.accepted)
            return Verdict(state, "undecided" if state == "uncertain" else None, probability)
        if ABSENT_UNDER < probability < PRESENT_OVER:
            return Verdict("uncertain", "near_threshold", probability)
        return Verdict("present" if probability >= PRESENT_OVER else "absent", None, probability)


class Judge:
    """Knows what one encoder can judge: its self-tests, the concepts it was taught, its calibration, and the index's.

    What an index's own labels calibrated is asked first, and needs neither a concept nor a self-test. Those stand in
    for evidence that the encoder tells a finding; labels of studies of this very kind are that evidence, and a fit is
    refused where the margins do not follow them. That "no X" is "X" to an encoder matters no more once margins are read
    off labels. What stays: random weights abstain from everything, and a study of unknown modality is not called.
    """

    def __init__(self, text_vectors: TextVectors, own: OwnCalibration | None = None) -> None:
        """Take words' vectors and, where there is an index, the calibration that lies in it."""
        self._text_vectors = text_vectors
        self._spec = text_vectors.encoder.spec
        self._own = own if own is not None else OwnCalibration()
        self._calibrator: Calibrator = calibrator_of(text_vectors.encoder)
        self._concepts: dict[str, tuple[Concept, ...]] = concepts_of(text_vectors.encoder)

    def is_current(self) -> bool:
        """Say whether the index's calibration still is the one that is judged by."""
        return self._own.is_current()

    def verdict(
        self, finding: Finding, reading: Reading | None, *, is_phantom: bool, is_outside: bool = False
    ) -> Verdict:
        """Return what may be said of a finding, given its reading; `is_outside`: what was read is out of domain."""
        if reading is None:
            return Verdict("abstain", "no_view")
        seen = Seen(reading.view.view, reading.slices > 1, bool(reading.series.modality), is_phantom, is_outside)
        return self.answer(finding, seen).verdict(reading.margin)

    def answer(self, finding: Finding, seen: Seen) -> Answer:
        """Return what makes verdicts of a finding's margins, where they are read so."""
        if seen.is_outside and not self._spec.meaningless:
            return Answer(Verdict("abstain", "out_of_domain"))
        called = self._by_labels(finding, seen)
        if called is not None:
            return called
        reason = self._cannot(finding, seen)
        if reason is not None:
            return Answer(Verdict("abstain", reason))
        if not seen.has_modality:
            return Answer(Verdict("uncertain", "unknown_modality"))
        return self._by_encoder(finding, seen)

    def _by_labels(self, finding: Finding, seen: Seen) -> Answer | None:
        """Return what the index's own calibration says, or None where it does not answer."""
        if self._spec.meaningless or not seen.has_modality:
            return None
        entry = self._own.entry(finding, seen.view, seen.is_many, seen.source)
        return None if entry is None else Answer(None, entry.map, entry.accepted)

    def _by_encoder(self, finding: Finding, seen: Seen) -> Answer:
        """Return what the calibrator beside the encoder's weights says, and where it does not answer, why not."""
        entry = self._calibrator.entry(finding.name, seen.view, seen.is_many, seen.source)
        if entry is not None:
            return Answer(None, entry.map)
        if self._calibrator.is_fitted(finding.name, seen.view) or self._own.is_fitted(finding, seen.view):
            return Answer(Verdict("abstain", "other_kind"))
        in_other_words = self._own.knows_in_other_words(finding, seen.view)
        return Answer(Verdict("uncertain", "other_words" if in_other_words else "uncalibrated"))

    def refuses_map(self, finding: Finding, reading: Reading, *, is_phantom: bool) -> str | None:
        """Return why a map of a finding would show what no score may claim, or None.

        An encoder that claims nothing in particular is not asked: its maps are held to their own checks.
        """
        if not self._concepts:
            return None
        verdict = self.verdict(finding, reading, is_phantom=is_phantom)
        return verdict.reason if verdict.state == "abstain" else None

    def _cannot(self, finding: Finding, seen: Seen) -> str | None:
        """Return why the encoder cannot judge a finding in what was read, or None."""
        if self._spec.meaningless:
            return "meaningless_encoder"
        if isinstance(finding, ProbedFinding):  # labels taught it, and neither the encoder's concepts nor its words
            return None
        if not self._concepts:  # it claims nothing in particular, so it is tested
            return None if self._text_vectors.self_test(finding) >= PASS_MARK else "cannot_judge"
        known = [c for c in self._concepts.get(finding.name, ()) if c.self_test >= PASS_MARK]
        if seen.has_modality:  # where nobody said it, unknown is not wrong
            known = [c for c in known if seen.view in c.views]
        if not known:
            return "cannot_judge"
        known = [c for c in known if c.taught_by == seen.source]
        if not known:
            return "phantom_only" if seen.source == "real" else "other_kind"
        if not any(("many" if seen.is_many else "one") in c.slices for c in known):
            return "slice_only" if seen.is_many else "other_kind"
        return None
