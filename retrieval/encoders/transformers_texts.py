"""Texts to a transformers model's token batches, as its own processor makes them: cut, and padded to the full length.

SigLIP reads the last position whatever stands there, and was trained on padding: nothing is trimmed. CLIP looks back
only, from the end of the text: padding after it is never seen, and a text is trimmed to the shortest bucket that holds
it.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import torch

from radseek.retrieval.encoders.text_batches import BUCKETS, TEXT_BATCH, warn_cut

__all__ = ["CleanedTexts", "TransformersTexts", "canonical"]

_NO_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)


def canonical(text: str, *, lower: bool = True) -> str:
    """Return a text as SigLIP's tokenizer reads it: lower case, without ASCII punctuation, single spaces.

    >>> canonical("No  pleural-effusion, today.")
    'no pleuraleffusion today'
    """
    text = (text.lower() if lower else text).translate(_NO_PUNCTUATION)
    return re.sub(r"\s+", " ", text).strip()


class TransformersTexts:
    """Tokenises with a model's own tokenizer into batches of `TEXT_BATCH` rows.

    `trim`: whether padding at the end may be left out. `lower`: whether SigLIP's `canonical` form in lower case is
    read (True), in the case it has (False), or the text as it is (None).
    """

    def __init__(self, tokenizer: Any, context: int, name: str, *, trim: bool, lower: bool | None) -> None:
        self.context = context
        self._tokenizer = tokenizer
        self._name = name
        self._lower = lower
        self._trim = trim and tokenizer.padding_side == "right"

    def batches(self, texts: Sequence[str]) -> Iterator[tuple[list[int], tuple[torch.Tensor, ...]]]:
        """Yield `(rows, (ids,))` or `(rows, (ids, mask))`: which texts, and their `(TEXT_BATCH, length)` token ids.

        Rows past `len(rows)` repeat the first. Warns `TextCutWarning` for each text that does not fit.
        """
        if not texts:
            return
        # A lone surrogate, as a mangled file name holds, is no character to any tokenizer.
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        read = clean if self._lower is None else [canonical(text, lower=self._lower) for text in clean]
        lengths = [len(ids) for ids in self._tokenizer(read, verbose=False)["input_ids"]]
        for text, length in zip(clean, lengths, strict=True):
            warn_cut(text, length, self.context, self._name)
        whole = self._tokenizer(
            read, padding="max_length", truncation=True, max_length=self.context, return_tensors="pt"
        )
        inputs = [whole[key] for key in ("input_ids", "attention_mask") if key in whole]
        groups: dict[int, list[int]] = {}
        for row, length in enumerate(lengths):
            groups.setdefault(self._bucket(length), []).append(row)
        for bucket, rows in sorted(groups.items()):
            for start in range(0, len(rows), TEXT_BATCH):
                chosen = rows[start : start + TEXT_BATCH]
                filled = chosen + chosen[:1] * (TEXT_BATCH - len(chosen))
                yield chosen, tuple(one[filled, :bucket] for one in inputs)

    def _bucket(self, length: int) -> int:
        if not self._trim:
            return self.context
        return next((bucket for bucket in BUCKETS if length <= bucket <= self.context), self.context)


class CleanedTexts:
    """Batches of `texts` that are each read as `clean` returns them."""

    def __init__(self, texts: TransformersTexts, clean: Callable[[str], str]) -> None:
        self.context = texts.context
        self._texts, self._clean = texts, clean

    def batches(self, texts: Sequence[str]) -> Iterator[tuple[list[int], tuple[torch.Tensor, ...]]]:
        """Yield what `TransformersTexts.batches` does, of the cleaned texts."""
        return self._texts.batches([self._clean(text.encode("utf-8", "replace").decode()) for text in texts])
