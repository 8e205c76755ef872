"""What every encoder must keep, as rules that anybody can run on theirs: `radseek encoders check NAME`.

Nothing is known of the encoder but the protocol. Pictures and texts are made here; they show nothing, and need not.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from radseek.retrieval.encoders.encode_series import encode_padded
from radseek.retrieval.encoders.encoder import Encoder, TextCutWarning, VolumeEncoder
from radseek.retrieval.encoders.spec import EncoderSpec, check_match
from radseek.retrieval.errors import NoTextTowerError, RadseekError
from radseek.retrieval.imaging.views.recipe import recipe_hash
from radseek.retrieval.types import OUR_RECIPE

__all__ = ["OF_ALL", "OF_SLICES", "OF_TEXTS", "OF_VOLUMES", "Checked", "check_encoder", "rules_for"]

_UNIT: Final = 1e-3  # off unit length
_SAME: Final = 1e-5  # cosines and values of rows that should be the same; an index keeps steps of 5e-4
_TEXTS: Final = (
    "There is a large right pleural effusion.",
    "No pneumothorax.",
    "",
    "胸腔积液",
    "Nodule, 4 mm; left upper lobe - stable?",
    "\ud800 mangled",
)
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_REFUSALS: Final = (RadseekError, ValueError, TypeError, AssertionError)
Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Checked:
    """A rule, whether the encoder keeps it, and where not, what was found."""

    rule: str
    passed: bool
    found: str = ""


class _BrokenError(Exception):
    """A rule is not kept; the message says what was found."""


def check_encoder(encoder: Encoder) -> tuple[Checked, ...]:
    """Return each rule of `rules_for` it with whether an encoder keeps it; one that raises does not."""
    return tuple(_checked(name, rule, encoder) for name, rule in rules_for(encoder).items())


def rules_for(encoder: Encoder) -> dict[str, Callable[[Encoder], None]]:
    """Return the rules for an encoder of slices, or of volumes where its recipe has a grid."""
    volumes = getattr(getattr(encoder, "spec", None), "recipe", OUR_RECIPE).volume is not None
    return {**OF_ALL, **(OF_VOLUMES if volumes else OF_SLICES), **OF_TEXTS}


def _checked(name: str, rule: Callable[[Encoder], None], encoder: Encoder) -> Checked:
    try:
        rule(encoder)
    except _BrokenError as error:
        return Checked(name, False, str(error))
    except Exception as error:  # noqa: BLE001 - whatever an encoder raises where it should answer
        return Checked(name, False, f"{type(error).__name__}: {error}"[:300])
    return Checked(name, True)


def _require(holds: bool, found: str) -> None:
    if not holds:
        raise _BrokenError(found)


def _has_all_parts(encoder: Encoder) -> None:
    _require(isinstance(encoder, Encoder), "an attribute or method of radseek.Encoder is missing")
    _require(isinstance(encoder.spec, EncoderSpec), f"spec is a {type(encoder.spec).__name__}, not an EncoderSpec")
    size = encoder.batch_size
    _require(isinstance(size, int) and size >= 1, f"batch_size is {size!r}, not a whole number above 0")


def _spec_survives_its_manifest(encoder: Encoder) -> None:
    again = EncoderSpec.from_json(json.loads(json.dumps(encoder.spec.to_dict())))
    _require(again == encoder.spec, "it reads back as another one: use tuples for tuples and plain numbers")
    check_match(again, encoder.spec)


def _identity_is_hashed(encoder: Encoder) -> None:
    spec = encoder.spec
    _require(bool(_HASH.fullmatch(spec.towers_hash)), f"towers_hash is {spec.towers_hash!r}, not a SHA-256 in hex")
    _require(spec.towers is None or spec.towers.hash() == spec.towers_hash, "towers_hash is not the hash of towers")
    _require(spec.imaging_hash == recipe_hash(spec.recipe), "imaging_hash is not that of its recipe in force")


def _numbers_are_usable(encoder: Encoder) -> None:
    spec = encoder.spec
    _require(spec.dim >= 2 and spec.preprocess.size >= 1, f"dim is {spec.dim}, size {spec.preprocess.size}")
    _require(math.isfinite(spec.scale) and spec.scale > 0, f"scale is {spec.scale}")
    _require(math.isfinite(spec.bias), f"bias is {spec.bias}")
    _require(spec.context > 0 if spec.text else spec.context == 0, f"context is {spec.context}, text {spec.text}")


def _images_are_unit_rows(encoder: Encoder) -> None:
    _check_rows(encoder.encode_slices(_slices(encoder)), encoder.batch_size, encoder)
    _check_rows(encoder.encode_slices(np.zeros_like(_slices(encoder))), encoder.batch_size, encoder)


def _no_image_is_no_row(encoder: Encoder) -> None:
    _check_rows(encoder.encode_slices(_slices(encoder)[:0]), 0, encoder)


def _images_are_deterministic(encoder: Encoder) -> None:
    slices = _slices(encoder)
    _check_same(encoder.encode_slices(slices), encoder.encode_slices(slices), "a second call")


def _images_are_independent(encoder: Encoder) -> None:
    """A slice's row is the same in any batch, at any place in it, and among more slices than one batch holds."""
    slices = _slices(encoder)
    rows = encoder.encode_slices(slices)
    _check_same(encoder.encode_slices(np.ascontiguousarray(slices[::-1]))[::-1], rows, "the other order")
    alone = encode_padded(encoder, slices[:1]).astype(np.float32)
    _require(float(np.abs(alone - rows[:1]).max()) <= _SAME + 5e-4, "a slice alone has another row than among others")
    more = np.concatenate([slices, slices[:1]])
    _check_same(encoder.encode_slices(more)[:1], rows[:1], "more slices than one batch")


def _images_are_told_apart(encoder: Encoder) -> None:
    rows = encoder.encode_slices(_slices(encoder, 2))
    _require(float(np.abs(rows[0] - rows[1]).max()) > _SAME, "noise and a bright square become the same row")


def _input_stays_as_it_is(encoder: Encoder) -> None:
    slices = _slices(encoder)
    before = slices.copy()
    slices.setflags(write=False)
    encoder.encode_slices(slices)
    _require(np.array_equal(slices, before), "encode_slices changed the slices that it was given")


def _wrong_slices_are_refused(encoder: Encoder) -> None:
    height, width = encoder.spec.preprocess.shape
    floats: Any = np.zeros((1, 3, height, width), np.float32)
    shapes = ((1, 1, height, width), (1, 3, height + 1, width), (3, height, width))
    for wrong in (floats, *(np.zeros(shape, np.uint8) for shape in shapes)):
        _check_refused(partial(encoder.encode_slices, wrong), f"{wrong.dtype} {wrong.shape}")


def _pool_gives_a_unit_vector(encoder: Encoder) -> None:
    rows = encoder.encode_slices(_slices(encoder))
    for given in (rows, rows[:1], np.concatenate([rows] * 3), rows.astype(np.float16).astype(np.float32)):
        pooled = encoder.pool(given)
        _require(pooled.shape == (encoder.spec.dim,), f"pool gives {pooled.shape}, not ({encoder.spec.dim},)")
        _check_rows(pooled[None], 1, encoder)
        _require(np.array_equal(pooled, encoder.pool(given)), "pool gives another vector the second time")


def _texts_are_unit_rows(encoder: Encoder) -> None:
    _check_rows(encoder.encode_texts(list(_TEXTS)), len(_TEXTS), encoder)
    _check_rows(encoder.encode_texts([]), 0, encoder)


def _texts_are_independent(encoder: Encoder) -> None:
    rows = encoder.encode_texts(list(_TEXTS))
    _check_same(encoder.encode_texts(list(_TEXTS)), rows, "a second call")
    _check_same(encoder.encode_texts(list(_TEXTS[::-1]))[::-1], rows, "the other order")
    _check_same(encoder.encode_texts(list(_TEXTS[1:2])), rows[1:2], "a text alone")


def _texts_are_told_apart(encoder: Encoder) -> None:
    rows = encoder.encode_texts(list(_TEXTS[:2]))
    _require(float(np.abs(rows[0] - rows[1]).max()) > _SAME, "an effusion and no pneumothorax become the same row")


def _long_texts_are_read(encoder: Encoder) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TextCutWarning)
        _check_rows(encoder.encode_texts(["effusion of the left base " * 400]), 1, encoder)


def _wrong_texts_are_refused(encoder: Encoder) -> None:
    _check_refused(lambda: encoder.encode_texts("one text, not a list"), "a text in place of a list")
    wrong: Any = [1]
    _check_refused(lambda: encoder.encode_texts(wrong), "a number in place of a text")


def _of_words(rule: Callable[[Encoder], None]) -> Callable[[Encoder], None]:
    """Return a rule that an encoder keeps, too, that says that it reads no words, and refuses them as it should."""

    def checked(encoder: Encoder) -> None:
        if encoder.spec.text:
            rule(encoder)
            return
        try:
            encoder.encode_texts(["effusion"])
        except NoTextTowerError:
            return
        raise _BrokenError("spec.text is False, and encode_texts does not raise NoTextTowerError")

    return checked


def _volumes_are_unit_rows(encoder: Encoder) -> None:
    made = _volume_encoder(encoder).encode_volumes(_volumes(encoder))
    _check_rows(made.pooled, 2, encoder)
    grid = encoder.spec.recipe.volume
    if made.patches is None or made.centres is None or grid is None:
        _require(made.patches is None and made.centres is None, "patches and centres come together or not at all")
        return
    _require(
        made.patches.shape[:2] == (2, len(made.centres)), f"{made.patches.shape} patches, {len(made.centres)} centres"
    )
    _check_rows(made.patches.reshape(-1, made.patches.shape[2]), made.patches.shape[0] * made.patches.shape[1], encoder)
    inside = (made.centres > -1) & (made.centres < np.array(grid.shape))
    _require(bool(inside.all()), "a centre lies outside the grid; they are (z, y, x) in voxels of it")


def _volumes_are_independent(encoder: Encoder) -> None:
    volumes = _volumes(encoder)
    encode = _volume_encoder(encoder).encode_volumes
    rows = encode(volumes).pooled
    _check_same(encode(volumes).pooled, rows, "a second call")
    _check_same(encode(volumes[1:]).pooled, rows[1:], "a volume alone")


def _volumes_are_told_apart(encoder: Encoder) -> None:
    rows = _volume_encoder(encoder).encode_volumes(_volumes(encoder)).pooled
    _require(float(np.abs(rows[0] - rows[1]).max()) > _SAME, "noise and a bright cube become the same row")


def _volume_stays_as_it_is(encoder: Encoder) -> None:
    volumes = _volumes(encoder)
    before = volumes.copy()
    volumes.setflags(write=False)
    _volume_encoder(encoder).encode_volumes(volumes)
    _require(np.array_equal(volumes, before), "encode_volumes changed the volumes that it was given")


def _slices_are_refused(encoder: Encoder) -> None:
    _check_refused(partial(encoder.encode_slices, np.zeros((1, 3, 8, 8), np.uint8)), "a slice")


def _volume_encoder(encoder: Encoder) -> VolumeEncoder:
    if not isinstance(encoder, VolumeEncoder):
        raise _BrokenError("its recipe has a grid of volumes, and it has no encode_volumes")
    return encoder


def _volumes(encoder: Encoder) -> NDArray[np.float32]:
    """Return noise and a bright cube on the encoder's grid, `(2, C, Z, Y, X)`, within the range it is scaled to."""
    grid = encoder.spec.recipe.volume
    if grid is None:
        raise _BrokenError("its recipe has no grid")
    low, high = grid.scaled_to
    made = np.full((2, len(grid.ranges), *grid.shape), low, np.float32)
    made[0] = np.random.default_rng(17).uniform(low, high, made[0].shape)
    z, y, x = (slice(size // 3, size // 2 + 1) for size in grid.shape)
    made[1, :, z, y, x] = high
    return made


Rules = dict[str, Callable[[Encoder], None]]

OF_ALL: Final[Rules] = {
    "it has every part of radseek.Encoder": _has_all_parts,
    "its spec survives an index's manifest": _spec_survives_its_manifest,
    "its identity is hashed, with its imaging recipe": _identity_is_hashed,
    "its width, size, scale, bias and context are usable": _numbers_are_usable,
}
OF_SLICES: Final[Rules] = {
    "slices become float32 unit rows, black ones too": _images_are_unit_rows,
    "no slice becomes no row": _no_image_is_no_row,
    "the same slices become the same rows": _images_are_deterministic,
    "a slice's row does not depend on its batch": _images_are_independent,
    "different slices become different rows": _images_are_told_apart,
    "slices that are read-only are taken and none is changed": _input_stays_as_it_is,
    "slices of another type or shape are refused": _wrong_slices_are_refused,
    "pool gives one float32 unit vector, the same each time": _pool_gives_a_unit_vector,
}
OF_VOLUMES: Final[Rules] = {
    "volumes become float32 unit rows, and their places within the grid too": _volumes_are_unit_rows,
    "a volume's row is the same each time and does not depend on the others": _volumes_are_independent,
    "different volumes become different rows": _volumes_are_told_apart,
    "volumes that are read-only are taken and none is changed": _volume_stays_as_it_is,
    "slices are refused": _slices_are_refused,
}
OF_TEXTS: Final[Rules] = {
    "texts become float32 unit rows, awkward ones too": _of_words(_texts_are_unit_rows),
    "a text's row does not depend on the others": _of_words(_texts_are_independent),
    "different texts become different rows": _of_words(_texts_are_told_apart),
    "a text longer than the context has a row": _of_words(_long_texts_are_read),
    "what is no list of texts is refused": _of_words(_wrong_texts_are_refused),
}


def _slices(encoder: Encoder, count: int | None = None) -> NDArray[np.uint8]:
    """Return noise and, at the odd places, bright squares, `(batch_size, 3, S, S)` or `count` of them."""
    size, wanted = encoder.spec.preprocess.size, max(2, encoder.batch_size) if count is None else count
    made = np.random.default_rng(17).integers(0, 256, (wanted, 3, *encoder.spec.preprocess.shape), dtype=np.uint8)
    for number in range(1, wanted, 2):
        made[number] = 0
        made[number, :, size // 4 : size // 4 + 1 + size * (number % 5 + 1) // 12, size // 3 : size // 3 * 2 + 1] = 200
    return made[: encoder.batch_size] if count is None else made


def _check_rows(rows: Rows, count: int, encoder: Encoder) -> None:
    wanted = (count, encoder.spec.dim)
    _require(rows.shape == wanted and rows.dtype == np.float32, f"{rows.dtype} {rows.shape}, not float32 {wanted}")
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    off = float(np.abs(lengths - 1).max(initial=0)) if np.isfinite(lengths).all() else math.inf
    _require(off <= _UNIT, f"a row is {off:.2g} off unit length")


def _check_same(rows: Rows, others: Rows, what: str) -> None:
    off = float(np.abs(rows.astype(np.float64) - others).max(initial=0))
    _require(off <= _SAME, f"{what} gives values up to {off:.2g} off")


def _check_refused(call: Callable[[], object], what: str) -> None:
    try:
        call()
    except _REFUSALS:
        return
    raise _BrokenError(f"{what} is taken and not refused")
