"""Reports from CSV, JSONL and Parquet, joined by any of a study's names."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from radseek.index_builder.build_notes import scratch_database
from radseek.index_builder.reports.report_join import find_report, load_reports, unmatched_reports
from radseek.retrieval.errors import UsageError
from tests.each_support import each

ROWS = [
    {"study": "1.2.3", "report": "No effusion.", "patient": "p1"},
    {"study": "ACC9", "report": "", "patient": ""},
    {"study": "a/b.nii.gz", "report": "肺炎。", "patient": ""},
]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    if path.suffix == ".csv":
        lines = [",".join(rows[0])] + [",".join(f'"{v}"' for v in row.values()) for row in rows]
        path.write_text("\ufeff" + "\n".join(lines) + "\n", encoding="utf-8")
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n", encoding="utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_three_formats_say_the_same(tmp_path: Path, suffix: str) -> None:
    with scratch_database() as database:
        assert load_reports(write(tmp_path / f"r{suffix}", ROWS), database) == 3
        found = find_report(database, ["nothing", "", "1.2.3", "ACC9"])
        assert found is not None
        assert (found.text, found.patient) == ("No effusion.", "p1")
        chinese = find_report(database, ["a/b.nii.gz"])
        assert chinese is not None
        assert chinese.text == "肺炎。"
        assert unmatched_reports(database) == 1
        empty = find_report(database, ["ACC9"])
        assert empty is not None
        assert empty.text == ""
        assert find_report(database, ["b.nii.gz"]) is None  # a bare name could be anybody's


def test_findings_and_impression_are_joined(tmp_path: Path) -> None:
    rows = [{"study": "s", "findings": "Clear lungs.", "impression": "Normal."}]
    with scratch_database() as database:
        load_reports(write(tmp_path / "r.csv", rows), database)
        found = find_report(database, ["s"])
        assert found is not None
        assert found.text == "Clear lungs.\nNormal."


def test_a_path_beside_the_reports_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "studies" / "7").mkdir(parents=True)
    with scratch_database() as database:
        load_reports(write(tmp_path / "r.csv", [{"study": "studies/7", "report": "x"}]), database)
        assert find_report(database, [str(tmp_path / "studies" / "7")]) is not None


@each(
    ("name", "content", "says"),
    [
        ("r.csv", "report\nhello\n", "'study' is empty or missing"),
        ("r.csv", "study,words\n1,hello\n", "needs a column 'report'"),
        ("r.jsonl", "{oops\n", "line 1: not JSON"),
        ("r.jsonl", "[1]\n", "not an object"),
        ("r.txt", "x", "not '.txt'"),
    ],
)
def test_a_bad_file_says_what_is_wrong(tmp_path: Path, name: str, content: str, says: str) -> None:
    (tmp_path / name).write_text(content)
    with scratch_database() as database, pytest.raises(UsageError, match=says):
        load_reports(tmp_path / name, database)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with scratch_database() as database, pytest.raises(UsageError, match="no such file"):
        load_reports(tmp_path / "none.csv", database)
