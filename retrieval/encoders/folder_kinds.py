"""What kinds of checkpoint folder there are: how each is told, checked and loaded. A new kind is one more line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from radseek.retrieval.encoders.biovil_checkpoint import BIOVIL_IMAGES, is_biovil_folder, read_biovil
from radseek.retrieval.encoders.checkpoint import WEIGHTS, read_checkpoint
from radseek.retrieval.encoders.chexficient_checkpoint import is_chexficient_folder, read_chexficient
from radseek.retrieval.encoders.colipri_checkpoint import is_colipri_folder, read_colipri
from radseek.retrieval.encoders.hlip_checkpoint import is_hlip_folder, read_hlip
from radseek.retrieval.encoders.medclip_checkpoint import is_medclip_folder, read_medclip
from radseek.retrieval.encoders.merlin_checkpoint import is_merlin_folder, read_merlin
from radseek.retrieval.encoders.timm_checkpoint import is_timm_folder, read_timm
from radseek.retrieval.encoders.transformers_checkpoint import (
    TRANSFORMERS_WEIGHTS,
    is_transformers_folder,
    read_transformers,
)

if TYPE_CHECKING:
    from radseek.retrieval.encoders.encoder import Encoder

__all__ = ["FolderKind", "kind_of"]


@dataclass(frozen=True, slots=True)
class FolderKind:
    """`holds` tells a folder of this kind, `check` reads it and raises what is wrong with it, without torch.

    `weights`: what its weights may be called; `loader`: `module:function`, imported late, as torch takes seconds.
    `more_weights`: names, without suffix, of further weights that may lie beside them; `settings`: files of this kind
    alone, by which it is told.
    """

    holds: Callable[[Path], bool]
    check: Callable[[Path], object]
    weights: tuple[str, ...]
    loader: str
    more_weights: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()

    def load(self, folder: Path, name: str, precision: str, device: str) -> Encoder:
        """Load a folder of this kind. Raises what `load_encoder` does."""
        module, _, function = self.loader.partition(":")
        encoder: Encoder = getattr(import_module(f"radseek.retrieval.encoders.{module}"), function)(
            folder, name, precision, device
        )
        return encoder


_KINDS: Final = (
    FolderKind(
        is_transformers_folder, read_transformers, (TRANSFORMERS_WEIGHTS,), "transformers_loading:load_transformers"
    ),
    FolderKind(
        is_colipri_folder,
        read_colipri,
        (TRANSFORMERS_WEIGHTS,),
        "colipri_loading:load_colipri",
        settings=("colipri_config.json",),
    ),
    FolderKind(is_hlip_folder, read_hlip, (TRANSFORMERS_WEIGHTS,), "hlip_loading:load_hlip"),
    FolderKind(
        is_merlin_folder,
        read_merlin,
        (TRANSFORMERS_WEIGHTS,),
        "merlin_loading:load_merlin",
        settings=("merlin_config.json",),
    ),
    FolderKind(
        is_medclip_folder,
        read_medclip,
        (TRANSFORMERS_WEIGHTS,),
        "medclip_loading:load_medclip",
        settings=("medclip_config.json",),
    ),
    FolderKind(
        is_chexficient_folder,
        read_chexficient,
        (TRANSFORMERS_WEIGHTS,),
        "chexficient_loading:load_chexficient",
        settings=("chexficient_config.json",),
    ),
    FolderKind(
        is_biovil_folder, read_biovil, (TRANSFORMERS_WEIGHTS,), "biovil_loading:load_biovil", tuple(BIOVIL_IMAGES)
    ),
    FolderKind(is_timm_folder, read_timm, (TRANSFORMERS_WEIGHTS,), "timm_loading:load_timm"),
)
_OPEN_CLIP: Final = FolderKind(lambda folder: True, read_checkpoint, WEIGHTS, "open_clip_loading:load_folder")


def kind_of(folder: Path) -> FolderKind:
    """Return the kind that a folder is of; one that none tells is open_clip's, whose check says what it lacks."""
    return next((kind for kind in _KINDS if kind.holds(folder)), _OPEN_CLIP)
