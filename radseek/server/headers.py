"""Request ids, security headers and a line in the log for every answer, that of an unforeseen error included."""

from __future__ import annotations

import logging
import re
import time
import uuid
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from radseek.server.problems import failure

__all__ = ["Marked"]

_LOG = logging.getLogger("radseek.server")
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DATA_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser says "null" for its own origin too
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), usb=(), payment=()",
}
_UNLESS_SET: Final = {"Content-Security-Policy": _DATA_POLICY, "Cache-Control": "no-store"}


class Marked:
    """Gives every request an id (`X-Request-ID`, the caller's own where it is plain) and every answer its headers.

    An answer that says nothing of scripts gets a policy that runs none, so a page must bring its own; one that says
    nothing of caches is kept nowhere. No log line holds a query: only the method, path, status and time.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and mark its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        number = _request_id(Headers(scope=scope).get("x-request-id", ""))
        scope.setdefault("state", {})["request_id"] = number
        started, begun = time.monotonic(), False

        async def marked(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = number
                for name, value in _ALWAYS.items():
                    headers[name] = value
                for name, value in _UNLESS_SET.items():
                    headers.setdefault(name, value)
                took = 1000 * (time.monotonic() - started)
                _LOG.info(
                    "%s %s %s %d %.0f ms", number, scope["method"], _plain(scope["path"]), message["status"], took
                )
            await send(message)

        try:
            await self.app(scope, receive, marked)
        except ClientDisconnect:  # whoever sent a body hung up in the middle of it
            _LOG.info("%s %s %s hung up", number, scope["method"], _plain(scope["path"]))
        except Exception:  # noqa: BLE001 - logged once, here; an answer that had begun is cut off
            _LOG.exception("request %s failed", number)
            if not begun:
                await failure(scope)(scope, receive, marked)


def _request_id(given: str) -> str:
    return given if _ID.fullmatch(given) else uuid.uuid4().hex


def _plain(path: str) -> str:
    """Return a path that cannot break a line of the log."""
    return path.encode("ascii", "backslashreplace").decode().replace("\r", "\\r").replace("\n", "\\n")[:200]
