"""Who a browser speaks for: only pages of this server may change anything here, under a name that is ours.

A page elsewhere can point a name of its own at 127.0.0.1 (DNS rebinding) and then reads what it likes; so names are
compared. Addresses cannot be rebound, and are answered.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from radseek.server.problems import problem

__all__ = ["OwnOrigin", "host_name"]

_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_OWN_SITES: Final = ("", "same-origin", "none")


class OwnOrigin:
    """Refuses a Host header that names another machine (421), and changes asked for by another site's page (403)."""

    def __init__(self, app: ASGIApp, names: tuple[str, ...], host: str) -> None:
        self.app = app
        self.names = {"localhost", socket.gethostname().lower(), host.lower(), *names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_ours(host):
            refusal = problem(
                421, "This server is not asked by that name; start it with --allow-host NAME to allow it."
            )
        elif (scope["type"] == "websocket" or scope["method"] not in _SAFE) and not _same_origin(headers, host):
            refusal = problem(
                403, "Another site's page asked for this; open this server's own page, and ask from there."
            )
        else:
            await self.app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        await refusal(scope, receive, send)

    def _is_ours(self, host: str) -> bool:
        name = host_name(host)
        if name in self.names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def host_name(host: str) -> str:
    """Return a Host header without its port and brackets, in lower case; "" for what is none.

    >>> host_name("LOCALHOST:7861"), host_name("[::1]:80"), host_name("a@b"), host_name("::1")
    ('localhost', '::1', '', '')
    """
    try:
        parts = urlsplit(f"//{host}")
        return "" if parts.username is not None or parts.path or parts.query else (parts.hostname or "")
    except ValueError:
        return ""


def _same_origin(headers: Headers, host: str) -> bool:
    """A program sends neither header; a browser sends both, and a page cannot forge them."""
    if headers.get("sec-fetch-site", "") not in _OWN_SITES:
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == host.lower()
