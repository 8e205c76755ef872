"""Make the built-in encoder: `python -m training.run training/builtin.toml [--run DIR] [--part NAME --warm RUN]`.

Stages leave their results in the run's folder (not committed) and are not repeated where those exist:
tokenizer and text tower, image tower. `training.export` then writes the folder.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from tokenizers import Tokenizer

from radseek.prompts.catalogue import list_sets, load_set
from training import measures
from training.captions import Caption, compose, load_words, single_captions
from training.halves import start_of, stored
from training.image_phase import REAL, train_image_tower
from training.images import KINDS, SEQUENCES, WINDOWS, ImageSet, check_data, join, load_real
from training.labels import Meanings, meanings_of
from training.losses import Bank
from training.phantom_cache import FOCAL, PREPROCESS, load_shard
from training.start import build_model, minilm_folder, model_config
from training.teacher import Teacher
from training.text_phase import Sentences, train_projection
from training.vocabulary import cut_vocabulary, dicom_terms, write_tokenizer

__all__ = ["Log", "bank_of", "build", "captions_of", "catalogue_prompts", "main"]

HERE = Path(__file__).parent
MOST_CHOOSING = 600


class Log:
    """One JSON line a call, to a file and to stderr, with the seconds since the start."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("a", encoding="utf-8")
        self.start = time.monotonic()

    def __call__(self, **values: Any) -> None:
        rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()}
        line = json.dumps({"seconds": round(time.monotonic() - self.start), **rounded})
        self.file.write(line + "\n")
        self.file.flush()
        print(line, file=sys.stderr, flush=True)


def catalogue_prompts() -> set[str]:
    """Return every sentence of the catalogue, present and absent: what no caption may equal."""
    return {text for name in list_sets() for f in load_set(name).findings for text in (*f.present, *f.absent)}


def captions_of(recipe: dict[str, Any]) -> tuple[list[Caption], list[Caption]]:
    """Return the single and the composed captions of a recipe."""
    words, seed, banned = load_words(), recipe["captions"]["seed"], catalogue_prompts()
    single = single_captions(words, seed, banned)
    regions = {name: entry["region"] for name, entry in words.concepts.items()}
    return single, compose(single, recipe["captions"]["composed"], seed + 1, regions, banned)


def build(recipe: dict[str, Any], run: Path, log: Log) -> tuple[Any, Sentences, list[Caption], Meanings]:
    """Return model, sentence vectors, single captions and meanings, with the text tower trained (or read back)."""
    meanings = meanings_of(load_words())
    single, composed = captions_of(recipe)
    shape = recipe["model"]
    source = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    pieces = cut_vocabulary(source, [c.text for c in single] + dicom_terms(), shape["vocabulary"])
    write_tokenizer(minilm_folder(), pieces, run, shape["context"])
    config = model_config(shape["dim"], shape["size"], shape["context"])
    (run / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n")
    torch.manual_seed(recipe["text"]["seed"])
    model = build_model(run, pieces, config)
    tokenizer = open_clip.tokenizer.HFTokenizer(str(run), context_length=shape["context"])
    sentences = Sentences(run / "sentences.pt", model.text, tokenizer)
    kept = run / "text.pt"
    if kept.exists():
        model.text.load_state_dict(torch.load(kept, weights_only=True))
    else:
        captions = [c for c in (*single, *composed) if not c.held]
        vectors = sentences.vectors([c.text for c in captions])
        log(phase="text", captions=len(captions))
        train_projection(model.text, captions, vectors, meanings, recipe["text"], log)
        torch.save(model.text.state_dict(), kept)
    log(phase="text", **measures.unseen_wording(sentences, single, meanings))
    return model, sentences, single, meanings


def bank_of(sentences: Sentences, single: list[Caption], meanings: Meanings, *, held: bool, each: int) -> Bank:
    """Return `each` caption vectors a concept and state, of fitted or of held-out wording."""
    states = ("absent", "present")
    lists = {
        (c, s): [k.text for k in single if k.states[0] == (c, s) and k.held == held]
        for c in meanings.concepts
        for s in states
    }
    texts = [lists[c, s][i % len(lists[c, s])] for s in states for c in meanings.concepts for i in range(each)]
    vectors = sentences.embed(texts)
    return Bank(vectors.view(2, len(meanings.concepts), each, -1))


def root_of(recipe: dict[str, Any]) -> Path:
    """Return where the recipe's real images lie."""
    return (HERE.parent / str(recipe["data"]["root"])).resolve()


def load_images(recipe: dict[str, Any], concepts: tuple[str, ...]) -> tuple[ImageSet, ImageSet]:
    """Return the rows that are fitted, and an even choice of at most MOST_CHOOSING a set of those that choose."""
    root = root_of(recipe)
    sets = [load_real(root, folder, "train", concepts, PREPROCESS) for folder in REAL]
    shards = [load_shard(p, concepts) for p in sorted((HERE / "cache").glob("*_[0-9][0-9][0-9].npz"))]
    data = join([*sets, *shards])
    source, choosing = np.array(data.source), []
    for name in sorted(set(data.source)):
        rows = np.flatnonzero(data.choose & (source == name))
        choosing.append(rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_CHOOSING)).astype(int))])
    return data.take(np.flatnonzero(~data.choose)), data.take(np.concatenate(choosing))


def columns_of(concepts: tuple[str, ...]) -> dict[str, list[int]]:
    """Return the columns of findings to look for, and of those with lesion cells."""
    kinds = {*KINDS, *WINDOWS, *SEQUENCES, "contrast_enhanced"}
    return {
        "findings": [i for i, name in enumerate(concepts) if name not in kinds],
        "focal": [concepts.index(name) for name in FOCAL],
    }


def main() -> None:
    """Run the stages; see the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--run", type=Path, default=HERE / "runs" / "builtin")
    parser.add_argument("--part", default="image", choices=("image", "second", "third", "fourth"), help="of the recipe")
    parser.add_argument("--warm", type=Path, help="a finished run to go on from: what all but image do")
    parser.add_argument("--teacher", type=Path, help="an encoder folder that real images stay near to")
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    if (chosen.part == "image") == bool(chosen.warm):
        parser.error("every part but image goes on from a finished run: give it as --warm; image starts anew")
    torch.set_num_threads(chosen.threads)
    recipe = tomllib.loads(chosen.recipe.read_text())
    check_data(root_of(recipe), {name: recipe["data"][name] for name in REAL})
    settings = recipe[chosen.part]
    chosen.run.mkdir(parents=True, exist_ok=True)
    log = Log(chosen.run / "log.jsonl")
    model, sentences, single, meanings = build(recipe, chosen.run, log)
    with torch.no_grad():
        model.logit_scale.fill_(float(np.log(recipe["image"]["start_scale"])))
    if chosen.warm:
        model.load_state_dict(torch.load(chosen.warm / "model.pt", weights_only=True))
    data, choosing = load_images(recipe, meanings.concepts)
    log(phase="data", fitted=len(data.pixels), choose=len(choosing.pixels), lesions=sum(map(len, data.covered)))
    fitted = bank_of(sentences, single, meanings, held=False, each=40)
    held = bank_of(sentences, single, meanings, held=True, each=12)
    torch.manual_seed(settings["seed"])
    start = start_of(model.visual, settings["frozen"]).to(memory_format=torch.channels_last)
    check = measures.Choosing(choosing, stored(start, choosing.pixels), held, meanings)
    columns = columns_of(meanings.concepts)
    sought = settings.get("sought", {})
    settings |= {"sought": {source: list(map(meanings.concepts.index, names)) for source, names in sought.items()}}
    teacher = Teacher(chosen.teacher) if chosen.teacher else None
    latest = chosen.run / "latest.pt"
    train_image_tower(
        model.visual, model.logit_scale, data, columns, fitted, settings, log, check, latest, teacher=teacher
    )
    torch.save(model.state_dict(), chosen.run / "model.pt")


if __name__ == "__main__":
    main()
