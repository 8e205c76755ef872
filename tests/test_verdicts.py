"""The verdict log: lines that stay, last words that count, torn writes, labels."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from radseek.app.verdict_labels import labels_csv, labels_of
from radseek.app.verdicts import LONGEST_NOTE, Verdict, VerdictLog, encoder_id, latest, make_verdict, verdicts_path
from radseek.retrieval.errors import UsageError
from tests.each_support import each
from tests.encoder_support import tiny_spec

ROOT = Path(__file__).resolve().parents[1]


def verdict(opinion: str = "agree", **other: Any) -> Verdict:
    given: dict[str, Any] = {"state": "present", "score": 0.9, "probability": 0.8, "encoder": "a-b-c", **other}
    study, finding = given.pop("study", "2.25.1"), given.pop("finding", "lung_nodule")
    return make_verdict(study, finding, opinion, **given)


def test_a_line_is_kept_private_and_read_back_as_written(tmp_path: Path) -> None:
    log = VerdictLog(tmp_path / "archive.index")
    assert log.read().verdicts == ()
    first = verdict(note="shadow of a nipple\nperhaps", reader="Dr  Li")
    log.append(first)
    log.append(verdict("disagree"))
    assert log.path == tmp_path / "archive.verdicts.jsonl"
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600
    assert log.read().verdicts[0] == first
    assert first.reader == "Dr Li"
    assert first.time.endswith("Z")
    lines = log.path.read_text("utf8").splitlines()
    assert [json.loads(line)["verdict"] for line in lines] == ["agree", "disagree"]


def test_nothing_written_is_ever_changed(tmp_path: Path) -> None:
    log = VerdictLog(tmp_path / "a.index")
    log.append(verdict("agree"))
    before = log.path.read_bytes()
    log.append(verdict("disagree"))
    assert log.path.read_bytes().startswith(before)


def test_a_study_that_is_forgotten_takes_its_lines_with_it(tmp_path: Path) -> None:
    log = VerdictLog(tmp_path / "a.index")
    assert log.forget(["2.25.9"]) == 0
    kept, gone = verdict(study="2.25.1"), verdict(study="2.25.2", note="Mrs Doe, room 7")
    for one in (kept, gone, kept):
        log.append(one)
    torn = log.path.read_bytes().splitlines(keepends=True)[1]
    log.path.write_bytes(log.path.read_bytes() + torn[: torn.index(b"room 7")])  # the note is there, the study is not
    log.forget(["2.25.2"])
    assert log.read().verdicts == (kept, kept)
    assert "Doe" not in log.path.read_text("utf8")
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600
    log.append(gone)
    assert len(log.read().verdicts) == 3
    assert {path.name for path in tmp_path.iterdir()} <= {log.path.name, f"{log.path.name}.lock"}


def test_a_torn_line_is_skipped_said_and_does_not_swallow_the_next(tmp_path: Path) -> None:
    log = VerdictLog(tmp_path / "a.index")
    log.append(verdict("agree"))
    whole = log.path.read_bytes()
    log.path.write_bytes(whole + whole[:40])  # the machine went down in the middle of the second line
    assert [one.verdict for one in log.read().verdicts] == ["agree"]
    assert log.read().unreadable == (2,)
    log.append(verdict("unsure"))
    assert [one.verdict for one in log.read().verdicts] == ["agree", "unsure"]
    assert log.read().unreadable == (2,)


@each("line", [b"[]", b"7", b"\xff\xfe", b'{"study": "2.25.1"}', b'"agree"'])
def test_lines_of_another_kind_are_said_not_raised(tmp_path: Path, line: bytes) -> None:
    log = VerdictLog(tmp_path / "a.index")
    log.append(verdict())
    log.path.write_bytes(line + b"\n" + log.path.read_bytes())
    read = log.read()
    assert (len(read.verdicts), read.unreadable) == (1, (1,))


@pytest.mark.slow
def test_processes_that_write_at_once_lose_no_line(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from radseek.app.verdicts import VerdictLog; from tests.test_verdicts import verdict\n"
        "log = VerdictLog(Path(sys.argv[1]))\n"
        "for n in range(10): log.append(verdict(reader=f'{sys.argv[2]} {n}', note='x' * 1500))"
    )
    index = str(tmp_path / "a.index")
    runs = [subprocess.Popen([sys.executable, "-c", program, index, name], cwd=ROOT) for name in ("one", "two")]
    assert [run.wait(280) for run in runs] == [0, 0]
    read = VerdictLog(Path(index)).read()
    assert len({one.reader for one in read.verdicts}) == 20
    assert read.unreadable == ()


def test_the_last_word_of_each_reader_counts() -> None:
    said = [verdict("agree"), verdict("agree", reader="B"), verdict("disagree"), verdict("unsure", finding="emphysema")]
    assert [(one.reader, one.verdict) for one in latest(said)] == [("B", "agree"), ("", "disagree"), ("", "unsure")]


@each(
    ("state", "opinion", "label"),
    [
        ("present", "agree", [1]),
        ("present", "disagree", [0]),
        ("absent", "agree", [0]),
        ("absent", "disagree", [1]),
        ("uncertain", "agree", [1]),
        ("abstain", "disagree", [0]),
        ("present", "unsure", []),
    ],
)
def test_an_opinion_on_a_state_fixes_a_label(state: str, opinion: str, label: list[int]) -> None:
    assert [one.label for one in labels_of([verdict(opinion, state=state)]).labels] == label


def test_readers_who_contradict_each_other_fix_no_label() -> None:
    said = [
        verdict("agree", reader="A"),
        verdict("disagree", reader="B"),
        verdict("unsure", study="2.25.2", reader="A"),
    ]
    found = labels_of(said)
    assert (found.labels, found.disputed, found.unsure) == ((), 1, 1)
    settled = labels_of([*said, verdict("agree", reader="B"), verdict("disagree", study="2.25.2", reader="B")])
    assert [(one.study, one.label) for one in settled.labels] == [("2.25.1", 1), ("2.25.2", 0)]


def test_the_labels_file_holds_no_note_and_no_reader() -> None:
    found = labels_of([verdict(note="patient Smith", reader="Dr Li"), verdict(study="2.25.0", finding="kidney, cyst")])
    assert labels_csv(found.labels) == 'study,finding,label\n2.25.0,"kidney, cyst",1\n2.25.1,lung_nodule,1\n'


@each(
    "bad",
    [
        {"opinion": "maybe"},
        {"state": "here"},
        {"finding": ""},
        {"finding": "=HYPERLINK(1)"},
        {"finding": "x" * 121},
        {"study": ""},
        {"note": "x" * (LONGEST_NOTE + 1)},
        {"reader": "x" * 121},
    ],
)
def test_what_no_reader_could_have_meant_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        verdict(**bad)


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.verdicts.jsonl").mkdir()
    with pytest.raises(UsageError, match=r"a\.verdicts\.jsonl cannot be written"):
        VerdictLog(tmp_path / "a.index").append(verdict())


def test_paths_and_encoders_are_named_as_the_index_names_them() -> None:
    assert verdicts_path(Path("x/plain")).name == "plain.verdicts.jsonl"
    spec = tiny_spec()
    assert encoder_id(spec) == f"{spec.imaging_hash[:12]} {spec.towers_hash[:12]} {spec.pooling_hash}"
