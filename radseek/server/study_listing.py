"""Studies as the server names them: by key, with what the catalogue may keep, and no path, name or original UID."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from radseek.app.session import Session
from radseek.retrieval.index.store import Case
from radseek.retrieval.path_text import hide_paths
from radseek.retrieval.privacy.allowed_attributes import allow_list
from radseek.retrieval.privacy.redaction import scrub

__all__ = ["stored_study", "uploaded_study", "without_paths"]


def stored_study(case: Case) -> dict[str, Any]:
    """Return a stored study as the API lists it."""
    series = [
        {
            "series": one.key,
            "modality": one.modality,
            "body_part": one.body_part,
            "description": one.description,
            "unit": one.unit,
            "shape": list(one.shape),
            "spacing": None if one.spacing is None else list(one.spacing),
            "warnings": _warnings(one.provenance),
        }
        for one in case.series
    ]
    return {"study": case.key, "brought": False, "attributes": _kept(case.attributes), "series": series}


def uploaded_study(session: Session, key: str) -> dict[str, Any]:
    """Return a study that was uploaded as the API lists it. Raises `UnknownNameError` where it is gone."""
    vectors, study = session.vectors(key), session.pixels(key)
    series = [
        {
            "series": known.key,
            "modality": one.modality,
            "body_part": one.body_part,
            "description": scrub(one.description),
            "unit": one.volume.unit,
            "shape": list(one.volume.voxels.shape),
            "spacing": None if one.volume.provenance.spacing is None else list(one.volume.provenance.spacing),
            "warnings": _warnings(asdict(one.volume.provenance)),
        }
        for known, one in zip(vectors.series, () if study is None else study.series, strict=False)
    ]
    return {"study": key, "brought": True, "attributes": _kept(vectors.attributes), "series": series}


def without_paths(document: Any) -> Any:
    """Return a document with null for every `path`: where files lie can hold names, and helps nobody outside.

    Of an encoder that is a folder, the folder's own name stays; what a narrator or a mask lacked is said without it.
    """
    if isinstance(document, dict):
        said = document.get("kind") == "caveat"
        return {name: _shown(name, value, said and name == "text") for name, value in document.items()}
    return [without_paths(one) for one in document] if isinstance(document, list) else document


def _shown(name: str, value: Any, said: bool) -> Any:
    if name == "path":
        return None
    if said and isinstance(value, dict):
        return {lang: hide_paths(str(text)) for lang, text in value.items()}
    if name in ("failure", "failures") and value:
        return hide_paths(value) if isinstance(value, str) else [hide_paths(str(one)) for one in value]
    if name == "encoder" and isinstance(value, dict) and Path(str(value.get("name"))).is_absolute():
        return without_paths({**value, "name": Path(value["name"]).name})
    return without_paths(value)


def _kept(attributes: Mapping[str, str | int]) -> dict[str, str | int]:
    """Return the attributes on the allow-list: a stored study's stamp, for one, says nothing to anybody."""
    return dict(allow_list({name: str(value) for name, value in attributes.items()}))


def _warnings(provenance: Mapping[str, object]) -> list[str]:
    found = provenance.get("warnings", ())
    return [str(one) for one in found] if isinstance(found, list | tuple) else []
