"""What a local language model is to the narrator: a conversation in, a text out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from radseek.retrieval.explain.narrators.prompting import Message

__all__ = ["TextModel"]


class TextModel(Protocol):
    """A model in memory. Decoding is greedy, so the same question gets the same answer."""

    def answer(self, fixed: Sequence[Message], asked: Message) -> str:
        """Return the model's answer; "" if it is not done `SLACK` tokens after as many as `asked` has.

        `fixed`: the part of the conversation that does not change, whose state is kept; `asked`: the last turn.
        """
        ...
