"""The imaging recipe that a checkpoint folder brings, in `imaging_recipe.json`; without the file it is our own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from radseek.retrieval.encoders.checkpoint import read_json
from radseek.retrieval.encoders.spec import recipe_from_json
from radseek.retrieval.errors import EncoderError
from radseek.retrieval.types import OUR_RECIPE, ImagingRecipe

__all__ = ["RECIPE_FILE", "folder_recipe"]

RECIPE_FILE: Final = "imaging_recipe.json"


def folder_recipe(folder: Path, *, volumes: bool = False) -> ImagingRecipe:
    """Return a folder's imaging recipe. `volumes`: whether its towers read volumes.

    Raises `EncoderError`, naming the file, where it is malformed or of the other kind of towers.
    """
    path = folder / RECIPE_FILE
    if not path.is_file():
        return OUR_RECIPE
    try:
        recipe = recipe_from_json(read_json(path))
    except (KeyError, TypeError, ValueError) as error:
        raise EncoderError(
            f"{path} is malformed ({error}); it may hold ct_channels (three ranges of HU), max_gap_mm and max_slices."
        ) from error
    if (recipe.volume is not None) != volumes:
        raise EncoderError(
            f"{path} asks for {'slices' if volumes else 'volumes'}, and these towers read the other; correct that file."
        )
    return recipe
