"""A site that is another machine's `radseek serve`: one POST a question, no redirect followed, a bounded answer.

The token goes into one header and nowhere else: not into an error, not into a log. Nothing that comes back is trusted
to be more than it looks.
"""

from __future__ import annotations

import ipaddress
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import urlsplit

from radseek.retrieval.errors import EncoderMismatchError, UnreachableError, UsageError
from radseek.retrieval.index.store import WordStatistics
from radseek.retrieval.path_text import printable
from radseek.retrieval.search.sites.site import (
    EncoderHashes,
    FoundCases,
    FoundImages,
    FoundSentences,
    ImagesAsked,
    ReportsKept,
    SentencesAsked,
    SimilarAsked,
)
from radseek.retrieval.search.sites.site_documents import (
    images_question,
    read_cases,
    read_images,
    read_sentences,
    read_statistics,
    sentences_question,
    similar_question,
)

__all__ = ["RemoteSite", "is_site_url"]

_SECONDS: Final = 30.0  # for a whole answer
_MOST_BYTES: Final = 32 << 20  # of an answer
_PIECE: Final = 64 << 10
_T = TypeVar("_T")


def is_site_url(text: object) -> bool:
    """Say whether an index is named by a URL.

    >>> is_site_url("https://radiology.example"), is_site_url("archive.index")
    (True, False)
    """
    return isinstance(text, str) and text.lower().startswith(("http://", "https://"))


class RemoteSite:
    """Implements `radseek.retrieval.search.sites.site.Site`. It holds no connection, so need not be closed."""

    def __init__(self, url: str, hashes: EncoderHashes, token: str | None = None, *, seconds: float = _SECONDS) -> None:
        """Take the address of a `radseek serve`; nothing is asked yet.

        Raises `UsageError` for an address that holds more than that, or that is not encrypted beyond this machine.
        """
        self._url, self._hashes, self._token, self._seconds = _checked(url), hashes, token, seconds
        local = _is_loopback(urlsplit(self._url).hostname or "")
        # A proxy of the environment is used, but not for this machine.
        proxies = [urllib.request.ProxyHandler({})] if local else []
        self._opener = urllib.request.build_opener(_NoRedirect, *proxies)

    @property
    def name(self) -> str:
        """Return the site's URL."""
        return self._url

    def similar(self, asked: SimilarAsked) -> FoundCases:
        """Return the site's nearest cases."""
        return self._ask("similar", similar_question(asked), lambda document: read_cases(document, asked.k))

    def images(self, asked: ImagesAsked) -> FoundImages:
        """Return the site's best studies for words."""
        return self._ask("images", images_question(asked), lambda document: read_images(document, asked.k))

    def word_statistics(self, words: str) -> WordStatistics:
        """Return how many of the site's sentences have each word."""
        return self._ask("words", {"words": words}, lambda document: read_statistics(_let_out(document)["statistics"]))

    def sentences(self, asked: SentencesAsked) -> FoundSentences:
        """Return the site's best sentences."""
        question = sentences_question(asked)
        return self._ask("sentences", question, lambda document: read_sentences(_let_out(document), asked.depth))

    def _ask(self, what: str, question: Mapping[str, Any], read: Callable[[Mapping[str, Any]], _T]) -> _T:
        body = json.dumps({"encoder": asdict(self._hashes), **question}).encode()
        try:
            document = json.loads(self._answer(what, body))
            theirs = EncoderHashes(**document["encoder"])
            if theirs != self._hashes:
                raise EncoderMismatchError(_other_encoder(self._url, self._hashes.differences(theirs)))
            return read(document)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            if isinstance(error, EncoderMismatchError | UsageError):
                raise
            raise UnreachableError(
                f"{self._url} answers with something else than radseek does; check the address."
            ) from error

    def _answer(self, what: str, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        request = urllib.request.Request(f"{self._url}/v1/site/{what}", body, headers)  # noqa: S310 - http(s) alone
        if self._token is not None:
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        ends = time.monotonic() + self._seconds
        try:
            with self._opener.open(request, timeout=self._seconds) as answer:
                return self._bounded(answer, ends)
        except urllib.error.HTTPError as error:
            with error:
                self._refused(error.code, self._bounded(error, ends))
        except (OSError, ValueError, urllib.error.URLError) as error:
            if isinstance(error, UnreachableError | UsageError):
                raise
            reason = getattr(error, "reason", None) or error
            raise UnreachableError(
                f"{self._url} does not answer ({printable(str(reason))}); check the address, and that the server runs."
            ) from error

    def _bounded(self, answer: Any, ends: float) -> bytes:
        """Return a body that is neither longer nor later than it may be."""
        pieces, count = [], 0
        while piece := answer.read1(_PIECE):
            count += len(piece)
            if count > _MOST_BYTES:
                raise UnreachableError(
                    f"{self._url} answers with more than {_MOST_BYTES >> 20} MiB; ask for fewer studies."
                )
            if time.monotonic() > ends:
                raise UnreachableError(
                    f"{self._url} took more than {self._seconds:.0f} seconds to answer; "
                    "ask again, or leave this site out."
                )
            pieces.append(piece)
        return b"".join(pieces)

    def _refused(self, status: int, body: bytes) -> NoReturn:
        """Raise what an answer that is an error means."""
        code, detail = _problem(body)
        if 300 <= status < 400:
            raise UnreachableError(f"{self._url} answers with a redirect, which is not followed; give its own address.")
        if status == 409:
            raise EncoderMismatchError(f"{self._url}: {detail}")
        if status in (404, 422) and code in ("unknown_name", "usage"):
            raise UsageError(detail)
        said = {
            401: "asks for a token, or knows another; give it in --site-tokens FILE or RADSEEK_SITE_TOKENS.",
            403: "does not let this token ask.",
            404: "has no such route: it runs an older radseek, or something else.",
            429: "has been asked too often; wait a minute.",
            503: "is busy, or cannot read its archive now.",
        }
        raise UnreachableError(f"{self._url} {said.get(status, f'refuses with status {status}: {detail}')}")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: a redirect would carry the vectors and the token to a server that nobody named."""

    def redirect_request(self, *_: Any) -> None:
        """Return no request, which makes the redirect the answer."""


def _checked(url: str) -> str:
    parts = urlsplit(url)
    try:
        good = bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good or parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            f"'{printable(parts.scheme)}://{printable(parts.hostname or '')}' is no site's plain address; give "
            "https://HOST, and its token with --site-tokens FILE."
        )
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise UsageError(f"http://{parts.hostname} would carry vectors and token for anybody to read; give https://.")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _let_out(document: Mapping[str, Any]) -> Mapping[str, Any]:
    if document["reports"] is False:
        raise ReportsKept
    return document


def _problem(body: bytes) -> tuple[str, str]:
    """Return the code and the sentence of an error (RFC 9457), "" for what is none."""
    try:
        document = json.loads(body)
        return str(document["reason_code"]), printable(str(document["detail"]))[:500]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", ""


def _other_encoder(url: str, differences: list[str]) -> str:
    what = " and ".join(differences)
    return (
        f"{url} was built with another encoder than asks (other in {what}), so their vectors cannot be compared; "
        "ask it with the encoder that it was built with."
    )
