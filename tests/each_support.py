"""Many cases of one rule in one test: every case is run, and each that fails is shown with its name and traceback."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

__all__ = ["each"]

Test = Callable[..., None]


@dataclass(frozen=True)
class Case:
    """Values for some parameters of a test, and the name under which a failure is shown."""

    name: str
    values: dict[str, Any]


def each(
    names: str | Sequence[str], cases: Iterable[Any], *, ids: Callable[[Any], object] | Sequence[object] | None = None
) -> Callable[[Test], Test]:
    """Return a decorator that is written like `pytest.mark.parametrize`, but makes one test and not one a case.

    Each case has a `tmp_path` and a `monkeypatch` of its own; other fixtures are shared by all cases of the test. Cases
    that skip are run past, and named when the test then counts as skipped. Several decorators make their product.
    """
    keys = [one.strip() for one in names.split(",")] if isinstance(names, str) else list(names)
    own = [_case(keys, number, one, ids) for number, one in enumerate(cases)]

    def made(function: Test) -> Test:
        inner, before = getattr(function, "_each", (function, [Case("", {})]))
        product = [_both(one, other) for other in before for one in own]
        taken = {name for case in product for name in case.values} | set(keys)

        @functools.wraps(function)
        def test(subtests: pytest.Subtests, **fixtures: Any) -> None:
            _run(inner, product, subtests, fixtures)

        parameters = [one for one in inspect.signature(inner).parameters.values() if one.name not in taken]
        first = inspect.Parameter("subtests", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        test.__signature__ = inspect.Signature([first, *parameters])  # type: ignore[attr-defined]
        test._each = (inner, product)  # type: ignore[attr-defined]
        return test

    return made


def _case(keys: list[str], number: int, given: Any, ids: Any) -> Case:
    label = None
    if hasattr(given, "marks"):  # a pytest.param
        if given.marks:
            raise ValueError(f"case {number} has marks of its own; write it as a test")
        label, given = given.id, given.values if len(keys) > 1 else given.values[0]
    values = (given,) if len(keys) == 1 else tuple(given)
    if label is None:
        label = " ".join(str(ids(one)) for one in values) if callable(ids) else ids[number] if ids else None
    name = " ".join(_short(one) for one in values) if label is None else str(label)
    return Case(f"{number}: {name}", dict(zip(keys, values, strict=True)))


def _short(value: Any) -> str:
    text = getattr(value, "__name__", None) or (value if isinstance(value, str) else repr(value))
    return text if len(text) <= 60 else f"{text[:57]}..."


def _both(one: Case, other: Case) -> Case:
    return Case(" | ".join(part for part in (other.name, one.name) if part), {**other.values, **one.values})


def _run(function: Test, cases: list[Case], subtests: pytest.Subtests, fixtures: dict[str, Any]) -> None:
    skipped: list[str] = []
    for number, case in enumerate(cases):
        with subtests.test(case.name):
            try:
                with _own(fixtures, number) as given:
                    function(**given, **case.values)
            except pytest.skip.Exception as reason:
                skipped.append(f"{case.name}: {reason.msg}")
    if skipped or not cases:
        pytest.skip(f"{len(skipped)} of {len(cases)} cases; {'; '.join(skipped[:3])}")


@contextmanager
def _own(fixtures: dict[str, Any], number: int) -> Iterator[dict[str, Any]]:
    """Yield the fixtures for one case."""
    given = dict(fixtures)
    if "tmp_path" in given:
        given["tmp_path"] = given["tmp_path"] / f"case-{number}"
        given["tmp_path"].mkdir()
    with pytest.MonkeyPatch.context() as patch:
        if "monkeypatch" in given:
            given["monkeypatch"] = patch
        yield given
