"""The command `screen`: sorted by finding and score, the highest alone, a filter, words as they were typed."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from radseek.cli.main import run
from radseek.cli.ranked_scores import ranked_scores
from radseek.cli.score_table import score_table
from radseek.prompts import Finding, find, literal_finding, resolve
from radseek.retrieval.remedies import PERCENTILE_REASONS, STATE_REASONS
from radseek.retrieval.scoring.score_results import FindingScore
from tests.build_support import write_ct, write_picture
from tests.each_support import each

ROOT = Path(__file__).resolve().parents[1]
EFFUSION, SYNONYM, OWN = find("pleural effusion"), find("胸腔积液"), find("a swallowed coin")


def score(
    study: str, finding: Finding, value: float | None, state: str = "uncertain", reason: str | None = None, **more: Any
) -> FindingScore:
    return FindingScore(
        study=study, path=study, series="1", finding=finding.name, score=value,
        margin=value, interval=None, percentile=None, probability=None, state=state, reason=reason,  # type: ignore[arg-type]
        view=None if value is None else "lung", key_slice=None if value is None else 3, position=None,
        asked=finding.asked, **{"percentile_reason": "no_index", "prompts": {"present": [], "absent": []}, **more},
    )  # fmt: skip


def printed(rows: Sequence[FindingScore], capsys: pytest.CaptureFixture[str], top: int | None = None) -> list[str]:
    with score_table("words@+1", [EFFUSION, SYNONYM, OWN], top) as write:
        for row in rows:
            write([row])
    return re.sub(r"(?<=\S) *\n(?=\S)", "\n", capsys.readouterr().out).splitlines()


def test_words_are_kept_as_they_were_typed() -> None:
    assert find("  胸腔 积液").asked == "胸腔 积液"
    assert find("pleural effusion") == resolve("pleural effusion")  # what differs in the words typed alone is equal
    assert [one.asked for one in (EFFUSION, SYNONYM, OWN)] == ["pleural effusion", "胸腔积液", "a swallowed coin"]
    assert EFFUSION.name == SYNONYM.name
    kept = literal_finding("fluid in the pleural space"), literal_finding("胸腔积液")
    assert [one.name.startswith("free_") for one in kept] == [True, True]
    assert kept[1].present[0] == "There is 胸腔积液."


def test_rows_are_sorted_by_finding_and_score() -> None:
    with ranked_scores([EFFUSION, SYNONYM, OWN]) as kept:
        kept.add([score("a", OWN, 0.1), score("a", EFFUSION, None), score("a", SYNONYM, 0.3)])
        kept.add([score("b", OWN, 0.9), score("b", EFFUSION, 0.2), score("b", SYNONYM, 0.4)])
        ordered = [(row.asked, row.study) for row in kept.ranked()]
        highest = [(row.asked, row.study) for row in kept.ranked(1)]
    with ranked_scores([EFFUSION]) as kept:  # of two sets, which ask it in other words
        said = [{"present": [word], "absent": []} for word in "ab"]
        kept.add([score(study, EFFUSION, 0.5, prompts=words) for study, words in zip("ab", said, strict=True)])
        assert [row.prompts for row in kept.ranked(2)] == said
    assert ordered[:4] == [("pleural effusion", "b"), ("pleural effusion", "a"), ("胸腔积液", "b"), ("胸腔积液", "a")]
    assert highest == [("pleural effusion", "b"), ("胸腔积液", "b"), ("a swallowed coin", "b")]


def test_a_cause_of_every_row_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [score(name, EFFUSION, value, reason="uncalibrated") for name, value in (("a", 0.1), ("b", 0.7))]
    lines = printed(rows, capsys)
    assert [line.split()[0] for line in lines[2:4]] == ["b", "a"]
    assert sum("uncalibrated" in line for line in lines) == 1
    assert "every row is uncalibrated: there is no calibration" in " ".join(lines)
    assert sum("no_index" in line for line in lines) == 1
    mixed = printed([*rows, score("c", EFFUSION, 0.5, "present", percentile_reason="few_comparable")], capsys)
    assert sum("(uncalibrated)" in line for line in mixed) == 2
    assert sum("few_comparable" in line for line in mixed) == 2  # in its row, and what it means


def test_what_cannot_be_judged_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [score("a", EFFUSION, 0.4, "present"), score("b", EFFUSION, None, "abstain", "no_view")]
    rows += [score(name, OWN, 0.5, "abstain", "cannot_judge") for name in "ab"]
    lines = printed(rows, capsys)
    assert sum("a swallowed coin" in line for line in lines) == 1
    said = " ".join(line.strip() for line in lines)
    assert re.search(r"cannot_judge \(.*\): a swallowed coin\.", said)
    assert "pleural effusion in 1 of 2 studies." in said
    alone = printed([score(name, OWN, 0.5, "abstain", "cannot_judge") for name in "ab"], capsys)
    assert [line.split()[0] for line in alone[2:4]] == ["a", "b"]  # where nothing can be judged, the order is shown
    none = " ".join(printed([score("a", EFFUSION, None, "abstain", "no_view")], capsys))
    assert "nothing can be said" in none


def test_every_reason_has_a_meaning() -> None:
    states = (ROOT / "retrieval" / "scoring" / "states.py").read_text("utf8")
    said = re.search(r"Reasons of `abstain`.*?\"\"\"", states, re.DOTALL)
    assert said is not None
    assert set(re.findall(r"`([a-z_]+)`", said[0])) - {"abstain", "uncertain"} == set(STATE_REASONS)
    kept = json.loads((ROOT / "docs" / "schema" / "screen.json").read_text("utf8"))
    row = kept["properties"]["results"]["items"]["properties"]
    assert row["percentile_reason"]["enum"] == [*PERCENTILE_REASONS, None]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("screened")
    for seed in range(3):
        write_ct(folder / "scans" / f"ct{seed}", seed)
    write_picture(folder / "scans" / "film.png", 8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADSEEK_KEY", "a key for screening")
        assert run(["build", str(folder / "scans"), "--index", str(folder / "a.index"), "--model", "random"]) == 0
        yield folder


@pytest.mark.slow
def test_words_a_filter_and_the_highest_alone(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--finding", "pleural effusion", "--finding", "胸腔积液", "--finding", "a coin"]

    def answer(*more: str) -> Any:
        capsys.readouterr()
        assert run(["screen", str(archive / "a.index"), *words, *more]) == 0
        return capsys.readouterr().out

    rows = json.loads(answer("--json", "--where", "modality=CT"))["results"]
    assert len(rows) == 9
    assert {row["asked"] for row in rows} == {"pleural effusion", "胸腔积液", "a coin"}
    assert {row["finding"] for row in rows[:2]} == {"pleural_effusion"}
    assert {row["percentile_reason"] for row in rows} == {"few_comparable"}
    top = json.loads(answer("--json", "--top", "1"))["results"]
    assert [row["asked"] for row in top] == ["pleural effusion", "胸腔积液", "a coin"]
    lines = list(csv.DictReader(StringIO(answer("--format", "csv", "--top", "2", "--literal"))))
    assert len(lines) == 6
    assert {line["finding"].split("_")[0] for line in lines} == {"free"}
    assert len({line["finding"] for line in lines}) == 3
    table = answer()
    assert table.count("meaningless_encoder") == 1
    assert "胸腔积液 (pleural_effusion)" in table


@each(
    ("options", "said"),
    [
        (("--where", "modality=US"), "there are CT (3)"),
        (("--top", "2", "--resume", "--out", "x.jsonl"), "leave out one"),
        (("--literal", "--findings", "chest_ct"), "not both|give them with --finding"),
    ],
)
def test_what_does_not_go_together_is_refused(
    options: tuple[str, ...], said: str, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finding = [] if "--findings" in options else ["--finding", "coin"]
    assert run(["screen", str(archive / "a.index"), *finding, *options]) == 2
    assert re.search(said.replace("(", r"\(").replace(")", r"\)"), capsys.readouterr().err)
    assert run(["screen", str(archive / "scans"), "--finding", "coin", "--where", "modality=CT"]) == 2
    assert "is none" in capsys.readouterr().err


def test_of_two_indexes_neither_is_asked_in_silence(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = ["screen", str(archive / "a.index"), "--finding", "coin", "--index", str(archive / "b.index")]
    assert run(both) == 2
    assert "is an index itself" in " ".join(capsys.readouterr().err.split())
    same = [*both[:-1], str(archive / "scans" / ".." / "a.index"), "--json"]
    assert run(same) == 0
