"""Who asks: a token in a header for programs, a session cookie for browsers, and what either may do.

Every route of the app is behind it, those of the mounted page and the viewer too; only those in `OPEN` are not.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Final, Literal

from fastapi import HTTPException, Request
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from radseek.server.problems import problem
from radseek.server.settings import Settings

__all__ = ["COOKIE", "OPEN", "Guard", "Role", "Sessions", "need_admin", "role_of_token"]

Role = Literal["read", "admin"]
COOKIE: Final = "radseek_session"
OPEN: Final = ("/healthz", "/readyz", "/login", "/logout")
_LIFE: Final = 12 * 3600.0  # seconds of a session
_MOST: Final = 1_000  # sessions held


@dataclass(frozen=True, slots=True)
class _Session:
    role: Role
    ends: float


class Sessions:
    """Sessions of browsers, in memory: a restart ends them all."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, _Session] = OrderedDict()
        self._lock = Lock()

    def start(self, role: Role) -> str:
        """Begin a session and return its name, which nobody can guess."""
        name = secrets.token_urlsafe(32)
        with self._lock:
            self._held[name] = _Session(role, time.monotonic() + _LIFE)
            while len(self._held) > _MOST:
                self._held.popitem(last=False)
        return name

    def role(self, name: str) -> Role | None:
        """Return what a session may do; None for one that ended or never was."""
        with self._lock:
            session = self._held.get(name)
            if session is not None and session.ends < time.monotonic():
                del self._held[name]
                session = None
        return None if session is None else session.role

    def end(self, name: str) -> None:
        """End a session, if there is one of that name."""
        with self._lock:
            self._held.pop(name, None)


class Guard:
    """Lets a request through that shows a token or a session, and writes its role into `request.state.role`."""

    def __init__(self, app: ASGIApp, settings: Settings, sessions: Sessions) -> None:
        self.app, self.settings, self.sessions = app, settings, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        role = self._role(HTTPConnection(scope))
        if role is None and scope["path"] not in OPEN:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            else:
                await _refusal(HTTPConnection(scope), scope["method"])(scope, receive, send)
            return
        scope.setdefault("state", {})["role"] = role
        await self.app(scope, receive, send)

    def _role(self, asked: HTTPConnection) -> Role | None:
        if not self.settings.guarded:
            return "admin"  # loopback only: whoever is at this machine
        kind, _, token = asked.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return role_of_token(token.strip(), self.settings)
        return self.sessions.role(asked.cookies.get(COOKIE, ""))


def role_of_token(token: str, settings: Settings) -> Role | None:
    """Return what a token may do. Both are always compared, in constant time."""
    given = token.encode("utf-8", "replace")
    same = [known is not None and hmac.compare_digest(given, known.encode()) for known in _tokens(settings)]
    if same[1]:
        return "admin"
    return "read" if same[0] else None


def need_admin(request: Request) -> None:
    """Raise 403 for a role that may only read; a route depends on it."""
    if request.state.role != "admin":
        raise HTTPException(403, "This needs the admin token (RADSEEK_ADMIN_TOKEN, --admin-token-file).")


def _tokens(settings: Settings) -> tuple[str | None, str | None]:
    return settings.token, settings.admin_token


def _refusal(asked: HTTPConnection, method: str) -> ASGIApp:
    """Send a browser to the form, and tell a program what is missing."""
    if method == "GET" and "text/html" in asked.headers.get("accept", ""):
        return RedirectResponse("/login", 303)
    detail = "A token is needed: send it as `Authorization: Bearer TOKEN`, or log in at /login."
    return problem(401, detail, headers={"WWW-Authenticate": "Bearer"})
