"""Explanations at the desk: a stored study, one that was brought, with a mask, and what cannot be had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from radseek.app.session import Session
from radseek.demo.page.explanations import Question
from radseek.html.session_explanation import explain_html
from radseek.index_builder import build_index
from radseek.retrieval.errors import MissingFileError, UnknownNameError, UsageError
from radseek.retrieval.explain.claims import Claim
from radseek.retrieval.explain.evidence import Item, Lang
from radseek.retrieval.imaging import read_study
from tests.build_support import write_ct

pytestmark = pytest.mark.slow


def quiet(done: int, of: int) -> None:
    """Hear of a sentence and go on."""


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    for seed in range(2):
        write_ct(tmp_path / "stored" / str(seed), seed)
    build_index([tmp_path / "stored"], tmp_path / "a.index", model="random", workers=1)
    with Session.open(tmp_path / "a.index") as opened:
        yield opened


def test_a_stored_study_is_explained_in_both_languages(session: Session) -> None:
    key = session.cases()[0].key
    page = explain_html(session, Question(key, "chest_ct"), quiet)
    assert page.startswith("<!doctype html>")
    assert 'id="summary"' in page
    assert "Not a medical device" in page
    assert 'lang="zh-CN"' in explain_html(session, Question(key, ("胸腔积液",), lang="zh"), quiet)


def test_a_study_brought_and_a_mask_are_measured(session: Session, tmp_path: Path) -> None:
    write_ct(tmp_path / "brought", 7)
    study = read_study(tmp_path / "brought")
    key = session.upload(study)
    volume = study.series[0].volume
    marked = np.zeros(volume.voxels.shape[::-1], np.uint8)
    marked[10:20, 10:20, 1:4] = 1
    assert volume.affine is not None
    nib.save(nib.Nifti1Image(marked, np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine), tmp_path / "mask.nii.gz")
    page = explain_html(session, Question(key, ("pleural effusion",), mask=tmp_path / "mask.nii.gz"), quiet)
    assert 'id="measurements"' in page
    assert f"{10 * 10 * 3 * 0.9 * 0.9 * 5 / 1000:.1f}" in page  # ml


def test_what_cannot_be_had_is_said(session: Session, tmp_path: Path) -> None:
    key = session.cases()[0].key
    with pytest.raises(UnknownNameError):
        explain_html(session, Question("2.25.1", "chest_ct"), quiet)
    for file in (tmp_path / "stored").rglob("*.dcm"):
        file.unlink()
    with pytest.raises(UsageError, match="can no longer be read"):
        explain_html(session, Question(key, "chest_ct", mask=tmp_path / "mask.nii.gz"), quiet)
    with pytest.raises((UsageError, UnknownNameError, MissingFileError)):
        explain_html(session, Question(key, "chest_ct", narrator="nobody"), quiet)


def test_the_engine_is_free_while_a_model_speaks_and_what_hears_it_may_stop_it(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress: list[tuple[int, int]] = []
    free: list[bool] = []

    class Model:
        name = "local"

        def rephrase(self, claim: Claim, items: Sequence[Item], lang: Lang) -> str:
            with ThreadPoolExecutor(1) as elsewhere:
                free.append(elsewhere.submit(asks, session).result())
            return claim.text

    monkeypatch.setattr("radseek.html.session_explanation.load_narrator", lambda _: Model())
    monkeypatch.setattr(
        "radseek.retrieval.explain.summary.FIXED", ()
    )  # random weights say nothing that a model words by itself
    question = Question(session.cases()[0].key, "chest_ct", narrator="local")
    page = explain_html(session, question, lambda done, of: progress.append((done, of)))
    assert 'id="summary"' in page
    assert [done for done, _ in progress] == list(range(1, progress[0][1] + 1))
    assert len(free) > 0
    assert all(free)

    def enough(done: int, of: int) -> None:
        if done == 1:
            raise CancelledError

    free.clear()
    with pytest.raises(CancelledError):
        explain_html(session, question, enough)
    assert len(free) == 1


def asks(session: Session) -> bool:
    """Say whether somebody else gets the engine."""
    with session.engine(timeout=1.0) as engine:
        return engine.store is not None
