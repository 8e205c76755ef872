"""How far readers agree: Cohen's kappa of each pair over the findings of studies that both decided.

kappa = (p_o - p_e) / (1 - p_e), with p_o the share on which they agree and p_e what chance would give from each
reader's own shares (Cohen, Educ Psychol Meas 1960;20:37-46), by scikit-learn's `cohen_kappa_score`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from radseek.app.verdicts import Verdict, latest

__all__ = ["PairAgreement", "agreement"]


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two readers, on how many findings of studies both decided, on how many alike, and kappa.

    `kappa` is None where it is not defined: nothing in common, or both gave one and the same answer throughout.
    """

    one: str
    other: str
    both: int
    alike: int
    kappa: float | None


def agreement(verdicts: Iterable[Verdict]) -> list[PairAgreement]:
    """Return how far each pair of readers agrees, each reader's last word counting; unsure decides nothing.

    Args:
        verdicts: a log's, oldest first. Verdicts without a reader's name count as one reader's.

    Returns:
        A row a pair, by name.
    """
    said: dict[str, dict[tuple[str, str], int]] = {}
    for verdict in latest(verdicts):
        if verdict.verdict != "unsure":
            value = int((verdict.claim == "present") == (verdict.verdict == "agree"))
            said.setdefault(verdict.reader, {})[verdict.study, verdict.finding] = value
    return [_pair(one, other, said[one], said[other]) for one, other in combinations(sorted(said), 2)]


def _pair(one: str, other: str, first: dict[tuple[str, str], int], second: dict[tuple[str, str], int]) -> PairAgreement:
    both = sorted(set(first) & set(second))
    alike = sum(first[about] == second[about] for about in both)
    values = {value for said in (first, second) for value in (said[about] for about in both)}
    if len(values) < 2:
        return PairAgreement(one, other, len(both), alike, None)
    from sklearn.metrics import cohen_kappa_score

    kappa = cohen_kappa_score([first[about] for about in both], [second[about] for about in both])
    return PairAgreement(one, other, len(both), alike, float(kappa))
