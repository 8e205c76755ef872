"""Every public function and method that `radseek` exports says its arguments, what it returns and what it raises.

What a method of `LocalStore` does that the protocol `Store` has too may be said there.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import radseek
from radseek.retrieval.errors import RadseekError
from radseek.retrieval.index.store import Store


def public() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield exported functions and the public methods of exported classes, those of our own bases too."""
    for name in radseek.__all__:
        one = getattr(radseek, name)
        if inspect.isfunction(one):
            yield name, one
        elif inspect.isclass(one) and not issubclass(one, RadseekError):
            for method, raw in inspect.getmembers_static(one):
                called = raw.__func__ if isinstance(raw, staticmethod | classmethod) else raw
                if inspect.isfunction(called) and not method.startswith("_") and "radseek" in called.__module__:
                    yield f"{name}.{method}", called


def said_of(name: str, called: Callable[..., Any]) -> str:
    """Return a function's docstring; of a method of the protocol `Store`, the protocol's too."""
    shared = getattr(Store, name.removeprefix("LocalStore."), None) if name.startswith("LocalStore.") else None
    return "\n".join(filter(None, (inspect.getdoc(called), shared and inspect.getdoc(shared))))


def returns_something(called: Callable[..., Any]) -> bool:
    said = inspect.signature(called).return_annotation
    return said not in (None, "None", inspect.Signature.empty)


def raises(called: Callable[..., Any]) -> bool:
    """Whether the body itself raises one of our errors, by name."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(called)))
    found = (n.exc.func for n in ast.walk(tree) if isinstance(n, ast.Raise) and isinstance(n.exc, ast.Call))
    return any(isinstance(f, ast.Name) and f.id.endswith("Error") and f.id != "NotImplementedError" for f in found)


def faults() -> list[str]:
    found = []
    for name, called in public():
        doc = said_of(name, called)
        arguments = [p for p in inspect.signature(called).parameters if p not in ("self", "cls")]
        unsaid = [one for one in arguments if f"{one}:" not in doc and f"`{one}" not in doc]
        found += [f"{name}: nothing is said of `{one}`" for one in unsaid]
        if len(arguments) > 2 and "Args:\n" not in doc:
            found.append(f"{name}: no section Args")
        if returns_something(called) and not re.search(r"\b(Returns?|returns?|Yields?|Say) ?", doc):
            found.append(f"{name}: nothing is said of what it returns")
        if raises(called) and not ("Raises:\n" in doc or "Raises `" in doc or "raises" in doc.lower()):
            found.append(f"{name}: nothing is said of what it raises")
    return found


def test_every_public_function_says_what_it_takes_returns_and_raises() -> None:
    assert len(list(public())) > 60
    assert not faults()
