"""A language model through transformers: a folder, or a GGUF file unpacked into one. Nothing is fetched."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers

from radseek.retrieval.encoders.checkpoint import read_json
from radseek.retrieval.encoders.local_only import check_transformers_config, offline
from radseek.retrieval.encoders.open_clip_import import compiler_later
from radseek.retrieval.errors import EncoderError
from radseek.retrieval.explain.narrators.model_files import unpacked
from radseek.retrieval.explain.narrators.prompting import MAX_TOKENS, SLACK, Message

__all__ = ["TransformersModel"]

_HF: Any = transformers  # what it declares of itself changes from version to version


class TransformersModel:
    """Loads at once. `path`: a GGUF file or a Hugging Face folder; `precision`: `fp32` or `bf16`.

    Raises `OSError`, `ValueError`, `ImportError` or `RuntimeError` as transformers does.
    """

    def __init__(self, path: Path, precision: str) -> None:
        folder = str(path if path.is_dir() else unpacked(path, precision))
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        _check(Path(folder))
        with offline():
            self._tokenizer: Any = _HF.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        if not self._tokenizer.chat_template:
            raise ValueError("it has no chat template, so it is no instruction model")
        with _no_bars(), offline(), compiler_later():
            model: Any = _HF.AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, dtype=dtype, use_safetensors=True
            )
        self.model = model.eval()
        self.end = int(self._tokenizer.eos_token_id)
        ends = model.generation_config.eos_token_id
        self._ends = {self.end, *(ends if isinstance(ends, list) else [ends])}
        self._given_as = _name_of_state(self.model)
        self._kept: tuple[list[int], Any] = ([], None)

    def answer(self, fixed: Sequence[Message], asked: Message) -> str:
        """Return the model's answer, as `TextModel` says."""
        prompt = self.ids([*fixed, asked], reply=True)
        limit = min(MAX_TOKENS, len(self.encode(asked["content"])) + SLACK)
        options: dict[str, Any] = {"max_new_tokens": limit, "do_sample": False, "pad_token_id": self.end}
        with torch.inference_mode():
            state = self._state(self.ids(fixed, reply=False), prompt)
            ids = torch.tensor([prompt])
            given = {"input_ids": ids, "attention_mask": torch.ones_like(ids), self._given_as: state}
            said = self.model.generate(**given, **options)[0, len(prompt) :]
        done = len(said) > 0 and int(said[-1]) in self._ends
        return self.decode(said) if done else ""

    def _state(self, fixed: list[int], prompt: list[int]) -> Any:
        """Return the state after the fixed part, computed once; None where the prompt does not begin with it."""
        if prompt[: len(fixed)] != fixed:
            return None
        if self._kept[0] != fixed:
            state = _HF.DynamicCache(config=self.model.config)
            given = {"input_ids": torch.tensor([fixed]), self._given_as: state}
            self.model(**given, use_cache=True, logits_to_keep=1)
            self._kept = (fixed, state)
        return copy.deepcopy(self._kept[1])

    def ids(self, conversation: Sequence[Message], *, reply: bool) -> list[int]:
        """Return the token ids of a conversation, with the opening of the model's turn if it is to `reply`."""
        text = self._tokenizer.apply_chat_template(list(conversation), add_generation_prompt=reply, tokenize=False)
        return self.encode(str(text))

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, with none added around it."""
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def decode(self, ids: Any) -> str:
        """Return the text of token ids, without those of the chat's own."""
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))


def _name_of_state(model: Any) -> str:
    """Return what this version of transformers calls the attention state: `cache`, once `past_key_values`."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"


@contextmanager
def _no_bars() -> Iterator[None]:
    """Keep transformers' progress bars off the terminal of whoever asked a question; the setting is left as it was."""
    was = _HF.utils.logging.is_progress_bar_enabled()
    _HF.utils.logging.disable_progress_bar()
    try:
        yield
    finally:
        if was:
            _HF.utils.logging.enable_progress_bar()


def _check(folder: Path) -> None:
    """Raise `ValueError` where a model's own files ask for code, or for a part that would be fetched."""
    for name in ("config.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            try:
                check_transformers_config(folder / name, read_json(folder / name))
            except EncoderError as error:
                raise ValueError(str(error)) from error
