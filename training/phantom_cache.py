"""Render phantoms into labelled slices, in shards: `python -m training.phantom_cache [--kinds K] [--sort S]`.

Each shard holds studies of one kind: slices with lesions and a few without, in every view the engine would make,
prepared as it would prepare them. Seeds: see SEEDS; a test asserts that train, choose and fresh never meet. With
`--sort hard`, studies of the findings that are learned last, which a cohort drawn at random holds too rarely; with
`--sort twins`, the same people with and without them, row after row.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radseek.demo.phantoms.make import make_phantom
from radseek.demo.phantoms.phantom import FINDINGS, Phantom, PhantomSeries
from radseek.prompts.catalogue import load_set
from radseek.retrieval.encoders.input_pixels import prepare_slices
from radseek.retrieval.encoders.spec import Preprocess
from radseek.retrieval.imaging.views.series_views import iter_views
from radseek.retrieval.types import Provenance, Series, Volume
from training.images import UNKNOWN, ImageSet, kind_labels
from training.labels import complete

__all__ = [
    "CELLS",
    "FOCAL",
    "HARD",
    "HARD_SEEDS",
    "SEEDS",
    "TWINS",
    "TWIN_SEEDS",
    "Row",
    "covered_cells",
    "engine_series",
    "load_shard",
    "render",
    "slice_labels",
]

SEEDS = {"train": range(100_000), "choose": range(100_000, 200_000), "fresh": range(900_000, 1_000_000)}
KIND_CONCEPT = {"chest_ct": "chest_ct", "chest_xray": "chest_radiograph", "head_ct": "head_ct", "brain_mr": "brain_mri"}
WINDOW_CONCEPT = {
    "lung": "lung_window",
    "soft": "soft_tissue_window",
    "bone": "bone_window",
    "brain": "brain_window",
    "subdural": "subdural_window",
}
SEQUENCE_CONCEPT = {"t1": "t1_weighted", "t2": "t2_weighted", "flair": "flair"}
DIFFUSE = {"emphysema", "cardiomegaly", "hydrocephalus", "midline_shift"}  # beyond its mask: neither there nor not
FAINT = 0.2  # a slice with less than this share of a lesion's largest section is neither
ABNORMAL = {
    "chest_ct": "abnormal_chest",
    "chest_xray": "abnormal_chest",
    "head_ct": "abnormal_brain",
    "brain_mr": "abnormal_brain",
}
PREPROCESS = Preprocess(192, "longest", "bicubic", (0.5,) * 3, (0.5,) * 3, 0)
SHARD = 20
HARD_SEEDS = range(50_000, 60_000)  # of the training seeds: those below are drawn at random
HARD: dict[str, tuple[tuple[str, ...], ...]] = {  # what each study in turn holds
    "chest_ct": (("lung_nodule", "rib_fracture"),),  # never in one view: a slice teaches one of them
    "chest_xray": (("lung_nodule",), ("rib_fracture",)),
    "head_ct": (("cerebral_infarct",), ("brain_tumour",), ("intracranial_haemorrhage",)),
    "brain_mr": (("cerebral_infarct",), ("brain_tumour",), ("intracranial_haemorrhage",)),
}
TWIN_SEEDS = range(40_000, 50_000)
TWINS: dict[str, tuple[tuple[str, ...], ...]] = {  # what one twin holds and the other does not
    "chest_ct": (("lung_nodule", "rib_fracture"),),
    "chest_xray": (("lung_nodule",), ("rib_fracture",)),
}
TWINS_BESIDE = (0.4, 0.35, 0.25)  # chances that both hold none, one, two of the other findings
SORTS = {"hard": HARD_SEEDS, "twins": TWIN_SEEDS}
CELLS = 24  # of a side: lesion masks are kept as shares of 24 x 24 cells
FOCAL = sorted({f for findings in FINDINGS.values() for f in findings} - DIFFUSE - {"cerebral_oedema"})


def engine_series(item: PhantomSeries, keep: NDArray[np.intp] | None = None) -> Series:
    """Return a phantom series as the engine's reader would give it; `keep`: only these Z, without geometry."""
    voxels, affine = (item.voxels, item.affine) if keep is None else (item.voxels[keep], None)
    volume = Volume(voxels, affine, item.unit, Provenance(rescale="none", spacing=item.spacing))
    body = "chest" if item.name in ("chest ct", "radiograph") else "head"
    return Series(item.name, item.modality, body, item.name, volume, {"SeriesDescription": item.name})


def _views_of(kind: str) -> dict[str, tuple[str, ...]]:
    return {f.name: f.views for f in load_set(kind).findings}


def slice_labels(phantom: Phantom, z: int, view: str, taught: dict[str, tuple[str, ...]]) -> dict[str, int]:
    """Return what is true of slice `z` seen as `view`: 1, 0 and, by absence, unknown."""
    labels: dict[str, int] = {}
    for finding in FINDINGS[phantom.kind]:
        state = _state(phantom, finding, z)
        if view in taught.get(finding, ()) and state != UNKNOWN:
            labels[finding] = state
    states = [_state(phantom, finding, z) for finding in FINDINGS[phantom.kind]]
    readable = view != "bone"  # a fracture alone does not make a bone view of the lungs abnormal, or normal
    if not phantom.lesions and readable:
        labels[ABNORMAL[phantom.kind]] = 0
    if readable and any(
        state == 1 and view in taught.get(f, ()) for f, state in zip(FINDINGS[phantom.kind], states, strict=True)
    ):
        labels[ABNORMAL[phantom.kind]] = 1
    if any(
        le.finding == "intracranial_haemorrhage" and "parenchym" in str(le.details.get("type", "")) and le.mask[z].any()
        for le in phantom.lesions
    ) and view in taught.get("intracranial_haemorrhage", ()):
        labels["intraparenchymal_haemorrhage"] = 1
    full = complete(labels)
    return {name: value for name, value in full.items() if name in labels or view in taught.get(name, (view,))}


def _state(phantom: Phantom, finding: str, z: int) -> int:
    lesions = [le for le in phantom.lesions if le.finding == finding]
    if not lesions:
        return 0
    share = max(float(le.mask[z].sum() / max(1, le.mask.sum((1, 2)).max())) for le in lesions)
    if share >= FAINT:
        return 1
    return 0 if share == 0 and finding not in DIFFUSE else UNKNOWN


def _chosen_z(phantom: Phantom, rng: np.random.Generator, sought: Sequence[str] = ()) -> NDArray[np.intp]:
    """Return some slices of each lesion (of each one sought) and a few at random."""
    depth = phantom.series[0].voxels.shape[0]
    if depth == 1:
        return np.array([0])
    picked: set[int] = set()
    for lesion in phantom.lesions:
        if sought and lesion.finding not in sought:
            continue
        area = lesion.mask.sum((1, 2))
        good = np.flatnonzero(area >= FAINT * area.max())
        picked.update(rng.choice(good, min(3, len(good)), replace=False).tolist())
    picked.update(rng.choice(depth, min(2 if sought else 6, depth), replace=False).tolist())
    return np.array(sorted(picked))


@dataclass(frozen=True, slots=True)
class Row:
    """One slice: `pixels (S, S)` uint8, what is true of it, its view, and the cells its focal lesions cover."""

    pixels: NDArray[np.uint8]
    labels: dict[str, int]
    view: str
    covered: dict[str, NDArray[np.uint8]]


def covered_cells(phantom: Phantom, z: int) -> dict[str, NDArray[np.uint8]]:
    """Return for each focal finding of slice `z` how much of each cell it covers: `(CELLS, CELLS)`, 255 is all."""
    found = {}
    for name in {le.finding for le in phantom.lesions} & set(FOCAL):
        drawn = np.any([le.mask[z] for le in phantom.lesions if le.finding == name], axis=0)
        if drawn.any():
            picture = prepare_slices(drawn[None].astype(np.uint8) * 255, PREPROCESS)[0, 0]
            step = len(picture) // CELLS
            found[name] = picture.reshape(CELLS, step, CELLS, step).mean((1, 3)).round().astype(np.uint8)
    return found


def render(kind: str, seed: int) -> Iterator[Row]:
    """Yield some slices of one phantom, in all its views; of a hard one or a twin, in those that show what it holds."""
    if seed in TWIN_SEEDS:
        yield from _render_twins(kind, seed)
        return
    hard = HARD[kind][seed % len(HARD[kind])] if seed in HARD_SEEDS else ()
    phantom = make_phantom(kind, seed, findings=hard or None)
    yield from _rows(phantom, _chosen_z(phantom, np.random.default_rng(seed)), hard)


def _render_twins(kind: str, seed: int) -> Iterator[Row]:
    """Yield the same slices of a person with and without the findings of TWINS, in turn.

    What else the person has is drawn at random, so that nothing but the lesion itself tells one from the other.
    """
    rng = np.random.default_rng(seed)
    sought = TWINS[kind][seed % len(TWINS[kind])]
    others = [name for name in FINDINGS[kind] if name not in sought]  # type: ignore[index]
    beside = tuple(str(n) for n in rng.choice(others, rng.choice(3, p=TWINS_BESIDE), replace=False))
    pair = [make_phantom(kind, seed, findings=findings) for findings in ((*beside, *sought), beside)]
    z = _chosen_z(pair[0], rng, sought)
    for both in zip(*(_rows(phantom, z, sought) for phantom in pair), strict=True):
        yield from both


def _rows(phantom: Phantom, z: NDArray[np.intp], sought: Sequence[str]) -> Iterator[Row]:
    """Yield these slices of a phantom in its views; where something is sought, in those that it is read in."""
    taught = _views_of(phantom.kind)
    shown = {view for name in sought for view in taught[name]}
    covered = {int(k): covered_cells(phantom, int(k)) for k in z}
    for item in phantom.series:
        ct = item.modality == "CT"  # a window acts voxel by voxel: chosen slices alone are exact. MR needs the volume.
        for view in iter_views(engine_series(item, z if ct else None)):
            if shown and view.name not in shown:
                continue
            rows = range(len(z)) if ct else [int(np.argmin(abs(view.z - k))) for k in z]
            pixels = prepare_slices(view.slices[list(rows)], PREPROCESS)[:, 0]
            extra = kind_labels(
                KIND_CONCEPT[phantom.kind],
                window=WINDOW_CONCEPT.get(view.name, ""),
                sequence=SEQUENCE_CONCEPT.get(item.name, ""),
            )
            if view.name in ("soft", "brain"):
                contrast = str(phantom.facts.get("contrast", "none"))
                extra["contrast_enhanced"] = int(contrast not in ("none", "no"))
            for row, k in zip(pixels, z if ct else view.z[list(rows)], strict=True):
                labels = slice_labels(phantom, int(k), view.name, taught)
                cells = covered.get(int(k), {})
                here = {name: share for name, share in cells.items() if labels.get(name) == 1}
                yield Row(row, labels | extra, view.name, here)


def _suffix(seed: int) -> str:
    """Return what the name of a shard and of its source says of its sort, from the seed; nothing of random studies."""
    return "".join(f"_{sort}" for sort, seeds in SORTS.items() if seed in seeds)


def write_shard(kind: str, seeds: Sequence[int], path: Path) -> None:
    """Render some studies of one kind into one compressed file."""
    made = [(f"{kind}/{seed}", row) for seed in seeds for row in render(kind, seed)]
    lesions = [(i, name, cells) for i, (_, row) in enumerate(made) for name, cells in sorted(row.covered.items())]
    source = "brain_mr_phantom" if kind == "brain_mr" else kind
    meta: dict[str, Any] = {
        "labels": [row.labels for _, row in made],
        "study": [study for study, _ in made],
        "view": [row.view for _, row in made],
        "source": source + _suffix(seeds[0]),
        "lesions": [(i, name) for i, name, _ in lesions],
    }
    partial = path.with_suffix(".part.npz")
    np.savez(
        partial,
        pixels=np.stack([row.pixels for _, row in made]),
        cells=np.array([cells for *_, cells in lesions], np.uint8).reshape(-1, CELLS, CELLS),
        meta=np.frombuffer(json.dumps(meta).encode(), np.uint8),
    )
    partial.rename(path)


def load_shard(path: Path, concepts: Sequence[str]) -> ImageSet:
    """Return one shard's rows."""
    with np.load(path) as kept:
        pixels, cells, meta = kept["pixels"], kept["cells"], json.loads(kept["meta"].tobytes())
    for row in meta["labels"]:
        row["abnormal"] = row.get("abnormal_chest", row.get("abnormal_brain", UNKNOWN))
    labels = np.array([[row.get(c, UNKNOWN) for c in concepts] for row in meta["labels"]], np.int8)
    choose = np.array([int(s.split("/")[1]) in SEEDS["choose"] for s in meta["study"]])
    covered: list[dict[int, NDArray[np.uint8]]] = [{} for _ in pixels]
    for (row, name), shares in zip(meta["lesions"], cells, strict=True):
        covered[row][concepts.index(name)] = shares
    return ImageSet(pixels, labels, meta["study"], meta["view"], [meta["source"]] * len(pixels), choose, covered)


def main() -> None:
    """Render shard after shard, kinds in turn, every tenth shard from the choosing seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", nargs="+", default=list(KIND_CONCEPT))
    parser.add_argument("--shards", type=int, default=25)
    parser.add_argument("--sort", choices=list(SORTS), help="of studies; drawn at random without it")
    chosen = parser.parse_args()
    folder = Path(__file__).parent / "cache"
    folder.mkdir(exist_ok=True)
    for number in range(chosen.shards):
        drawn = SEEDS["choose"] if number % 10 == 1 else SEEDS["train"]
        first = SORTS.get(chosen.sort, drawn).start + number * SHARD
        for kind in chosen.kinds:
            path = folder / f"{kind}{_suffix(first)}_{number:03d}.npz"
            if not path.exists():
                started = time.monotonic()
                write_shard(kind, range(first, first + SHARD), path)
                print(time.strftime("%H:%M:%S"), path.name, round(time.monotonic() - started), "s", flush=True)


if __name__ == "__main__":
    main()
