"""The floor under `similar` on real images: how often it says "nothing close enough", with a relative and without.

    python -m benchmarks.retrieval_floor --photographs FOLDER... [--cache FOLDER]

With a relative: val images of each of eleven kinds, asked of an index of train images of all kinds, other patients'.
Without: the same images asked of an index of all other kinds; and of the whole index photographs, said to be of each
kind. Of those with a relative also: how many of ten cases asked for are shown, and how many of them are of another
kind (each with its mark). `--choose` does the same with two halves of train, by patient: nothing is chosen on val.
JSON to stdout.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.out_of_domain import PHOTOGRAPHS
from benchmarks.real_vectors import Image, asked_for, images_of, kinds_of, other_pictures, query_of, write_index
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.engine import Engine
from radseek.retrieval.index.closeness import FEWEST

_K = 10


def answers(engine: Engine, images: Sequence[Image], kind: tuple[str, str]) -> dict[str, Any]:
    """Ask with images said to be of a kind; return what is shown."""
    found = [engine.similar(query_of(one, kind), _K) for one in images]
    shown = [len(one.results) for one in found]
    return {
        "asked": len(found),
        "nothing": float(np.mean([one.nothing_close_enough is not None for one in found])),
        "shown": float(np.mean(shown)),
        "of another kind": sum(row.other_kind is True for one in found for row in one.results) / max(sum(shown), 1),
    }


def measured(
    kept: Sequence[Image], asked: Sequence[Image], others: Sequence[Image], encoder: Encoder, folder: Path
) -> list[dict[str, Any]]:
    """Return a row for each kind that the index has enough patients of."""
    rows = []
    with write_index(folder / "all.index", kept, encoder) as store:
        engine = Engine(encoder, store)
        for number, kind in enumerate(kinds_of(kept)):
            within = [one for one in asked if one.kind == kind]
            if not within or len({one.group for one in kept if one.kind == kind}) < FEWEST:
                continue
            rest = [one for one in kept if one.kind != kind]
            photographs = [one for one in others if one.kind[0] == kind[0] and one.view == within[0].view]
            with write_index(folder / f"{number}.index", rest, encoder) as without:
                rows.append(
                    {
                        "kind": " ".join(kind),
                        "with a relative": answers(engine, within, kind),
                        "without": answers(Engine(encoder, without), within, kind),
                        "photographs": answers(engine, photographs, kind),
                    }
                )
    return rows


def main() -> None:
    """Print all rows."""
    given = asked_for(__doc__)
    encoder = load_encoder("builtin")
    train = [one for one in images_of(given.root, "train", encoder, given.cache) if one.what == "plain"]
    others = other_pictures([PHOTOGRAPHS, *given.photographs], encoder, given.cache)
    others = [one for one in others if one.what.startswith("photograph")]
    kept, asked = train, train
    if given.choose:
        groups = sorted({one.group for one in train})
        half = set(np.random.default_rng(0).permutation(groups)[: len(groups) // 2].tolist())
        kept, asked = [one for one in train if one.group in half], [one for one in train if one.group not in half]
    else:
        asked = [one for one in images_of(given.root, "val", encoder, given.cache) if one.what == "plain"]
    with tempfile.TemporaryDirectory() as folder:
        rows = measured(kept, asked, others, encoder, Path(folder))
    out: dict[str, Any] = {"encoder": encoder.spec.towers_hash}
    for name in ("with a relative", "without", "photographs"):
        shares = [row[name]["nothing"] for row in rows]
        counts = [row[name]["asked"] for row in rows]
        out[name] = {
            "asked": sum(counts),
            "nothing close enough": round(float(np.average(shares, weights=counts)), 3),
            "mean of kinds": round(float(np.mean(shares)), 3),
            "least": round(min(shares), 3),
            "most": round(max(shares), 3),
        }
    print(json.dumps({**out, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
