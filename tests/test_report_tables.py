"""Tables of reports as other programs write them: encodings, separators, quotes and headings; nothing lost unsaid."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radseek.index_builder.build_notes import scratch_database
from radseek.index_builder.reports.report_columns import known_headings
from radseek.index_builder.reports.report_join import Named, find_report, load_reports
from radseek.index_builder.tables.delimited_rows import DelimitedTable, TableRow
from radseek.index_builder.tables.text_encoding import find_encoding
from radseek.retrieval.errors import Reason, UsageError
from radseek.retrieval.types import Skipped

SENTENCES = {
    "gb18030": ["右侧胸腔少量积液。", "双肺纹理增多，未见明显实变影。", "颅内未见出血。", "双侧胸腔积液"],
    "big5": ["右側胸腔少量積液。", "雙肺紋理增多，未見明顯實變影。", "右肺結節", "肺炎，建議追蹤。"],
    "cp932": ["右胸水を少量認めます。", "肺野に明らかな異常影を認めません。"],
    "euc_jp": ["右胸水を少量認めます。", "肺野に明らかな異常影を認めません。"],
    "iso2022_jp": ["右胸水を少量認めます。"],
    "cp949": ["우측 흉수가 소량 관찰됩니다.", "폐에 이상 소견 없음."],
    "cp1252": [
        "Größe normal. Kein Pleuraerguß.", "Épanchement pleural gauche minime.", "Cráneo sin hallazgos.", "Lungenödem",
        "Não há derrame pleural. Coração normal", "Opacità a vetro smerigliato", "“quotes” – no effusion’s",
    ],
    "cp1251": ["Плевральный выпот справа.", "Очаговых изменений не выявлено.", "Норма."],
    "koi8_r": ["Плевральный выпот справа."],
    "utf-8": ["右侧胸腔少量积液。", "Größe normal."],
    "utf-8-sig": ["右侧胸腔少量积液。"],
    "utf-16": ["右侧胸腔少量积液。", "No effusion."],
    "utf-16-le": ["右侧胸腔少量积液。", "No effusion."],
    "utf-16-be": ["右侧胸腔少量积液。", "No effusion."],
    "utf-32": ["No effusion."],
}  # fmt: skip


class Loaded:
    """A file of reports, loaded: `text(study)`, and what was said meanwhile."""

    def __init__(self, path: Path, content: bytes | str, **named: str) -> None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.skipped: list[Skipped] = []
        self.notes: list[str] = []
        with scratch_database() as database:
            self.count = load_reports(
                path, database, named=Named(**named), skip=self.skipped.append, note=self.notes.append
            )
            rows = database.execute("SELECT study, text, patient FROM reports").fetchall()
        self.texts = {study: text for study, text, _ in rows}
        self.patients = {study: patient for study, _, patient in rows}


@pytest.mark.slow
def test_every_encoding_is_read_and_a_guess_is_said(tmp_path: Path) -> None:
    wrong = []
    for encoding, sentences in SENTENCES.items():
        for sentence in (*sentences, " ".join(sentences)):
            for quote in ('"', ""):
                content = f"study,report\n1.2.3,{quote}{sentence}{quote}\n".encode(encoding)
                loaded = Loaded(tmp_path / "r.csv", content)
                guessed = encoding not in ("utf-8", "utf-8-sig", "utf-16", "utf-32")
                said = any("guess" in note for note in loaded.notes)
                if loaded.texts != {"1.2.3": sentence} or said != guessed:
                    wrong.append((encoding, sentence, loaded.texts, loaded.notes))
    assert not wrong


def test_long_cells_nuls_and_line_ends(tmp_path: Path) -> None:
    long = "No effusion. " + "x " * 200_000
    tables = {
        "long cell": (f'study,report\n1,"{long}"\n', {"1": long.strip()}),
        "NUL": ("study,report\n1,No\0 effusion\n", {"1": "No effusion"}),
        "lone CR": ("study,report\r1,one\r2,two\r", {"1": "one", "2": "two"}),
        "CR LF": ("study,report\r\n1,one\r\n2,two\r\n", {"1": "one", "2": "two"}),
        "lines in quotes": ('study,report\n1,"one\ntwo\r\nthree"\n2,four\n', {"1": "one\ntwo\r\nthree", "2": "four"}),
        "doubled quotes": ('study,report\n1,"a ""large"" mass"\n', {"1": 'a "large" mass'}),
        "quotes amid text": ('study,report\n1,"Nodule" seen\n2,6" tube\n', {"1": '"Nodule" seen', "2": '6" tube'}),
        "blank lines": ("\n\nstudy,report\n\n1,one\n\n", {"1": "one"}),
        "empty columns of Excel": ("study,report\n1,one,,,\n", {"1": "one"}),
        "zeros kept by a formula": ('study,report\n"=""00123""",one\n', {"00123": "one"}),
    }
    found = {name: Loaded(tmp_path / "r.csv", content).texts for name, (content, _) in tables.items()}
    assert found == {name: expected for name, (_, expected) in tables.items()}


def test_text_after_an_unquoted_comma_is_joined_or_said(tmp_path: Path) -> None:
    last = Loaded(tmp_path / "r.csv", "study,patient,report\n1,p,No effusion, no nodule,  no fracture.\n2,q,Clear.\n")
    assert last.texts == {"1": "No effusion, no nodule,  no fracture.", "2": "Clear."}
    assert any("1 rows had unquoted commas" in note for note in last.notes)
    first = Loaded(tmp_path / "r.csv", "study,report,patient\n1,No effusion, no nodule.,p\n2,Clear.,q\n")
    assert first.texts == {"2": "Clear."}
    assert [(line.path, line.reason_code) for line in first.skipped] == [("r.csv:2", Reason.BAD_HEADER)]
    assert "line 2 has 4 columns where the heading has 3" in first.skipped[0].message
    assert "quotes" in first.skipped[0].message
    two = Loaded(tmp_path / "r.csv", "study,findings,impression\n1,No effusion, no nodule.,Normal.\n2,a,b\n")
    assert two.texts == {"2": "a\nb"}
    assert len(two.skipped) == 1


def test_an_open_quote_never_gives_one_patient_the_report_of_another(tmp_path: Path) -> None:
    open_quote = 'study,report\n1,"No effusion\n2,"Large mass."\n3,Clear.\n4,"Cut\n5,After.\n'
    loaded = Loaded(tmp_path / "r.csv", open_quote)
    assert loaded.texts == {"2": "Large mass.", "3": "Clear.", "5": "After."}
    assert [line.path for line in loaded.skipped] == ["r.csv:2", "r.csv:5"]
    assert all("quotes that do not pair up" in line.message for line in loaded.skipped)
    cut = Loaded(tmp_path / "r.csv", 'study,report\n1,Clear.\n2,"No effusion, no')
    assert cut.texts == {"1": "Clear."}
    assert [line.path for line in cut.skipped] == ["r.csv:3"]


def test_rows_that_cannot_be_used_are_lines_with_their_number(tmp_path: Path) -> None:
    csv = Loaded(tmp_path / "r.csv", 'study,report\n1,one\n,nobody\nalone\n"2","a\nb"\n,c\n')
    assert csv.texts == {"1": "one", "2": "a\nb"}
    assert [line.path for line in csv.skipped] == ["r.csv:3", "r.csv:4", "r.csv:7"]
    lines = [
        '{"study": "1", "report": "one"}',
        "{oops",
        "[1]",
        '{"study": "2"}',
        '{"study": 3, "report": "\\ud83d three"}',
    ]
    jsonl = Loaded(tmp_path / "r.jsonl", "\n".join(lines))
    assert jsonl.texts == {"1": "one", "3": "? three"}
    assert [line.path for line in jsonl.skipped] == ["r.jsonl:2", "r.jsonl:3", "r.jsonl:4"]
    deep = Loaded(tmp_path / "r.jsonl", '{"study": "1", "report": "one"}\n' + "[" * 100_000)
    assert len(deep.skipped) == 1


def test_separators_follow_from_the_heading(tmp_path: Path) -> None:
    for separator, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        for name in ("r.csv", "r.tsv", "r.txt"):
            content = f"study{separator}report\n1{separator}No effusion, no nodule\n"
            loaded = Loaded(tmp_path / name, content)
            assert loaded.texts == {"1": "No effusion, no nodule"}, (separator, name)
            assert any(word in note for note in loaded.notes), (separator, name)
    hidden = Loaded(tmp_path / "r.csv", "\ufeffsep=;\r\nstudy;report\r\n1;one\r\n")
    assert hidden.texts == {"1": "one"}
    excel = Loaded(tmp_path / "r.txt", "检查号\t检查所见\t诊断意见\r\n7\t未见异常\t正常\r\n".encode("utf-16"))
    assert excel.texts == {"7": "未见异常\n正常"}


HEADINGS = [
    "StudyInstanceUID,ReportText", "study_uid,report_text", "Accession Number,Report", "ACCESSION_NO,full report",
    "(0008,0050),Narrative", "检查号,报告", "影像号,检查所见", "檢查號,報告", "検査番号,所見", "검사번호,판독",
    "Untersuchungsnummer,Befund", "Numéro d'examen,Compte-rendu", "número de estudio,informe", "exame,laudo",
    "esame,referto", "Исследование,Заключение",
    "study_id,findings,impression", "\ufeffStudy,Report", " path , text ", "file_name,FINDINGS",
]  # fmt: skip


def test_headings_of_other_programs_and_languages(tmp_path: Path) -> None:
    wrong = {}
    for heading in HEADINGS:
        cells = ["1.2.3", *["Clear."] * heading.count(",")]
        content = ",".join(f'"{cell}"' for cell in cells)
        if "(0008,0050)" in heading:
            heading, content = heading.replace("(0008,0050)", '"(0008,0050)"'), '"1.2.3","Clear."'
        loaded = Loaded(tmp_path / "r.csv", f"{heading}\n{content}\n")
        if loaded.texts.get("1.2.3", "").split("\n")[0] != "Clear.":
            wrong[heading] = loaded.texts
    assert not wrong


def test_headings_that_nobody_knows_are_named_and_can_be_given(tmp_path: Path) -> None:
    content = "Fall;Arzt;Brief\n1.2.3;Dr. X;Kein Erguss.\n"
    with pytest.raises(UsageError, match=r"'Fall', 'Arzt', 'Brief'.*--study-column"):
        Loaded(tmp_path / "r.csv", content, report="Brief")
    with pytest.raises(UsageError, match=r"'Fall', 'Arzt', 'Brief'.*--report-column"):
        Loaded(tmp_path / "r.csv", content, study="Fall")
    with pytest.raises(UsageError, match="no such column; did you mean Brief"):
        Loaded(tmp_path / "r.csv", content, study="Fall", report="Briefe")
    assert Loaded(tmp_path / "r.csv", content, study="fall", report="BRIEF").texts == {"1.2.3": "Kein Erguss."}
    assert Loaded(tmp_path / "r.csv", "study,report,note\n1,a,b\n", report="note").texts == {"1": "b"}


def test_a_whole_report_goes_before_its_parts(tmp_path: Path) -> None:
    content = "study,findings,impression,report,MRN\n1,a,b,whole,p1\n2,a,b,,p2\n"
    loaded = Loaded(tmp_path / "r.csv", content)
    assert loaded.texts == {"1": "whole", "2": "a\nb"}
    assert loaded.patients == {"1": "p1", "2": "p2"}


def test_parquet_by_other_headings(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"AccessionNumber": [7, 8], "Findings": ["a", None], "size": [1, 2]}), tmp_path / "r.parquet"
    )
    with scratch_database() as database:
        assert load_reports(tmp_path / "r.parquet", database) == 2
        found = find_report(database, ["7"])
        assert found is not None
        assert found.text == "a"


def test_files_that_are_no_table_say_what_to_do(tmp_path: Path) -> None:
    cases = [
        ("r.xlsx", b"PK\x03\x04rest", "CSV UTF-8"),
        ("r.csv", b"PK\x03\x04rest", "CSV UTF-8"),
        ("r.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "CSV UTF-8"),
        ("r.parquet", b"PAR1 no more", "cannot be read as Parquet"),
        ("r.csv", b"", "is empty"),
        ("r.csv", b"\n\n", "is empty"),
        ("r.docx", b"x", "not '.docx'"),
        ("r.csv", b'"study,report\n1,one\n', "line 1.*quotes"),
    ]
    for name, content, says in cases:
        with pytest.raises(UsageError, match=says):
            Loaded(tmp_path / name, content)


def test_a_few_broken_bytes_do_not_make_it_another_encoding(tmp_path: Path) -> None:
    rows = "".join(f"{n},右侧胸腔少量积液。\n" for n in range(40)).encode()
    loaded = Loaded(tmp_path / "r.csv", b"study,report\n" + rows + b"x,bad \xff byte\n" + "y,右侧".encode()[:-1])
    assert loaded.texts["7"] == "右侧胸腔少量积液。"
    assert loaded.texts["x"] == "bad \ufffd byte"
    assert any("2 rows hold bytes" in note for note in loaded.notes)


def test_studies_that_are_no_path_are_no_trouble(tmp_path: Path) -> None:
    loaded = Loaded(tmp_path / "r.csv", f"study,report\n{'x' * 5000},one\n../../..,two\n/etc/passwd,three\n")
    assert loaded.count == 3


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=40)), min_size=1, max_size=6))
def test_any_quoted_table_is_read_back(rows: list[tuple[str, str]]) -> None:
    def plain(text: str) -> str:
        return text.encode("utf-8", "replace").decode().replace("\0", "").replace("\r", " ")

    quoted = ["study;report\n"]
    quoted += ['"{}";"{}"\n'.format(*(plain(cell).replace('"', '""') for cell in row)) for row in rows]
    table = DelimitedTable(_lines("".join(quoted)), sum(map(len, quoted)), known_headings)
    found = [list(row.cells.values()) for row in table.rows(None) if isinstance(row, TableRow)]
    assert found == [[plain(a), plain(b)] for a, b in rows if plain(a).strip() or plain(b).strip()]


def _lines(text: str) -> list[str]:
    return [f"{line}\n" for line in text.split("\n")[:-1]]


def test_the_encoding_of_a_file_of_nothing_but_ascii_is_no_guess(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(json.dumps({"a": 1}).encode())
    assert not find_encoding(tmp_path / "a.txt").guessed
