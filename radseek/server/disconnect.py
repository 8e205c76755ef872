"""Whoever sent a request: awaited while a thread works for them, so that nothing is done for one who hung up."""

from __future__ import annotations

import asyncio
from threading import Event
from typing import Final

from fastapi import Request

__all__ = ["Sender"]

_TURN: Final = 0.05  # seconds in which the event loop takes up a hang-up that has reached this machine
_ENGINE_TIMEOUT: Final = 30.0  # seconds until an event loop that does not answer is taken to have ended


class Sender:
    """The sender of a request whose body was read; made in the event loop, asked from any thread but the loop's."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._left = Event()
        self._watch = asyncio.ensure_future(self._hangs_up())

    def has_left(self) -> bool:
        """Say whether the sender is known to have hung up. Costs nothing: it may be asked at every step."""
        return self._left.is_set()

    def has_left_by_now(self) -> bool:
        """Say whether the sender has hung up, after one more look: for the step that cannot be taken back."""
        if self.has_left():
            return True
        try:
            asyncio.run_coroutine_threadsafe(self._look(), self._loop).result(_ENGINE_TIMEOUT)
        except TimeoutError:
            return True
        return self.has_left()

    def let_go(self) -> None:
        """End the watch, in the event loop: the request is answered or given up, and whoever still works shall stop."""
        self._left.set()
        self._watch.cancel()

    async def _hangs_up(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self._left.set()

    async def _look(self) -> None:
        await asyncio.sleep(_TURN)
        if await self._request.is_disconnected():
            self._left.set()
