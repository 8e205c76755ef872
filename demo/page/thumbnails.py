"""Small pictures of slices in the page's HTML."""

from __future__ import annotations

import html
from functools import lru_cache

from radseek.app.session import Session
from radseek.pictures.slice_pictures import Picture

__all__ = ["series_of", "thumb"]

_SIDE = 150  # pixels of the longer side


def thumb(session: Session, key: str, series: str | None, view: str, z: int, label: str) -> str:
    """Return a slice as an `img`; where the images can no longer be read, a box that says which slice it would be."""
    picture = None if series is None else _drawn(session, session.editions, key, series, view, z)
    said = html.escape(label)
    if picture is None:
        return f'<span class="rs-thumb rs-thumb-none">{said}</span>'
    return f'<img class="rs-thumb" src="{picture.src}" width="{picture.width}" height="{picture.height}" alt="{said}">'


def series_of(session: Session, key: str, view: str, z: int) -> str | None:
    """Return the key of the series whose view of that name holds slice `z`; None where none does."""
    for series in session.vectors(key).series:
        if any(one.view == view and z in one.z for one in series.views):
            return series.key
    return None


@lru_cache(maxsize=256)
def _drawn(session: Session, _edition: int, key: str, series: str, view: str, z: int) -> Picture | None:
    return session.picture(key, series, view, z, side=_SIDE)
