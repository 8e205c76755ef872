"""How much may come in, how slowly, and how many may wait: past a limit an error comes at once, never a hang."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from radseek.server.problems import problem

__all__ = ["BodyLimit", "Crowd"]

_CLOSE: Final = {"Connection": "close"}  # what is left of the body is not waited for


class _RefusedError(HTTPException):
    """The body went on past the limit, or did not go on: whoever reads it lets this through, and it is answered."""


class BodyLimit:
    """Refuses bodies above a limit: by the length announced before any of it is read, else while it is counted.

    `large`: routes that take uploads, whose limit is `most`; any other body ends at `ordinary` bytes. A sender that
    pauses for more than `idle` seconds gets 408.
    """

    def __init__(self, app: ASGIApp, *, most: int, ordinary: int, large: tuple[str, ...], idle: float) -> None:
        self.app, self.most, self.ordinary, self.large, self.idle = app, most, ordinary, large, idle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a body that is counted, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.most if scope["path"].startswith(self.large) else self.ordinary
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdecimal() or int(announced[:20]) > limit:
            await problem(413, _rule(limit), headers=_CLOSE)(scope, receive, send)
            return
        await self.app(scope, _counted(receive, limit, self.idle), send)


def _counted(receive: Receive, limit: int, idle: float) -> Receive:
    """Return a `receive` that counts the body and waits for its next piece for `idle` seconds only."""
    count, whole = 0, False

    async def counted() -> Message:
        nonlocal count, whole
        if whole:  # what comes now is that the caller hangs up, and that may take as long as the answer
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), idle)
        except TimeoutError:
            detail = f"Nothing more came for {idle:.0f} seconds; send it again."
            raise _RefusedError(408, detail, headers=_CLOSE) from None
        count += len(message.get("body", b""))
        whole = message["type"] != "http.request" or not message.get("more_body", False)
        if count > limit:
            raise _RefusedError(413, _rule(limit), headers=_CLOSE)
        return message

    return counted


class Crowd:
    """Lets `most` requests under `prefix` (`but` not under that) in; one more is told to come back, and so is who waits
    `patience` seconds.

    `at_once` of them are worked on: the engine answers one at a time anyway, and every one at work holds a thread,
    which the page needs too.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        most: int,
        at_once: int,
        patience: float,
        prefix: tuple[str, ...],
        but: tuple[str, ...] = (),
    ) -> None:
        self.app, self.most, self.patience, self.prefix, self.but = app, most, patience, prefix, but
        self._inside = 0  # only the event loop counts, so no lock
        self._places = asyncio.Semaphore(at_once)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in, or tell it to come back."""
        if scope["type"] != "http" or not scope["path"].startswith(self.prefix) or scope["path"].startswith(self.but):
            await self.app(scope, receive, send)
            return
        if self._inside >= self.most:
            await _busy(f"{self.most} questions are being answered or wait")(scope, receive, send)
            return
        self._inside += 1
        try:
            await self._in_turn(scope, receive, send)
        finally:
            self._inside -= 1

    async def _in_turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.wait_for(self._places.acquire(), self.patience)
        except TimeoutError:
            await _busy(f"Nobody could answer for {self.patience:.0f} seconds")(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        finally:
            self._places.release()


def _busy(why: str) -> ASGIApp:
    return problem(503, f"{why}; ask again in a moment.", headers={"Retry-After": "2"})


def _rule(limit: int) -> str:
    return f"The request is larger than {limit:,} bytes; send less at a time."
