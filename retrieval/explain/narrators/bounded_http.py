"""An HTTP client for one server: no redirects, no compressed bodies, a bounded answer in a bounded time.

The server may be anything that answers on a port, so nothing it sends is read without end. Needs the extra `openai`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import cast

import httpx2

__all__ = ["MAX_BYTES", "bounded_client"]

MAX_BYTES = 1 << 20  # of an answer; one sentence has a few hundred
_CONNECT_SECONDS = 5.0


def bounded_client(*, seconds: float, local: bool) -> httpx2.Client:
    """Return a client whose answers have at most `MAX_BYTES` and whose bodies arrive within `seconds`.

    `local`: the environment's proxies are not used, so that a request to this machine does not leave it.
    """

    def bound(response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise httpx2.DecodingError("the answer is compressed, which was not asked for", request=response.request)
        stream = cast(httpx2.SyncByteStream, response.stream)
        response.stream = _Bounded(stream, response.request, time.monotonic() + seconds)

    return httpx2.Client(
        timeout=httpx2.Timeout(seconds, connect=min(_CONNECT_SECONDS, seconds)),
        headers={"Accept-Encoding": "identity"},
        limits=httpx2.Limits(max_keepalive_connections=0),  # a narrator need not be closed
        follow_redirects=False,  # a redirect would carry the claim to a server that nobody named
        trust_env=not local,
        event_hooks={"response": [bound]},
    )


class _Bounded(httpx2.SyncByteStream):
    """A body that stops with an error at `MAX_BYTES` or at its deadline."""

    def __init__(self, stream: httpx2.SyncByteStream, request: httpx2.Request, deadline: float) -> None:
        self._stream = stream
        self._request = request
        self._deadline = deadline

    def __iter__(self) -> Iterator[bytes]:
        left = MAX_BYTES
        for part in self._stream:
            left -= len(part)
            if left < 0:
                raise httpx2.ReadError(f"the answer is larger than {MAX_BYTES} bytes", request=self._request)
            if time.monotonic() > self._deadline:
                raise httpx2.ReadTimeout("the answer took too long", request=self._request)
            yield part

    def close(self) -> None:
        self._stream.close()
