"""Questions to sites and their answers as JSON. Vectors travel as base64 of little-endian floats: no bit is lost.

What comes from another machine is believed only as far as its form: every reader raises `ValueError`, `KeyError` or
`TypeError` for anything else.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.index.store import SentenceHit, SliceHit, WordStatistics
from radseek.retrieval.scoring.study_vectors import SeriesVectors, StudyVectors
from radseek.retrieval.search.close_enough import NothingClose
from radseek.retrieval.search.ranking import Match, RankedImage
from radseek.retrieval.search.search_results import SimilarRow
from radseek.retrieval.search.sites.site import (
    FoundCases,
    FoundImages,
    FoundSentences,
    ImagesAsked,
    SentencesAsked,
    SimilarAsked,
)
from radseek.retrieval.types import ViewVectors

__all__ = [
    "cases_document",
    "images_asked",
    "images_document",
    "images_question",
    "read_cases",
    "read_images",
    "read_sentences",
    "read_statistics",
    "sentences_asked",
    "sentences_document",
    "sentences_question",
    "similar_asked",
    "similar_question",
]

_KEY: Final = re.compile(r"2\.25\.[0-9]{1,39}")
_LONGEST: Final = 100_000  # characters of a report
_MOST_COPIES: Final = 10_000  # keys of cases with the same images
_NAME: Final = 200  # characters of any other text
_OFF: Final = 0.02  # how far the length of a float16 unit vector may be from 1


def similar_question(asked: SimilarAsked) -> dict[str, Any]:
    """Return a question for cases as JSON-able values: vectors, kinds, and the pseudonyms to leave out."""
    query = asked.query
    series = [
        {
            "modality": one.modality,
            "body_part": one.body_part,
            "views": [
                {
                    "view": view.view,
                    "pooled": _packed(view.pooled, "<f2"),
                    "slices": _packed(view.slices, "<f2"),
                    "z": view.z.tolist(),
                }
                for view in one.views
            ],
        }
        for one in query.series
    ]
    return {
        "study": query.key,
        "stored_as": query.stored_as,
        "patient": query.patient_key,
        "series": series,
        "k": asked.k,
        "where": list(asked.where),
        "words": None if asked.words is None else _packed(asked.words, "<f8"),
        "is_region": asked.is_region,
        "include_same_patient": asked.include_same_patient,
    }


def similar_asked(question: Mapping[str, Any], dim: int) -> SimilarAsked:
    """Return what a question asks. Raises `ValueError` where it does not fit vectors `(D,)` of `dim`."""
    series = tuple(
        SeriesVectors("", one["modality"], one["body_part"], tuple(_view(view, dim) for view in one["views"]))
        for one in question["series"]
    )
    query = StudyVectors(question["study"], question["patient"], None, series, {}, question["stored_as"])
    return SimilarAsked(
        query,
        question["k"],
        tuple(question["where"]),
        None if question["words"] is None else _unit(question["words"], dim),
        question["is_region"],
        question["include_same_patient"],
    )


def images_question(asked: ImagesAsked) -> dict[str, Any]:
    """Return a question for images as JSON-able values."""
    views = None if asked.views is None else sorted(asked.views)
    return {"vector": _packed(asked.vector, "<f8"), "views": views, "k": asked.k, "where": list(asked.where)}


def images_asked(question: Mapping[str, Any], dim: int) -> ImagesAsked:
    """Return what a question for images asks; raises as `similar_asked` does."""
    views = None if question["views"] is None else frozenset(question["views"])
    return ImagesAsked(_unit(question["vector"], dim), views, question["k"], tuple(question["where"]))


def sentences_question(asked: SentencesAsked) -> dict[str, Any]:
    """Return a question for sentences as JSON-able values."""
    statistics = None if asked.statistics is None else asdict(asked.statistics)
    return {
        "vector": _packed(asked.vector, "<f8"),
        "words": asked.words,
        "depth": asked.depth,
        "where": list(asked.where),
        "statistics": statistics,
    }


def sentences_asked(question: Mapping[str, Any], dim: int) -> SentencesAsked:
    """Return what a question for sentences asks; raises as `similar_asked` does."""
    known = question["statistics"]
    return SentencesAsked(
        _unit(question["vector"], dim),
        question["words"],
        question["depth"],
        tuple(question["where"]),
        None if known is None else read_statistics(known),
    )


def cases_document(found: FoundCases) -> dict[str, Any]:
    """Return cases as JSON-able values, without paths."""
    rows = [
        {
            "study": row.study,
            "score": row.score,
            "matches": [asdict(match) for match in row.matches],
            "report": row.report,
            "other_kind": row.other_kind,
            "copies": list(row.copies),
            "is_copy": row.is_copy,
        }
        for row in found.rows
    ]
    nothing = None if found.nothing is None else found.nothing.to_dict()
    return {"cases": rows, "floor": found.floor, "nothing_close_enough": nothing, "notes": list(found.notes)}


def read_cases(document: Mapping[str, Any], k: int) -> FoundCases:
    """Return the cases of an answer to a question for `k`."""
    rows = []
    for rank, one in enumerate(_some(document["cases"], k), 1):
        matches = tuple(
            Match(_text(m["view"]), _whole(m["query_slice"]), _whole(m["case_slice"]), _number(m["similarity"]))
            for m in _some(one["matches"], 16)
        )
        report = None if one["report"] is None else _text(one["report"], _LONGEST)
        other = one["other_kind"] if one["other_kind"] is None else bool(one["other_kind"])
        copies = tuple(_key(key) for key in _some(one["copies"], _MOST_COPIES))
        study, score, is_copy = _key(one["study"]), _number(one["score"]), bool(one["is_copy"])
        rows.append(SimilarRow(rank, study, None, score, matches, report, other, copies, is_copy))
    nothing = document["nothing_close_enough"]
    return FoundCases(
        tuple(rows),
        None if document["floor"] is None else _number(document["floor"]),
        None if nothing is None else NothingClose(_number(nothing["floor"]), _number(nothing["best"])),
        _notes(document),
    )


def images_document(found: FoundImages) -> dict[str, Any]:
    """Return found images as JSON-able values, without paths."""
    return {
        "images": [{**asdict(one.hit), "is_read": one.is_read} for one in found.images],
        "notes": list(found.notes),
    }


def read_images(document: Mapping[str, Any], k: int) -> FoundImages:
    """Return the images of an answer to a question for `k`."""
    images = tuple(
        RankedImage(
            SliceHit(
                _key(one["study"]),
                _key(one["series"]),
                _text(one["view"]),
                _whole(one["z"]),
                _number(one["similarity"]),
            ),
            bool(one["is_read"]),
        )
        for one in _some(document["images"], k)
    )
    return FoundImages(images, {one.hit.study: None for one in images}, _notes(document))


def sentences_document(found: FoundSentences) -> dict[str, Any]:
    """Return found sentences as JSON-able values, without paths."""
    return {"sentences": [asdict(hit) for hit in found.hits], "notes": list(found.notes)}


def read_sentences(document: Mapping[str, Any], depth: int) -> FoundSentences:
    """Return the sentences of an answer to a question for the best `depth` each way."""
    hits = tuple(
        SentenceHit(
            _key(one["study"]),
            _whole(one["ordinal"]),
            _text(one["text"], _LONGEST),
            _number(one["similarity"]),
            None if one["dense_rank"] is None else _whole(one["dense_rank"]),
            None if one["keyword_rank"] is None else _whole(one["keyword_rank"]),
            None if one["keyword_score"] is None else _number(one["keyword_score"]),
        )
        for one in _some(document["sentences"], 2 * depth)
    )
    return FoundSentences(hits, {hit.study: None for hit in hits}, _notes(document))


def read_statistics(document: Mapping[str, Any]) -> WordStatistics:
    """Return the statistics of words that a document holds."""
    having = document["having"]
    known = None if having is None else tuple(_whole(one) for one in _some(having, 1_000))
    return WordStatistics(_whole(document["sentences"]), _number(document["words"]), known)


def _view(view: Mapping[str, Any], dim: int) -> ViewVectors:
    z = np.array(view["z"], np.int32)
    slices = _unpacked(view["slices"], "<f2", len(z), dim)
    pooled = _unpacked(view["pooled"], "<f2", 1, dim)[0]
    _require_unit(np.vstack([slices, pooled[None]]))
    return ViewVectors(view["view"], "", slices, pooled, z, ())


def _packed(vectors: NDArray[np.floating], kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(vectors, kind).tobytes()).decode("ascii")


def _unpacked(text: str, kind: str, count: int, dim: int) -> NDArray[Any]:
    """Return `(count, dim)` numbers, of which there must be just as many."""
    data = base64.b64decode(text, validate=True)
    rows = np.frombuffer(data, kind)
    if len(rows) != count * dim or not count:
        raise ValueError(f"{len(rows)} numbers where {count} vectors of {dim} are needed")
    return rows.reshape(count, dim).astype(np.dtype(kind).newbyteorder("="))


def _unit(text: str, dim: int) -> NDArray[np.float64]:
    vector = _unpacked(text, "<f8", 1, dim)
    _require_unit(vector)
    return cast("NDArray[np.float64]", vector[0])


def _require_unit(rows: NDArray[np.floating]) -> None:
    """Raise unless all are unit vectors: longer ones would weigh what is stored as the asker likes."""
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    if not np.all(np.abs(lengths - 1) < _OFF):  # not a number is not less
        raise ValueError("vectors that are not of unit length")


def _some(value: Any, most: int) -> Sequence[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(f"no list of at most {most}")
    return value


def _text(value: Any, most: int = _NAME) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise ValueError(f"no text of at most {most} characters")
    return value


def _key(value: Any) -> str:
    if not isinstance(value, str) or not _KEY.fullmatch(value):
        raise ValueError("no key")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("no whole number")
    return value


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("no number")
    return float(value)


def _notes(document: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(_text(one, 2_000) for one in _some(document["notes"], 20))
