"""Wrong tokens, counted by the address that they came from, so that nobody tries them all."""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock
from typing import Final

__all__ = ["Failures"]

_WINDOW: Final = 60.0  # seconds
_MOST_FAILURES: Final = 10  # of one address in a window
_ADDRESSES: Final = 10_000


class Failures:
    """Counts wrong tokens by address, so that nobody tries them all."""

    def __init__(self) -> None:
        self._times: OrderedDict[str, list[float]] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()  # addresses that showed a role's token
        self._lock = Lock()

    def add(self, address: str) -> None:
        """Count a failure."""
        with self._lock:
            self._times[address] = [*self._recent(address), time.monotonic()]
            self._times.move_to_end(address)
            while len(self._times) > _ADDRESSES:
                self._times.popitem(last=False)

    def wait(self, address: str) -> int:
        """Return the seconds until an address may try again; 0 for now."""
        with self._lock:
            recent = self._recent(address)
        return 0 if len(recent) < _MOST_FAILURES else max(1, round(recent[0] + _WINDOW - time.monotonic()))

    def know(self, address: str, role: str) -> None:
        """Remember that an address has shown a role's token: it need not wait for the wrong ones of its neighbours."""
        with self._lock:
            self._known[address, role] = None
            self._known.move_to_end((address, role))
            while len(self._known) > _ADDRESSES:
                self._known.popitem(last=False)

    def knows(self, address: str, role: str) -> bool:
        """Say whether an address has shown a role's token before."""
        with self._lock:
            return (address, role) in self._known

    def _recent(self, address: str) -> list[float]:
        since = time.monotonic() - _WINDOW
        return [one for one in self._times.get(address, ()) if one > since]
