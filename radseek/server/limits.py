"""How much may come in, how slowly, and how many may wait: past a limit an error comes at once, never a hang.

A place is never held by somebody who is slow: a question's body is here before it takes one, and of uploads the slowest
makes room.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from radseek.server.problems import problem

__all__ = ["BodyLimit", "Senders", "WaitingLimit", "Whole"]

_CLOSE: Final = {"Connection": "close"}  # what is left of the body is not waited for
_LEAST_AGE: Final = 2.0  # seconds that a sender has before another may take its place
_SLOW: Final = 64 << 10  # bytes a second; who is faster is never sent away for another
_LOOK: Final = 0.1  # seconds between two looks for a place
_LONGEST_WAIT: Final = 5.0  # seconds that an upload waits for a place


class _RefusedError(HTTPException):
    """The body went on past the limit, or did not go on: whoever reads it lets this through, and it is answered."""


class BodyLimit:
    """Refuses bodies above a limit: by the length announced before any of it is read, else while it is counted.

    `limits`: beginnings of routes, each with its most bytes; any other body ends at `ordinary` bytes. A sender that
    pauses for more than `idle` seconds gets 408, and so does one that after as many sends fewer than `pace` bytes a
    second.
    """

    def __init__(self, app: ASGIApp, *, limits: Mapping[str, int], ordinary: int, idle: float, pace: float) -> None:
        self.app, self.limits, self.ordinary = app, dict(limits), ordinary
        self.idle, self.pace = idle, pace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a body that is counted, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        found = (most for beginning, most in self.limits.items() if scope["path"].startswith(beginning))
        limit = next(found, self.ordinary)
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdecimal() or int(announced[:20]) > limit:
            await problem(413, _rule(limit), headers=_CLOSE)(scope, receive, send)
            return
        await self.app(scope, _counted(receive, limit, self.idle, self.pace), send)


def _counted(receive: Receive, limit: int, idle: float, pace: float) -> Receive:
    """Return a `receive` that counts the body, and how long it is waited for."""
    count, waited, whole = 0, 0.0, False

    async def counted() -> Message:
        nonlocal count, waited, whole
        if whole:  # what comes now is that the caller hangs up, and that may take as long as the answer
            return await receive()
        left = idle + count / pace - waited
        began = time.monotonic()
        try:
            message = await asyncio.wait_for(receive(), min(idle, left))
        except TimeoutError:
            why = (
                f"Nothing more came for {idle:.0f} seconds" if left >= idle else f"It came in {count:,} bytes a minute"
            )
            raise _RefusedError(408, f"{why}; send it again.", headers=_CLOSE) from None
        waited += time.monotonic() - began
        count += len(message.get("body", b""))
        whole = message["type"] != "http.request" or not message.get("more_body", False)
        if count > limit:
            raise _RefusedError(413, _rule(limit), headers=_CLOSE)
        return message

    return counted


class Whole:
    """Waits for the whole body of a question under `prefix` (`but` not under that) before it takes anybody's place."""

    def __init__(self, app: ASGIApp, *, prefix: tuple[str, ...], but: tuple[str, ...]) -> None:
        self.app, self.prefix, self.but = app, prefix, but

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body, or say why that did not come."""
        if scope["type"] != "http" or not scope["path"].startswith(self.prefix) or scope["path"].startswith(self.but):
            await self.app(scope, receive, send)
            return
        pieces = []
        while True:
            try:
                message = await receive()
            except _RefusedError as error:
                await problem(error.status_code, error.detail, headers=error.headers)(scope, receive, send)
                return
            if message["type"] != "http.request":
                return  # hung up
            pieces.append(message.get("body", b""))
            if not message.get("more_body", False):
                break
        given = False

        async def at_once() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": b"".join(pieces), "more_body": False}

        await self.app(scope, at_once, send)


class WaitingLimit:
    """Lets `most` requests under `prefix` (`but` not under that) in; one more is asked to come back, and so
    is who waits `timeout` seconds.

    `at_once` of them are worked on: the engine answers one at a time anyway, and every one at work holds a thread,
    which the page needs too. Who does not read on in an answer for `idle` seconds is given up.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        most: int,
        at_once: int,
        timeout: float,
        idle: float,
        prefix: tuple[str, ...],
        but: tuple[str, ...] = (),
    ) -> None:
        self.app, self.most, self.timeout, self.idle, self.prefix, self.but = app, most, timeout, idle, prefix, but
        self._inside = 0  # only the event loop counts, so no lock
        self._places = asyncio.Semaphore(at_once)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in, or ask it to come back."""
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
            await asyncio.wait_for(self._places.acquire(), self.timeout)
        except TimeoutError:
            await _busy(f"Nobody could answer for {self.timeout:.0f} seconds")(scope, receive, send)
            return

        async def hurried(message: Message) -> None:
            try:
                await asyncio.wait_for(send(message), self.idle)
            except TimeoutError:
                raise ClientDisconnect from None

        try:
            await self.app(scope, receive, hurried)
        finally:
            self._places.release()


class _Sender:
    """One upload under way: how much of it came, and whether its place is needed by another."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._began, self._bytes = time.monotonic(), 0
        self._sent_away = asyncio.Event()
        self.is_whole = False

    @property
    def pace(self) -> float:
        """Return the bytes a second so far; for one that only began, as if it were fast."""
        age = time.monotonic() - self._began
        return self._bytes / age if age >= _LEAST_AGE else float("inf")

    def send_away(self) -> None:
        self._sent_away.set()

    async def receive(self) -> Message:
        if self.is_whole:
            return await self._receive()
        piece, leave = asyncio.ensure_future(self._receive()), asyncio.ensure_future(self._sent_away.wait())
        try:
            await asyncio.wait({piece, leave}, return_when=asyncio.FIRST_COMPLETED)
            if self._sent_away.is_set():
                detail = "Others wait for a place and this came slowly; send it again, or over a faster line."
                raise _RefusedError(408, detail, headers=_CLOSE)
            message = piece.result()
        finally:
            piece.cancel()
            leave.cancel()
        self._bytes += len(message.get("body", b""))
        self.is_whole = message["type"] != "http.request" or not message.get("more_body", False)
        return message


class Senders:
    """Lets `most` uploads under `prefix` in. Where all places are taken, the slowest that still sends makes room for
    one more; where none is slow, that one waits for some seconds and is asked to come back.
    """

    def __init__(self, app: ASGIApp, *, most: int, prefix: tuple[str, ...]) -> None:
        self.app, self.most, self.prefix = app, most, prefix
        self._inside: set[_Sender] = set()  # only the event loop touches them, so no lock
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the upload in, or ask it to come back."""
        if scope["type"] != "http" or not scope["path"].startswith(self.prefix):
            await self.app(scope, receive, send)
            return
        if not await self._finds_place():
            await _busy(f"{self.most} uploads are under way")(scope, receive, send)
            return
        sender = _Sender(receive)
        self._inside.add(sender)
        try:
            await self.app(scope, sender.receive, send)
        finally:
            self._inside.discard(sender)

    async def _finds_place(self) -> bool:
        if self._waiting >= self.most:
            return False
        ends = time.monotonic() + _LONGEST_WAIT
        self._waiting += 1
        try:
            while len(self._inside) >= self.most:
                slowest = min((one for one in self._inside if not one.is_whole), key=lambda one: one.pace, default=None)
                if slowest is not None and slowest.pace < _SLOW:
                    slowest.send_away()
                    self._inside.discard(slowest)
                elif time.monotonic() > ends:
                    return False
                else:
                    await asyncio.sleep(_LOOK)
            return True
        finally:
            self._waiting -= 1


def _busy(why: str) -> ASGIApp:
    return problem(503, f"{why}; ask again in a moment.", headers={"Retry-After": "2"})


def _rule(limit: int) -> str:
    return f"The request is larger than {limit:,} bytes; send less at a time."
