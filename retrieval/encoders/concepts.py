"""What an encoder was taught, from `concepts.json` beside its weights: findings, views, and by what kind of image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from radseek.retrieval.encoders.checkpoint import read_json
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.errors import EncoderError

__all__ = ["CONCEPTS", "Concept", "Count", "Source", "concept_names", "concepts_of", "load_concepts"]

CONCEPTS = "concepts.json"
Source = Literal["real", "phantom"]
Count = Literal["one", "many"]  # slices of a view


@dataclass(frozen=True, slots=True)
class Concept:
    """One finding that the encoder claims to know.

    `taught_by`: `real` scans or `phantom`s, where a phantom-taught one must abstain on real scans; `self_test`: the
    AUROC at which it tells "X" from "no X" (see `self_test`); `slices`: whether it was taught and tried on views of one
    slice, of many, or of both (a file that does not say so claims both).
    """

    finding: str
    taught_by: Source
    views: tuple[str, ...]
    self_test: float
    slices: tuple[Count, ...] = ("one", "many")


def load_concepts(folder: Path | None) -> tuple[Concept, ...]:
    """Read `concepts.json` from `folder`; `()` where there is none, which means that nothing is claimed.

    Raises `EncoderError`, naming the file, where it is malformed.
    """
    path = folder / CONCEPTS if folder is not None else None
    if path is None or not path.is_file():
        return ()
    try:
        return tuple(_concept(entry) for entry in read_json(path)["concepts"])
    except (KeyError, TypeError, ValueError) as error:
        raise EncoderError(
            f"{path} is malformed ({error!r}); it must list finding, taught_by, views, self_test, slices."
        ) from error


def concepts_of(encoder: Encoder) -> dict[str, tuple[Concept, ...]]:
    """Return the loaded encoder's concepts by finding; empty where its folder has none.

    A finding has more than one entry where different views were taught by different images.
    """
    known: dict[str, tuple[Concept, ...]] = {}
    for concept in load_concepts(encoder.folder):
        known[concept.finding] = (*known.get(concept.finding, ()), concept)
    return known


def concept_names(folder: Path | None) -> tuple[str, ...]:
    """Return the names of the findings that `folder` claims, sorted, each once."""
    return tuple(sorted({concept.finding for concept in load_concepts(folder)}))


def _concept(entry: dict[str, Any]) -> Concept:
    taught_by = entry["taught_by"]
    if taught_by not in ("real", "phantom"):
        raise ValueError(f"taught_by is {taught_by!r}")
    return Concept(
        finding=str(entry["finding"]),
        taught_by=taught_by,
        views=tuple(str(view) for view in entry["views"]),
        self_test=float(entry["self_test"]),
        slices=_slices(entry.get("slices", ["one", "many"])),
    )


def _slices(given: Any) -> tuple[Count, ...]:
    found: tuple[Count, ...] = tuple(one for one in get_args(Count) if one in given)
    if not found or len(found) != len(given):
        raise ValueError(f"slices is {given!r}; it lists 'one', 'many' or both")
    return found
