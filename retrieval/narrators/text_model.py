"""What a local language model is to the narrator: a conversation and a grammar in, a text out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from retrieval.narrators.phrase_grammar import Phrase
from retrieval.narrators.prompting import Message

__all__ = ["TextModel"]


class TextModel(Protocol):
    """A model in memory. Decoding is greedy, so the same question gets the same answer."""

    def answer(self, fixed: Sequence[Message], asked: Message, phrases: Sequence[Phrase] | None, *, limit: int) -> str:
        """Return the model's answer, made of `phrases` alone where they are given; "" if not done after `limit` tokens.

        `fixed`: the part of the conversation that does not change, whose state is kept; `asked`: the last turn.
        """
        ...
