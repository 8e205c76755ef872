"""A GGUF file through llama-cpp-python (extra `llama`), which computes with the packed weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llama_cpp

from radseek.retrieval.explain.narrators.prompting import MAX_TOKENS, SLACK, Message

__all__ = ["LlamaModel"]

_CONTEXT = 2048  # tokens; instructions, one claim and its answer take a few hundred


class LlamaModel:
    """Loads at once. llama.cpp itself keeps the state of the prompt's unchanged beginning."""

    def __init__(self, path: Path) -> None:
        self._llama: Any = llama_cpp.Llama(model_path=str(path), n_ctx=_CONTEXT, verbose=False)

    def answer(self, fixed: Sequence[Message], asked: Message) -> str:
        """Return the model's answer, as `TextModel` says."""
        tokens = self._llama.tokenize(asked["content"].encode(), add_bos=False, special=False)
        limit = min(MAX_TOKENS, len(tokens) + SLACK)
        answer = self._llama.create_chat_completion(
            messages=[*fixed, asked], temperature=0.0, max_tokens=limit, repeat_penalty=1.0
        )
        choice = answer["choices"][0]
        return str(choice["message"]["content"] or "") if choice["finish_reason"] == "stop" else ""
