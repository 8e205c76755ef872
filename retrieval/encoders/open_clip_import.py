"""open_clip, imported without the compiler of torch, which nothing here uses.

The libraries beneath it (torchvision, timm, transformers) each ask `torch._dynamo` for a name or two while they are
imported. That alone brings in the compiler and, where they are installed, pandas and scikit-learn: a quarter of the
processor's time until the first answer, in every process. Inside `compiler_later` those names stand for themselves and
are looked up when they are used; whatever else is asked of the compiler imports it as ever.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, Final

import torch.compiler
from torch._compile import _disable_dynamo

__all__ = ["compiler_later", "open_clip"]

_COMPILER: Final = "torch._dynamo"
_LOOKED_UP_LATER: Final = {
    f"{_COMPILER}.utils": ("is_compile_supported",),  # torchvision.ops.roi_align
    f"{_COMPILER}._trace_wrapped_higher_order_op": ("TransformGetItemToIndex",),  # transformers.masking_utils
}
_MARKS: Final = ("assume_constant_result", "allow_in_graph")  # what transformers' FP8 kernels tell the compiler


class _Later(ModuleType):
    """Stands for a module of the compiler, and steps aside for the real one as soon as more is asked of it."""

    def __getattr__(self, name: str) -> Any:
        if name in _LOOKED_UP_LATER.get(self.__name__, ()):
            return _later(self.__name__, name)
        if self.__name__ == _COMPILER and name in _MARKS:
            return _unmarked
        if name.startswith("__") and (self.__name__, name) != (_COMPILER, "__path__"):
            raise AttributeError(name)  # inspect asks every module for __file__
        _step_aside()
        return getattr(import_module(self.__name__), name)


@contextmanager
def compiler_later() -> Iterator[None]:
    """Let libraries be imported, and models be made, without importing torch's compiler.

    A process in which it is imported already keeps it. What is imported here behaves as it would have; only functions
    that transformers marks for the compiler (FP8 kernels) are not marked, which matters to `torch.compile` alone.
    """
    if any(name in sys.modules for name in (_COMPILER, *_LOOKED_UP_LATER)):
        yield
        return
    disable = torch.compiler.disable
    for name in (_COMPILER, *_LOOKED_UP_LATER):
        sys.modules[name] = _Later(name)
    torch.compiler.disable = _disable_later
    try:
        yield
    finally:
        torch.compiler.disable = disable
        _step_aside()


def _disable_later(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """`torch.compiler.disable` at the first call of what it decorates: torch does so to its own functions."""
    return _disable_dynamo(fn, recursive)


def _later(module: str, name: str) -> Callable[..., Any]:
    def called(*given: Any, **named: Any) -> Any:
        return getattr(import_module(module), name)(*given, **named)

    return called


def _unmarked(function: Any) -> Any:
    return function


def _step_aside() -> None:
    for name in (_COMPILER, *_LOOKED_UP_LATER):
        if isinstance(sys.modules.get(name), _Later):
            del sys.modules[name]


with compiler_later():
    import open_clip
    import open_clip.hf_model
    import open_clip.tokenizer
