"""A GGUF file through llama-cpp-python (extra `llama`), which computes with the packed weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from retrieval.narrators.phrase_grammar import SLACK, Phrase, PhraseGrammar
from retrieval.narrators.prompting import Message

__all__ = ["LlamaModel"]

_CONTEXT = 2048  # tokens; instructions, one claim and its answer take a few hundred


class LlamaModel:
    """Loads at once. llama.cpp itself keeps the state of the prompt's unchanged beginning."""

    def __init__(self, path: Path) -> None:
        self._llama: Any = llama_cpp.Llama(model_path=str(path), n_ctx=_CONTEXT, verbose=False)

    def answer(self, fixed: Sequence[Message], asked: Message, phrases: Sequence[Phrase] | None, *, limit: int) -> str:
        """Return the model's answer, as `TextModel` says."""
        options: dict[str, Any] = {"temperature": 0.0, "max_tokens": limit, "repeat_penalty": 1.0}
        if phrases is not None:
            limit = options["max_tokens"] = min(limit, len(self._encode(asked["content"])) + SLACK)
            grammar = PhraseGrammar(phrases, self._encode, end=int(self._llama.token_eos()), limit=limit - 1)
            options["logits_processor"] = llama_cpp.LogitsProcessorList([_masked(grammar)])
        answer = self._llama.create_chat_completion(messages=[*fixed, asked], **options)
        choice = answer["choices"][0]
        return str(choice["message"]["content"] or "") if choice["finish_reason"] == "stop" else ""

    def _encode(self, text: str) -> list[int]:
        return list(self._llama.tokenize(text.encode(), add_bos=False, special=False))


def _masked(grammar: PhraseGrammar) -> Any:
    """Return a function that leaves only the grammar's tokens a chance; its first call sees the prompt alone."""
    prompt: list[int] = []

    def mask(ids: NDArray[np.intc], scores: NDArray[np.single]) -> NDArray[np.single]:
        if not prompt:
            prompt.append(len(ids))
        allowed = grammar.allowed([int(one) for one in ids[prompt[0] :]])
        masked = np.full_like(scores, -np.inf)
        masked[allowed] = scores[allowed]
        return masked

    return mask
