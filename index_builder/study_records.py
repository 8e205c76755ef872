"""From a study with its originals to a record that names nobody: keys for UIDs, an allow-list, scrubbed words."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from radseek.index_builder.discover import FoundStudy
from radseek.index_builder.metadata.metadata_columns import StudyMetadata
from radseek.index_builder.prepare_study import PreparedSeries, PreparedStudy
from radseek.index_builder.reports.report_join import Report
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.text_tower import sentence_rows
from radseek.retrieval.index.store import Linkage, SeriesRecord, StudyRecord
from radseek.retrieval.language.sentence_split import split_sentences
from radseek.retrieval.privacy.allowed_attributes import allow_list
from radseek.retrieval.privacy.pseudonyms import keyed_hash, patient_key, series_key
from radseek.retrieval.privacy.scrub import scrub
from radseek.retrieval.types import ViewVectors

__all__ = ["GivenFacts", "study_record"]


@dataclass(frozen=True, slots=True)
class GivenFacts:
    """What a user's files say of a study beside its images: its report, and its row of metadata."""

    report: Report | None
    metadata: StudyMetadata | None


def study_record(
    found: FoundStudy,
    prepared: PreparedStudy,
    vectors: Sequence[ViewVectors],
    given: GivenFacts,
    *,
    encoder: Encoder,
    key: bytes,
) -> StudyRecord:
    """Assemble what the index keeps of a study.

    `vectors` are of its views, in the order of `prepared.views`. Originals go to the record's linkage and nowhere else.
    """
    study = prepared.study
    remaining = iter(vectors)
    series = tuple(
        _series_record(one, ordinal, [next(remaining) for _ in one.views], found.key, key)
        for ordinal, one in enumerate(prepared.series)
    )
    report, metadata = given.report, given.metadata
    patient = study.patient_id or (report.patient if report else "") or (metadata.patient if metadata else "")
    text = scrub(report.text) if report else ""
    sentences = tuple(split_sentences(text))
    return StudyRecord(
        key=found.key,
        patient_key=patient_key(patient, key),
        source_path=found.source_path,
        attributes={
            **_attributes(prepared),
            **(metadata.attributes if metadata else {}),
            "stamp": found.stamp,
            **_pixels(prepared, key),
        },
        series=series,
        report=text,
        sentences=sentences,
        sentence_vectors=sentence_rows(encoder, sentences),
        linkage=Linkage(
            study_uid=study.uid,
            patient_id=patient,
            accession=study.accession,
            paths=tuple(dict.fromkeys(os.path.abspath(path) for path in (*study.paths, *found.copies))),
            date=study.attributes.get("StudyDate", ""),
            seen=found.seen,
            series_uids=tuple(one.uid for one in prepared.series),
        ),
    )


def _pixels(prepared: PreparedStudy, key: bytes) -> dict[str, str]:
    """Return a keyed hash of the study's pixels."""
    return {"pixels": keyed_hash(key, "pixels", prepared.pixels)} if prepared.pixels else {}


def _attributes(prepared: PreparedStudy) -> dict[str, str | int]:
    first = prepared.series[0]
    named = {"modality": first.modality, "body_part": first.body_part}
    return allow_list({**first.attributes, **prepared.study.attributes, **{k: v for k, v in named.items() if v}})


def _series_record(
    series: PreparedSeries, ordinal: int, vectors: Sequence[ViewVectors], study: str, key: bytes
) -> SeriesRecord:
    pseudonym = series_key(study, series.uid, ordinal, key)
    return SeriesRecord(
        key=pseudonym,
        modality=series.modality,
        body_part=series.body_part,
        description=scrub(series.description),
        unit=series.unit,
        shape=series.shape,
        spacing=series.spacing,
        provenance=series.provenance,
        views=tuple(replace(view, series_key=pseudonym) for view in vectors),
    )
