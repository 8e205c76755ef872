"""What is asked of each study: the same findings of all, or of each the set that was written for its kind."""

from __future__ import annotations

from pathlib import Path

from radseek.prompts.catalogue import list_sets, load_set
from radseek.prompts.finding import Finding
from radseek.prompts.set_choice import set_for
from radseek.retrieval.encoders.text_tower import require_text
from radseek.retrieval.errors import UsageError
from radseek.retrieval.scoring.score_results import findings_version
from radseek.retrieval.scoring.screening import Findings, choose_findings
from radseek.retrieval.scoring.study_vectors import StudyVectors
from radseek.retrieval.scoring.text_vectors import TextVectors

__all__ = ["FITTING", "AskedFindings", "findings_of_study", "fitting_set"]

FITTING = "fitting"  # how the version of findings names the set that fits each study


class AskedFindings:
    """The findings asked, study by study. `every`: all that may be asked; `version` names them with their words."""

    def __init__(self, findings: Findings | None, index: Path | None = None) -> None:
        """Take what was asked; None is the set that fits each study. The rest is as for `choose_findings`."""
        self.fits_each = findings is None
        if findings is None:
            self._sets = {name: load_set(name).findings for name in list_sets()}
            self.every = tuple(one for name in self._sets for one in self._sets[name])
            self.version = findings_version(self.every, FITTING)
        else:
            self.every, self.version = choose_findings(findings, index)
        self._unfitted: list[StudyVectors] = []
        self._is_answered = False

    def require_read_by(self, texts: TextVectors) -> None:
        """Raise `NoTextTowerError` where words are asked, and not probes alone, of an encoder that reads none."""
        if not all(map(texts.reads, self.every)):
            require_text(texts.encoder.spec)

    def of(self, study: StudyVectors) -> tuple[Finding, ...]:
        """Return what is asked of a study; () where each is asked its own and no shipped set fits this one."""
        if not self.fits_each:
            return self.every
        name = fitting_set(study)
        if name is None:
            self._unfitted.append(study)
            return ()
        self._is_answered = True
        return self._sets[name]

    def require_some(self) -> None:
        """Raise `UsageError` where studies were looked at and no shipped set fits any of them."""
        if self._unfitted and not self._is_answered:
            raise _none_fits(self._unfitted[0])


def fitting_set(study: StudyVectors) -> str | None:
    """Return the name of the shipped set for a study's modality and body part, or None where none was written."""
    fitting = (set_for(series.modality, series.body_part) for series in study.series)
    return next((one for one in fitting if one is not None), None)


def findings_of_study(
    findings: Findings | None, study: StudyVectors, index: Path | None = None
) -> tuple[tuple[Finding, ...], str]:
    """Return what is asked of one study and its version, as `choose_findings`; None is the set that fits it.

    Raises `UsageError` where no shipped set fits, and what `choose_findings` does.
    """
    chosen = fitting_set(study) if findings is None else findings
    if chosen is None:
        raise _none_fits(study)
    return choose_findings(chosen, index)


def _none_fits(study: StudyVectors) -> UsageError:
    kinds = ", ".join(f"{s.modality or 'unknown'} {s.body_part or '(no body part)'}" for s in study.series)
    return UsageError(
        f"No shipped set of findings fits {study.path or study.key} ({kinds}); say what to look for: a set "
        f"({', '.join(list_sets())}) or words."
    )
