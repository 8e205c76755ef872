"""Which rows make a batch: sources by their share, rare findings sought out, twins side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from training.images import ImageSet

__all__ = ["Mixer"]

SOUGHT = 0.75  # of the rows; the others come as they are


class Mixer:
    """Draws row numbers: sources by their share; inside one, most rows for a random state of a random finding."""

    def __init__(
        self,
        data: ImageSet,
        shares: dict[str, float],
        findings: Sequence[int],
        seed: int,
        sought: Mapping[str, Sequence[int]] = MappingProxyType({}),
    ) -> None:
        """`findings`: the columns of labels worth looking for, `sought`: for some sources fewer; the kind of image
        comes by itself. Sources called `*_twins` are drawn in pairs, the slice with a finding and the row after it."""
        self.rng = np.random.default_rng(seed)
        rows = np.arange(len(data.pixels))
        source = np.array(data.source)
        self.groups = {name: rows[source[rows] == name] for name in shares}
        self.groups = {name: group for name, group in self.groups.items() if len(group)}
        total = sum(shares[name] for name in self.groups)
        self.shares = {name: shares[name] / total for name in self.groups}
        self.firsts = {
            name: [with_it for with_it in (group[data.labels[group, c] == 1] for c in sought[name]) if len(with_it)]
            for name, group in self.groups.items()
            if name.endswith("_twins")
        }
        self.states = {n: _by_state(data.labels, group, sought.get(n, findings)) for n, group in self.groups.items()}

    def draw(self, count: int) -> np.ndarray:
        """Return about `count` row numbers, some twice."""
        out: list[int] = []
        wanted = self.rng.multinomial(count, list(self.shares.values()))
        for want, (name, group) in zip(wanted, self.groups.items(), strict=True):
            one = self._twins if name in self.firsts else self._row
            while want > 0:
                found = one(name, group)
                out += found
                want -= len(found)
        return np.array(out)

    def _row(self, name: str, group: np.ndarray) -> list[int]:
        states = self.states[name]
        pool = states[self.rng.integers(len(states))] if states and self.rng.random() < SOUGHT else group
        return [int(pool[self.rng.integers(len(pool))])]

    def _twins(self, name: str, _group: np.ndarray) -> list[int]:
        lists = self.firsts[name]
        first = int(self.rng.choice(lists[self.rng.integers(len(lists))]))
        return [first, first + 1]


def _by_state(labels: np.ndarray, group: np.ndarray, findings: Sequence[int]) -> list[np.ndarray]:
    """Rows of each (finding, state) that a source holds and does not hold everywhere."""
    lists = []
    for concept in findings:
        values = labels[group, concept]
        if (values == 1).any() and (values == 0).any():
            lists += [group[values == 1], group[values == 0]]
    return lists
