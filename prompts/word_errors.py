"""The root of radseek's errors and the two that belong to words.

`prompts` imports nothing of ours, so the root lives here; the whole tree is drawn in `radseek.retrieval.errors`.
"""

from __future__ import annotations

__all__ = ["PromptError", "RadseekError", "UnknownNameError"]


class RadseekError(Exception):
    """Root of every error raised by radseek. `exit_code` is what the command returns for it."""

    exit_code = 2


class PromptError(RadseekError, ValueError):
    """A finding or a finding set breaks a rule of its format."""


class UnknownNameError(RadseekError, LookupError):
    """A name that nothing answers to; the message offers the nearest ones."""
