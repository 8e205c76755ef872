"""How to pool a volume's slices: the adapter against the mean, the maximum and the top tenth, on held-out phantoms.

    python -m benchmarks.pooling_volumes                 # renders the volumes once, about 2 s each
    python -m benchmarks.pooling_table --model builtin [--save slice_pooling.safetensors]

The adapter is fitted on its own phantoms and stopped by others of them; the test phantoms are met once. Volumes of one
kind are ranked among themselves, and a study is a patient. Relevance is the share of true findings in common.

`max` and `top tenth` compare slices, not one vector a view: for a report the best slices' cosines, for two volumes
the best slices' best matches (over the query's slices), so they cost a search over all slices.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.pooling_volumes import KINDS, PhantomVolume, plan, volume
from radseek.index_builder.adapt.adapt_index import same_findings, split_patients
from radseek.index_builder.adapt.pooling_measures import Similarities, estimate, query_values, shared, similarities
from radseek.retrieval.encoders.encode_series import encode_padded
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.pooling.pooling_fit import Settings, fit_pooling
from radseek.retrieval.encoders.unit_rows import mean_pool
from radseek.retrieval.language.sentence_split import split_sentences

Embedded = list[tuple[str, np.ndarray]]  # a study's views: name and (N, D) float16


def embed(encoder: Any, folder: Path, part: str, count: int) -> tuple[list[PhantomVolume], list[Embedded], np.ndarray]:
    """Return volumes, their views' slice vectors (kept on disk by towers) and their report vectors."""
    volumes, studies, texts = [], [], []
    for kind, seed in plan(part, count):
        item = volume(folder, kind, seed, encoder.spec.preprocess)
        path = folder / encoder.spec.towers_hash[:16] / f"{kind}-{seed}.npy"
        if not path.is_file():
            path.parent.mkdir(exist_ok=True)
            np.save(path, encode_padded(encoder, np.repeat(item.slices[:, None], 3, axis=1)))
        rows = np.load(path)
        sentences = encoder.encode_texts(split_sentences(item.report)).astype(np.float64).mean(axis=0)
        texts.append(sentences / np.linalg.norm(sentences))
        volumes.append(item)
        studies.append([(name, rows[start:end]) for name, start, end in item.views])
    return volumes, studies, np.stack(texts).astype(np.float32)


def tenth(values: np.ndarray) -> float:
    """Return the mean of the largest tenth."""
    return float(np.sort(values)[-max(1, -(-len(values) // 10)) :].mean())


def by_slices(best: Callable[[np.ndarray], float], studies: Sequence[Embedded], texts: np.ndarray) -> Similarities:
    """Return the similarities where slices are compared and `best` says how their cosines become one."""
    whole = [{name: rows.astype(np.float32) for name, rows in study} for study in studies]
    even = [{name: rows[::2] for name, rows in study.items()} for study in whole]
    odd = [{name: rows[1::2] for name, rows in study.items()} for study in whole]

    def pair(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
        scores = [best((rows @ other[name].T).max(axis=1)) if name in other else 0.0 for name, rows in one.items()]
        return float(np.mean(scores))

    report = [[np.mean([best(rows @ text) for rows in study.values()]) for study in whole] for text in texts]
    return Similarities(
        np.array(report),
        np.array([[pair(one, other) for other in whole] for one in whole]),
        np.array([[pair(one, other) for other in odd] for one in even]),
    )


def values_by_kind(
    ways: dict[str, Callable[[Sequence[Embedded], np.ndarray], Similarities]],
    volumes: Sequence[PhantomVolume],
    studies: Sequence[Embedded],
    texts: np.ndarray,
) -> dict[str, dict[str, np.ndarray]]:
    """Return each way's value of each measure for each test study, every kind ranked among itself."""
    found: dict[str, dict[str, np.ndarray]] = {name: {} for name in ways}
    for kind in KINDS:
        rows = [i for i, item in enumerate(volumes) if item.kind == kind]
        present = [frozenset(name for name, there in volumes[i].labels.items() if there) for i in rows]
        for name, way in ways.items():
            values = query_values(way([studies[i] for i in rows], texts[rows]), shared(present))
            for measure, row in values.items():
                found[name].setdefault(measure, np.full(len(volumes), np.nan))[rows] = row
    return found


def table(found: dict[str, dict[str, np.ndarray]], volumes: Sequence[PhantomVolume]) -> str:
    """Return a Markdown table, all kinds and each, the best in bold, and the adapter's paired gain over the mean."""
    names = list(found)
    lines = [f"| measure | volumes | {' | '.join(names)} | adapter - mean |", "|---" * (len(names) + 3) + "|"]
    for measure in found["mean"]:
        for kind in ("all", *KINDS):
            rows = [i for i, item in enumerate(volumes) if kind in ("all", item.kind)]
            patients = [str(volumes[i].seed) for i in rows]
            each = {name: estimate(found[name][measure][rows], patients) for name in names}
            best = max(one.value for one in each.values())
            cells = [f"**{one}**" if one.value == best else str(one) for one in each.values()]
            gain = estimate(found["adapter"][measure][rows] - found["mean"][measure][rows], patients)
            lines.append(f"| {measure} | {kind} ({len(rows)}) | {' | '.join(cells)} | {gain} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/radseek-pooling"))
    parser.add_argument("--train", type=int, default=300)
    parser.add_argument("--test", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=Settings().rate)
    parser.add_argument("--save", type=Path, help="write the fitted adapter here")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    started = time.monotonic()
    encoder = load_encoder(chosen.model, device="cpu")
    train, studies, texts = embed(encoder, chosen.folder, "train", chosen.train)
    volumes, held, words = embed(encoder, chosen.folder, "test", chosen.test)
    encoded = time.monotonic()
    _, same = same_findings([split_sentences(item.report) for item in train])
    fit, validation = split_patients([str(item.seed) for item in train], chosen.seed)
    fitted = fit_pooling(
        [[rows for _, rows in study] for study in studies], texts, same, fit, validation,
        scale=encoder.spec.scale, seed=chosen.seed, settings=Settings(rate=chosen.rate),
        progress=lambda epoch, loss: print(f"epoch {epoch}: {loss:.4f}", file=sys.stderr, flush=True),
    )  # fmt: skip
    if chosen.save:
        fitted.adapter.save(chosen.save)
    ways: dict[str, Callable[[Sequence[Embedded], np.ndarray], Similarities]] = {
        "mean": lambda s, t: similarities(mean_pool, s, t),
        "adapter": lambda s, t: similarities(fitted.pool, s, t),
        "max": lambda s, t: by_slices(lambda values: float(values.max()), s, t),
        "top tenth": lambda s, t: by_slices(tenth, s, t),
    }
    print(table(values_by_kind(ways, volumes, held, words), volumes))
    print(
        f"\n{encoder.spec.name}, towers {encoder.spec.towers_hash[:12]}, scale {encoder.spec.scale:.1f}; {len(fit)} "
        f"phantoms fitted on, {len(validation)} to stop by (loss {fitted.losses[0]:.3f} with the mean, "
        f"{min(fitted.losses):.3f} at epoch {fitted.epoch} of {len(fitted.losses) - 1}), {len(volumes)} tested; "
        f"{encoded - started:.0f} s encoding, {time.monotonic() - encoded:.0f} s fitting and measuring."
    )


if __name__ == "__main__":
    main()
