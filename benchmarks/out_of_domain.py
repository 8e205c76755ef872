"""Are images of another kind told from those of an index's own? AUROC by kind of outlier.

    python -m benchmarks.out_of_domain --photographs FOLDER... [--cache FOLDER]

An index of train images of eleven kinds; asked with val images of each kind (in domain) and, said to be of that kind,
with images of other kinds, changed images, photographs, noise and blanks. The score is `Domain.shortfall`. Beside it
the rivals that were not taken: the Mahalanobis distance with Ledoit and Wolf's shrinkage, and the nearest patient in
place of the third. `--choose` does the same with two halves of train, by patient: nothing is chosen on val.
Photographs of scikit-learn are always among them. JSON to stdout.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sklearn.datasets
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score

from benchmarks.real_vectors import Image, asked_for, images_of, kinds_of, other_pictures, query_of, write_index
from radseek.retrieval.encoders.load_encoder import load_encoder
from radseek.retrieval.index.closeness import FEWEST, sample_rows
from radseek.retrieval.index.kept_closeness import KnownCloseness
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.scoring.domain import Domain

Score = Callable[[Sequence[Image]], list[float]]
PHOTOGRAPHS = Path(sklearn.datasets.__file__).parent / "images"


def scores_of(store: LocalStore, domain: Domain, kind: tuple[str, str]) -> dict[str, Score]:
    """Return the engine's score and its rivals', each higher the stranger an image is to a kind."""
    (rows,) = sample_rows(store, *kind).values()
    gaussian = LedoitWolf().fit(rows.rows)

    def engine(images: Sequence[Image]) -> list[float]:
        asked = [query_of(one, kind) for one in images]
        found = [domain.shortfall(one, one.series[0]) for one in asked]
        return [-1.0 if value is None else value for value in found]

    def nearest(images: Sequence[Image]) -> list[float]:
        return [-(rows.nearest(one.vector, (), 1) or 0.0) for one in images]

    def mahalanobis(images: Sequence[Image]) -> list[float]:
        found: list[float] = gaussian.mahalanobis(np.stack([one.vector for one in images]).astype(float)).tolist()
        return found

    return {"third nearest": engine, "nearest": nearest, "Mahalanobis": mahalanobis}


def outliers(kind: tuple[str, str], asked: Sequence[Image], others: Sequence[Image]) -> dict[str, list[Image]]:
    """Return what is not of a kind, by what it is."""
    view = next(one.view for one in asked if one.kind == kind)
    found: dict[str, list[Image]] = {}
    for one in asked:
        if one.kind == kind and one.what != "plain":
            found.setdefault(one.what, []).append(one)
        elif one.what == "plain" and one.kind != kind:
            name = "another part, same modality" if one.kind[0] == kind[0] else "another modality"
            found.setdefault(name, []).append(Image(one.name, name, one.group, one.kind, view, one.vector))
    for one in others:
        if one.kind[0] == kind[0] and one.view == view:
            found.setdefault(one.what, []).append(one)
    return found


def measured(
    kept: Sequence[Image], asked: Sequence[Image], others: Sequence[Image], folder: Path
) -> list[dict[str, Any]]:
    """Return a row for each kind and kind of outlier."""
    rows: list[dict[str, Any]] = []
    encoder = load_encoder("builtin")
    with write_index(folder / "a.index", [one for one in kept if one.what == "plain"], encoder) as store:
        domain = Domain(KnownCloseness(store))
        for kind in kinds_of(kept):
            within = [one for one in asked if one.kind == kind and one.what == "plain"]
            patients = {one.group for one in kept if one.kind == kind}
            if not within or len(patients) < FEWEST:
                continue
            for name, score in scores_of(store, domain, kind).items():
                inside = score(within)
                for what, found in outliers(kind, asked, others).items():
                    outside = score(found)
                    row: dict[str, Any] = {"kind": " ".join(kind), "outlier": what, "score": name}
                    row |= {"inside": len(inside), "outside": len(outside)}
                    row["auroc"] = float(roc_auc_score([0] * len(inside) + [1] * len(outside), inside + outside))
                    if name == "third nearest":
                        row["abstained"] = float(np.mean(np.array(outside) > 0))
                        row["false"] = float(np.mean(np.array(inside) > 0))
                    rows.append(row)
    return rows


def table(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return for each kind of outlier and score the mean over kinds of study, and the worst kind beside it."""
    found = []
    for what in dict.fromkeys(row["outlier"] for row in rows):
        for name in dict.fromkeys(row["score"] for row in rows):
            these = [row for row in rows if (row["outlier"], row["score"]) == (what, name)]
            worst = min(these, key=lambda row: row["auroc"])
            line = {
                "outlier": what,
                "score": name,
                "kinds": len(these),
                "outside": sum(row["outside"] for row in these),
            }
            line |= {"auroc": round(float(np.mean([row["auroc"] for row in these])), 3)}
            line |= {"worst": round(worst["auroc"], 3), "worst kind": worst["kind"]}
            if "abstained" in worst:
                line["abstained"] = round(float(np.mean([row["abstained"] for row in these])), 3)
            found.append(line)
    return found


def main() -> None:
    """Print all rows."""
    asked = asked_for(__doc__)
    encoder = load_encoder("builtin")
    train = images_of(asked.root, "train", encoder, asked.cache)
    others = other_pictures([PHOTOGRAPHS, *asked.photographs], encoder, asked.cache)
    if asked.choose:
        groups = sorted({one.group for one in train})
        half = set(np.random.default_rng(0).permutation(groups)[: len(groups) // 2].tolist())
        kept, questions = [one for one in train if one.group in half], [one for one in train if one.group not in half]
    else:
        kept, questions = train, images_of(asked.root, "val", encoder, asked.cache)
    with tempfile.TemporaryDirectory() as folder:
        rows = measured(kept, questions, others, Path(folder))
    of_kind = {row["kind"]: round(row["false"], 3) for row in rows if "false" in row}
    photographs = len({one.group for one in others if one.what == "photograph"})
    out = {"encoder": encoder.spec.towers_hash, "photographs": photographs, "called out though in": of_kind}
    print(json.dumps({**out, "table": table(rows), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
