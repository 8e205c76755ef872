"""What is being looked at: scenes of the studies on screen, and the heat maps drawn for them."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Final

from radseek.app.session import Session
from radseek.demo.viewer.heat_layer import HeatLayer, layer_of, unread
from radseek.demo.viewer.scene import Scene
from radseek.prompts.catalogue import find
from radseek.retrieval.errors import UnknownNameError, UsageError
from radseek.retrieval.types import Study

__all__ = ["DrawnHeatMaps", "OpenScenes"]

_SCENES: Final = 6
_MAPS: Final = 32
# Seconds for which a study is taken to be there still. The session must take the engine's turn to say so, and a reader
# who scrolls must not wait for somebody else's question.
_TRUST: Final = 30.0


@dataclass(slots=True)
class _Opened:
    scene: Scene
    seen: float


class OpenScenes:
    """The scenes of the studies looked at last."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = Lock()
        self._opened: OrderedDict[str, _Opened] = OrderedDict()
        self._reading_ahead = Lock()

    def scene(self, key: str) -> Scene:
        """Return a study's scene. Raises `UnknownNameError` for an unknown study, or one without images."""
        found = self.find(key)
        if found is None:
            raise UnknownNameError(
                f"The images of study {key} can no longer be read; its files have moved or the linkage file is absent; "
                "bring them back, or tell whoever keeps the archive."
            )
        return found

    def find(self, key: str) -> Scene | None:
        """Return a study's scene; None where its images can no longer be read. Raises `UnknownNameError`."""
        with self._lock:
            known = self._opened.get(key)
            if known is not None and time.monotonic() - known.seen < _TRUST:
                self._opened.move_to_end(key)
                return known.scene
        try:
            study = self._session.pixels(key)
        except UnknownNameError:
            self._forget(key)
            raise
        if study is None:
            self._forget(key)
            return None
        return self._put(key, study)

    def opening(self, key: str) -> tuple[Scene, bool] | None:
        """Return the scene that can be shown first, and whether it is the whole study; None as `find`.

        It is of one slice where reading the others would take its time. Raises `UnknownNameError`.
        """
        with self._lock:
            known = key in self._opened
        study = None if known else self._session.opening_slice(key)
        if study is not None:
            return self._scene(key, study), False
        whole = self.find(key)
        return None if whole is None else (whole, True)

    def ahead(self, key: str) -> None:
        """Read a study that may be asked for next, unless another is being read so: no visitor waits for it.

        Raises `UnknownNameError`.
        """
        if self._reading_ahead.acquire(blocking=False):
            try:
                self._session.pixels(key)
            finally:
                self._reading_ahead.release()

    def _forget(self, key: str) -> None:
        with self._lock:
            self._opened.pop(key, None)

    def _put(self, key: str, study: Study) -> Scene:
        with self._lock:
            known = self._opened.get(key)
            same = known is not None and known.scene.study is study
            scene = known.scene if known is not None and same else self._scene(key, study)
            self._opened[key] = _Opened(scene, time.monotonic())
            self._opened.move_to_end(key)
            while len(self._opened) > _SCENES:
                self._opened.popitem(last=False)
            return scene

    def _scene(self, key: str, study: Study) -> Scene:
        return Scene(key, study, self._session.keyed_series(key, study))


class DrawnHeatMaps:
    """The heat maps asked for last, each under a name that cannot be guessed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = Lock()
        self._held: OrderedDict[tuple[str, str, str], tuple[str, HeatLayer]] = OrderedDict()

    def ask(self, key: str, finding: str, scenes: OpenScenes) -> tuple[str, HeatLayer]:
        """Return the map of a finding in a study and its name; made anew where it is not held, which takes seconds.

        Raises as `OpenScenes.scene`, `Session.engine` and `Engine.heat_map` do.
        """
        scene = scenes.scene(key)
        study = scene.study
        about = (key, study.content_hash, finding)  # a study may be replaced by another of its key
        with self._lock:
            held = self._held.get(about)
        if held is not None:
            return held
        asked = find(finding)
        with self._session.engine() as engine:
            try:
                found = engine.heat_map(study, asked)
                series = scene.series.get(found.series)
                layer = layer_of(found, asked.names, None if series is None else series.volume)
            except UsageError:  # an answer like others: this study has no view that the finding is read in
                return "", unread(asked)
        made = (secrets.token_urlsafe(16), layer)
        with self._lock:
            self._held[about] = made
            while len(self._held) > _MAPS:
                self._held.popitem(last=False)
        return made

    def picture(self, key: str, token: str, z: int) -> bytes:
        """Return the layer over slice `z` as PNG. Raises `UnknownNameError` where it is not held."""
        with self._lock:
            layers = [layer for (study, *_), (name, layer) in self._held.items() if study == key and name == token]
        if not layers or z not in layers[0].pictures:
            raise UnknownNameError("That heat map is not held, or not any more; ask for it again.")
        return layers[0].pictures[z]
