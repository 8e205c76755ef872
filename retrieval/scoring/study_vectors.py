"""A study as vectors, freshly encoded or read back from an index: the same values either way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from radseek.retrieval.encoders.encode_series import embed_series
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.errors import InputError
from radseek.retrieval.imaging.pixel_hash import pixel_hash
from radseek.retrieval.index.store import Case, Store
from radseek.retrieval.privacy.pseudonyms import keyed_hash, patient_key, series_key, stored_key, study_key
from radseek.retrieval.privacy.scrub import allow_list
from radseek.retrieval.types import Study, ViewVectors

__all__ = ["SeriesVectors", "StudyVectors", "embed_study", "is_synthetic", "pixels_of", "stored_study"]

_PHANTOM_MODEL = "synthetic"  # ManufacturerModelName of every phantom that `radseek phantoms` writes


@dataclass(frozen=True, slots=True, eq=False)
class SeriesVectors:
    """One series' views; `key` is its pseudonym."""

    key: str
    modality: str
    body_part: str
    views: tuple[ViewVectors, ...]


@dataclass(frozen=True, slots=True, eq=False)
class StudyVectors:
    """What scoring and searching need of a study. Keys are pseudonyms; `path` is None where it is not known."""

    key: str
    patient_key: str
    path: str | None
    series: tuple[SeriesVectors, ...]
    attributes: Mapping[str, str | int]
    stored_as: str = ""  # of an upload: the key that an index would give the same study
    pixels: str = ""  # a keyed hash of its pixels; "" where that is not known

    @property
    def views(self) -> tuple[ViewVectors, ...]:
        """Return all views, series by series."""
        return tuple(view for series in self.series for view in series.views)

    @property
    def kinds(self) -> tuple[tuple[str, str], ...]:
        """Return the modality and body part of each series."""
        return tuple((series.modality, series.body_part) for series in self.series)

    @property
    def is_phantom(self) -> bool:
        """Say whether the study is synthetic and says so."""
        return is_synthetic(self.attributes)


def is_synthetic(attributes: Mapping[str, str | int]) -> bool:
    """Say whether a study of these attributes is synthetic and says so."""
    return attributes.get("model") == _PHANTOM_MODEL


def embed_study(study: Study, encoder: Encoder, key: bytes, path: str | None) -> StudyVectors:
    """Encode a study; float16 rows, as an index would hold them.

    A series that the encoder does not read is left out. Raises `InputError` where it reads none of them.
    """
    name = study_key(study, key)
    series: list[SeriesVectors] = []
    refused: list[InputError] = []
    for ordinal, one in enumerate(study.series):
        own = series_key(name, one.uid, ordinal, key)
        try:
            series.append(SeriesVectors(own, one.modality, one.body_part, tuple(embed_series(one, encoder, own))))
        except InputError as error:
            refused.append(error)
    if refused and not series:
        raise refused[0]
    twin = stored_key(study, key) if study.is_upload else ""
    return StudyVectors(
        name, patient_key(study.patient_id, key), path, tuple(series), allow_list(study.attributes), twin,
        keyed_hash(key, "pixels", pixel_hash(study)),
    )  # fmt: skip


def stored_study(store: Store, case: Case) -> StudyVectors:
    """Read a stored study's vectors."""
    by_series: dict[str, list[ViewVectors]] = {}
    for view in store.slice_vectors(case.key):
        by_series.setdefault(view.series_key, []).append(view)
    series = tuple(
        SeriesVectors(one.key, one.modality, one.body_part, tuple(by_series.get(one.key, ()))) for one in case.series
    )
    return StudyVectors(case.key, case.patient_key, case.path, series, case.attributes, pixels=pixels_of(case))


def pixels_of(case: Case) -> str:
    """Return the keyed hash of a stored study's pixels; "" where it was built before these were kept."""
    return str(case.attributes.get("pixels", ""))
