"""The narrator `openai`: any server with the chat-completions protocol, on this machine unless said otherwise."""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from radseek.retrieval.errors import NarratorError, UsageError
from radseek.retrieval.explain.claims import Claim
from radseek.retrieval.explain.evidence import Item, Lang
from radseek.retrieval.explain.narrators.prompting import MAX_TOKENS, SCHEMA, messages, one_sentence

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = ["RemoteNarrator", "is_loopback"]

_SECONDS = 30.0  # for one answer
_PAUSE = 60.0  # a server that failed is not asked again for so long, so that `explain` finishes
_REMEDY = "start the server or give another URL, or use the narrator 'template'"
_FORMAT: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {"name": "reworded", "strict": True, "schema": dict(SCHEMA)},
}


class RemoteNarrator:
    """Asks a server to reword each claim. `url` ends before `/chat/completions`, mostly in `/v1`.

    Raises `UsageError` for a URL that is none, or that is not on this machine where `allow_remote` is false. The key
    is that of `OPENAI_API_KEY`, if any; without `model`, the first that the server lists.
    """

    name = "openai"

    def __init__(
        self, url: str, *, model: str | None = None, allow_remote: bool = False, seconds: float = _SECONDS
    ) -> None:
        self._local = is_loopback(url)
        if not self._local and not allow_remote:
            raise UsageError(
                f"{url} is not on this machine (localhost, 127.0.0.0/8, ::1) and claims of a patient would go there: "
                "allow it with --allow-remote-llm (allow_remote=True), or use a local server."
            )
        self._url = url
        self._model = model
        self._seconds = seconds
        self._schema = True  # until the server refuses it
        self._client: OpenAI | None = None
        self._failed: tuple[float, str] | None = None

    def rephrase(self, claim: Claim, items: Sequence[Item], lang: Lang) -> str:
        """Return one sentence. Raises `NarratorError` where the server does not answer or answers nonsense."""
        if self._failed and time.monotonic() < self._failed[0]:
            raise NarratorError(self._failed[1])
        try:
            return one_sentence(self._ask(claim.text, lang))
        except NarratorError as error:
            self._failed = (time.monotonic() + _PAUSE, str(error))
            raise

    def _ask(self, text: str, lang: Lang) -> str:
        client = self._connected()
        import openai

        try:
            return self._answer(client, text, lang)
        except NarratorError as error:
            raise NarratorError(f"{self._url}: {error}; {_REMEDY}.") from error
        except openai.APIStatusError as error:
            raise NarratorError(f"{self._url} answered with HTTP status {error.status_code}; {_REMEDY}.") from error
        except openai.APITimeoutError as error:
            raise NarratorError(f"{self._url} did not answer within {self._seconds:g} s; {_REMEDY}.") from error
        except (openai.OpenAIError, ValueError) as error:
            raise NarratorError(f"{self._url} cannot be used ({_reason(error)}); {_REMEDY}.") from error

    def _answer(self, client: OpenAI, text: str, lang: Lang) -> str:
        """Return what the server says, held to the schema where the server knows one."""
        import openai

        model = self._model = self._model or _first_model(client)
        completions: Any = client.chat.completions
        asked: dict[str, Any] = {
            "model": model,
            "messages": messages(text, lang),
            "temperature": 0,
            "max_tokens": MAX_TOKENS,
        }
        if self._schema:
            try:
                return _content(completions.create(**asked, response_format=_FORMAT))
            except (openai.BadRequestError, openai.UnprocessableEntityError):
                self._schema = False  # an older server; the instructions ask for one sentence too
        return _content(completions.create(**asked))

    def _connected(self) -> OpenAI:
        if self._client is None:
            try:
                from openai import OpenAI

                from radseek.retrieval.explain.narrators.bounded_http import bounded_client
            except ImportError as error:
                raise NarratorError(
                    f"The narrator 'openai' needs the package {error.name}; pip install 'radseek[openai]'."
                ) from error
            self._client = OpenAI(
                base_url=self._url,
                api_key=os.environ.get("OPENAI_API_KEY") or "none",
                max_retries=1,
                timeout=self._seconds,
                http_client=bounded_client(seconds=self._seconds, local=self._local),
            )
        return self._client


def is_loopback(url: str) -> bool:
    """Say whether a URL is on this machine: `localhost` by that name, 127.0.0.0/8 or ::1; no name is looked up.

    Raises `UsageError` for what is no plain http or https URL.

    >>> is_loopback("http://127.0.0.1:8080/v1"), is_loopback("https://localhost.example.org/v1")
    (True, False)
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise UsageError(f"{url!r} is no URL ({error}); write it as http://127.0.0.1:8080/v1.") from error
    plain = url.isascii() and url.isprintable() and not set(url) & set(" \\<>\"'@?#")
    if parts.scheme not in ("http", "https") or not host or not plain:
        raise UsageError(
            f"{url!r} is no plain http or https URL of a server; write it as http://127.0.0.1:8080/v1, without a name "
            "or password (a key is read from OPENAI_API_KEY)."
        )
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address in ipaddress.ip_network("127.0.0.0/8") if address.version == 4 else str(address) == "::1"


def _first_model(client: OpenAI) -> str:
    """Return the first model that the server lists, else "default": servers with one model take any name."""
    import openai

    try:
        return next((str(one.id) for one in client.models.list().data or ()), "default")
    except openai.APIConnectionError:
        raise
    except (openai.OpenAIError, AttributeError, TypeError, ValueError):
        return "default"


def _content(answer: Any) -> str:
    """Return the text of a completion; servers are free to send anything, so nothing is taken for granted."""
    try:
        choice = answer.choices[0]
        content, reason = choice.message.content, getattr(choice, "finish_reason", None)
    except (AttributeError, IndexError, TypeError) as error:
        raise NarratorError("what it sent is no chat completion; use another server") from error
    if not isinstance(content, str):
        raise NarratorError("the chat completion holds no text; use another model or server")
    return "" if reason == "length" else content  # half an answer is none


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error
    return " ".join(str(cause).split())[:200] or type(cause).__name__
