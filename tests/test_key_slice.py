"""Which slice may be named as the one that shows a finding best, and when none may."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from radseek.cli.score_table import _place
from radseek.demo.page.finding_table import Screened, findings_table
from radseek.prompts.catalogue import find
from radseek.retrieval.engine import Engine
from radseek.retrieval.explain.claims.score_claims import present_claims
from radseek.retrieval.heatmaps.volume_heatmap import key_rows
from radseek.retrieval.scoring.key_slice import KINDS, key_slice, own_kinds
from radseek.retrieval.scoring.score_results import FindingScore, ScreenResult
from radseek.retrieval.scoring.text_vectors import TextVectors
from tests.conftest import DATA
from tests.encoder_support import TinyEncoder, tiny_spec
from tests.evidence_support import score

HEAD_MR = own_kinds("MR", "head")
EYE = np.eye(len(KINDS), dtype=np.float32)  # a direction a kind


def slices_of(*kinds: int) -> NDArray[np.float16]:
    """Slices that are each exactly of one kind."""
    return EYE[list(kinds)].astype(np.float16)


def profile(*values: float, spread: float = 0.02) -> NDArray[np.float32]:
    """Margins `(N, 6)`: every paraphrase a little to one side."""
    each = np.linspace(-spread, spread, 5)
    return np.array([[value, *(value + each)] for value in values], np.float32)


def test_the_ends_of_a_volume_do_not_compete() -> None:
    margins = profile(0.9, *[0.1] * 5, 0.5, *[0.1] * 5, 0.8)
    found = key_slice(margins, slices_of(*[2] * 13), EYE, HEAD_MR)
    assert (found.row, found.stands_out) == (6, True)
    assert not found.chosen[[0, -1]].any()
    assert found.chosen.sum() == 11
    many = key_slice(profile(*np.linspace(0, 1, 160)), slices_of(*[2] * 160), EYE, HEAD_MR)
    assert many.row == 151  # 8 at each end


def test_of_few_slices_all_compete() -> None:
    assert key_slice(profile(0.9, 0.1, 0.1, 0.2), slices_of(2, 2, 2, 2), EYE, HEAD_MR).row == 0
    alone = key_slice(profile(-0.5), slices_of(0), EYE, HEAD_MR)
    assert (alone.row, alone.stands_out) == (0, True)


def test_a_slice_of_another_kind_does_not_compete() -> None:
    margins = profile(0, 0.1, 0.9, 0.1, 0.4, 0.1, 0)
    found = key_slice(margins, slices_of(2, 2, 1, 2, 2, 2, 2), EYE, HEAD_MR)
    assert (found.row, found.stands_out) == (4, True)
    assert key_slice(margins, slices_of(2, 2, 1, 2, 2, 2, 2), EYE, ()).row == 2  # of a kind that is not told apart
    assert key_slice(margins, slices_of(2, 2, 1, 2, 2, 2, 2)).row == 2


def test_a_view_that_is_not_recognised_has_no_best_slice() -> None:
    margins = profile(0, 0.1, 0.1, 0.9, 0.1, 0.1, 0)
    found = key_slice(margins, slices_of(0, 0, 0, 2, 0, 0, 2), EYE, HEAD_MR)
    assert (found.row, found.stands_out) == (3, False)


@pytest.mark.parametrize(
    ("top", "spread", "stands_out"), [(0.5, 0.02, True), (0.5, 0.3, False), (0.11, 0.1, False), (0.1, 0.0, False)]
)
def test_a_flat_profile_has_no_best_slice(top: float, spread: float, stands_out: bool) -> None:
    margins = profile(*[0.1] * 4, top, *[0.1] * 4, spread=spread)
    assert key_slice(margins, slices_of(*[2] * 9), EYE, HEAD_MR).stands_out is stands_out


def test_further_key_slices_may_be_named_as_well() -> None:
    margins = np.array([0.9, 0.1, 0.2, 0.8, 0.3, 0.5, 0.7])
    competing = np.array([False, True, True, True, True, True, False])
    assert key_rows(margins, competing).tolist() == [3, 5, 4]
    assert key_rows(margins).tolist() == [0, 3, 6]


def test_kinds_are_told_by_the_encoders_own_words() -> None:
    kinds = TextVectors(TinyEncoder()).kinds()
    assert kinds.shape == (len(KINDS), TinyEncoder().spec.dim)
    assert np.allclose(np.linalg.norm(kinds, axis=1), 1)


def test_best_seen_is_not_said_of_a_flat_profile() -> None:
    item = score(1, "rib_fracture", "present", probability=0.9, view="bone", key_slice=7, position=(1.0, 2.0, 3.0))
    (said,) = present_claims([item], "en")
    assert "best seen in the bone window on slice 8 (slice centre at" in said.text
    for lang, words in (("en", "no slice stands out"), ("zh", "无突出层面")):
        (said,) = present_claims([replace(item, stands_out=False)], lang)
        assert words in said.text
        assert "best seen" not in said.text
        assert "显示最佳" not in said.text
        assert "7" not in said.text


def test_the_table_and_the_page_say_it() -> None:
    finding = find("rib fracture")
    row = FindingScore(
        "2.25.1", None, "2.25.2", finding.name, {}, 0.7, 0.1, (0.0, 0.2), None, 0.9,
        "present", None, "bone", 7, None, stands_out=False,
    )  # fmt: skip
    assert _place(row) == "bone (slice 8, flat)"
    assert _place(replace(row, stands_out=True)) == "bone slice 8"
    assert row.to_dict()["stands_out"] is False
    for lang, words in (("en", "no slice stands out"), ("zh", "无突出层面")):
        for stands_out in (False, True):
            result = ScreenResult(tiny_spec(), "v", (replace(row, stands_out=stands_out),))
            shown = findings_table(Screened(result, {finding.name: finding}), lang)
            assert (words in shown) is not stands_out


@pytest.mark.real_data
@pytest.mark.slow
def test_a_tumour_is_not_said_to_be_seen_in_the_cerebellum() -> None:
    """The tumour is on slices 8 to 19; the margin is highest on 1, at the skull base, and hardly less elsewhere."""
    engine = Engine()
    for series in ("12-T1post-05670", "36459-FLAIRreg-76244"):
        (row,) = engine.screen(DATA / "dicom_clinical" / "mr_gbm" / series, ["brain tumour"]).results
        assert row.key_slice not in (0, 1, 20, 21)
        assert row.stands_out is False, series
