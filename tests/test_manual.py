"""The manual: what is made from the code is current, and every command and Python block of README and docs runs, unless
the line before it says why not (`<!-- not run: reason -->`).
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import shlex
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from radseek.cli.main import run
from radseek.demo.phantoms.write.cohort import write_cohort
from radseek.retrieval.imaging.study_reader import read_study
from radseek.retrieval.types import Study
from tests.each_support import each
from tests.imaging_support import write_nifti

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
BLOCK = re.compile(r"(?P<before>[^\n]*\n\n?)?^```(?P<lang>\w*)\n(?P<code>.*?)^```", re.M | re.S)
RUN = ("sh", "bash", "python")


def blocks(page: Path) -> list[tuple[str, str, bool]]:
    """Each fenced block that could run: its language, its text, and whether it is to be."""
    return [
        (block["lang"], block["code"], "<!-- not run: " not in (block["before"] or ""))
        for block in BLOCK.finditer(page.read_text("utf8"))
        if block["lang"] in RUN
    ]


def to_run() -> list[Path]:
    return [page for page in PAGES if any(runs for _, _, runs in blocks(page)) and page.name != "README.md"]


def pages_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_pages", DOCS / "make_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages call the reader's own: `scans`, `reports.csv`, `labels.csv`, `volume.nii.gz`."""
    folder = tmp_path_factory.mktemp("own")
    write_cohort(folder / "cohort", "chest_xray", 3, 5)
    (folder / "cohort" / "studies").rename(folder / "scans")
    for name in ("reports.csv", "labels.csv"):
        (folder / "cohort" / name).rename(folder / name)
    import numpy as np

    voxels = np.random.default_rng(0).integers(-1000, 500, (24, 20, 6)).astype(np.int16)
    write_nifti(folder / "volume.nii.gz", voxels, np.diag([0.8, 0.8, 5.0, 1.0]))
    assert isinstance(read_study(folder / "volume.nii.gz", modality="CT"), Study)
    return folder


def test_pages_made_from_the_code_are_current() -> None:
    made = pages_module()
    stale = [name for name, page in made.PAGES.items() if (DOCS / "manual" / name).read_text("utf8") != page()]
    assert not stale, "run make docs"


def test_every_page_is_in_the_manual_and_says_the_notice() -> None:
    nav = (ROOT / "mkdocs.yml").read_text("utf8")
    assert not [p for p in DOCS.rglob("*.md") if f": {p.relative_to(DOCS)}\n" not in nav]
    assert "Not a medical device" in (DOCS / "index.md").read_text("utf8")


def test_links_lead_somewhere() -> None:
    missing = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES[1:]
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text("utf8"))
        if not (page.parent / target).is_file()
    ]
    assert not missing


def test_every_block_has_a_language_that_says_whether_it_runs() -> None:
    """A command in a block without a language would be run by nobody and missed by all."""
    unsaid = [
        str(page.relative_to(ROOT))
        for page in PAGES
        for block in BLOCK.finditer(page.read_text("utf8"))
        if not block["lang"] and re.search(r"^(radseek|python|make|pip|from \w+ import) ", block["code"], re.M)
    ]
    assert not unsaid


@pytest.mark.slow
@pytest.mark.cohort
@pytest.mark.timeout(1800)
@each("page", to_run(), ids=lambda page: page.stem)
def test_the_page_runs_from_top_to_bottom(
    page: Path, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RADSEEK_KEY", "a key for the manual")
    here = tmp_path / page.stem  # the pages share one test
    here.mkdir()
    for one in ("scans", "reports.csv", "labels.csv", "volume.nii.gz"):
        copy = shutil.copytree if (own / one).is_dir() else shutil.copy
        copy(own / one, here / one)
    monkeypatch.chdir(here)
    for name, text in re.findall(r"^```toml\n# (\S+)\n(.*?)^```", page.read_text("utf8"), re.M | re.S):
        (here / name).write_text(text, "utf8")
    done = 0
    for lang, code, runs in blocks(page):
        if not runs:
            continue
        if lang == "python":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(code, page.name, "exec"), {"__name__": "manual"})  # the page's own text
            assert printed.getvalue()
            done += 1
            continue
        for line in code.splitlines():
            words = shlex.split(line, comments=True)
            if words:
                assert words[0] == "radseek", f"{line}: nothing runs this; say so before the block"
                assert run(words[1:]) == 0, f"{line}\n{capsys.readouterr().err}"
                done += 1
    assert done


@pytest.mark.slow
def test_the_manual_builds_strictly(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="the extra docs is not installed")
    import subprocess

    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "manual" / "python" / "index.html").read_text("utf8").count("Engine.screen") > 1
