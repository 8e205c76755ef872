"""Texts to token batches of a fixed shape, so that a text's vector does not depend on the texts beside it.

open_clip's Hugging Face tokenizer pads to the whole context. The attention mask makes the padding equal to none, so
a text is trimmed to the shortest bucket that holds it: a choice made by that text alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from radseek.retrieval.encoders.encoder import TextCutWarning
from radseek.retrieval.encoders.open_clip_import import open_clip
from radseek.retrieval.errors import UsageError

__all__ = ["BUCKETS", "TEXT_BATCH", "TextBatcher", "check_texts", "warn_cut"]

TEXT_BATCH = 4  # measured: rows a second are within 15 % of a batch of 16, and one query costs a quarter
BUCKETS = (16, 32, 64, 128, 256)


def check_texts(texts: Sequence[str]) -> None:
    """Raise `UsageError` for anything but a sequence of strings."""
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise UsageError('encode_texts takes a list of strings, such as ["pleural effusion"].')


def warn_cut(text: str, length: int, context: int, name: str) -> None:
    """Warn `TextCutWarning` of a text of `length` tokens that is more than the `context` of the model `name`."""
    if length > context:
        warnings.warn(
            f"A text of {length} tokens was cut to the {context} that {name} reads; its end was not read: "
            f"{text[:60]!r}... Shorten it or split it into sentences.",
            TextCutWarning,
            stacklevel=5,
        )


class TextBatcher:
    """Tokenises with a model's own tokenizer and groups texts into `(TEXT_BATCH, bucket)` batches."""

    def __init__(self, tokenizer: Any, model: Any, name: str) -> None:
        self.context: int = int(getattr(tokenizer, "context_length", None) or model.context_length)
        self._tokenizer = tokenizer
        self._name = name
        self._pad = _padding_id(tokenizer, model)

    def batches(self, texts: Sequence[str]) -> Iterator[tuple[list[int], tuple[torch.Tensor, ...]]]:
        """Yield `(rows, (ids,))`: which texts, and their `(TEXT_BATCH, bucket)` token ids.

        Rows of `ids` past `len(rows)` repeat the first. Warns `TextCutWarning` for each text that does not fit.
        """
        if not texts:
            return
        # A lone surrogate, as a mangled file name holds, is no character to any tokenizer.
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        ids = self._tokenizer(clean)
        self._warn_cut(clean, ids)
        groups: dict[int, list[int]] = {}
        for row in range(len(clean)):
            groups.setdefault(self._bucket(ids[row]), []).append(row)
        for bucket, rows in sorted(groups.items()):
            for start in range(0, len(rows), TEXT_BATCH):
                chosen = rows[start : start + TEXT_BATCH]
                filled = chosen + chosen[:1] * (TEXT_BATCH - len(chosen))
                yield chosen, (ids[filled, :bucket],)

    def _bucket(self, ids: torch.Tensor) -> int:
        if self._pad is None:
            return len(ids)
        used = int((ids != self._pad).nonzero().max()) + 1 if bool((ids != self._pad).any()) else 1
        return next((bucket for bucket in BUCKETS if used <= bucket <= len(ids)), len(ids))

    def _warn_cut(self, texts: Sequence[str], ids: torch.Tensor) -> None:
        for text, row in zip(texts, ids, strict=True):
            if self._pad is not None and int(row[-1]) == self._pad:
                continue
            warn_cut(text, self._length(text), self.context, self._name)

    def _length(self, text: str) -> int:
        if isinstance(self._tokenizer, open_clip.tokenizer.HFTokenizer):
            whole = self._tokenizer.tokenizer([self._tokenizer.clean_fn(text)], truncation=False, verbose=False)
            return len(whole.input_ids[0])
        return len(self._tokenizer.encode(text)) + 2  # start and end


def _padding_id(tokenizer: Any, model: Any) -> int | None:
    """Return the id that the text tower masks, or None where trimming would change a vector."""
    tower = getattr(model, "text", None)
    hugging_face = open_clip.hf_model.HFTextEncoder, open_clip.tokenizer.HFTokenizer
    if not isinstance(tower, hugging_face[0]) or not isinstance(tokenizer, hugging_face[1]):
        return None  # open_clip's own tower may attend to padding, or find its end by position
    if tokenizer.tokenizer_mode or tokenizer.tokenizer.padding_side != "right":
        return None
    pad = tower.config.pad_token_id
    return int(pad) if pad is not None and pad == tokenizer.tokenizer.pad_token_id else None
