"""How often one address may ask: each question of a vector tells a little of what is stored."""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock
from typing import Final

__all__ = ["QuestionRate"]

_MINUTE: Final = 60.0  # seconds
_ADDRESSES: Final = 10_000


class QuestionRate:
    """Lets `most` questions a minute of one address through, all at once or spread."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # questions left, and when that was so
        self._lock = Lock()

    def wait(self, address: str) -> int:
        """Count a question; return 0 where it may be asked, else the seconds until one may."""
        with self._lock:
            now = time.monotonic()
            left, since = self._left.get(address, (float(self.most), now))
            left = min(float(self.most), left + (now - since) * self.most / _MINUTE)
            allowed = left >= 1
            self._left[address] = (left - 1 if allowed else left, now)
            self._left.move_to_end(address)
            while len(self._left) > _ADDRESSES:
                self._left.popitem(last=False)
        return 0 if allowed else max(1, round((1 - left) * _MINUTE / self.most))
