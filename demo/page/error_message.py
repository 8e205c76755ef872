"""What went wrong as a sentence in the page: the stable code, what to do, and the engine's own words."""

from __future__ import annotations

import html
import logging
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Final, TypeVar

from radseek.demo.page.page_words import Lang, say, say_or
from radseek.retrieval.errors import (
    BusyError,
    EncoderError,
    IndexBusyError,
    IndexClosedError,
    IndexFolderError,
    InputError,
    MaskError,
    MissingExtraError,
    NarratorError,
    PromptError,
    RadseekError,
    StoppedError,
    StorageError,
    SystemLimitError,
    UnknownNameError,
    UsageError,
)
from radseek.retrieval.path_text import hide_paths

__all__ = ["answered", "code_of", "said", "trouble"]

Answer = TypeVar("Answer")
_log = logging.getLogger(__name__)
_CODES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (CancelledError, "cancelled"),
    (BusyError, "busy"),
    (IndexClosedError, "busy"),
    (StoppedError, "busy"),
    (SystemLimitError, "busy"),
    (IndexBusyError, "busy"),
    (MaskError, "mask"),
    (NarratorError, "narrator"),
    (MissingExtraError, "missing_extra"),
    (PromptError, "prompt"),
    (UnknownNameError, "unknown_name"),
    (UsageError, "usage"),
    (IndexFolderError, "index"),
    (EncoderError, "encoder"),
    (StorageError, "storage"),
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
    if code in ("storage", "index"):  # a visitor need not know this machine: that is for the log
        _log.error("%s", error)
        return said(f"code.{code}", lang, code)
    todo = html.escape(say_or(f"code.{code}", lang, say("code.other", lang)))
    shown = hide_paths(str(error))
    if shown != str(error):
        _log.error("%s", error)
    detail = f'<p class="rs-detail"><span>{html.escape(say("trouble.detail", lang))}:</span> {html.escape(shown)}</p>'
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


def answered(lang: Lang, answer: Callable[[], Answer], refused: Callable[[str], Answer]) -> Answer:
    """Return `answer()`, or where it fails `refused(html)` of the trouble: the session goes on whatever happens."""
    try:
        return answer()
    except Exception as error:  # noqa: BLE001 - the edge of the page; what is no refusal is logged in `trouble`
        return refused(trouble(error, lang))
