"""What readers keep: the log, its routes, its file, and that a forgotten study takes its lines with it."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from radseek.app.notebook import Notebook, new_entry, notebook_csv, notes_path
from radseek.demo.page.notebook_routes import notebook_routes
from radseek.retrieval.errors import UnknownNameError, UsageError


class Two:
    """As much of a session as the routes ask: an index of two studies without files."""

    def __init__(self, index: Path | None) -> None:
        self.index = index

    def case(self, key: str) -> Any:
        if key not in ("s1", "s2"):
            raise UnknownNameError(f"There is no study {key} here.")
        return key

    def is_uploaded(self, key: str) -> bool:
        return False


def test_what_is_kept_is_replaced_and_taken_away_and_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    book = Notebook(tmp_path / "a.index")
    first = new_entry("measurement", "s1", "12.0 mm", place={"series": "x", "plane": "axial", "k": 3, "shapes": []})
    book.keep(first)
    book.keep(new_entry("search", "", "pneumothorax"))
    assert [one.text for one in book.entries()] == ["pneumothorax", "12.0 mm"]
    assert [one.text for one in book.entries("s1")] == ["12.0 mm"]
    book.keep(new_entry("measurement", "s1", "12.0 mm", note="follow up", place=first.place, identity=first.id))
    assert book.entries("s1")[0].note == "follow up"
    with notes_path(tmp_path / "a.index").open("ab") as file:
        file.write(b'{"torn')
    book.keep(new_entry("case", "s2", ""))
    assert len(book.entries()) == 3
    assert book.take_away(first.id)
    assert not book.take_away("nobody")
    assert book.entries("s1") == []
    assert notes_path(tmp_path / "a.index").stat().st_mode & 0o077 == 0
    assert book.forget({"s2"}) == 2  # its line and the torn one
    assert "s2" not in notes_path(tmp_path / "a.index").read_text()


def test_what_nobody_could_have_meant_is_refused() -> None:
    for kind, study, text in (
        ("case", "", ""),
        ("search", "s1", "x"),
        ("verdict", "s1", ""),
        ("case", "s", "x" * 2001),
    ):
        with pytest.raises(UsageError):
            new_entry(kind, study, text)


@given(st.text(max_size=80), st.text(max_size=80))
def test_the_file_is_inert_and_says_what_was_kept(text: str, note: str) -> None:
    head, names, row = csv.reader(io.StringIO(notebook_csv([new_entry("search", "", text, note=note)])))
    assert head[0].startswith("# Research use only")
    told = dict(zip(names, row, strict=True))
    for name, kept in (("what", text), ("note", note)):
        line = " ".join(kept.split())
        assert told[name] in (line, f"'{line}")
    assert not any(cell[:1] in {"=", "+", "-", "@"} for cell in row)


def test_the_routes_keep_tell_and_take_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radseek.demo.page.notebook_routes.label_of", lambda session, key, lang: f"study {key}")
    app = FastAPI()
    app.include_router(notebook_routes(Two(tmp_path / "a.index")))  # type: ignore[arg-type]
    client = TestClient(app)
    kept = client.post("/archive/notes", json={"kind": "case", "study": "s1", "note": "rare"}).json()
    assert (kept["label"], kept["note"]) == ("study s1", "rare")
    assert client.post("/archive/notes", json={"kind": "case", "study": "s9", "lang": "zh"}).status_code == 422
    assert [one["id"] for one in client.get("/archive/notes/en.json", params={"study": "s1"}).json()] == [kept["id"]]
    assert "rare" in client.get("/archive/notes.csv").text
    assert client.post("/archive/notes/gone", json={"id": kept["id"]}).json() == {"gone": True}
    assert client.get("/archive/notes/zh.json").json() == []
