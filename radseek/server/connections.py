"""Connections: how long one may stand without a request, and whose goes first where there are too many.

Whoever only connects, or sends a request's headers bit by bit, holds a connection for some seconds. Where all are
taken, the next one gets the place of one that asks nothing, of the address that has most of them; if there is none
such, of one that sends a body without having shown a token. So who has a token is not shut out by those without.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any, Final

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["MOST_CONNECTIONS", "server_config"]

MOST_CONNECTIONS: Final = 300  # open at once; a browser holds six
_MORE: Final = 50  # above that, which are told 503 rather than nothing
_HEADERS: Final = 10.0  # seconds from a connection, or a request's first byte, to the end of its headers
_KEEP: Final = 20  # seconds that a connection stands between two requests
_GRACE: Final = 5  # seconds that answers under way have when the server is asked to end


def server_config(app: ASGIApp, **more: Any) -> uvicorn.Config:
    """Return what uvicorn is to be run with; `more`: its own options, such as `host` and `port`."""
    options: dict[str, Any] = {
        "log_level": "warning",
        "access_log": False,  # it would write queries down
        "server_header": False,
        "proxy_headers": False,  # whoever connects is who asks
        "http": _Connection,
        "timeout_keep_alive": _KEEP,
        "timeout_graceful_shutdown": _GRACE,
    }
    return uvicorn.Config(app, **options | more)


class _Connection(H11Protocol):
    """One connection; uvicorn's own with a deadline for headers, and with one less where there are too many."""

    deadline: asyncio.TimerHandle | None = None
    quiet_since = 0.0

    @property
    def is_idle(self) -> bool:
        """Say whether no request is being answered; one whose reader was given up is not."""
        return self.cycle is None or self.cycle.response_complete or self.transport.is_closing()

    @property
    def is_unknown(self) -> bool:
        """Say whether a body is still awaited of somebody who has shown no token."""
        return not self.is_idle and self.cycle.more_body and self.scope["state"].get("role") is None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a new connection, and let another one go where there are too many."""
        super().connection_made(transport)
        self.quiet_since = time.monotonic()
        self._await_headers()
        if len(self.connections) > MOST_CONNECTIONS:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        """Take what came; headers have a deadline, and so has what comes after an answer."""
        super().data_received(data)
        if not self.is_idle:
            self._stop_waiting()
        elif self.deadline is None:
            self._await_headers()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over."""
        self._stop_waiting()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self.quiet_since = time.monotonic()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the connection go."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_headers(self) -> None:
        self.deadline = self.loop.call_later(_HEADERS, self._too_late)

    def _stop_waiting(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def _too_late(self) -> None:
        self.deadline = None
        if self.is_idle:
            self.transport.close()

    def _make_room(self) -> None:
        others = [one for one in self.connections if isinstance(one, _Connection) and one is not self]
        for some in ([one for one in others if one.is_idle], [one for one in others if one.is_unknown]):
            if some:
                count = Counter(_address(one) for one in some)
                last = max(some, key=lambda one: (count[_address(one)], -one.quiet_since))
                self.connections.discard(last)
                last.transport.abort()
                return
        # Every other one is at work for somebody known.
        if len(self.connections) > MOST_CONNECTIONS + _MORE:
            self.transport.abort()
        self.limit_concurrency = 0  # uvicorn's own 503 for this one


def _address(one: _Connection) -> str:
    return one.client[0] if one.client else ""
