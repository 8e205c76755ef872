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
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from radseek.server.failed_tokens import Failures
from radseek.server.problems import problem
from radseek.server.settings import Settings

__all__ = ["COOKIE", "FOR_SITES", "OPEN", "Guard", "LoginSessions", "Role", "need_admin", "role_of_token", "too_many"]

Role = Literal["site", "read", "admin"]
FOR_SITES: Final = "/v1/site/"  # all that a token for other sites may ask
COOKIE: Final = "radseek_session"
OPEN: Final = ("/healthz", "/readyz", "/login", "/logout")
_LIFE: Final = 12 * 3600.0  # seconds of a session
_MOST: Final = 1_000  # sessions held


@dataclass(frozen=True, slots=True)
class _Session:
    role: Role
    ends: float


class LoginSessions:
    """LoginSessions of browsers, in memory: a restart ends them all. `failures`: the wrong tokens of all who asked."""

    def __init__(self) -> None:
        self.failures = Failures()
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
    """Lets a request through that shows a token or a session, and writes its role into `request.state.role`.

    `request.state.by_login` says whether it came by a session, which can end, and not by a token or without a guard.
    """

    def __init__(self, app: ASGIApp, settings: Settings, sessions: LoginSessions) -> None:
        self.app, self.settings, self.sessions = app, settings, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        asked = HTTPConnection(scope)
        role = self._role(asked)
        if scope["path"] not in OPEN:
            wait = self._wait(asked, role)
            if role is None or wait:
                if scope["type"] == "websocket":
                    await send({"type": "websocket.close", "code": 1008})
                else:
                    await (too_many(wait) if wait else _refusal(asked, scope["method"]))(scope, receive, send)
                return
            if role == "site" and not scope["path"].startswith(FOR_SITES):
                await _for_sites_only(scope, receive, send)
                return
        by_login = self.settings.guarded and _bearer(asked) is None
        scope.setdefault("state", {}).update(role=role, by_login=by_login)
        await self.app(scope, receive, send)

    def _role(self, asked: HTTPConnection) -> Role | None:
        if not self.settings.guarded:
            return "admin"  # loopback only: whoever is at this machine
        token = _bearer(asked)
        if token is not None:
            return role_of_token(token, self.settings)
        return self.sessions.role(asked.cookies.get(COOKIE, ""))

    def _wait(self, asked: HTTPConnection, role: Role | None) -> int:
        """Return the seconds until a token may be tried again; 0 for now, and where none was sent."""
        if not self.settings.guarded or _bearer(asked) is None:
            return 0
        address, failures = asked.client.host if asked.client else "", self.sessions.failures
        if role is not None and failures.knows(address, role):
            return 0
        wait = failures.wait(address)  # a right token waits too: else each try would tell whether it was right
        if role is None and not wait:
            failures.add(address)
        elif role is not None and not wait:
            failures.know(address, role)
        return wait


def role_of_token(token: str, settings: Settings) -> Role | None:
    """Return what a token may do. All are always compared, in constant time."""
    given = token.encode("utf-8", "replace")
    same = [known is not None and hmac.compare_digest(given, known.encode()) for known in _tokens(settings)]
    roles: tuple[Role, ...] = ("site", "read", "admin")
    return next((role for role, is_it in zip(reversed(roles), reversed(same), strict=True) if is_it), None)


def too_many(wait: int) -> Response:
    """Return the answer to one token too many: come back in `wait` seconds."""
    return problem(429, f"Too many wrong tokens; wait {wait} s.", headers={"Retry-After": str(wait)})


def need_admin(request: Request) -> None:
    """Raise 403 for a role that may only read; a route depends on it."""
    if request.state.role != "admin":
        raise HTTPException(403, "This needs the admin token (RADSEEK_ADMIN_TOKEN, --admin-token-file).")


def _bearer(asked: HTTPConnection) -> str | None:
    kind, _, token = asked.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def _tokens(settings: Settings) -> tuple[str | None, str | None, str | None]:
    return settings.site_token, settings.token, settings.admin_token


async def _for_sites_only(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    detail = f"This token is for other sites' questions, under {FOR_SITES}; ask whoever keeps this server for another."
    await problem(403, detail)(scope, receive, send)


def _refusal(asked: HTTPConnection, method: str) -> Response:
    """Send a browser to the form, and tell a program what is missing."""
    if method == "GET" and "text/html" in asked.headers.get("accept", ""):
        return RedirectResponse("/login", 303)
    detail = "A token is needed: send it as `Authorization: Bearer TOKEN`, or log in at /login."
    return problem(401, detail, headers={"WWW-Authenticate": "Bearer"})
