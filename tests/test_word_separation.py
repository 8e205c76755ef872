"""Words that an encoder does not tell from others on the studies at hand are said to be that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from radseek.cli.score_table import _state
from radseek.demo.page.finding_table import Screened, findings_table
from radseek.prompts.catalogue import find
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.engine import Engine
from radseek.retrieval.explain.evidence import CaveatItem
from radseek.retrieval.explain.evidence_of_answers import gather
from radseek.retrieval.scoring.score_results import FindingScore, ScreenResult
from radseek.retrieval.scoring.screening import AtHand
from radseek.retrieval.scoring.study_vectors import SeriesVectors, StudyVectors
from radseek.retrieval.scoring.text_vectors import TextVectors
from radseek.retrieval.scoring.word_separation import (
    FEWEST,
    LIMIT,
    MEANINGLESS,
    WordSeparation,
    likeness,
    references,
)
from radseek.retrieval.search.text_query import findings_asked, parse_query
from radseek.retrieval.types import ViewVectors
from tests.conftest import DATA
from tests.each_support import each
from tests.encoder_support import TinyEncoder, tiny_spec
from tests.index_support import key_of

EFFUSION = replace(find("pleural effusion"), views=())
ROW = FindingScore(
    "2.25.1", None, "2.25.2", "pleural_effusion", {}, 0.7, 0.1, (0.0, 0.2), None, 0.9, "present", None, "lung", 7, None,
    not_told_apart=True,
)  # fmt: skip


def study_of(k: int, vector: np.ndarray) -> StudyVectors:
    row = (vector / np.linalg.norm(vector)).astype(np.float16)
    view = ViewVectors("radiograph", "s", row[None], row, np.zeros(1, np.int32), ())
    return StudyVectors(key_of("study", k), "", None, (SeriesVectors(key_of("series", k), "DX", "chest", (view,)),), {})


def directions(text_vectors: TextVectors) -> np.ndarray:
    return np.stack([text_vectors.pair(one).directions()[:, 0] for one in (EFFUSION, *references(EFFUSION))])


def told(encoder: TinyEncoder, vectors: list[np.ndarray]) -> bool | None:
    text_vectors = TextVectors(encoder)
    at_hand = AtHand(text_vectors, [EFFUSION])
    rows = []
    for k, vector in enumerate(vectors):
        study = study_of(k, vector)
        at_hand.add(study)
        rows.append(replace(ROW, study=study.key, not_told_apart=None))
    (said,) = {row.not_told_apart for row in at_hand.marked(rows)}
    return said


def test_studies_along_one_direction_are_not_told_apart() -> None:
    """Images that differ along one line alone: every word orders them by their place on it."""
    rng = np.random.default_rng(0)
    line, start = rng.standard_normal(32), 5 * rng.standard_normal(32)
    places = [start + t * line for t in np.linspace(-3, 3, FEWEST)]
    assert told(TinyEncoder(), places) is True
    assert told(TinyEncoder(), places[1:]) is None  # too few to say
    assert told(TinyEncoder(), list(rng.standard_normal((60, 32)))) is False


def test_likeness_is_the_larger_of_two_rank_correlations() -> None:
    rng = np.random.default_rng(1)
    own = rng.standard_normal(50)
    others = rng.standard_normal((50, len(MEANINGLESS) + 1))
    assert likeness(own, others) < 0.5
    normal = others.copy()
    normal[:, -1] = -np.exp(own)  # the normal, the other way round, and not in a straight line
    assert likeness(own, normal) == pytest.approx(1)
    most = others.copy()
    most[:, :4] = own[:, None]
    assert likeness(own, most) == pytest.approx(1)
    one = others.copy()
    one[:, 0] = own  # a single word may be like it
    assert likeness(own, one) < LIMIT
    assert likeness(np.full(50, 2.0), others) == 0.0
    assert likeness(np.where(np.arange(50) < 30, np.nan, own), others) is None


def test_the_normal_is_not_compared_with_itself() -> None:
    names = [one.name for one in references(find("no finding"))]
    assert len(names) == len(MEANINGLESS)
    assert "no_finding" in [one.name for one in references(EFFUSION)]
    assert all(one.views == ("bone",) for one in references(replace(EFFUSION, views=("bone",))))


def test_an_index_answers_for_a_single_study(monkeypatch: pytest.MonkeyPatch) -> None:
    separation = WordSeparation(TextVectors(TinyEncoder()))
    assert separation.not_told_apart(EFFUSION, ("DX", "chest")) is None
    line = np.random.default_rng(0).standard_normal(32)
    for k in range(FEWEST):
        separation.add(study_of(k, line * k + np.ones(32)), [EFFUSION])
    assert separation.not_told_apart(EFFUSION, ("DX", "chest")) is True
    assert separation.not_told_apart(EFFUSION, ("MR", "head")) is None


def test_it_is_said_wherever_a_score_is_shown() -> None:
    assert _state(ROW) == "present (not_told_apart)"
    assert ROW.to_dict()["not_told_apart"] is True
    finding = find("pleural effusion")
    for lang, words in (("en", "not told from meaningless words"), ("zh", "未能与无意义词语区分")):
        for said in (True, False, None):
            result = ScreenResult(tiny_spec(), "v", (replace(ROW, not_told_apart=said),))
            shown = findings_table(Screened(result, {finding.name: finding}), lang)
            assert (words in shown) is bool(said)
    evidence = gather([ROW], [finding], None, encoder=tiny_spec())
    (caveat,) = [one for one in evidence.items if isinstance(one, CaveatItem) and one.code == "not_told_apart"]
    assert "pleural effusion" in caveat.text["en"]
    assert finding.names["zh"] in caveat.text["zh"]


@each("text", ["no pleural effusion", "no odd thing", "odd thing", '"pleural effusion" - "odd thing"', "没有胸腔积液"])
def test_any_query_can_be_asked_about(text: str) -> None:
    """Denied words are no finding of their own; what they deny is."""
    asked = findings_asked(parse_query(text))
    assert "pleural_effusion" in [one.name for one in asked] or "odd thing" in text
    assert bool(asked) is (text != "no odd thing")


@pytest.mark.real_data
@pytest.mark.slow
def test_real_films_are_ordered_by_pneumonia_otherwise_than_by_normal_and_nonsense(tmp_path: Path) -> None:
    """Of the seventh version, on films that taught nothing; the fifth ordered them by "pneumonia" as by "normal"."""
    folder = tmp_path / "films"
    folder.mkdir()
    rows = (DATA / "cxr_nih" / "labels.csv").read_text(encoding="utf-8").splitlines()[1:]
    for line in [row for row in rows if row.endswith("val")][::2][: 2 * FEWEST]:
        name = line.split(",")[0]
        (folder / name).symlink_to(DATA / "cxr_nih" / "images" / name)
    answer = Engine(load_encoder("builtin")).screen(folder, ["pneumonia", "a banana"], modality="DX")
    assert len(answer.results) == 4 * FEWEST
    said = {(row.finding == "pneumonia", row.not_told_apart) for row in answer.results}
    assert said == {(True, False), (False, False)}
