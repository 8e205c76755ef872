"""A mask that a reader brought, as a layer over the slices of its series: a colour a region, in every plane."""

from __future__ import annotations

import io
import secrets
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radseek.app.session import Session
from radseek.demo.viewer.planes import planes_of
from radseek.retrieval.errors import UnknownNameError
from radseek.retrieval.privacy.pseudonyms import load_key, series_key
from radseek.retrieval.regions.masks import fit_series
from radseek.retrieval.types import Volume

__all__ = ["HeldMasks", "masks_of"]

_MOST: Final = 16  # masks held
_REGIONS: Final = 255  # of one mask that are drawn
_INSIDE: Final = 90  # opacity, of 255; edges are opaque
# Okabe and Ito's colours, distinguished by most colour-blind readers.
_COLOURS: Final = ((86, 180, 233), (230, 159, 0), (0, 158, 115), (240, 228, 66), (204, 121, 167), (213, 94, 0))


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    study: str
    series: str
    volume: Volume  # its voxels are the regions' numbers, from 1
    document: dict[str, Any]


class HeldMasks:
    """The masks brought last, each under a name that cannot be guessed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = Lock()
        self._held: OrderedDict[str, _Held] = OrderedDict()

    def take(self, key: str, path: Path) -> str:
        """Read a mask of a study and return its name.

        Raises `MaskError` where it does not fit, `UnknownNameError` where the study's images can no longer be read.
        """
        study = self._session.pixels(key)
        if study is None:
            raise UnknownNameError(
                f"The images of study {key} can no longer be read, so no mask is laid over them; "
                "bring the study's files back to where they were."
            )
        series, regions = fit_series(path, study)
        numbers = np.zeros(series.volume.voxels.shape[:3], np.uint8)
        for number, region in enumerate(regions[:_REGIONS], 1):
            numbers[region.box][region.inside] = number
        name = secrets.token_urlsafe(16)
        place = next(n for n, one in enumerate(study.series) if one is series)
        own = series_key(key, series.uid, place, load_key())
        named = [{"label": one.label, "colour": css(n)} for n, one in enumerate(regions[:_REGIONS])]
        slices = np.flatnonzero(numbers.any(axis=(1, 2))).tolist()
        document = {"series": own, "regions": named, "slices": slices, "token": name}
        with self._lock:
            self._held[name] = _Held(key, own, replace(series.volume, voxels=numbers), document)
            while len(self._held) > _MOST:
                self._held.popitem(last=False)
        return name

    def document(self, key: str, name: str) -> dict[str, Any]:
        """Return what the viewer must know of a mask. Raises `UnknownNameError` where it is not held."""
        return self._of(key, name).document

    def picture(self, key: str, name: str, plane: str, k: int) -> bytes:
        """Return plane `k` of a mask as PNG with alpha. Raises `UnknownNameError` where there is none."""
        planes = planes_of(self._of(key, name).volume, plane)
        if not 0 <= k < len(planes.voxels):
            raise UnknownNameError(f"There is no {plane} plane {k}; there are planes 0 to {len(planes.voxels) - 1}.")
        return coloured(np.ascontiguousarray(planes.voxels[k]))

    def _of(self, key: str, name: str) -> _Held:
        with self._lock:
            held = self._held.get(name)
        if held is None or held.study != key:
            raise UnknownNameError("That mask is not held, or not any more; bring it again.")
        return held


_masks: WeakKeyDictionary[Session, HeldMasks] = WeakKeyDictionary()
_guard = Lock()


def masks_of(session: Session) -> HeldMasks:
    """Return the masks of a session, made on first use."""
    with _guard:
        if session not in _masks:
            _masks[session] = HeldMasks(session)
        return _masks[session]


def css(number: int) -> str:
    """Return the colour of a region by its place, as CSS.

    >>> css(0)
    'rgb(86, 180, 233)'
    """
    return f"rgb{_COLOURS[number % len(_COLOURS)]}"


def coloured(numbers: NDArray[np.integer[Any]]) -> bytes:
    """Return regions' numbers `(H, W)`, 0 for none, as a PNG: inside each translucent, its edge opaque."""
    table = np.zeros((256, 3), np.uint8)
    table[1:] = [_COLOURS[number % len(_COLOURS)] for number in range(255)]
    inside = numbers > 0
    padded = np.pad(numbers, 1)
    around = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    edge = inside & np.any([other != numbers for other in around], axis=0)
    alpha = np.where(edge, 255, np.where(inside, _INSIDE, 0)).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(np.dstack([table[numbers], alpha])).save(out, "PNG")
    return out.getvalue()
