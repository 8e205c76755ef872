"""Shared fixtures: where the real data is, and a home of its own for every test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A gate must give the same answer twice; `make fuzz` looks for new examples.
settings.register_profile("gate", derandomize=True, database=None, deadline=None)
settings.register_profile("fuzz", derandomize=False, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))

DATA = Path(os.environ.get("RADSEEK_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


# Whatever uses one of these fixtures has the mark, so that `make quick` leaves it out.
MARKED_BY = {
    "browser": ("browser",),
    "cohort": ("cohort", "phantoms", "web_index"),
    "llm": ("unpacked_model",),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of another order."""
    parser.addoption("--reverse", action="store_true", help="run the tests last first: none may need another before it")


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests by the fixtures they use; skip those of real data where there is none, and say why."""
    skip = pytest.mark.skip(reason=f"real data not at {DATA}; set RADSEEK_DATA")
    for item in items:
        used = set(getattr(item, "fixturenames", ()))
        for mark in (mark for mark, fixtures in MARKED_BY.items() if used & set(fixtures)):
            item.add_marker(mark)
        if item.get_closest_marker("real_data") and not DATA.is_dir():
            item.add_marker(skip)
    if config.getoption("reverse"):
        items.reverse()


def _home(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    patch.setenv("HF_HOME", str(folder / "hf"))
    patch.setenv("HF_HUB_OFFLINE", "1")
    patch.delenv("RADSEEK_KEY", raising=False)


@pytest.fixture(scope="session", autouse=True)
def _home_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is made for a module or a run, before any test's own home, is not made in the user's either."""
    with pytest.MonkeyPatch.context() as patch:
        _home(tmp_path_factory.mktemp("home"), patch)
        yield


@pytest.fixture(scope="session")
def _home_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home-of-tests")


@pytest.fixture(autouse=True)
def _own_home(_home_of_tests: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and caches never touch the user's own, and nothing asks a hub.

    Emptied for every test, in one place: a worker that waits for the next call goes on only in the same environment.
    """
    shutil.rmtree(_home_of_tests)
    _home_of_tests.mkdir()
    _home(_home_of_tests, monkeypatch)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call() -> None:
    """Leave no variable in the environment that differs from test to test: pytest's own name of the test."""
    os.environ.pop("PYTEST_CURRENT_TEST", None)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup() -> None:
    """As for a test itself."""
    os.environ.pop("PYTEST_CURRENT_TEST", None)
