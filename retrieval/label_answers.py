"""What an engine answers where answers exclude each other: how the encoder shares one between labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.errors import UsageError
from radseek.retrieval.imaging.stated_kind import stated_kind
from radseek.retrieval.scoring.margins import label_probabilities
from radseek.retrieval.scoring.score_results import ClassifyResult, ClassifyRow, LabelProbability
from radseek.retrieval.scoring.text_vectors import TextVectors
from radseek.retrieval.study_targets import StudyTargets, Target
from radseek.retrieval.types import Skipped

__all__ = ["LabelAnswers"]


class LabelAnswers:
    """Labels of the studies that an engine reads."""

    encoder: Encoder
    _targets: StudyTargets
    _texts: TextVectors

    def classify(
        self,
        target: Target | None,
        labels: Sequence[str],
        *,
        modality: str | None = None,
        body_part: str | None = None,
    ) -> ClassifyResult:
        """Return how the encoder shares one between labels that exclude each other, for every study of a target.

        Args:
            target: as for `screen`.
            labels: at least two different sentences, such as "a chest radiograph".
            modality: as for `screen`.
            body_part: as for `screen`.

        Returns:
            A row a study: the softmax over the labels of `scale * cos` with the pooled image, never calibrated.

        Raises:
            UsageError: fewer than two different labels, or an empty one.
        """
        if len(set(labels)) < 2 or len(set(labels)) != len(labels) or not all(label.strip() for label in labels):
            raise UsageError("Labels exclude each other, so give at least two different ones, none of them empty.")
        texts = np.stack([self._texts.text(label) for label in labels])
        rows: list[ClassifyRow] = []
        skipped: list[Skipped] = []
        for study in self._targets.studies(target, stated_kind(modality, body_part), skipped):
            if study.views:
                shares = label_probabilities(study.views, texts, self.encoder.spec.scale).tolist()
                rows.append(ClassifyRow(study.key, study.path, tuple(map(LabelProbability, labels, shares))))
        return ClassifyResult(self.encoder.spec, tuple(rows), tuple(skipped))
