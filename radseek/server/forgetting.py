"""Forgetting a study: what was brought is dropped, what is stored leaves the index for good."""

from __future__ import annotations

from demo.desk import Desk
from demo.verdicts import VerdictLog
from retrieval.index.local_store import LocalStore

__all__ = ["forget"]


def forget(desk: Desk, key: str) -> bool:
    """Forget a study and say whether it was a stored one.

    Raises `UnknownNameError` for a key that is neither, `IndexBusyError` where another process writes the index.
    """
    if desk.drop(key):
        return False
    with desk.turn():
        desk.case(key)
        if desk.index is not None:
            with LocalStore.open(desk.index, read_only=False) as store:
                store.remove([key])
                store.compact()
            VerdictLog(desk.index).forget([key])
            desk.reopen()
    return True
