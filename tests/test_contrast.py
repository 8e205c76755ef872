"""The nearest with a finding beside the nearest without: who stands where, and why."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from radseek.cli.main import run
from radseek.prompts import find
from radseek.retrieval.document import NOTICE
from radseek.retrieval.engine import Engine
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.privacy.pseudonyms import load_key, study_key
from radseek.retrieval.scoring.states import Judge, Verdict
from radseek.retrieval.scoring.text_vectors import TextVectors
from radseek.retrieval.search.contrast import CaseStatus, StatusSources, status_of, take_sides
from radseek.retrieval.search.ranking import RankedStudy
from tests.encoder_support import TinyEncoder
from tests.test_engine import make_study, to_record

EFFUSION = find("pleural effusion")
REPORTS = [
    "Small left pleural effusion.",
    "No pleural effusion. Clear lungs.",
    "Possible pleural effusion.",
    "Normal heart.",  # silent
    "",  # none
    "No effusion on the left. Small right pleural effusion.",
]


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RADSEEK_KEY", "a key for these tests only")
    path, encoder = tmp_path / "archive.index", TinyEncoder()
    with LocalStore.create(path, encoder.spec) as store:
        store.add([to_record(make_study(i), encoder, REPORTS[i % len(REPORTS)]) for i in range(36)])
    return path


@pytest.fixture
def engine(index: Path) -> Iterator[Engine]:
    with LocalStore.open(index) as store:
        yield Engine(TinyEncoder(), store)


class Says(Judge):
    """A judge that has calibrated everything, one way."""

    def __init__(self, text_vectors: TextVectors, verdict: Verdict) -> None:
        super().__init__(text_vectors)
        self._fixed = verdict

    def verdict(self, *_: object, **__: object) -> Verdict:
        return self._fixed


def statuses(engine: Engine, verdict: Verdict) -> dict[int, CaseStatus | None]:
    assert engine.store is not None
    text_vectors = TextVectors(engine.encoder)
    sources = StatusSources(engine.store, text_vectors, Says(text_vectors, verdict))
    cases = {case.key: case for case in engine.store.cases()}
    return {i: status_of(EFFUSION, cases[study_key(make_study(i), load_key())], sources) for i in range(len(REPORTS))}


@pytest.mark.slow
def test_the_report_goes_before_the_score(engine: Engine) -> None:
    found = statuses(engine, Verdict("present", None, 0.9))
    assert found[0] == CaseStatus("with", "report", "Small left pleural effusion.")
    assert found[1] == CaseStatus("without", "report", "No pleural effusion.")
    assert found[2] is None  # a doubt is no side, and the score does not overrule the report
    assert found[3] == found[4] == CaseStatus("with", "score", None, 0.9)
    assert found[5] == CaseStatus("with", "report", "Small right pleural effusion.")
    silent = statuses(engine, Verdict("absent", None, 0.1))
    assert silent[3] == CaseStatus("without", "score", None, 0.1)
    assert silent[0] == found[0]


@pytest.mark.slow
@pytest.mark.parametrize("verdict", [Verdict("uncertain", "near_threshold", 0.5), Verdict("abstain", "no_view")])
def test_an_undecided_score_is_no_side(engine: Engine, verdict: Verdict) -> None:
    found = statuses(engine, verdict)
    assert found[3] is None
    assert found[4] is None


def test_the_lists_are_the_nearest_of_each_side(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radseek.retrieval.index.closeness.FEWEST", 99)  # studies of noise have no relatives
    answer = engine.similar(make_study(50), 4, contrast="pleural effusion").to_dict()
    assert engine.store is not None
    contrast = answer["contrast"]
    everyone = [row.study for row in engine.similar(make_study(50), 36).results]
    number = {study_key(make_study(i), load_key()): i for i in range(36)}
    present = [key for key in everyone if number[key] % 6 in (0, 5)]
    absent = [key for key in everyone if number[key] % 6 == 1]
    assert [row["study"] for row in contrast["with"]] == present[:4]
    assert [row["study"] for row in contrast["without"]] == absent[:4]
    assert [row["rank"] for row in contrast["with"]] == [1, 2, 3, 4]
    assert all(row["source"] == "report" for row in contrast["with"] + contrast["without"])
    assert all("effusion" in row["sentence"] for row in contrast["with"] + contrast["without"])
    assert contrast["finding"] == "pleural_effusion"
    assert contrast["name"]["zh"] == EFFUSION.names["zh"]
    assert contrast["neither"] > 0  # the encoder of these tests is calibrated for nothing
    assert [row["study"] for row in answer["results"]] == everyone[:4]


def test_chinese_and_free_words_are_findings_too(engine: Engine) -> None:
    english = engine.similar(make_study(50), 3, contrast="pleural effusion").to_dict()["contrast"]
    assert engine.similar(make_study(50), 3, contrast="胸腔积液").to_dict()["contrast"] == english
    odd = engine.similar(make_study(50), 3, contrast="zebra stripes").to_dict()["contrast"]
    assert odd["with"] == odd["without"] == []
    assert odd["neither"] == odd["looked_at"] == 36


def test_more_are_asked_until_both_sides_are_full_or_all_are_seen() -> None:
    order = [f"s{i:04d}" for i in range(500)]
    asked: list[int] = []

    def rank(n: int) -> list[RankedStudy]:
        asked.append(n)
        return [RankedStudy(key, 1 - i / 1000) for i, key in enumerate(order[:n])]

    def only(last: int) -> Mapping[str, CaseStatus]:
        return {key: CaseStatus("with" if int(key[1:]) < last else "without", "report", "x") for key in order}

    seen: list[str] = []

    def stances_of(known: Mapping[str, CaseStatus]) -> object:
        def ask(studies: Iterable[str]) -> Mapping[str, CaseStatus | None]:
            keys = list(studies)
            seen.extend(keys)
            return {key: known[key] for key in keys}

        return ask

    sides = take_sides(rank, stances_of(only(100)), 3)  # type: ignore[arg-type]
    assert [one.study for one, _ in sides.present] == order[:3]
    assert [one.study for one, _ in sides.absent] == order[100:103]
    assert len(seen) == len(set(seen)), "nobody is asked twice"
    everyone = take_sides(rank, stances_of(only(10**6)), 3)  # type: ignore[arg-type]
    assert len(everyone.present) == 3
    assert everyone.absent == ()
    assert everyone.looked_at == 500


@pytest.mark.slow
def test_the_query_is_never_among_them(engine: Engine) -> None:
    own = study_key(make_study(6), load_key())
    contrast = engine.similar(own, 8, contrast="pleural effusion").to_dict()["contrast"]
    assert own not in [row["study"] for row in contrast["with"] + contrast["without"]]
    filtered = engine.similar(own, 8, contrast="pleural effusion", where=["sex=F"]).to_dict()["contrast"]
    assert 0 < filtered["looked_at"] < contrast["looked_at"]


@pytest.mark.slow
def test_the_command_prints_both_lists(
    index: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radseek.retrieval.engine.load_encoder", lambda *_, **__: TinyEncoder())
    key = study_key(make_study(6), load_key())
    assert run(["similar", key, "--index", str(index), "--contrast", "pleural effusion", "-k", "3", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["contrast"]["with"]) == len(document["contrast"]["without"]) == 3
    assert run(["similar", key, "--index", str(index), "--contrast", "pleural effusion", "-k", "3"]) == 0
    printed = capsys.readouterr()
    assert "Nearest with and without pleural effusion" in printed.out
    assert "report: No pleural effusion." in printed.out
    assert NOTICE in printed.err
    assert run(["similar", key, "--index", str(index), "--mask", "m.nii.gz"]) == 2
    assert "an index keeps none" in capsys.readouterr().err
    assert run(["similar", key, "--index", str(index), "--mask-label", "x"]) == 2
    assert "--mask FILE" in capsys.readouterr().err
