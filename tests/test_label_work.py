"""What readers' verdicts are for, from the page's own functions to the end: evaluate, calibrate and probe."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from radseek.app.archive_state import archive_of
from radseek.app.session import Session
from radseek.app.verdicts import Verdict
from radseek.demo.page.label_work import work_on_labels
from radseek.index_builder import build_index
from radseek.retrieval.errors import UsageError
from tests.build_support import write_ct

STUDIES = 8
FINDING = "pleural_effusion"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    base = tmp_path_factory.mktemp("labels")
    for seed in range(STUDIES):
        write_ct(base / "stored" / str(seed), seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(base / "config"))
        build_index([base / "stored"], base / "archive.index", workers=1)
        with Session.open(base / "archive.index") as opened:
            yield opened


@pytest.fixture(autouse=True)
def _one_key(session: Session, monkeypatch: pytest.MonkeyPatch, _own_home: None) -> None:
    assert session.index is not None
    monkeypatch.setenv("XDG_CONFIG_HOME", str(session.index.parent / "config"))


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_verdicts_end_in_an_evaluation_a_calibration_and_a_probe(session: Session) -> None:
    assert "No verdict fixes a label yet" in words(work_on_labels(session, "evaluate", FINDING, "en"))
    log = archive_of(session).log
    assert log is not None
    for n, case in enumerate(session.cases()):
        opinion = "agree" if n % 2 else "disagree"
        log.append(Verdict(case.key, FINDING, opinion, "uncertain", 0.5, None, "x", "2026-11-28T00:00:00Z", "", "A"))
    evaluated = words(work_on_labels(session, "evaluate", FINDING, "en"))
    assert re.search(r"pleural effusion 8 4 \d\.\d+ \[", evaluated)
    calibrated = words(work_on_labels(session, "calibrate", FINDING, "en"))
    assert re.search(r"pleural effusion \w+ · of several slices (?:not fitted: |fitted)", calibrated)
    assert "· 多层 " in words(work_on_labels(session, "calibrate", FINDING, "zh"))
    probed = words(work_on_labels(session, "probe", FINDING, "en"))
    assert probed.startswith("Labels AUROC [95 %] 0 ")
    with session.engine() as engine:
        (row,) = engine.screen(session.target(session.cases()[0].key), [f"probe:{FINDING}"]).results
    assert row.finding.endswith(FINDING)


def test_too_few_labels_for_a_probe_are_said_with_what_to_do(session: Session) -> None:
    log = archive_of(session).log
    assert log is not None
    key = session.cases()[0].key
    log.append(Verdict(key, "pneumothorax", "agree", "uncertain", 0.5, None, "x", "2026-11-28T00:00:00Z", "", "A"))
    with pytest.raises(UsageError, match="Label more studies"):
        work_on_labels(session, "probe", "pneumothorax", "en")
