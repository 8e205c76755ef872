"""Blood inside the skull: in the brain, under and over the dura, in the sulci, in the ventricles."""

from __future__ import annotations

import numpy as np

from radseek.demo.phantoms.brain.anatomy import Brain
from radseek.demo.phantoms.brain.lesion_sites import Collection, Site
from radseek.demo.phantoms.brain.painted_finding import Draft, side_of
from radseek.demo.phantoms.head.distance_fields import Array, NoiseBank, ellipsoid, soft
from radseek.demo.phantoms.head.head_space import Region
from radseek.demo.phantoms.head.patient_plan import HeadPlan

__all__ = ["paint_bleed", "paint_collection"]

_EDGE = 1.6


def paint_collection(brain: Brain, region: Region, depth: Array, what: Collection, plan: HeadPlan) -> list[Draft]:
    """An extra-axial collection of the given thickness; a cyst is fluid and no finding."""
    rng = plan.rng(31)
    share = soft(region.depth - depth, _EDGE) * soft(-region.depth, _EDGE) * soft(0.8 - depth, 0.8)
    if what.kind == "arachnoid cyst":
        brain.canvas.add("csf", share)
        return []
    ages = ("acute", "acute", "acute", "subacute", "chronic", "chronic") if what.kind == "subdural" else ("acute",)
    age = str(rng.choice(ages))
    brain.canvas.add(f"blood_{age}", share)
    if what.kind == "subdural" and rng.random() < 0.3 and age != "acute":  # a level: older blood on top
        fresh = soft(rng.uniform(0, 30) - region.points.y, 6.0)
        brain.canvas.add("blood_acute", 0.7 * share * fresh)
    details: dict[str, str | float] = {
        "type": what.kind, "age": age, "thickness_mm": round(float(depth.max()) * plan.scale[0], 1)
    }  # fmt: skip
    side, where = side_of(what.side), f"{side_of(what.side)} cerebral convexity"
    drafts = [Draft("intracranial_haemorrhage", side, where, share, details)]
    if what.kind == "subdural":
        drafts.append(Draft("subdural_haematoma", side, where, share, details))
    return drafts


def _haematoma(brain: Brain, site: Site, plan: HeadPlan, bank: NoiseBank) -> tuple[list[Draft], Array]:
    """Blood in the brain: an irregular lump with a thin rim of oedema. Also gives the distance to it."""
    rng, p, r = plan.rng(32), brain.canvas.points, site.radius
    stretch = rng.uniform(0.8, 1.25, 2)
    radii = (r * stretch[0], r * stretch[1], r / float(stretch.prod()))
    distance = ellipsoid(p.x, p.y, p.z, site.centre, radii)
    distance += 0.17 * r * bank.at(p.x, p.y, p.z, max(1.3 * r, 9), 20)
    distance += 0.05 * r * bank.at(p.x, p.y, p.z, max(0.5 * r, 5), 21)
    room = np.maximum(brain.parenchyma, 0.9 * (brain.fluid < 3)) * (brain.depth > 1.5)
    share = soft(distance, _EDGE) * room
    brain.canvas.add("rim_oedema", soft(distance - rng.uniform(1.5, 4), 3.0) * brain.parenchyma)
    brain.canvas.add("blood_acute", share)
    brain.canvas.add("blood_dense", share * np.clip(bank.at(p.x, p.y, p.z, max(r, 8), 22), 0, 1))
    details: dict[str, str | float] = {"type": "intraparenchymal", "age": "acute"}
    return [Draft("intracranial_haemorrhage", side_of(site.side), site.location, share, details)], distance


def _subarachnoid(brain: Brain, plan: HeadPlan, bank: NoiseBank) -> list[Draft]:
    """Blood in sulci and the Sylvian fissure of one side or both, thicker near its source."""
    rng, p = plan.rng(33), brain.canvas.points
    both = rng.random() < 0.35
    lateral = np.abs(p.x) if both else p.x * plan.side
    radius = rng.uniform(13, 23 if both else 30)
    patch = ellipsoid(lateral, p.y, p.z, (40, rng.uniform(-25, 25), rng.uniform(-8, 28)), (radius,) * 3)
    patch += 5 * bank.at(p.x, p.y, p.z, 30, 23)
    near = soft(brain.fluid - 0.9, _EDGE) * (brain.ventricles > 3)
    share = near * soft(patch, 8) * (brain.depth < 34) * (brain.depth > 0)
    brain.canvas.add("blood_thin", share)
    side = "bilateral" if both else side_of(plan.side)
    place = "bilateral cerebral sulci" if both else f"{side} sylvian fissure and sulci"
    return [Draft("intracranial_haemorrhage", side, place, share, {"type": "subarachnoid", "age": "acute"})]


def _intraventricular(brain: Brain, plan: HeadPlan, bank: NoiseBank) -> list[Draft]:
    """Blood that has settled in the backs of the ventricles, sometimes a cast of one of them."""
    rng, p = plan.rng(34), brain.canvas.points
    inside = soft(brain.ventricles, _EDGE)
    level = soft(rng.uniform(18, 38) - p.y, 2.5)
    cast = soft(-p.x * plan.side, 3) * (rng.random() < 0.5) * soft(rng.uniform(-30, 20) - p.y, 10)
    share = inside * np.maximum(level, cast) * soft(-p.z - 22, 4)
    brain.canvas.add("blood_acute", share * np.clip(0.9 + 0.2 * bank.at(p.x, p.y, p.z, 12, 24), 0.5, 1))
    details: dict[str, str | float] = {"type": "intraventricular", "age": "acute"}
    return [Draft("intracranial_haemorrhage", "bilateral", "lateral ventricles", share, details)]


def paint_bleed(brain: Brain, site: Site | None, plan: HeadPlan, bank: NoiseBank) -> tuple[list[Draft], Array | None]:
    """Blood of the plan's kind; also the distance to a lump of it, round which there may be oedema."""
    if plan.bleed == "intraparenchymal" and site is not None:
        return _haematoma(brain, site, plan, bank)
    if plan.bleed == "subarachnoid":
        return _subarachnoid(brain, plan, bank), None
    if plan.bleed == "intraventricular":
        return _intraventricular(brain, plan, bank), None
    return [], None
