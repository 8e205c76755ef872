"""A checkpoint of random weights with a planted signal: calibrated, and covered as promised over twenty splits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from scipy.stats import betabinom, binom

from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.engine import Engine
from radseek.retrieval.evaluation import calibration_fit
from radseek.retrieval.evaluation.calibrate_index import calibrate_index
from radseek.retrieval.evaluation.calibration_fit import Aims, Fit, LabelledGroup, fit_group
from radseek.retrieval.evaluation.conformal import conformal_rank
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.scoring.stored_margins import stored_margins
from radseek.retrieval.scoring.text_vectors import TextVectors
from tests.calibration_support import FILMS, Planted, drawn, plant
from tests.encoder_folder_support import write_folder

ASKED = [FILMS["pleural_effusion"], FILMS["cardiomegaly"]]
STUDIES, SHARES = 4_000, (0.3, 0.08)  # the second has too few for an isotonic fit
COVERAGE, SPLITS = 0.9, 20


@pytest.fixture(scope="module", autouse=True)
def _no_domain() -> Iterator[None]:
    """An archive of noise: whether a study is one of its kind is tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("radseek.retrieval.index.closeness.FEWEST", 10 * STUDIES)
        yield


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, _no_domain: None) -> Planted:
    """An open_clip folder of random weights, what its own tower gives for noise, and a signal along its own texts."""
    folder = tmp_path_factory.mktemp("checkpoint")
    encoder = load_encoder(write_folder(folder / "towers", seed=3))
    assert not encoder.spec.meaningless
    rng = np.random.default_rng(7)
    size = encoder.spec.preprocess.size
    bases = encoder.encode_slices(rng.integers(0, 256, (64, 3, size, size), np.uint8))
    return plant(folder / "a.index", encoder, ASKED, drawn(STUDIES, SHARES), bases=bases, per_patient=1)


@pytest.mark.slow
def test_calibrated_it_says_what_is_so_in_the_same_order(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration_fit, "_REPEATS", 20)
    with LocalStore.open(planted.path) as store:
        report = calibrate_index(store, planted.encoder, planted.labels)
        assert [row.found.method for row in report.rows if isinstance(row.found, Fit)] == ["isotonic", "platt"]
        for row in report.rows:
            assert isinstance(row.found, Fit)
            check = row.found.check
            assert check.ece <= 0.05 < check.ece_before, (row.finding, check)
            # Platt keeps every order; isotonic ties the outermost alone.
            assert check.auroc == pytest.approx(check.auroc_before, abs=0 if row.found.method == "platt" else 1e-3)
            assert check.brier < check.brier_before
        first = planted.labels.studies[:50]
        engine = Engine(planted.encoder, store)
        rows = [row for key in first for row in engine.iter_screen(key, ASKED)]
    assert all(row.probability is not None for row in rows)
    assert {row.state for row in rows} == {"present", "absent", "uncertain"}


@pytest.mark.slow
def test_each_label_is_covered_over_twenty_splits(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted on the check part: in the exact law of each split, and all splits together in the binomial's interval.

    Of n studies that chose a threshold, the k-th of which it is, the next m are covered beta-binomially, B(m; k, n + 1
    - k) (Vovk 2012): the binomial interval of m alone forgets that the threshold, too, was drawn.
    """
    monkeypatch.setattr(calibration_fit, "_REPEATS", 5)
    with LocalStore.open(planted.path) as store:
        margins = stored_margins(store, TextVectors(planted.encoder), ASKED).margins.astype(float)
    for column in range(len(ASKED)):
        labels = planted.labels
        group = LabelledGroup(labels.studies, labels.patients, margins[:, column], labels.values[:, column])
        shares: dict[str, list[float]] = {"present": [], "absent": []}
        for seed in range(SPLITS):
            found = fit_group(group, Aims(COVERAGE, seed=seed))
            assert isinstance(found, Fit)
            choose, check = found.parts["thresholds"], found.parts["check"]
            for label, share in (("present", found.check.present_covered), ("absent", found.check.absent_covered)):
                n, m = (_bearing(part, label) for part in (choose, check))
                rank = conformal_rank(n, COVERAGE)
                assert rank is not None
                low, high = betabinom.interval(0.999, m, rank, n + 1 - rank)
                assert low <= round(share * m) <= high, (label, seed, share)
                shares[label].append(share)
        for label, found_shares in shares.items():
            m = _bearing(check, label)
            low, high = binom.interval(0.95, m, COVERAGE)
            assert low <= np.mean(found_shares) * m <= high, (label, np.mean(found_shares))


def _bearing(part: dict[str, int], label: str) -> int:
    return part["present"] if label == "present" else part["studies"] - part["present"]
