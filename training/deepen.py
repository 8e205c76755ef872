"""Go on from a finished run with more of the image tower: `python -m training.deepen RECIPE --warm RUN --run RUN`.

The recipe's `[deepen]` part: fewer frozen stages, every batch augmented afresh, no stored activations. Slower a step
than `training.run`, and what brings small and weak signs that the published early stages do not pass on.
"""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.activations import _sets, _spread
from training.augment import augment
from training.halves import End, as_input, put_back, start_of, stored
from training.image_phase import train_end
from training.images import ImageSet, join
from training.measures import Choosing
from training.run import Log, bank_of, build

__all__ = ["main"]


def split(sets: list[tuple[str, Any]]) -> tuple[ImageSet, ImageSet]:
    """Return the rows that are fitted, and an even choice of at most 300 a set of those that choose."""
    fitted, chosen = [], []
    for _, load in sets:
        data = load()
        fitted.append(data.take(np.flatnonzero(~data.choose)))
        rows = np.flatnonzero(data.choose)
        chosen.append(data.take(rows[_spread(rows)]))
    return join(fitted), join(chosen)


def main() -> None:
    """Train, and keep the running average of the weights as the run's model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--warm", type=Path, required=True, help="a finished run to go on from")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    recipe = tomllib.loads(chosen.recipe.read_text())
    settings = recipe["deepen"]
    chosen.run.mkdir(parents=True, exist_ok=True)
    for name in ("text.pt", "sentences.pt"):  # the text tower is finished
        if not (chosen.run / name).exists():
            (chosen.run / name).write_bytes((chosen.warm / name).read_bytes())
    log = Log(chosen.run / "log.jsonl")
    model, sentences, single, meanings = build(recipe, chosen.run, log)
    model.load_state_dict(torch.load(chosen.warm / "model.pt", weights_only=True))
    data, held_out = split(_sets(recipe, meanings.concepts, real=True, phantoms=True))
    log(phase="data", fitted=len(data.pixels), choose=len(held_out.pixels))
    fitted = bank_of(sentences, single, meanings, held=False, each=40)
    held = bank_of(sentences, single, meanings, held=True, each=12)
    torch.manual_seed(settings["seed"])
    start = start_of(model.visual, settings["frozen"]).to(memory_format=torch.channels_last)
    check = Choosing(held_out, stored(start, held_out.pixels, None), held, meanings)
    pixels = torch.from_numpy(data.pixels)

    def views(rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            return start(as_input(augment(pixels[rows], generator)))

    end = End(model.visual, settings["frozen"])
    put_back(
        model.visual, train_end(end, model.logit_scale, data, views, fitted, settings, log, check), settings["frozen"]
    )
    torch.save(model.state_dict(), chosen.run / "model.pt")


if __name__ == "__main__":
    main()
