"""What the browser must know of a study before it draws a slice. Pseudonyms only: no UID, name, date or path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any, Final

from radseek.demo.viewer.planes import Planes, edge_letters, opposite, plane_names, planes_of
from radseek.demo.viewer.window_choices import presets_of
from radseek.retrieval.document import NOTICE
from radseek.retrieval.errors import UnknownNameError
from radseek.retrieval.explain.caveats import reading_caveats
from radseek.retrieval.imaging.views.series_views import view_names
from radseek.retrieval.imaging.views.slice_rule import choose_slices
from radseek.retrieval.privacy.scrub import scrub
from radseek.retrieval.types import Series, Study

__all__ = ["Scene"]

_LONGEST: Final = 64  # characters of a description, as in the catalogue
_ABSURD: Final = 20.0  # rows so much wider than columns are a mistake in the header


@dataclass(frozen=True, eq=False)
class Scene:
    """A study that is being looked at, and its series by their pseudonyms, in the study's order."""

    key: str
    study: Study
    series: Mapping[str, Series]

    @cached_property
    def _planes(self) -> dict[tuple[str, str], Planes]:
        return {}

    def planes(self, series: str, name: str) -> Planes:
        """Return a series as planes. Raises `UnknownNameError` for a series or a plane that is not there."""
        if series not in self.series:
            raise UnknownNameError(f"Study {self.key} has no series {series}; its scene names those that it has.")
        if (series, name) not in self._planes:
            self._planes[series, name] = planes_of(self.series[series].volume, name)
        return self._planes[series, name]

    @cached_property
    def document(self) -> dict[str, Any]:
        """Return the scene as JSON-able values; see docs/viewer.md."""
        return {
            "study": self.key,
            "notice": NOTICE,
            "series": [self._one(key, one) for key, one in self.series.items()],
        }

    def _one(self, key: str, series: Series) -> dict[str, Any]:
        volume = series.volume
        names = plane_names(volume)
        presets = [] if volume.is_colour else [one.to_dict() for one in presets_of(series)]
        gap = None if volume.affine is None else self.planes(key, names[0]).spacing()
        looked_at = choose_slices(volume.voxels.shape[0], None if gap is None else gap[0]).tolist()
        return {
            "key": key,
            "modality": series.modality,
            "body_part": series.body_part,
            "description": scrub(series.description)[:_LONGEST],
            "unit": volume.unit,
            "colour": volume.is_colour,
            "inverted": volume.provenance.inverted,
            "shape": list(volume.voxels.shape[:3]),
            "plane": names[0],
            "planes": {name: self._plane(key, name, series) for name in names},
            "presets": presets,
            "views": [{"name": name, "z": looked_at} for name in view_names(series)],
            "warnings": [{"code": one.code, **dict(one.text)} for one in reading_caveats(volume.provenance.warnings)],
        }

    def _plane(self, key: str, name: str, series: Series) -> dict[str, Any]:
        planes = self.planes(key, name)
        count, rows, columns = planes.voxels.shape[:3]
        spacing, measured = planes.spacing(), "patient"
        if spacing is None:
            spacing, measured = _detector(series)
        elif planes.native and max(spacing[1:]) > _ABSURD * min(spacing[1:]):
            spacing = (spacing[0], 1.0, 1.0)
        return {
            "count": count,
            "rows": rows,
            "columns": columns,
            "kind": planes.kind,
            "spacing": None if spacing is None else list(spacing),
            "measured": measured if spacing is not None else "",
            "letters": list(_letters(series, planes)),
            "centres": planes.centres(),
            "native": planes.native,
        }


def _letters(series: Series, planes: Planes) -> tuple[str, str, str, str]:
    """The sides, by the geometry; a radiograph without one may name where its rows and columns run to instead."""
    if planes.affine is not None:
        return edge_letters(planes.affine)
    words = [part.strip().upper() for part in re.split(r"[\\,]", series.attributes.get("PatientOrientation", ""))]
    if len(words) != 2 or not all(re.fullmatch(r"[LRAPHF]{1,3}", word) for word in words):
        return "", "", "", ""
    right, bottom = words
    return opposite(right), right, opposite(bottom), bottom


def _detector(series: Series) -> tuple[tuple[float, float, float] | None, str]:
    """Millimetres of a radiograph: calibrated in the patient, or at the detector, where things look larger."""
    for keyword, where in (("PixelSpacing", "patient"), ("ImagerPixelSpacing", "detector")):
        try:
            rows, columns = (float(part) for part in series.attributes.get(keyword, "").replace("\\", ",").split(","))
        except ValueError:
            continue
        if isfinite(rows + columns) and 0 < max(rows, columns) <= _ABSURD * min(rows, columns):
            return (0.0, rows, columns), where
    return None, ""
