"""Narrators by name."""

from __future__ import annotations

from pathlib import Path

from radseek.retrieval.errors import UnknownNameError, UsageError, nearest
from radseek.retrieval.explain.narrators.local import LocalNarrator
from radseek.retrieval.explain.narrators.narrator import Narrator
from radseek.retrieval.explain.narrators.remote import RemoteNarrator
from radseek.retrieval.explain.narrators.template import TemplateNarrator

__all__ = ["NARRATORS", "load_narrator"]

NARRATORS = ("template", "local", "openai")


def load_narrator(
    name: str = "template", *, model: str | Path | None = None, url: str | None = None, allow_remote: bool = False
) -> Narrator:
    """Return a narrator. Nothing is loaded, asked or looked for before its first claim.

    `local` takes `model`, a GGUF file or a Hugging Face folder; `openai` takes `url`, a server's base URL such as
    `http://127.0.0.1:8080/v1`, and `model`, a name that the server knows.

    Raises `UnknownNameError` for another name, and `UsageError` for a call that makes no sense: `openai` without a URL,
    or with one that is not on this machine while `allow_remote` is false. What is missing on the machine (a package, a
    file, a server that answers) is a `NarratorError` of `rephrase`, so that an explanation finishes with the
    template's words and says why.
    """
    if name not in NARRATORS:
        raise UnknownNameError(f"No narrator '{name}'; there are {', '.join(NARRATORS)}{nearest(name, NARRATORS)}.")
    if url is not None and name != "openai":
        raise UsageError(f"The narrator '{name}' asks no server; leave the URL out, or take the narrator 'openai'.")
    if name == "openai":
        if not url:
            raise UsageError("The narrator 'openai' needs a server's URL, such as http://127.0.0.1:8080/v1.")
        return RemoteNarrator(url, model=None if model is None else str(model), allow_remote=allow_remote)
    if name == "local":
        return LocalNarrator(model)
    if model is not None:
        raise UsageError("The narrator 'template' has no model; leave it out, or take the narrator 'local'.")
    return TemplateNarrator()
