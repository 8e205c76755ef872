"""What went wrong as a sentence in the page: the stable code, what to do, and the engine's own words."""

from __future__ import annotations

import functools
import html
import logging
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any, Final

from demo.web.words import Lang, say, say_or
from retrieval.errors import (
    BusyError,
    EncoderError,
    IndexFolderError,
    InputError,
    MaskError,
    MissingExtraError,
    NarratorError,
    PromptError,
    RadseekError,
    UnknownNameError,
    UsageError,
)

__all__ = ["code_of", "safely", "said", "trouble"]

_log = logging.getLogger(__name__)
_CODES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (CancelledError, "cancelled"),
    (BusyError, "busy"),
    (MaskError, "mask"),
    (NarratorError, "narrator"),
    (MissingExtraError, "missing_extra"),
    (PromptError, "prompt"),
    (UnknownNameError, "unknown_name"),
    (UsageError, "usage"),
    (IndexFolderError, "index"),
    (EncoderError, "encoder"),
)


def code_of(error: Exception) -> str:
    """Return the stable code of an error: an input's reason code, or the name of its kind."""
    if isinstance(error, InputError):
        return str(error.reason)
    return next((code for kind, code in _CODES if isinstance(error, kind)), "other")


def trouble(error: Exception, lang: Lang) -> str:
    """Return an error as HTML; of what is no `RadseekError` only that it happened, and the log has the rest."""
    if not isinstance(error, RadseekError | CancelledError):
        _log.error("the page failed to answer", exc_info=error)
        return said("trouble.inside", lang, "inside")
    code = code_of(error)
    todo = html.escape(say_or(f"code.{code}", lang, say("code.other", lang)))
    detail = (
        f'<p class="rs-detail"><span>{html.escape(say("trouble.detail", lang))}:</span> {html.escape(str(error))}</p>'
    )
    return _box(f"{todo}", code, lang, detail)


def said(name: str, lang: Lang, code: str = "usage") -> str:
    """Return a sentence of the page's own as trouble: nothing was asked yet, or something is missing."""
    return _box(html.escape(say(name, lang)), code, lang, "")


def _box(sentence: str, code: str, lang: Lang, detail: str) -> str:
    title = html.escape(say("trouble.title", lang))
    return (
        f'<div class="rs-trouble" role="alert" data-code="{html.escape(code)}"><p><strong>{title}</strong> '
        f"<code>{html.escape(code)}</code> {sentence}</p>{detail}</div>"
    )


def safely(answer: Callable[..., Any], refused: Callable[[str], Any]) -> Callable[..., Any]:
    """Return `answer(lang, ...)` with its errors shown in the page: `refused(html)` makes the outputs then."""

    @functools.wraps(answer)
    def guarded(lang: Lang, *given: Any) -> Any:
        try:
            return answer(lang, *given)
        except Exception as error:
            return refused(trouble(error, lang))

    return guarded
