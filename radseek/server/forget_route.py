"""Forgetting a study: what was uploaded is dropped, what is stored leaves the index for good."""

from __future__ import annotations

from radseek.app.forget_study import Named
from radseek.app.forget_study import forget as forget_stored
from radseek.app.session import Session

__all__ = ["forget"]


def forget(session: Session, key: str) -> bool:
    """Forget a study and say whether it was a stored one.

    Asked again after it was cut short, it goes on where it stopped. Raises `UnknownNameError` for a key that is
    neither, `IndexBusyError` where another process writes the index, `StorageError` where its disk has no room.
    """
    if session.drop(key):
        return False
    with session.engine():
        if session.index is None:
            session.case(key)
            return False
        try:
            forget_stored(session.index, [Named(f"study {key}", frozenset({key}))])
        finally:
            session.reopen()  # also after a failure: what is hidden already must not be shown
    return True
