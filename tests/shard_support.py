"""What two indexes hold, row by row and bit by bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from radseek.index_builder.shards.stored_records import stored_records
from radseek.retrieval.index.local_store import LocalStore


def rows_of(index: Path) -> list[Any]:
    """Everything that an index and its linkage say of each study, vectors as bytes."""
    with LocalStore.open(index) as store:
        store.verify()
        return [
            (
                *(record.key, record.patient_key, record.source_path, dict(record.attributes), record.report),
                *(record.sentences, record.linkage),
                None if record.sentence_vectors is None else record.sentence_vectors.tobytes(),
                [
                    (
                        *(one.key, one.modality, one.body_part, one.description, one.unit, one.shape, one.spacing),
                        dict(one.provenance),
                        [(v.view, v.slices.tobytes(), v.pooled.tobytes(), v.z.tolist(), v.position) for v in one.views],
                    )
                    for one in record.series
                ],
            )
            for record in stored_records(store)
        ]
