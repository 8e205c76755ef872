"""Where the findings of a plan are, and how big, before anything is drawn: so that the brain can give way to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radseek.demo.phantoms.head.distance_fields import Array, sigmoid
from radseek.demo.phantoms.head.head_space import Region
from radseek.demo.phantoms.head.patient_plan import HeadPlan

__all__ = ["Collection", "Site", "draw_collection", "draw_site", "pressure_field"]

# Centre (|x|, y, z) of each place and the largest radius that fits there, mm.
_PLACES: dict[str, tuple[float, float, float, float]] = {
    "frontal lobe": (30, -46, 26, 32),
    "parietal lobe": (32, 36, 36, 32),
    "temporal lobe": (44, 2, -15, 24),
    "occipital lobe": (26, 60, 12, 24),
    "basal ganglia": (26, -4, 3, 22),
    "thalamus": (13, 9, 5, 13),
    "cerebellar hemisphere": (25, 45, -38, 19),
}


_MASSES = {"intracranial_haemorrhage", "subdural_haematoma", "brain_tumour", "cerebral_infarct"}


@dataclass(frozen=True)
class Site:
    """One focal lesion: its place in words, its centre (canonical mm) and its radius (mm)."""

    place: str
    side: int
    centre: tuple[float, float, float]
    radius: float

    @property
    def location(self) -> str:
        """For example "left frontal lobe"."""
        return f"{'left' if self.side > 0 else 'right'} {self.place}"


@dataclass(frozen=True)
class Collection:
    """Something between skull and brain: `arc` is its half angle, `thickness` its greatest depth in mm."""

    kind: str  # "subdural", "epidural", "arachnoid cyst"
    side: int
    direction: tuple[float, float, float]
    arc: float
    thickness: float

    def depth(self, region: Region) -> Array:
        """Thickness (mm) of the collection under each point's bit of skull."""
        p = region.points
        dx, dy, dz = self.direction
        length = np.sqrt(p.x**2 + p.y**2 + (p.z - 8) ** 2) + np.float32(1e-3)
        angle = np.arccos(np.clip((p.x * dx + p.y * dy + (p.z - 8) * dz) / length, -1, 1))
        share = np.clip(1 - (angle / np.float32(self.arc)) ** 2, 0, None)
        if self.kind == "subdural":
            share = np.sqrt(share) * sigmoid((p.z + 8) / 5)
        one_side: Array = share * np.float32(self.thickness) * sigmoid((p.x * self.side - 4) / 1.5)
        return one_side


def _jittered(rng: np.random.Generator, place: str, side: int, radius: float) -> Site:
    x, y, z, most = _PLACES[place]
    radius = min(radius, most)
    dx, dy, dz = rng.normal(0, 3.5 if most > 16 else 1.5, 3)
    return Site(place, side, (side * (x + dx), y + dy, z + dz), radius)


def draw_site(plan: HeadPlan, purpose: int, low: float, high: float) -> Site:
    """A place in the brain for a lesion of radius `low` to `high` mm (log-uniform), on the plan's side."""
    rng = plan.rng(purpose)
    radius = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    if "midline_shift" in plan.findings:
        radius = max(radius, 0.55 * high)
    places = [name for name, place in _PLACES.items() if place[3] >= 0.8 * radius]
    if "midline_shift" in plan.findings:
        places = [p for p in places if p not in {"cerebellar hemisphere", "thalamus"}]
    return _jittered(rng, str(rng.choice(places)), plan.side, radius)


def _direction(rng: np.random.Generator, side: int, spread: float) -> tuple[float, float, float]:
    """Towards the convexity of one side."""
    v = np.array([side * 1.0, rng.normal(0, spread), rng.uniform(0.05, 0.6)])
    v /= np.linalg.norm(v)
    return float(v[0]), float(v[1]), float(v[2])


def draw_collection(plan: HeadPlan) -> Collection | None:
    """The plan's subdural or epidural bleed, or the benign cyst that a lone midline shift needs for a cause."""
    rng, shifted = plan.rng(21), "midline_shift" in plan.findings
    if "subdural_haematoma" in plan.findings:
        thickness = rng.uniform(8, 15) if shifted else rng.uniform(3.5, 11)
        return Collection("subdural", plan.side, _direction(rng, plan.side, 0.3), rng.uniform(0.9, 1.4), thickness)
    if plan.bleed == "epidural":
        thickness = rng.uniform(14, 27) if shifted else rng.uniform(7, 20)
        arc = rng.uniform(0.38, 0.62)
        return Collection("epidural", plan.side, _direction(rng, plan.side, 0.7), arc, thickness)
    if shifted and plan.findings.isdisjoint(_MASSES):
        direction = (plan.side * 0.9, -0.35, -0.25)
        return Collection("arachnoid cyst", plan.side, direction, rng.uniform(0.5, 0.7), rng.uniform(18, 30))
    return None


def pressure_field(region: Region, plan: HeadPlan, sites: tuple[Site, ...], collection: Collection | None) -> Array:
    """How much (0 to 1) the tissue at each point is squeezed: sulci and ventricles close there."""
    p = region.points
    total = np.zeros_like(p.x)
    for site in sites:
        strength = np.clip((site.radius - 6) / 16, 0, 1)
        if strength > 0:
            x, y, z = site.centre
            reach = np.float32(site.radius + 18)
            total += strength * np.exp(-((p.x - x) ** 2 + (p.y - y) ** 2 + (p.z - z) ** 2) / reach**2)
    half = sigmoid(p.x * plan.side / 8)
    if collection is not None:
        total += min(1.0, collection.thickness / 16) * half
    if abs(plan.shift) > 2:
        total += min(0.8, abs(plan.shift) / 14) * half
    return np.minimum(total, 1)
