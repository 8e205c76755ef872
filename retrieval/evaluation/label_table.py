"""What is known of an index's studies: labels as a matrix, whose they are, and every further column of the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from radseek.prompts.finding import Finding

__all__ = ["LabelTable"]


@dataclass(frozen=True, slots=True, eq=False)
class LabelTable:
    """Labels of N studies of an index for F findings.

    `studies`: keys in the index, ascending, each once. `patients (N,)`: whose they are, for resampling: what the label
    file says, else the index's patient, else the study itself. `values (N, F)` int8: 1 present, 0 absent, -1 not known.
    `columns`: the file's further columns by heading, a text a study, "" where the file has none: groups and splits.
    """

    studies: tuple[str, ...]
    patients: tuple[str, ...]
    findings: tuple[Finding, ...]
    values: NDArray[np.int8]
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
