"""A finding's heat map as layers that the browser lays over its slices: one PNG with alpha for each slice mapped."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from radseek.pictures.heat_colours import css_gradient, overlay_uri
from radseek.prompts.finding import Finding
from radseek.retrieval.heatmaps.hot_places import HotPlaces, hot_places
from radseek.retrieval.heatmaps.study_heatmap import HeatMap
from radseek.retrieval.types import Volume

__all__ = ["HeatLayer", "layer_of", "unread"]

_MOST: Final = 0.5  # of the hot area


@dataclass(frozen=True, slots=True)
class HeatLayer:
    """Where a finding (`names` by language) was read, how each slice stood, and the pictures by the Z of their slice.

    `reason`: "" where there are pictures, else a stable word that says why there are none. `outside`, `metal`: the
    slices in which most of the hot area lies outside the body, or on metal, where that can be measured.
    """

    finding: str
    names: dict[str, str]
    series: str
    view: str
    z: int
    profile: tuple[tuple[int, float], ...]
    key_slices: tuple[int, ...]
    pictures: dict[int, bytes]
    reason: str
    outside: tuple[int, ...] = ()
    metal: tuple[int, ...] = ()

    def to_dict(self, token: str) -> dict[str, Any]:
        """Return everything but the pictures; `token` is the name under which they are fetched."""
        return {
            "finding": self.finding,
            "names": self.names,
            "series": self.series,
            "view": self.view,
            "z": self.z,
            "profile": [[z, round(margin, 5)] for z, margin in self.profile],
            "key_slices": list(self.key_slices),
            "layers": {str(z): len(picture) for z, picture in self.pictures.items()},
            "reason": self.reason,
            "outside": list(self.outside),
            "metal": list(self.metal),
            "token": token if self.pictures else "",
            "colours": css_gradient(),
        }


def layer_of(found: HeatMap, names: Mapping[str, str], volume: Volume | None = None) -> HeatLayer:
    """Draw a heat map's slices, each in its own pixels and coloured up to its own peak.

    `volume` is the series that was mapped: where it is in Hounsfield units, it says where a map is hot.
    One that failed its check has no pictures and says why; a flat one has none either, for `flat`.
    """
    pictures: dict[int, bytes] = {}
    if found.check.passes:
        for z in (int(value) for value in found.maps.z):
            heat = found.maps.at(z)
            drawn = overlay_uri(heat, (heat.shape[1], heat.shape[0]))
            if drawn:
                pictures[z] = base64.b64decode(drawn.partition(",")[2])
    places = _places(found, pictures, volume)
    reason = found.check.reason or ("" if pictures else "flat")
    return HeatLayer(
        found.finding,
        dict(names),
        found.series,
        found.view,
        found.z,
        found.profile,
        found.key_slices,
        pictures,
        reason,
        outside=tuple(z for z, one in places.items() if one.outside > _MOST),
        metal=tuple(z for z, one in places.items() if one.metal > _MOST),
    )


def _places(found: HeatMap, drawn: Mapping[int, bytes], volume: Volume | None) -> dict[int, HotPlaces]:
    if volume is None or volume.unit != "HU":
        return {}
    same = {z: heat for z in drawn if (heat := found.maps.at(z)).shape == volume.voxels.shape[1:3]}
    measured = {z: hot_places(heat, volume.voxels[z]) for z, heat in same.items() if z < len(volume.voxels)}
    return {z: one for z, one in measured.items() if one is not None}


def unread(finding: Finding) -> HeatLayer:
    """Return the layer of a finding that no view of the study is read for."""
    return HeatLayer(finding.name, dict(finding.names), "", "", 0, (), (), {}, "no_view")
