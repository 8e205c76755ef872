"""`make demo` in small: everything runs, the report holds every part, and a second run replaces the first."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from radseek.showcase import MEANINGLESS, run_showcase
from retrieval.encoders.loading import BUILTIN
from retrieval.index.local_store import LocalStore

WEIGHTS = (BUILTIN / "open_clip_config.json").is_file()


@pytest.mark.slow
def test_the_main_job_runs_twice_and_shows_every_part(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("the user's own")
    for _ in range(2):
        console = Console(file=io.StringIO(), width=120)
        path = run_showcase(tmp_path, studies=5, shipped=False, console=console)
    assert (tmp_path / "kept.txt").exists()
    text = path.read_text("utf8")
    for anchor in ("built", "screened", "similar", "searched", "provenance"):
        assert f'<section id="{anchor}">' in text
    assert text.count('<article class="card" id="study-') == 4  # one of each kind
    assert text.count("data:image/png;base64,") >= 12
    assert text.count('class="profile"') >= 3
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Research use only. Not a medical device." in printed
    assert (MEANINGLESS in printed) == (MEANINGLESS in text) == (not WEIGHTS)
    with LocalStore.open(tmp_path / "archive.index") as store:
        assert store.counts()["studies"] == 5
