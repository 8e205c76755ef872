"""A timm folder to an `Encoder` of images alone. Importing this takes torch's seconds.

The model is made by timm's own factory without weights, so that nothing is looked for elsewhere, and is given those in
the folder, all of them but the classifier's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from radseek.retrieval.encoders.folder_encoder import folder_encoder
from radseek.retrieval.encoders.images_alone import ImagesAlone, PooledTrunk
from radseek.retrieval.encoders.local_only import offline
from radseek.retrieval.encoders.open_clip_import import compiler_later
from radseek.retrieval.encoders.open_clip_model import first_line
from radseek.retrieval.encoders.timm_checkpoint import TimmCheckpoint, read_timm, timm_parts
from radseek.retrieval.encoders.tower_encoder import TowerEncoder
from radseek.retrieval.errors import EncoderError

__all__ = ["load_timm"]

_FAILURES = (TypeError, ValueError, KeyError, RuntimeError, AssertionError, AttributeError, IndexError)


def load_timm(folder: Path, name: str, precision: str, device: str) -> TowerEncoder:
    """Load a timm folder. Raises what `load_encoder` does."""
    checkpoint = read_timm(folder)
    parts = timm_parts(checkpoint, precision)
    with offline(), compiler_later():
        trunk = _trunk(checkpoint)
    return folder_encoder(
        folder,
        name,
        ImagesAlone(PooledTrunk(trunk)).eval(),
        None,
        dim=int(getattr(trunk, "head_hidden_size", trunk.num_features)),
        preprocess=checkpoint.preprocess,
        parts=parts,
        precision=precision,
        device=device,
    )


def _trunk(checkpoint: TimmCheckpoint) -> Any:
    import timm

    try:
        with torch.random.fork_rng(devices=[]):  # what is drawn here is replaced by the weights
            model = timm.create_model(
                checkpoint.architecture, pretrained=False, num_classes=0, **checkpoint.arguments
            ).float()
    except _FAILURES as error:
        raise EncoderError(
            f"{checkpoint.folder}: timm cannot build the architecture of its config.json: {first_line(error)}"
        ) from error
    _check_size(checkpoint, model)
    names = {*checkpoint.classifier, *_named(model.pretrained_cfg.get("classifier"))}
    try:
        state = load_file(checkpoint.weights)
        known = set(model.state_dict())
        kept = {key: value for key, value in state.items() if key in known or not _is_within(key, names)}
        model.load_state_dict(kept, strict=True)
    except (RuntimeError, SafetensorError, KeyError, OSError) as error:
        raise EncoderError(
            f"{checkpoint.weights} does not fit the architecture that config.json names: {first_line(error)} "
            "Weights and configuration must come from the same model."
        ) from error
    return model.eval().requires_grad_(False)


def _check_size(checkpoint: TimmCheckpoint, model: Any) -> None:
    embed, size = getattr(model, "patch_embed", None), checkpoint.preprocess.size
    sides = getattr(embed, "img_size", None)
    if getattr(embed, "strict_img_size", False) and sides is not None and tuple(sides) != (size, size):
        raise EncoderError(
            f"{checkpoint.folder}: pictures of {size} pixels do not fit the tower's img_size {sides}; "
            "copy the folder again from where the model was published."
        )


def _named(classifier: Any) -> tuple[str, ...]:
    return (classifier,) if isinstance(classifier, str) else tuple(classifier or ())


def _is_within(key: str, layers: set[str]) -> bool:
    return any(key.startswith(f"{layer}.") for layer in layers)
