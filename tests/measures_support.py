"""Measures written out from their definitions, one loop at a time: what the fast ones are held against."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

NAN = float("nan")


def ratio(above: float, below: float) -> float:
    return above / below if below else NAN


def auroc(labels: Sequence[int], scores: Sequence[float]) -> float:
    """Of all pairs of a positive and a negative the share in which the positive scores higher, ties half."""
    ill = [s for y, s in zip(labels, scores, strict=True) if y == 1]
    well = [s for y, s in zip(labels, scores, strict=True) if y == 0]
    return ratio(sum(1.0 if a > b else 0.5 if a == b else 0.0 for a in ill for b in well), len(ill) * len(well))


def average_precision(labels: Sequence[int], scores: Sequence[float]) -> float:
    """At each score, from the highest: the recall gained times the precision reached."""
    ill, gained, before = sum(labels), 0.0, 0
    for threshold in sorted(set(scores), reverse=True):
        called = [y for y, s in zip(labels, scores, strict=True) if s >= threshold]
        gained += (sum(called) - before) / ill * sum(called) / len(called) if ill else NAN
        before = sum(called)
    return gained


def confusion(labels: Sequence[int], called: Sequence[bool]) -> tuple[int, int, int, int]:
    """True positives, false positives, false negatives, true negatives."""
    pairs = [(bool(y), bool(c)) for y, c in zip(labels, called, strict=True)]
    return (
        pairs.count((True, True)),
        pairs.count((False, True)),
        pairs.count((True, False)),
        pairs.count((False, False)),
    )


def called_measures(tp: int, fp: int, fn: int, tn: int) -> dict[str, float]:
    sensitivity, specificity = ratio(tp, tp + fn), ratio(tn, tn + fp)
    return {
        "sensitivity": sensitivity,
        "specificity": specificity,
        "ppv": ratio(tp, tp + fp),
        "npv": ratio(tn, tn + fn),
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
        "balanced_accuracy": (sensitivity + specificity) / 2,
    }


def threshold(labels: Sequence[int], scores: Sequence[float], rule: str, target: float | None) -> float:
    """Try them all, from "call nothing" down, and keep the first that nothing beats."""
    if len(set(labels)) < 2:
        return NAN
    best, chosen = -math.inf, NAN
    for one in (math.nextafter(max(scores), math.inf), *sorted(set(scores), reverse=True)):
        tp, fp, fn, tn = confusion(labels, [s >= one for s in scores])
        positives, negatives = tp + fn, tn + fp
        if rule == "youden":
            merit: float = tp * negatives - fp * positives  # in whole numbers, so that equals are equal
        elif rule == "f1":
            merit = 2 * tp / (2 * tp + fp + fn)
        elif rule == "sensitivity":
            merit = tn if tp / positives >= (target or 0) else -math.inf
        else:
            merit = tp if tn / negatives >= (target or 0) else -math.inf
        if merit > best:
            best, chosen = merit, one
    return chosen


def quantile(values: Sequence[float], share: float) -> float:
    """Between the two nearest in order, as far along as the share says."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = min(math.floor(place), len(ordered) - 1)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def calibration_error(labels: Sequence[int], said: Sequence[float], bin_of: Callable[[float], int]) -> float:
    bins: dict[int, list[tuple[int, float]]] = {}
    for y, p in zip(labels, said, strict=True):
        bins.setdefault(bin_of(p), []).append((y, p))
    total = 0.0
    for rows in bins.values():
        frequency, mean = sum(y for y, _ in rows) / len(rows), sum(p for _, p in rows) / len(rows)
        total += len(rows) / len(labels) * abs(frequency - mean)
    return total


def ece_width(labels: Sequence[int], said: Sequence[float]) -> float:
    return calibration_error(labels, said, lambda p: min(int(p * 10), 9))


def ece_mass(labels: Sequence[int], said: Sequence[float]) -> float:
    edges = [quantile(said, b / 10) for b in range(1, 10)]
    return calibration_error(labels, said, lambda p: sum(edge <= p for edge in edges))


def brier(labels: Sequence[int], said: Sequence[float]) -> float:
    return sum((p - y) ** 2 for y, p in zip(labels, said, strict=True)) / len(labels)
