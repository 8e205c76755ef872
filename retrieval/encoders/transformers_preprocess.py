"""What an image processor of transformers does to a picture, as our `Preprocess`; what it cannot say is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from radseek.retrieval.encoders.spec import Preprocess
from radseek.retrieval.errors import EncoderError

__all__ = ["read_preprocess"]

_CLIP_MEAN, _CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_HALF: Final = (0.5, 0.5, 0.5)
_SHORT: Final = {"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}, "do_center_crop": True}
_SQUARE: Final = {"size": {"height": 224, "width": 224}, "do_center_crop": False}
# What each processor does where its file says nothing (transformers' own class attributes).
_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "CLIP": {**_SHORT, "resample": 3, "image_mean": _CLIP_MEAN, "image_std": _CLIP_STD},
    "Siglip": {**_SQUARE, "resample": 3, "image_mean": _HALF, "image_std": _HALF},
    "Bit": {**_SHORT, "resample": 3, "image_mean": _CLIP_MEAN, "image_std": _CLIP_STD},
    "ViT": {**_SQUARE, "resample": 2, "image_mean": _HALF, "image_std": _HALF},
}
_SUFFIXES: Final = ("Fast", "Pil", "ImageProcessor", "FeatureExtractor")
_RESAMPLE: Final[dict[int, Literal["bilinear", "bicubic"]]] = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers


def read_preprocess(path: Path, config: Mapping[str, Any], vision: Mapping[str, Any]) -> Preprocess:
    """Return what the image processor's configuration, read from `path`, does to a picture.

    `vision` is the image tower's configuration; one of type `dinov2` takes any size of whole patches. Raises
    `EncoderError`, naming the value, for a processor that is not known or a step that is not ours, and where the
    picture does not fit the tower.
    """
    named = config.get("image_processor_type") or config.get("feature_extractor_type") or "CLIPImageProcessor"
    kind = str(named)
    for suffix in _SUFFIXES:
        kind = kind.removesuffix(suffix)
    if kind not in _DEFAULTS:
        known = ", ".join(f"{one}ImageProcessor" for one in _DEFAULTS)
        raise EncoderError(f"{path}: image_processor_type '{named}' is not known; known: {known}.")
    given = {**_DEFAULTS[kind], **{key: value for key, value in config.items() if value is not None}}
    try:
        mode, size, side = _shape(path, given)
        mean, std = _normalisation(path, given)
        interpolation = _RESAMPLE.get(given["resample"])
    except (TypeError, ValueError, KeyError) as error:
        raise EncoderError(f"{path} holds a value that an image processor cannot have ({error!r}).") from error
    if interpolation is None:
        raise EncoderError(
            f"{path}: resample {given['resample']} is not read; 2 (bilinear) and 3 (bicubic) are. "
            "Take a model of those."
        )
    _check_tower(path, size, vision)
    resize = None if side == size else side
    return Preprocess(size=size, resize_mode=mode, interpolation=interpolation, mean=mean, std=std, resize=resize)


def _shape(path: Path, given: Mapping[str, Any]) -> tuple[Literal["shortest_floor", "squash"], int, int]:
    """Return the mode, the input's side, and the side that is resized to before the crop."""
    for step in ("do_resize", "do_rescale"):
        if given.get(step, True) is not True:
            raise EncoderError(f"{path}: {step} must be true; a slice is resized, and its values are scaled once.")
    if given.get("do_pad"):
        raise EncoderError(
            f"{path}: do_pad is not read; pictures are resized and cropped; take a model that does without."
        )
    size, crop = given["size"], given.get("crop_size")
    size = {"shortest_edge": size} if isinstance(size, int) and given["do_center_crop"] else size
    if given["do_center_crop"]:
        square, short = _square(path, "crop_size", crop), size.get("shortest_edge")
        side = _square(path, "size", size if short is None else short)
        if side < square or (short is not None and len(size) > 1):
            raise EncoderError(f"{path}: a crop of {square} after a resize to {size} is not read; it must not be less.")
        return ("squash" if short is None else "shortest_floor"), square, side
    square = _square(path, "size", size)
    return "squash", square, square


def _square(path: Path, name: str, value: Any) -> int:
    sides = [value, value] if isinstance(value, int) else [value.get("height"), value.get("width")]
    if sides[0] != sides[1] or not isinstance(sides[0], int) or sides[0] < 1:
        raise EncoderError(f"{path}: {name} {value} is not one whole number of pixels; only square input is read.")
    return sides[0]


def _normalisation(path: Path, given: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation on the scale of 0 to 1, whatever factor the file scales by."""
    factor = 255.0 * float(given.get("rescale_factor", 1 / 255))
    if not factor > 0:
        raise EncoderError(
            f"{path}: rescale_factor {given['rescale_factor']} is not above 0; write the one that it was trained with."
        )
    plain = given.get("do_normalize", True) is not True
    mean = _three(0.0 if plain else given["image_mean"], factor)
    std = _three(1.0 if plain else given["image_std"], factor)
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
        raise EncoderError(f"{path}: image_mean and image_std need three numbers each, image_std above 0.")
    return mean, std


def _three(value: Any, factor: float) -> tuple[float, ...]:
    numbers = [value] * 3 if isinstance(value, int | float) else list(value)
    # A factor of 1/255 is written with rounding; dividing by 1.0000000000000002 would change an identity for nothing.
    return tuple(float(one) if abs(factor - 1) < 1e-9 else float(one) / factor for one in numbers)


def _check_tower(path: Path, size: int, vision: Mapping[str, Any]) -> None:
    if str(vision.get("model_type", "")).startswith("dinov2"):  # it interpolates its positions
        patch = vision.get("patch_size", 16)
        if not isinstance(patch, int) or patch < 1 or size % patch:
            raise EncoderError(
                f"{path}: pictures of {size} pixels are not whole patches of {patch}; "
                "copy the folder again from where the model was published."
            )
        return
    side = vision.get("image_size", 224)
    sides = list(side) if isinstance(side, list | tuple) else [side, side]
    if sides != [size, size]:
        raise EncoderError(
            f"{path}: pictures of {size} pixels do not fit the image tower's image_size {side}; "
            "copy the folder again from where the model was published."
        )
