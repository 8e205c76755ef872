"""Make the generalist: `python -m training.general_run training/builtin.toml [--run DIR] [--steps N]`.

On from the weights that shipped before (`--from`, a folder as it was exported): words, then images, then words again
over the images' vectors. Stages leave their results in the run's folder and are not repeated; `training.general_export`
writes the encoder.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from training import measures
from training.captions import Caption, load_words
from training.generalist import Copies, Worst, make_copies, train_generalist
from training.halves import End, start_of, stored
from training.image_phase import encode_stored
from training.images import KINDS, SEQUENCES, WINDOWS, ImageSet, check_data, join
from training.labels import Meanings, meanings_of
from training.phantom_cache import FOCAL, load_shard
from training.real_sets import REAL_KINDS, load_rows
from training.run import Log, bank_of, captions_of, root_of
from training.start import build_model, minilm_folder, model_config
from training.text_phase import Sentences
from training.vocabulary import cut_vocabulary, dicom_terms, write_tokenizer
from training.word_tuning import Seen, nothing_vectors, source_questions, tune_words

__all__ = ["choose_soup", "columns_of", "images_of", "main", "warm_model"]

HERE = Path(__file__).parent
SHIPPED = HERE.parent / "retrieval" / "encoders" / "builtin"
FOLDERS = ("cxr_nih", "brain_mr", "real_many")
SOUPS = (0.7, 0.85, 1.0)  # shares of the new weights
MOST_CHOOSING = 80  # rows a source
NOT_FINDINGS = {*KINDS, *WINDOWS, *SEQUENCES, *REAL_KINDS, "contrast_enhanced"}


def warm_model(shipped: Path, recipe: dict[str, Any], run: Path, texts: list[str]) -> tuple[Any, Sentences]:
    """Return the model with the shipped image tower and projections, its vocabulary cut anew for `texts`."""
    shape = recipe["model"]
    source = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    pieces = cut_vocabulary(source, texts + dicom_terms(), recipe["generalist"]["vocabulary"])
    write_tokenizer(minilm_folder(), pieces, run, shape["context"])
    config = model_config(shape["dim"], shape["size"], shape["context"])
    (run / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n")
    model = build_model(run, pieces, config)
    old = load_file(shipped / "open_clip_model.safetensors")
    kept = {k: v.float() if v.dtype.is_floating_point else v for k, v in old.items()}
    wanted = {k: v for k, v in kept.items() if k.startswith(("visual.", "text.proj.", "logit_scale"))}
    missing = [k for k in model.load_state_dict(wanted, strict=False).missing_keys if not k.startswith("text.tr")]
    if missing:
        raise ValueError(f"{shipped} lacks {missing[:3]}; give the folder of an exported version with --from")
    tokenizer = open_clip.tokenizer.HFTokenizer(str(run), context_length=shape["context"])
    return model, Sentences(run / "sentences.pt", model.text, tokenizer)


def images_of(recipe: dict[str, Any], concepts: tuple[str, ...]) -> tuple[ImageSet, ImageSet]:
    """Return the rows that are fitted and those that choose: real ones with their modality stated, phantoms in part."""
    real = load_rows(root_of(recipe), "train", concepts, HERE / "cache")
    shards = [load_shard(p, concepts) for p in sorted((HERE / "cache").glob("*_[0-9][0-9][0-9].npz"))]
    data = join([real, *shards])
    source, stated = np.array(data.source), np.array(data.view) != "picture"
    choosing = []
    for name in sorted(set(data.source)):
        rows = np.flatnonzero(data.choose & (source == name) & stated)
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_CHOOSING)).astype(int))]
        choosing.append(rows)
    return data.take(np.flatnonzero(~data.choose)), data.take(np.concatenate(choosing).astype(np.intp))


def old_places(shipped: Path, captions: list[Caption]) -> dict[str, Tensor]:
    """Return where the shipped text tower puts the captions of concepts that it knew."""
    from radseek.retrieval.encoders.load_encoder import load_encoder

    texts = [c.text for c in captions if len(c.states) == 1 and not c.states[0][0].startswith("general:")]
    return dict(zip(texts, torch.from_numpy(load_encoder(str(shipped)).encode_texts(texts)).float(), strict=True))


def columns_of(concepts: tuple[str, ...]) -> dict[str, list[int]]:
    """Return the columns of findings to look for, and of those with lesion cells."""
    return {
        "findings": [i for i, name in enumerate(concepts) if name not in NOT_FINDINGS],
        "focal": [concepts.index(name) for name in FOCAL],
    }


def _kept_copies(path: Path, make: Callable[[], Copies]) -> Copies:
    if path.exists():
        kept = torch.load(path, weights_only=True)
        return Copies(kept["activations"], kept["rows"].numpy(), kept["share"])
    made = make()
    torch.save({"activations": made.activations, "rows": torch.from_numpy(made.rows), "share": made.share}, path)
    return made


def choose_soup(visual: torch.nn.Module, shipped: Path, frozen: int, check: Worst, log: Any) -> None:
    """Put into the tower the mixture of shipped and new weights that is best on the choosing fold: real, then drawn.

    A soup (Wortsman et al. 2022) forgets less than its last ingredient.
    """
    old = load_file(shipped / "open_clip_model.safetensors")
    first = {k.removeprefix("visual."): v.float() for k, v in old.items() if k.startswith("visual.")}
    last = {k: v.clone() for k, v in visual.state_dict().items()}
    found = []
    for share in SOUPS:
        mixed = {k: torch.lerp(first[k], v, share) if v.dtype.is_floating_point else v for k, v in last.items()}
        visual.load_state_dict(mixed)
        said = check(End(visual, frozen))
        log(phase="soup", share=share, **said)
        found.append((said["real_mean"] + said["kind"] + 2 * said["phantoms"], share, mixed))
    visual.load_state_dict(max(found, key=lambda one: one[0])[2])


def _seen(vectors: Tensor, data: ImageSet, meanings: Meanings) -> Seen:
    names = sorted(set(data.source))
    rows = {name: torch.from_numpy(np.flatnonzero(np.array(data.source) == name)) for name in names}
    asked = source_questions(data, meanings.concepts, sorted(NOT_FINDINGS))
    return Seen(vectors, torch.from_numpy(data.labels.astype(np.int64)), rows, asked)


def main() -> None:
    """Run the stages; see the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--run", type=Path, default=HERE / "runs" / "generalist")
    parser.add_argument("--from", dest="shipped", type=Path, default=SHIPPED)
    parser.add_argument("--steps", type=int, help="of the images, instead of the recipe's")
    parser.add_argument("--without", nargs="*", default=[], help="sources left out, to measure transfer")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    recipe = tomllib.loads(chosen.recipe.read_text())
    check_data(root_of(recipe), {name: recipe["data"][name] for name in FOLDERS})
    chosen.run.mkdir(parents=True, exist_ok=True)
    log = Log(chosen.run / "log.jsonl")
    words = load_words()
    meanings = meanings_of(words)
    single, composed = captions_of(recipe)
    fitted = [c for c in (*single, *composed) if not c.held]
    model, sentences = warm_model(chosen.shipped, recipe, chosen.run, [c.text for c in single] + list(words.nothing))
    nothing = nothing_vectors(sentences, words.nothing)
    path = chosen.run / "text.pt"
    if path.exists():
        model.text.load_state_dict(torch.load(path, weights_only=True))
    else:
        known = recipe["words"]["known"]
        places = old_places(chosen.shipped, [c for c in fitted if c.states[0][0] in known])
        tune_words(model.text, sentences, fitted, places, nothing, meanings, recipe["words"], log)
        torch.save(model.text.state_dict(), path)
    log(phase="words", **measures.unseen_wording(sentences, single, meanings))
    data, choosing = images_of(recipe, meanings.concepts)
    log(phase="data", fitted=len(data.pixels), choose=len(choosing.pixels))
    held = bank_of(sentences, single, meanings, held=True, each=12)
    settings = recipe["generalist"] | ({"steps": chosen.steps} if chosen.steps else {})
    torch.manual_seed(settings["seed"])
    start = start_of(model.visual, settings["frozen"]).to(memory_format=torch.channels_last)
    path = chosen.run / "choosing.pt"
    if not path.exists():
        torch.save(stored(start, choosing.pixels), path)
    asked = np.flatnonzero(~np.isin(choosing.source, chosen.without))
    choosing = choosing.take(asked)
    check = Worst(choosing, torch.load(path, weights_only=True)[asked], held, meanings.concepts)
    columns = columns_of(meanings.concepts)
    copies = _kept_copies(chosen.run / "copies.pt", lambda: make_copies(start, data, columns["focal"], settings, log))
    copies = copies.without(data, chosen.without)
    path = chosen.run / "visual.pt"
    if path.exists():
        model.visual.load_state_dict(torch.load(path, weights_only=True))
    else:
        sought = settings.get("sought", {})
        settings |= {"sought": {source: list(map(meanings.concepts.index, names)) for source, names in sought.items()}}
        bank = bank_of(sentences, single, meanings, held=False, each=40)
        latest = chosen.run / "latest.pt"
        train_generalist(model.visual, model.logit_scale, data, copies, columns, bank, settings, log, check, latest)
        torch.save(model.visual.state_dict(), path)
    choose_soup(model.visual, chosen.shipped, settings["frozen"], check, log)
    vectors = encode_stored(End(model.visual, settings["frozen"]), copies.activations)
    seen = _seen(vectors, data.take(copies.rows), meanings)
    places = dict(zip((c.text for c in fitted), sentences.embed([c.text for c in fitted]), strict=True))
    plain = {c.text for c in fitted if len(c.states) == 1 and not c.states[0][0].startswith("general:")}
    places = {text: place for text, place in places.items() if text in plain}
    after = recipe["words_after"]
    tune_words(model.text, sentences, fitted, places, nothing, meanings, after, log, seen)
    log(phase="words", **measures.unseen_wording(sentences, single, meanings))
    bank = bank_of(sentences, single, meanings, held=True, each=12)
    log(
        phase="done",
        **Worst(choosing, check.activations, bank, meanings.concepts)(End(model.visual, settings["frozen"])),
    )
    torch.save(model.state_dict(), chosen.run / "model.pt")


if __name__ == "__main__":
    main()
