"""`make demo` in small: everything runs, the report holds every part, and what an earlier run wrote is replaced."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from radseek.retrieval.encoders.load_encoder import BUILTIN
from radseek.retrieval.index.local_store import LocalStore
from radseek.showcase.__main__ import MEANINGLESS, run_showcase

WEIGHTS = (BUILTIN / "open_clip_config.json").is_file()


@pytest.mark.slow
@pytest.mark.cohort
def test_the_main_job_runs_and_shows_every_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The model's own tests run it; here it would say twenty sentences at three seconds each.
    monkeypatch.setattr("radseek.showcase.showcase_explain.default_model", lambda: None)
    (tmp_path / "kept.txt").write_text("the user's own")
    (tmp_path / "explain.html").write_text("of an earlier run")
    stale = [tmp_path / "phantoms" / "studies" / "old.dcm", tmp_path / "archive.index" / "manifest.json"]
    for path in stale:
        path.parent.mkdir(parents=True)
        path.write_text("of an earlier run")
    console = Console(file=io.StringIO(), width=120)
    path = run_showcase(tmp_path, studies=5, shipped=False, console=console)
    assert (tmp_path / "kept.txt").exists()
    assert not stale[0].exists()
    text = path.read_text("utf8")
    for anchor in ("built", "screened", "similar", "searched", "provenance"):
        assert f'<section id="{anchor}">' in text
    assert text.count('<article class="card" id="study-') == 4  # one of each kind
    assert text.count("data:image/png;base64,") >= 12
    assert text.count('class="profile"') >= 3
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Research use only. Not a medical device." in printed
    assert (MEANINGLESS in text) == (not WEIGHTS)
    shown = " ".join(re.sub(r"[^\w:;,.* ]", " ", printed).split())
    # once at the start, and at every table of scores
    assert shown.count("meaningless: random weights") == (0 if WEIGHTS else 9)
    explained = (tmp_path / "explain.html").read_text("utf8")
    assert "Research use only. Not a medical device." in explained
    for anchor in ("summary", "findings", "neighbours", "provenance"):
        assert f'<section id="{anchor}">' in explained
    masks = list((tmp_path / "phantoms" / "masks").glob("chest_ct_*"))  # five studies may draw none
    assert ('<section id="measurements">' in explained) == bool(masks)
    assert explained.count("data:image/png;base64,") >= 2
    assert "<script" not in explained
    assert "explain.html written" in " ".join(printed.split())
    with LocalStore.open(tmp_path / "archive.index") as store:
        assert store.counts()["studies"] == 5
