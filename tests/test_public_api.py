"""The front door: what `radseek` exports, that all of it is there, and that importing it brings nothing heavy."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import radseek
from radseek.retrieval import errors
from radseek.retrieval.errors import RadseekError
from radseek.retrieval.explain import explanation
from radseek.retrieval.result_table import ResultTable
from radseek.retrieval.scoring import score_results
from radseek.retrieval.search import search_results


def test_the_exports_are_sorted_and_each_is_there() -> None:
    assert radseek.__all__ == sorted(set(radseek.__all__), key=lambda n: (not n.isupper(), not n[0].isupper(), n))
    assert all(getattr(radseek, name) is not None for name in radseek.__all__)
    assert dir(radseek) == sorted(radseek.__all__)


def test_every_error_and_every_result_is_exported() -> None:
    raised = {name for name, one in vars(errors).items() if inspect.isclass(one) and issubclass(one, RadseekError)}
    modules = (score_results, search_results, explanation)
    results = {n for m in modules for n in m.__all__ if inspect.isclass(getattr(m, n))}
    assert len(raised) > 15
    assert len(results) > 10
    assert raised | results <= set(radseek.__all__)


def test_what_the_manual_names_is_exported() -> None:
    named = "Encoder Engine HeatMap Reason adapt_index build_index findings_in read_mask read_study __version__"
    assert set(named.split()) <= set(radseek.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Engin'"):
        _ = radseek.Engin


def test_the_version_is_the_distributions() -> None:
    assert radseek.__version__.count(".") == 2


def test_importing_brings_no_torch_faiss_or_sqlite() -> None:
    code = "import sys, radseek; print(sorted({'torch', 'faiss', 'sqlite3', 'numpy', 'pydicom'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_result_is_a_table() -> None:
    results = [getattr(radseek, name) for name in radseek.__all__ if name.endswith("Result")]
    assert {one.__name__ for one in results} >= {"ScreenResult", "ClassifyResult", "SimilarResult", "SearchResult"}
    assert all(issubclass(one, ResultTable) for one in results)
