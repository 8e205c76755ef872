"""Who the patient is: the random draw of one head's build, habits and findings. No voxels here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

__all__ = ["OEDEMA_CUT_ML", "SHIFT_CUT_MM", "HeadPlan", "draw_plan"]

SHIFT_CUT_MM = 5.0  # from here on a displaced septum pellucidum is labelled midline_shift
OEDEMA_CUT_ML = 10.0  # from here on oedema round a lesion is labelled cerebral_oedema

_BLEEDS = ("intraparenchymal", "intraparenchymal", "epidural", "subarachnoid", "intraventricular")
# What is drawn together, and how often: one line is one kind of patient.
_BUNDLES: tuple[tuple[float, tuple[str, ...]], ...] = (
    (0.10, ("intracranial_haemorrhage",)),
    (0.05, ("intracranial_haemorrhage", "midline_shift")),
    (0.05, ("intracranial_haemorrhage", "midline_shift", "cerebral_oedema")),
    (0.03, ("intracranial_haemorrhage", "hydrocephalus")),
    (0.08, ("subdural_haematoma",)),
    (0.08, ("subdural_haematoma", "midline_shift")),
    (0.16, ("cerebral_infarct",)),
    (0.03, ("cerebral_infarct", "midline_shift")),
    (0.02, ("cerebral_infarct", "intracranial_haemorrhage")),
    (0.08, ("brain_tumour",)),
    (0.05, ("brain_tumour", "cerebral_oedema")),
    (0.06, ("brain_tumour", "cerebral_oedema", "midline_shift")),
    (0.03, ("brain_tumour", "hydrocephalus")),
    (0.10, ("hydrocephalus",)),
    (0.06, ("cerebral_oedema",)),
    (0.02, ("midline_shift",)),
)
_NORMAL_SHARE = 0.35


@dataclass(frozen=True)
class HeadPlan:
    """One head before it is drawn. Lengths in mm, angles in radians, canonical axes x left, y back, z up."""

    seed: int
    sex: str
    age: int
    findings: frozenset[str]
    side: int  # +1 left, -1 right: where one-sided findings are
    bleed: str  # kind of intracranial haemorrhage, "" without one
    scale: tuple[float, float, float]  # of the whole head, x y z
    angles: tuple[float, float, float]  # pitch, yaw, roll
    offset: tuple[float, float, float]
    skull: float  # thickness
    scalp: float
    muscle: float  # temporal and neck muscle, 0.2 to 1.7 of the usual
    bruise: float  # thickness of a swelling of the scalp, 0 in most people
    atrophy: float  # 0 young to 1 very shrunken
    sulcus: float  # half width of a sulcus
    gap: float  # fluid between inner table and gyral crowns
    ventricle: float  # radius of the ventricles, 1 is a young adult's
    asymmetry: float  # left over right ventricle
    shift: float  # of the septum, signed towards +x, planned
    contrast: bool
    waves: tuple[tuple[float, ...], ...] = field(repr=False)  # low-frequency warp, one row a sine
    calcified: frozenset[str] = frozenset()

    def rng(self, purpose: int) -> np.random.Generator:
        """A generator of its own for every purpose, so that a change to one leaves the others alone."""
        return np.random.default_rng((self.seed, 7919, purpose))


def draw_findings(rng: np.random.Generator, allowed: Sequence[str]) -> frozenset[str]:
    """A believable combination of the `allowed` findings; nothing in about a third of patients."""
    if rng.random() < _NORMAL_SHARE:
        return frozenset()
    bundles = [(w, b) for w, b in _BUNDLES if all(f in allowed for f in b)]
    weights = np.array([w for w, _ in bundles])
    return frozenset(bundles[int(rng.choice(len(bundles), p=weights / weights.sum()))][1])


def _draw_ventricles(rng: np.random.Generator, findings: frozenset[str], atrophy: float) -> dict[str, float]:
    """Sizes of the fluid spaces: wide in the old, tight in oedema, the ventricles alone in hydrocephalus."""
    diffuse = "cerebral_oedema" in findings and findings.isdisjoint(
        {"brain_tumour", "intracranial_haemorrhage", "cerebral_infarct", "subdural_haematoma"}
    )
    sulcus = 0.35 + 1.0 * atrophy + rng.uniform(0, 0.25)
    ventricle = 0.75 + 0.75 * atrophy + rng.uniform(-0.1, 0.15)
    if "hydrocephalus" in findings:
        ventricle, sulcus = rng.uniform(2.0, 2.9), 0.7 * sulcus
    if diffuse:
        ventricle, sulcus = rng.uniform(0.3, 0.6), rng.uniform(-0.35, 0.2)
    gap = 0.6 + 2.6 * atrophy + rng.uniform(0, 0.6)
    return {"sulcus": sulcus, "ventricle": ventricle, "gap": 0.4 if diffuse else gap}


def _draw_bleed(rng: np.random.Generator, findings: frozenset[str]) -> str:
    """Which kind of bleed: one with mass where the midline moves, a lump where there is oedema round it."""
    if "intracranial_haemorrhage" not in findings or "subdural_haematoma" in findings:
        return ""
    if "cerebral_oedema" in findings and "brain_tumour" not in findings:
        return "intraparenchymal"
    return str(rng.choice(_BLEEDS[:3] if "midline_shift" in findings else _BLEEDS))


def _draw_shift(rng: np.random.Generator, findings: frozenset[str], side: int) -> float:
    """Away from the lesion; below the cut unless a shift was asked for."""
    if "midline_shift" in findings:
        return -side * rng.uniform(SHIFT_CUT_MM + 0.7, 14.5)
    massive = not findings.isdisjoint({"brain_tumour", "intracranial_haemorrhage", "subdural_haematoma"})
    return -side * rng.uniform(0.0, 3.8) if massive else rng.uniform(-0.8, 0.8)


def _draw_waves(rng: np.random.Generator) -> tuple[tuple[float, ...], ...]:
    """Six slow sines, two for each axis: (kx, ky, kz, phase, amplitude)."""
    rows = []
    for _ in range(6):
        direction = rng.standard_normal(3)
        direction *= 2 * np.pi / rng.uniform(90, 170) / np.linalg.norm(direction)
        rows.append((*map(float, direction), rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 2.0)))
    return tuple(rows)


def draw_plan(seed: int, allowed: Sequence[str], findings: Sequence[str] | None, tilt: float) -> HeadPlan:
    """Draw everything about one patient from `seed`; `findings` fixes what is there, None draws that too."""
    rng = np.random.default_rng((seed, 104729))
    drawn = draw_findings(rng, allowed)
    found = drawn if findings is None else frozenset(findings)
    age = int(np.clip(rng.normal(58, 18), 18, 95))
    atrophy = float(np.clip((age - 35) / 70 + rng.normal(0, 0.16), 0, 1))
    side = 1 if rng.random() < 0.5 else -1
    sizes = _draw_ventricles(rng, found, atrophy)
    spots = ("choroid", "pineal", "falx", "pallidum", "dura")
    calcified = frozenset(s for s in spots if rng.random() < (0.15 + 0.006 * age) * (0.5 if s == "pallidum" else 1))
    sex = "M" if rng.random() < 0.5 else "F"
    bruise = np.random.default_rng((seed, 15485863))
    size = (1.0 if sex == "M" else 0.965) * rng.normal(1.0, 0.025)
    return HeadPlan(
        seed=seed, sex=sex, age=age, findings=found, side=side,
        bleed=_draw_bleed(rng, found),
        scale=(size * rng.normal(1, 0.03), size * rng.normal(1, 0.03), size * rng.normal(1, 0.02)),
        angles=(rng.uniform(-tilt, tilt), rng.normal(0, 0.06), rng.normal(0, 0.05)),
        offset=(rng.normal(0, 4), rng.normal(0, 4), rng.normal(0, 4)),
        skull=rng.uniform(5, 9), scalp=rng.uniform(3.5, 8.5), muscle=rng.uniform(0.2, 1.7),
        bruise=float(bruise.uniform(4, 13)) if bruise.random() < 0.35 else 0.0,
        atrophy=atrophy, asymmetry=float(np.exp(rng.normal(0, 0.08))),
        shift=_draw_shift(rng, found, side), contrast=bool(rng.random() < 0.35),
        waves=_draw_waves(rng), calcified=calcified, **sizes,
    )  # fmt: skip
