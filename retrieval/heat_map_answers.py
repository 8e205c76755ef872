"""What an engine answers with pictures: where a finding is seen in one study."""

from __future__ import annotations

from pathlib import Path

from radseek.prompts.finding import Finding
from radseek.retrieval.errors import UsageError
from radseek.retrieval.heatmaps.study_heatmap import HeatMap, HeatMapper
from radseek.retrieval.imaging.stated_kind import stated_kind
from radseek.retrieval.privacy.pseudonyms import key_of_target
from radseek.retrieval.scoring.screening import choose_findings
from radseek.retrieval.study_targets import StudyTargets
from radseek.retrieval.types import Study

__all__ = ["HeatMapAnswers"]


class HeatMapAnswers:
    """Heat maps of the studies that an engine reads."""

    _mapper: HeatMapper
    _targets: StudyTargets
    _folder: Path | None

    def heat_map(
        self,
        target: str | Path | Study,
        finding: str | Finding,
        *,
        every_slice: bool = False,
        modality: str | None = None,
        body_part: str | None = None,
    ) -> HeatMap:
        """Return where a finding (a name, free words) is seen in one study, on the slice that its score names.

        Args:
            target: the path of a study, or a study.
            finding: a finding, its name, or free words.
            every_slice: map the whole view, for `maps.stacked()`.
            modality: as for `screen`.
            body_part: as for `screen`.

        Returns:
            The map, `(H, W)` in the slice's own pixels; None in it where it failed its check, or where the finding is
            not judged in this study, and `check.reason` says why.

        Raises:
            UsageError: the study has no view for the finding, or only its vectors are at hand (a key in an index).
            InputError: the study cannot be read.
        """
        if key_of_target(target) is not None:
            raise UsageError(f"A heat map needs the images of {target}, and an index keeps vectors; give their path.")
        study = target if isinstance(target, Study) else self._targets.pixels(target, stated_kind(modality, body_part))
        (asked,), _ = choose_findings([finding], self._folder)
        vectors = self._targets.vectors(study)
        series = self._targets.keyed_series(study, vectors.key)
        found = self._mapper.heat_map(series, vectors, asked, every_slice=every_slice)
        if found is None:
            raise UsageError(f"No view of this study is one that {asked.name} is read in ({', '.join(asked.views)}).")
        return found
