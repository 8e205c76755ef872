"""Noise stays noise: 2,000 volumes of random slice vectors, and no claim comes of any."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from radseek.prompts import load_set
from radseek.retrieval.encoders.encode_series import pool_view
from radseek.retrieval.scoring.screening import Screener
from radseek.retrieval.scoring.study_vectors import SeriesVectors, StudyVectors
from radseek.retrieval.scoring.text_vectors import TextVectors
from radseek.retrieval.types import ViewVectors
from tests.encoder_support import DIM, TinyEncoder


@pytest.mark.slow
def test_without_a_calibrator_nothing_is_present_or_absent() -> None:
    rng = np.random.default_rng(11)
    encoder = TinyEncoder()
    screener = Screener(TextVectors(encoder), None)
    findings = [finding for finding in load_set("chest_ct").findings if "lung" in finding.views][:4]
    states: Counter[str] = Counter()
    margins: dict[bool, list[float]] = {True: [], False: []}
    for number in range(2000):
        slices, views = int(rng.integers(1, 161)), int(rng.integers(1, 4))
        made = []
        for name in ("lung", "soft", "bone")[:views]:
            rows = rng.normal(size=(slices, DIM))
            unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
            made.append(ViewVectors(name, "s", unit, pool_view(encoder, unit), np.arange(slices, dtype=np.int32), ()))
        study = StudyVectors(str(number), "", None, (SeriesVectors("s", "CT", "chest", tuple(made)),), {})
        for row in screener.rows(study, findings):
            states[row.state] += 1
            assert row.probability is None
            assert row.margin is not None
            margins[slices > 40].append(row.margin)
    assert set(states) <= {"uncertain", "abstain"}
    assert sum(states.values()) == 8000
    assert (
        states["uncertain"] >= 2000
    )  # these came as far as the missing calibrator; the rest could not be judged at all
    # The drift that makes a raw score of a volume mean nothing by itself is real: more slices, higher margins.
    assert np.mean(margins[True]) > np.mean(margins[False]) + 0.01
