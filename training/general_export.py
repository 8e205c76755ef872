"""Write the generalist's folder: `python -m training.general_export RUN --from OLD [--folder FOLDER]`.

Weights in half precision; concepts.json with what taught each concept and how well `val` says it is told;
calibration.json: real images by Platt scaling on the choosing fold, which the tower never learned from; phantoms by
equating each old margin with the new one on the choosing phantoms' slices, so that pairs fitted for OLD mean the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from radseek.prompts.shipped_sets import all_findings
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.encoders.negation_test import PASS_MARK
from radseek.retrieval.evaluation.metrics import auroc
from training.calibrate import Sample, fit_entries
from training.captions import load_words
from training.claims import claims
from training.export import FOLDER, write_weights
from training.images import ImageSet, join
from training.measures import area_by_group
from training.phantom_cache import load_shard
from training.real_questions import kept_vectors, margins
from training.real_sets import load_rows
from training.text_rows import keep_rows

__all__ = ["TOLD", "carried_over", "evidence", "main", "real_samples_of"]

TOLD = 0.70  # lower end of the AUROC's interval on `val`; under it no state is ever present or absent
FEWEST = 5  # of either answer, for an AUROC
EVERY = 4  # slice of the choosing phantoms that is looked at
ALIKE = 0.9  # correlation of old and new margins under which a pair is not carried over
HERE = Path(__file__).parent
_SAME_VIEWS = {"mr": ("mr", "mr_t1")}


def evidence(
    encoder: Any, seen: NDArray[np.float64], data: ImageSet, names: Sequence[str], repeats: int = 200
) -> dict[str, dict[str, list[float]]]:
    """Return for each catalogue finding, by source, its AUROC `[value, low, high]` on `data`, rows of `val`."""
    source = np.array(data.source)
    found: dict[str, dict[str, list[float]]] = {}
    for column, name in enumerate(names):
        if name not in all_findings():
            continue
        own = margins(encoder, seen, name)
        for one in sorted(set(data.source)):
            rows = np.flatnonzero((source == one) & (data.labels[:, column] >= 0))
            labels = data.labels[rows, column]
            if min(labels.sum(), len(labels) - labels.sum()) < FEWEST:
                continue
            area = area_by_group(labels, own[rows], [data.study[i] for i in rows], repeats)
            found.setdefault(name, {})[one] = [round(v, 3) for v in (area.value, area.low, area.high)]
    return found


def real_samples_of(encoder: Any, seen: NDArray[np.float64], data: ImageSet, names: Sequence[str]) -> list[Sample]:
    """Return the margins of rows with their modality stated, of every finding that a source asks both ways."""
    source, made = np.array(data.source), []
    for column, name in enumerate([*names, "no_finding"]):
        if name not in all_findings():
            continue
        labels = data.labels[:, column] if name != "no_finding" else _normal(data, names)
        own = margins(encoder, seen, name)
        for one in sorted(set(data.source)):
            rows = np.flatnonzero((source == one) & (labels >= 0))
            if len(set(labels[rows].tolist())) < 2:
                continue
            made += [
                Sample(
                    name,
                    _SAME_VIEWS.get(data.view[i], (data.view[i],)),
                    False,
                    float(own[i]),
                    int(labels[i]),
                    data.study[i],
                    "real",
                )
                for i in rows
            ]
    return made


def _normal(data: ImageSet, names: Sequence[str]) -> NDArray[np.int8]:
    abnormal = data.labels[:, list(names).index("abnormal")]
    return np.where(abnormal < 0, -1, 1 - abnormal).astype(np.int8)


def slices_told(encoder: Any, seen: NDArray[np.float64], data: ImageSet, names: Sequence[str]) -> dict[str, Any]:
    """Return for each phantom source the AUROC of its findings by slice, and their mean."""
    out: dict[str, Any] = {}
    for one in sorted(set(data.source)):
        each = {}
        for column, name in enumerate(names):
            rows = np.flatnonzero((np.array(data.source) == one) & (data.labels[:, column] >= 0))
            labels = data.labels[rows, column]
            if name in all_findings() and min(labels.sum(), len(labels) - labels.sum()) >= FEWEST:
                each[name] = round(auroc(labels, margins(encoder, seen[rows], name), repeats=1).value, 3)
        mean = round(float(np.mean(list(each.values()))), 3) if each else None
        out[one] = {"macro": mean, "slices": int((np.array(data.source) == one).sum()), **each}
    return out


def carried_over(
    old: tuple[Any, NDArray[np.float64]],
    new: tuple[Any, NDArray[np.float64]],
    entries: list[dict[str, Any]],
    data: ImageSet,
) -> list[dict[str, Any]]:
    """Return phantom entries of the old encoder for the new one's margins, by linear equating on slices `data`.

    `old`, `new`: an encoder and its vectors `(N, D)` of the slices.
    `p = sigmoid(a m + b)` of an old margin m; where new margins have mean and spread that old ones map to, the same p
    comes of the new margin. A finding whose two margins correlate under `ALIKE` is left out, and stays uncalibrated.
    """
    kept = []
    for entry in entries:
        rows = np.isin(data.view, entry["views"])
        first, second = (margins(e, v[rows], entry["finding"]) for e, v in (old, new))
        if np.corrcoef(first, second)[0, 1] < ALIKE:
            print(f"not carried over: {entry['finding']} {entry['views']}", file=sys.stderr)
            continue
        slope = float(second.std() / first.std())
        offset = float(second.mean() - slope * first.mean())
        kept.append(
            {**entry, "a": round(entry["a"] / slope, 5), "b": round(entry["b"] - entry["a"] * offset / slope, 5)}
        )
    return kept


def _concepts(encoder: Any, told: dict[str, dict[str, list[float]]], fitted: ImageSet, names: Sequence[str]) -> Any:
    """Return concepts.json's rows: claims that pass, with real images, their sources and AUROC on `val`."""
    source, rows = np.array(fitted.source), []
    for claim in claims(encoder):
        passes = claim.pop("passes")
        if not passes:
            print(f"not claimed: {claim['finding']} self-test {claim['self_test']:.3f}", file=sys.stderr)
            continue
        if claim["taught_by"] == "real":
            name = "abnormal" if claim["finding"] == "no_finding" else claim["finding"]
            mine = fitted.labels[:, list(names).index(name)] == (0 if claim["finding"] == "no_finding" else 1)
            claim["images"] = int(mine.sum())
            claim["sources"] = sorted(set(source[mine].tolist()))
            claim["auroc_val"] = told.get(claim["finding"], {})
        rows.append(claim)
    return rows


def _stated(root: Path, split: str, names: Sequence[str], cache: Path) -> ImageSet:
    data = load_rows(root, split, names, cache)
    return data.take(np.arange(1, len(data.pixels), 2))


def main() -> None:
    """Write the folder; see the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--from", dest="old", type=Path, required=True, help="folder of the version before")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    write_weights(chosen.run, chosen.folder)
    keep_rows(chosen.folder)
    encoder, old = load_encoder(str(chosen.folder)), load_encoder(str(chosen.old))
    names, cache = list(load_words().concepts), HERE / "cache"
    val, train = (_stated(chosen.root, split, names, cache) for split in ("val", "train"))
    told = evidence(encoder, kept_vectors(encoder, val, "val", cache), val, names)
    concepts = _concepts(encoder, told, train, names)
    _write(chosen.folder / "concepts.json", {"concepts": concepts})
    choosing = train.take(np.flatnonzero(train.choose))
    entries, report = fit_entries(
        real_samples_of(encoder, kept_vectors(encoder, choosing, "choosing", cache), choosing, names)
    )
    claimed = {c["finding"] for c in concepts if c["taught_by"] == "real" and c["self_test"] >= PASS_MARK}
    entries = [one for one in entries if one["finding"] in claimed | {"no_finding"} and _is_told(told, one["finding"])]
    shards = [load_shard(p, names) for p in sorted(cache.glob("*_001.npz"))]
    slices = join(shards)
    film = np.array(slices.source) == "chest_xray"  # one row a study
    slices = slices.take(np.flatnonzero(film | (np.arange(len(film)) % EVERY == 0)))
    both = [(one, kept_vectors(one, slices, "slices", cache)) for one in (old, encoder)]
    known = json.loads((chosen.old / "calibration.json").read_text(encoding="utf-8"))["entries"]
    drawn = carried_over(both[0], both[1], [e for e in known if e.get("fitted_on") == "phantom"], slices)
    entries = sorted([*entries, *drawn], key=lambda one: (one["finding"], one["views"], one["many"], one["fitted_on"]))
    _write(chosen.folder / "calibration.json", {"towers": encoder.spec.towers_hash, "entries": entries})
    (chosen.run / "calibration_report.json").write_text(json.dumps(report, indent=1) + "\n")
    drawn_told = {who: slices_told(*one, slices, names) for who, one in zip(("before", "now"), both, strict=True)}
    _write(chosen.run / "phantom_slices.json", drawn_told)
    print(f"{len({c['finding'] for c in concepts})} concepts, {len(entries)} calibrated", file=sys.stderr)


def _is_told(told: dict[str, dict[str, list[float]]], finding: str) -> bool:
    """Say whether `val` tells a finding in every source that asks it; `no_finding` follows from the others."""
    rows = told.get(finding, {})
    return finding == "no_finding" or (bool(rows) and min(low for _, low, _ in rows.values()) >= TOLD)


def _write(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
