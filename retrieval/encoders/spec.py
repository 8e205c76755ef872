"""Everything that changes a vector, as frozen values and three hashes, and the rule that compares two.

Needs neither torch nor open_clip: the index reads a spec, and worker processes read a `Preprocess`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from radseek.retrieval.errors import EncoderError, EncoderMismatchError
from radseek.retrieval.types import OUR_RECIPE, ImagingRecipe, VolumeGrid

__all__ = [
    "MEAN_POOLING",
    "EncoderSpec",
    "Preprocess",
    "TowerParts",
    "canonical_hash",
    "check_match",
    "precision_class",
    "recipe_from_json",
]

MEAN_POOLING = "mean-then-normalise"  # the pooling hash where no adapter is present


def canonical_hash(value: Any) -> str:
    """Return the SHA-256 (hex) of `value` written as JSON with sorted keys and no spaces."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def precision_class(precision: str) -> str:
    """Return the class a precision belongs to: `fp32` and `bf16` give comparable vectors, others do not.

    >>> precision_class("bf16"), precision_class("int8")
    ('float', 'int8')
    """
    return "float" if precision in ("fp32", "bf16") else precision


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How a slice becomes an encoder's input: open_clip's own words for it.

    `shortest_floor` is `shortest` whose crop begins at the pixel before the half, as transformers crops. `pad`: made
    grey, put in the middle of a black square at least as large as the input, and resized with it, as MedCLIP does.
    `mean` and `std` are per RGB channel on the 0 to 1 scale; `fill` (0 to 255) pads in mode `longest`. `resize` is the
    side that is resized to before the centre `size` is cut out, as `shortest` and `squash` of timm do; None is `size`.
    `full_range`: each slice's least value becomes 0 and its greatest 255 before it is resized, colours made grey.
    `width`: the input's width where it is no square, whose height `size` is then; None is `size`.
    """

    size: int = 224
    resize_mode: Literal["shortest", "shortest_floor", "longest", "squash", "pad"] = "shortest"
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    mean: tuple[float, ...] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, ...] = (0.26862954, 0.26130258, 0.27577711)
    fill: int = 0
    resize: int | None = None
    full_range: bool = False
    width: int | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Return the input's height and width in pixels."""
        return self.size, self.size if self.width is None else self.width


@dataclass(frozen=True, slots=True)
class TowerParts:
    """The parts of the towers' identity, each a SHA-256, so that a mismatch can say which part differs."""

    weights: str
    architecture: str
    tokenizer: str
    preprocess: str
    precision_class: str

    def hash(self) -> str:
        """Return the towers hash: one SHA-256 over all parts."""
        return canonical_hash(asdict(self))


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """An encoder's identity and constants. Stored in an index's manifest and compared when it is opened.

    `scale` is the model's logit scale, already exponentiated; `bias` its logit bias (0 without one).
    `context` is the text tower's length in tokens. `meaningless` marks random weights: scores are noise.
    `text` is whether there is a text tower; without one there is no scale either, and it is 1.
    """

    name: str
    dim: int
    preprocess: Preprocess
    imaging_hash: str
    towers_hash: str
    pooling_hash: str = MEAN_POOLING
    scale: float = 100.0
    bias: float = 0.0
    precision: str = "fp32"
    meaningless: bool = False
    context: int = 77
    concepts: tuple[str, ...] = ()  # findings named in concepts.json; () where the folder has none
    towers: TowerParts | None = None  # the parts of towers_hash, for messages
    recipe: ImagingRecipe = OUR_RECIPE  # what imaging_hash stands for, beside our own constants
    text: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able dictionary that `from_json` reads back to an equal spec."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]  # tuples become lists

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EncoderSpec:
        """Return the spec in `data`, `to_dict`'s dictionary; keys of later versions are ignored.

        Raises `EncoderError` where a field is missing or malformed.
        """
        try:
            known = {f.name: data[f.name] for f in fields(cls) if f.name in data}
            known["preprocess"] = _preprocess_from_json(data["preprocess"])
            known["concepts"] = tuple(data.get("concepts", ()))
            parts = data.get("towers")
            known["towers"] = None if parts is None else TowerParts(**parts)
            known["recipe"] = recipe_from_json(data.get("recipe", {}))
            return cls(**known)
        except (KeyError, TypeError, ValueError) as error:
            raise EncoderError(
                f"This encoder description cannot be read ({error}); an index's manifest must hold the one "
                "it was built with. Run `radseek verify` on the index."
            ) from error


def _preprocess_from_json(data: Mapping[str, Any]) -> Preprocess:
    known = {f.name: data[f.name] for f in fields(Preprocess) if f.name in data}
    return Preprocess(**{**known, "mean": tuple(data["mean"]), "std": tuple(data["std"])})


def recipe_from_json(data: Mapping[str, Any]) -> ImagingRecipe:
    """Return the imaging recipe in `data`: a spec's own, or what a checkpoint folder's `imaging_recipe.json` says.

    Fields that are not there are our own recipe's. Raises `KeyError`, `TypeError` or `ValueError` where one is unknown
    or malformed.
    """
    values = {name: _frozen(value) for name, value in data.items() if name != "volume"}
    grid = data.get("volume")
    if grid is not None:
        values["volume"] = VolumeGrid(**{name: _frozen(value) for name, value in grid.items()})
    recipe = ImagingRecipe(**values)
    channels = [*recipe.ct_channels, *(recipe.volume.ranges if recipe.volume is not None else ())]
    if len(recipe.ct_channels) not in (0, 3) or any(not low < high for low, high in channels):
        raise ValueError("a range runs from a low value to a higher one, and ct_channels has three of them")
    if not recipe.max_gap_mm > 0 or recipe.max_slices < 1:
        raise ValueError("max_gap_mm must be positive, and max_slices at least 1")
    return recipe


def _frozen(value: Any) -> Any:
    return tuple(_frozen(one) for one in value) if isinstance(value, list | tuple) else value


def check_match(index_spec: EncoderSpec, spec: EncoderSpec) -> bool:
    """Check that vectors of `spec` may be compared with an index built with `index_spec`.

    Returns True where only the pooling differs, so that the index must be re-pooled from its slice vectors;
    False where everything agrees. Raises `EncoderMismatchError`, naming both and what differs, where the
    imaging recipe or the towers differ.
    """
    differences = _differences(index_spec, spec)
    if differences:
        raise EncoderMismatchError(
            f"The index was built with {_identity(index_spec)} and the encoder in use is {_identity(spec)}: "
            f"they differ in {', '.join(differences)}, so their vectors cannot be compared. "
            f"Use --model {index_spec.name} as it was then, or build a new index."
        )
    return index_spec.pooling_hash != spec.pooling_hash


def _differences(one: EncoderSpec, other: EncoderSpec) -> list[str]:
    found = [] if one.imaging_hash == other.imaging_hash else _recipe_differences(one.recipe, other.recipe)
    if one.dim != other.dim:
        found.append(f"vector width ({one.dim} and {other.dim})")
    if one.towers_hash != other.towers_hash:
        found.extend(_tower_differences(one.towers, other.towers))
    return found


def _recipe_differences(one: ImagingRecipe, other: ImagingRecipe) -> list[str]:
    """Return which fields of the recipe differ; of two grids, which of theirs."""
    a, b = asdict(one), asdict(other)
    if a["volume"] is not None and b["volume"] is not None:
        a, b = a["volume"], b["volume"]
    names = [name for name in a if a[name] != b[name]]
    return [f"the imaging recipe's {name}" for name in names] or ["the imaging recipe"]


def _tower_differences(one: TowerParts | None, other: TowerParts | None) -> list[str]:
    if one is None or other is None:
        return ["the towers"]
    names = [f.name for f in fields(TowerParts) if getattr(one, f.name) != getattr(other, f.name)]
    return [f"the towers' {name.replace('_', ' ')}" for name in names] or ["the towers"]


def _identity(spec: EncoderSpec) -> str:
    return f"'{spec.name}' ({spec.precision}, imaging {spec.imaging_hash[:12]}, towers {spec.towers_hash[:12]})"
