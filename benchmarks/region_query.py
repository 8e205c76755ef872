"""How a masked region should be asked for: cropped, masked or whole slices; by pooled vectors or slice by slice.

    python -m benchmarks.region_query --each 5 [--beside]

Chest CT phantoms, each with one finding; every study is asked once by the region of its largest lesion, the others are
the archive. Counted: how many of the 5 nearest have the query's finding, beside the same figure for the whole study.
With `--beside`, as many more that have a second finding too are asked by the region of the first: how many of the 5
nearest have the first, and how many the second, which nobody asked for.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from radseek.demo.phantoms.make import make_phantom
from radseek.demo.phantoms.phantom import Phantom
from radseek.retrieval.encoders.encode_series import embed_series, embed_view
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.imaging.views.series_views import iter_views
from radseek.retrieval.index.vectors.exact_search import cosines
from radseek.retrieval.regions.region import Region
from radseek.retrieval.search.region_query import region_views, surroundings, touched_slices
from radseek.retrieval.types import Provenance, Series, ViewVectors, Volume

FINDINGS = ("lung_nodule", "lung_mass", "pleural_effusion", "pneumothorax", "consolidation", "rib_fracture")
LOOKS = ("crop", "masked", "slices")  # masked is the engine's own
NEAREST = 5
FIRST_SEED = 970_000


@dataclass(frozen=True, eq=False)
class Case:
    """One phantom as vectors: all of it, and its largest lesion in each look."""

    finding: str
    beside: str
    whole: list[ViewVectors]
    regions: dict[str, list[ViewVectors]]


def series_of(phantom: Phantom) -> Series:
    made = phantom.series[0]
    volume = Volume(made.voxels, made.affine, made.unit, Provenance("none", spacing=made.spacing, plane="axial"))
    return Series("", made.modality, "chest", made.name, volume)


def looked_at(look: str, series: Series, region: Region, encoder: Encoder) -> list[ViewVectors]:
    """Encode a region by the engine's look, or a rival: a square cut out around it, or whole slices."""
    if look == "masked":
        return region_views(series, region, encoder)
    rows, columns = square(series.volume.voxels.shape[1:], surroundings(region, series.volume))
    seen = {"crop": lambda slices: slices[:, rows, columns], "slices": lambda slices: slices}[look]
    views = iter_views(series, touched_slices(region, series.volume))
    return [embed_view(replace(view, slices=seen(view.slices)), encoder) for view in views]


def square(shape: Sequence[int], box: tuple[slice, slice]) -> list[slice]:
    """Return the square about a box, moved inwards where it would leave the image and cut where it is larger."""
    side = max(part.stop - part.start for part in box)
    found = []
    for part, size in zip(box, shape, strict=True):
        start = min(max(0, (part.start + part.stop - min(side, size)) // 2), size - min(side, size))
        found.append(slice(start, start + min(side, size)))
    return found


def case_of(finding: str, seed: int, encoder: Encoder, beside: str = "") -> Case:
    phantom = make_phantom("chest_ct", seed, findings=[finding, beside] if beside else [finding])
    series = series_of(phantom)
    lesion = max((one for one in phantom.lesions if one.finding == finding), key=lambda one: one.mask.sum())
    region = Region.of(finding, lesion.mask)
    regions = {look: looked_at(look, series, region, encoder) for look in LOOKS}
    return Case(finding, beside, embed_series(series, encoder), regions)


def pooled(query: list[ViewVectors], case: list[ViewVectors]) -> float:
    best = [
        max(float(o.pooled.astype(float) @ v.pooled.astype(float)) for o in case if o.view == v.view) for v in query
    ]
    return float(np.mean(best))


def slice_by_slice(query: list[ViewVectors], case: list[ViewVectors]) -> float:
    return float(
        np.mean(
            [
                max(np.mean([cosines(o.slices, row).max() for row in v.slices]) for o in case if o.view == v.view)
                for v in query
            ]
        )
    )


def hits(
    asked: Sequence[Case],
    archive: Sequence[Case],
    query: Callable[[Case], list[ViewVectors]],
    rule: Callable[..., float],
    wanted: Callable[[Case], str],
) -> dict[str, float]:
    """Mean share of the nearest of the archive with the finding wanted, by the query's finding."""
    found: dict[str, list[float]] = {}
    for one in asked:
        others = sorted((other for other in archive if other is not one), key=lambda o: -rule(query(one), o.whole))
        found.setdefault(one.finding, []).append(np.mean([o.finding == wanted(one) for o in others[:NEAREST]]))
    return {name: float(np.mean(shares)) for name, shares in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--each", type=int, default=5, help="studies a finding")
    parser.add_argument("--beside", action="store_true", help="ask studies of two findings too")
    parser.add_argument("--model", default="builtin")
    arguments = parser.parse_args()
    encoder = load_encoder(arguments.model)
    cases = [
        case_of(finding, FIRST_SEED + 100 * k + n, encoder)
        for k, finding in enumerate(FINDINGS)
        for n in range(arguments.each)
    ]
    print(f"{len(cases)} phantoms, {encoder.spec.name}; share of the {NEAREST} nearest with the query's finding")
    table(cases, cases, lambda case: case.finding)
    if arguments.beside:
        mixed = [
            case_of(finding, FIRST_SEED + 5_000 + 100 * k + n, encoder, FINDINGS[(k + 1 + n) % len(FINDINGS)])
            for k, finding in enumerate(FINDINGS)
            for n in range(min(arguments.each, len(FINDINGS) - 1))
        ]
        print(f"\n{len(mixed)} phantoms with a second finding, asked of the {len(cases)}: with the finding asked for")
        table(mixed, cases, lambda case: case.finding)
        print("\nthe same: with the second finding, which was not asked for")
        table(mixed, cases, lambda case: case.beside)


def table(asked: Sequence[Case], archive: Sequence[Case], wanted: Callable[[Case], str]) -> None:
    """Print a row for each way of asking."""
    print(f"| query | compared by | all | {' | '.join(FINDINGS)} |")
    print(f"|---|---|---|{'---|' * len(FINDINGS)}")
    queries: dict[str, Callable[[Case], list[ViewVectors]]] = {"whole study": lambda case: case.whole}
    for look in LOOKS:
        queries[f"region, {look}"] = lambda case, look=look: case.regions[look]  # type: ignore[misc]
    for name, query in queries.items():
        for rule in (pooled, slice_by_slice):
            shares = hits(asked, archive, query, rule, wanted)
            cells = " | ".join(f"{shares[finding]:.2f}" for finding in FINDINGS)
            print(f"| {name} | {rule.__name__.replace('_', ' ')} | {np.mean(list(shares.values())):.2f} | {cells} |")


if __name__ == "__main__":
    main()
