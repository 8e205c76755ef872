"""Infarct, tumour, oedema, hydrocephalus and midline shift painted on a brain."""

from __future__ import annotations

import numpy as np

from radseek.demo.phantoms.brain.anatomy import Brain
from radseek.demo.phantoms.brain.lesion_sites import Site
from radseek.demo.phantoms.brain.painted_finding import Draft, side_of
from radseek.demo.phantoms.head.distance_fields import Array, NoiseBank, ellipsoid, soft
from radseek.demo.phantoms.head.head_space import midline_push
from radseek.demo.phantoms.head.patient_plan import OEDEMA_CUT_ML, HeadPlan

__all__ = ["paint_hydrocephalus", "paint_infarct", "paint_oedema", "paint_shift", "paint_swelling", "paint_tumour"]

# Where a territory opens to the surface, seen from its apex deep in the hemisphere (|x|, y, z).
_TERRITORIES: dict[str, tuple[float, float, float]] = {
    "middle cerebral artery territory": (1.0, 0.1, 0.25),
    "superior middle cerebral artery territory": (0.85, -0.6, 0.4),
    "inferior middle cerebral artery territory": (0.85, 0.55, 0.2),
    "posterior cerebral artery territory": (0.35, 1.0, 0.0),
    "anterior cerebral artery territory": (0.25, -0.75, 0.7),
}
_LACUNES: dict[str, tuple[float, float, float]] = {
    "basal ganglia": (24, -5, 4), "thalamus": (12, 9, 5), "corona radiata": (24, -4, 27)
}  # fmt: skip


def _wedge(brain: Brain, plan: HeadPlan, bank: NoiseBank, rng: np.random.Generator) -> tuple[Array, str]:
    """Distance to a wedge that opens towards the cortex, and whose territory it is."""
    p = brain.canvas.points
    name = str(rng.choice(list(_TERRITORIES)))
    axis = np.array(_TERRITORIES[name]) + rng.normal(0, 0.12, 3)
    axis /= np.linalg.norm(axis)
    dx, dy, dz = p.x * plan.side - 17, p.y - np.float32(4 * axis[1]), p.z - 8
    length = np.sqrt(dx * dx + dy * dy + dz * dz) + np.float32(1e-3)
    angle = np.arccos(np.clip((dx * axis[0] + dy * axis[1] + dz * axis[2]) / length, -1, 1))
    large = "midline_shift" in plan.findings
    opening = rng.uniform(0.6, 0.85) if large else rng.uniform(0.22, 0.62)
    distance = (angle - np.float32(opening)) * length + 2.5 * bank.at(p.x, p.y, p.z, 20, 25)
    inner = rng.uniform(2, 26)
    return np.maximum(distance, np.maximum(np.float32(inner) - length, 2 - p.x * plan.side)), name


def paint_infarct(brain: Brain, plan: HeadPlan, bank: NoiseBank) -> list[Draft]:
    """A wedge of one artery's territory, or a lacune; grey and white matter both."""
    rng, p = plan.rng(41), brain.canvas.points
    small = rng.random() < 0.22 and "midline_shift" not in plan.findings
    if small:
        place = str(rng.choice(list(_LACUNES)))
        x, y, z = _LACUNES[place]
        radii = tuple(rng.uniform(4, 8, 3))
        centre = (plan.side * (x + rng.normal(0, 2)), y + rng.normal(0, 3), z + rng.normal(0, 2))
        distance = ellipsoid(p.x, p.y, p.z, centre, (radii[0], radii[1], radii[2]))
    else:
        distance, place = _wedge(brain, plan, bank, rng)
    share = soft(distance, 3.0) * brain.parenchyma
    if not small:  # spares the hindbrain, which other arteries feed
        share = share * brain.above
    brain.canvas.add("infarct", share)
    brain.canvas.add("infarct_cortex", share * (1 - brain.white))
    side = side_of(plan.side)
    details: dict[str, str | float] = {"type": "lacunar" if small else "territorial", "age": "subacute"}
    return [Draft("cerebral_infarct", side, f"{side} {place}", share, details)]


def _tumour_body(brain: Brain, site: Site, kind: str, plan: HeadPlan, bank: NoiseBank) -> Array:
    """Paint one tumour; gives the signed distance to it."""
    p, r, rng = brain.canvas.points, site.radius, plan.rng(42)
    radii = tuple(r * rng.uniform(0.85, 1.15, 3))
    distance = ellipsoid(p.x, p.y, p.z, site.centre, (radii[0], radii[1], radii[2]))
    rough = {"meningioma": 0.04, "metastasis": 0.06}.get(kind, 0.14)
    distance = distance + rough * r * bank.at(p.x, p.y, p.z, max(1.2 * r, 8), 26)
    share = soft(distance, 1.6) * (brain.depth > (0.3 if kind == "meningioma" else 1.0))
    brain.canvas.add({"low-grade glioma": "tumour_pale", "meningioma": "meningioma"}.get(kind, "tumour"), share)
    if kind in {"high-grade glioma", "metastasis"} and r > 5:
        wall = np.float32(max(2.0, r * rng.uniform(0.15, 0.5)))
        core = distance + wall + 0.1 * r * bank.at(p.x, p.y, p.z, max(r, 8), 27)
        brain.canvas.add("tumour_rim", share)
        brain.canvas.add("necrosis", soft(core, 2.0) * share)
    return distance


def paint_tumour(brain: Brain, site: Site, plan: HeadPlan, bank: NoiseBank) -> tuple[list[Draft], Array]:
    """A glioma, meningioma or metastasis; also the distance to it, round which there may be oedema."""
    kinds = ("high-grade glioma", "high-grade glioma", "low-grade glioma", "metastasis", "meningioma")
    kind = str(plan.rng(43).choice(kinds))
    if kind == "meningioma":  # grows from the dura: push its centre out until it rests there
        _, y, z = site.centre
        out = 60 - 0.55 * site.radius
        site = Site("convexity", site.side, (site.side * out, 0.55 * y, 0.5 * abs(z) + 12), site.radius)
    distance = _tumour_body(brain, site, kind, plan, bank)
    share = soft(distance, 1.6) * soft(0.5 - brain.depth, 1.0)
    glow = {"low-grade glioma": "none", "meningioma": "homogeneous"}.get(kind, "ring")
    details: dict[str, str | float] = {
        "type": kind, "enhancement": (glow if site.radius > 5 else "homogeneous") if plan.contrast else "unknown"
    }  # fmt: skip
    return [Draft("brain_tumour", side_of(site.side), site.location, share, details)], distance


def paint_oedema(
    brain: Brain, distance: Array, site_name: str, plan: HeadPlan, bank: NoiseBank, ml: float
) -> list[Draft]:
    """Vasogenic oedema in the white matter round a lump; a finding of its own from OEDEMA_CUT_ML on.

    `ml`: volume of one point. The rim grows or thins until its volume is on the side of the cut that the plan says.
    """
    rng, p = plan.rng(44), brain.canvas.points
    wanted = "cerebral_oedema" in plan.findings
    width = rng.uniform(10, 20) if wanted else rng.uniform(1, 5)
    ragged = 4 * bank.at(p.x, p.y, p.z, 22, 28)
    for _ in range(8):
        share = soft(distance - np.float32(width) + ragged * min(1.0, width / 8), 4.0)
        share = share * brain.white * soft(-distance, 1.6)
        volume = float(share.sum()) * ml
        if (volume >= 1.3 * OEDEMA_CUT_ML) == wanted and (wanted or volume < 0.7 * OEDEMA_CUT_ML):
            break
        width *= 1.4 if wanted else 0.6
    brain.canvas.add("vasogenic", share)
    if volume < OEDEMA_CUT_ML:
        return []
    details: dict[str, str | float] = {"type": "vasogenic"}
    return [Draft("cerebral_oedema", side_of(plan.side), site_name, share, details)]


def paint_swelling(brain: Brain, plan: HeadPlan) -> list[Draft]:
    """Diffuse oedema: grey and white matter drift together (sulci and ventricles were drawn tight)."""
    share = brain.parenchyma * plan.rng(45).uniform(0.35, 0.7)
    brain.canvas.add("swollen", share)
    return [Draft("cerebral_oedema", "bilateral", "both cerebral hemispheres", brain.parenchyma, {"type": "diffuse"})]


def paint_hydrocephalus(brain: Brain, plan: HeadPlan) -> list[Draft]:
    """The wide ventricles themselves, and sometimes fluid pressed into the white matter beside them."""
    rng = plan.rng(46)
    if rng.random() < 0.6:
        brain.canvas.add("vasogenic", 0.6 * soft(brain.ventricles - rng.uniform(2, 5), 6) * brain.white)
    share = soft(brain.ventricles, 1.6)
    details: dict[str, str | float] = {"type": str(rng.choice(["communicating", "obstructive"]))}
    return [Draft("hydrocephalus", "bilateral", "lateral and third ventricles", share, details)]


def paint_shift(brain: Brain, plan: HeadPlan, measured: float) -> list[Draft]:
    """Nothing is drawn: the strip that the midline has moved over is marked."""
    p = brain.canvas.points
    pushed = midline_push(plan, p.x, p.y, p.z)
    over = (np.abs(pushed) > 1.5) & (np.sign(pushed) * p.x > -0.5) & (np.sign(pushed) * brain.before.x < 0.5)
    details: dict[str, str | float] = {"shift_mm": round(abs(measured), 1)}
    towards = side_of(int(np.sign(measured)))
    share = (over & (brain.depth > 4) & (p.z > -12)).astype(np.float32)
    return [Draft("midline_shift", towards, f"midline, towards the {towards}", share, details)]
