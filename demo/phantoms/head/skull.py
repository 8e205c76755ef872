"""Everything outside the brain's cavity: scalp, skull with diploe, sinuses, mastoids, orbits, muscle, face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radseek.demo.phantoms.head.distance_fields import Array, NoiseBank, chain, ellipsoid, smooth_min, soft
from radseek.demo.phantoms.head.head_space import Points, Region
from radseek.demo.phantoms.head.patient_plan import HeadPlan
from radseek.demo.phantoms.head.tissue_layers import Canvas

__all__ = ["head_surface", "paint_shell"]

_EDGE = 1.4  # mm over which a boundary fades: about a pixel


def head_surface(p: Points, depth: Array, plan: HeadPlan) -> Array:
    """Signed distance to the skin: the vault grown by skull and scalp, the face, nose, ears and nape."""
    out = -depth - np.float32(plan.skull + plan.scalp)
    low = np.flatnonzero(p.z < 40)
    x, y, z, lateral = p.x[low], p.y[low], p.z[low], np.abs(p.x[low])
    face = ellipsoid(x, y, z, (0, -52, -52), (62, 48, 58))
    sides = ellipsoid(x, y, z, (0, 5, -45), (69, 82, 60))
    nose = ellipsoid(x, y, z, (0, -103, -50), (12, 13, 20))
    ears = ellipsoid(lateral, y, z, (78, 14, -32), (5, 15, 23))
    lower = smooth_min(smooth_min(face, sides, 12), smooth_min(nose, ears, 2), 5)
    out[low] = smooth_min(out[low], lower, 10)
    return out


def _bruise(p: Points, plan: HeadPlan) -> Array:
    """Thickness (mm) of a swelling of the scalp, anywhere on the vault: blood that is not in the head."""
    rng = plan.rng(4)
    towards = np.array([rng.normal(0, 1), rng.normal(0, 1), rng.uniform(0.1, 0.6)])
    towards = (towards / np.linalg.norm(towards)).astype(np.float32)
    length = np.sqrt(p.x * p.x + p.y * p.y + p.z * p.z) + np.float32(1)
    near = (p.x * towards[0] + p.y * towards[1] + p.z * towards[2]) / length
    share = np.clip(1 - (1 - near) / np.float32(1 - np.cos(rng.uniform(0.3, 0.75))), 0, 1)
    thickness: Array = np.float32(plan.bruise) * np.sqrt(share)
    return thickness


def _shell(canvas: Canvas, depth: Array, skin: Array, bruise: Array | None, plan: HeadPlan, bank: NoiseBank) -> None:
    """Skin, fat, the vault's two tables and the marrow between them."""
    p = canvas.points
    thick = np.float32(plan.skull) * (1 + 0.12 * bank.at(p.x, p.y, p.z, 70, 40))
    canvas.add("fat", soft(skin, _EDGE))
    canvas.add("skin", soft(np.abs(skin + 1.0) - 1.1, _EDGE))
    _muscles(canvas, skin, plan, bank)
    if bruise is not None:
        blood = np.maximum(np.abs(-depth - thick - 0.5 * bruise) - 0.5 * bruise, skin + 2.0)
        canvas.add("bruise", soft(blood, 2.0) * (bruise > 0.5))
    canvas.add("bone", soft(-depth - thick, _EDGE))
    marrow = np.abs(-depth - 0.52 * thick) - 0.24 * thick + 0.5 * bank.at(p.x, p.y, p.z, 9, 41)
    canvas.add("diploe", soft(marrow, _EDGE) * (p.z > -25))


def _within(canvas: Canvas, keep: NDArray[np.bool_]) -> tuple[NDArray[np.int64], Points]:
    """Points of a part of the head, and their places in the canvas."""
    where = np.flatnonzero(keep)
    return where, canvas.points.take(where)


def _muscles(canvas: Canvas, skin: Array, plan: HeadPlan, bank: NoiseBank) -> None:
    """Temporal muscles beside the vault, chewing muscles under it and the nape's behind."""
    where, p = _within(canvas, canvas.points.z < 38)
    lateral, size = np.abs(p.x), plan.muscle
    temporal = ellipsoid(lateral, p.y, p.z, (66 + 3 * size, -26, -10), (6 + 5 * size, 30, 36))
    chewing = ellipsoid(lateral, p.y, p.z, (42, -30, -66), (10 + 5 * size, 26, 26))
    nape = ellipsoid(lateral, p.y, p.z, (18, 66, -74), (20 + 12 * size, 20 + 8 * size, 36))
    throat = ellipsoid(lateral, p.y, p.z, (0, -8, -88), (34, 26, 26))
    strands = 3 * (bank.at(p.x, p.y, p.z, 17, 44) - 1.1 + 0.8 * size)
    planes = np.maximum(ellipsoid(lateral, p.y, p.z, (0, -20, -70), (66, 70, 60)), -strands)
    muscle = np.minimum(np.minimum(np.minimum(temporal, chewing), np.minimum(nape, throat)), planes)
    canvas.add("muscle", soft(np.maximum(muscle, skin[where] + 2.5), _EDGE), where)


def _orbits(canvas: Canvas, outside: Array, plan: HeadPlan) -> None:
    """Bony orbits with fat, globes, lenses, optic nerves and the straight muscles."""
    where, p = _within(canvas, (canvas.points.z < 0) & (canvas.points.y < -15))
    lateral, free = np.abs(p.x), outside[where]
    cone = chain(lateral, p.y, p.z, [(31, -84, -29, 17), (25, -62, -28, 13), (13, -36, -25, 4)])
    canvas.add("bone", soft(np.abs(cone - 1.2) - 1.2, _EDGE) * free * (p.y > -84), where)
    inside = soft(cone, _EDGE) * free
    canvas.add("orbital_fat", inside, where)
    nerve = chain(lateral, p.y, p.z, [(30, -72, -29, 2.2), (12, -32, -24, 2.0)])
    rectus = np.minimum(
        chain(lateral, p.y, p.z, [(18, -80, -29, 1.3), (19, -62, -28, 2.4), (13, -38, -26, 1.2)]),
        chain(lateral, p.y, p.z, [(43, -80, -29, 1.3), (36, -60, -28, 2.4), (16, -38, -26, 1.2)]),
    )
    canvas.add("muscle", soft(np.minimum(nerve, rectus), _EDGE) * inside, where)
    globe = ellipsoid(lateral, p.y, p.z, (31, -85, -29), (12, 12, 12))
    canvas.add("sclera", soft(globe, _EDGE), where)
    canvas.add("globe", soft(globe + 1.3, _EDGE), where)
    canvas.add("lens", soft(ellipsoid(lateral, p.y, p.z, (31, -93.5, -29), (4.5, 2.0, 4.5)), _EDGE), where)


def _airways(canvas: Canvas, outside: Array, bank: NoiseBank, rng: np.random.Generator) -> None:
    """Frontal, ethmoid, sphenoid and maxillary sinuses, the nose and the mastoid cells; some lined or full."""
    where, p = _within(canvas, (canvas.points.z < 26) & (canvas.points.y < 52))
    lateral, free = np.abs(p.x), outside[where]
    septa = np.abs(bank.at(p.x, p.y, p.z, 16, 42)) - 0.22
    fine = np.abs(bank.at(p.x, p.y, p.z, 9, 43)) - 0.35
    size = rng.uniform(0.7, 1.15, 5)
    spaces: list[tuple[Array, Array | None]] = [
        (ellipsoid(lateral, p.y, p.z, (7, -87, 4), (14 * size[0], 4.5, 12 * size[0])), None),
        (ellipsoid(lateral, p.y, p.z, (4, -69, -33), (10, 26, 15)), septa),
        (ellipsoid(lateral, p.y, p.z, (6, -30, -43), (8 * size[1], 13, 10 * size[1])), None),
        (ellipsoid(lateral, p.y, p.z, (29, -66, -66), (14 * size[2], 17, 17)), None),
        (ellipsoid(lateral, p.y, p.z, (7, -72, -62), (6, 28, 18)), septa),
        (ellipsoid(lateral, p.y, p.z, (55, 26, -46), (9 * size[3], 15 * size[3], 19)), fine),
        (ellipsoid(lateral, p.y, p.z, (68, 6, -40), (16, 3, 3)), None),
    ]
    for distance, walls in spaces:
        canvas.add("bone", soft(distance - 1.5, _EDGE) * free, where)
        canvas.add("mucosa", soft(distance, _EDGE) * free, where)
        hollow = distance + np.float32(rng.choice([0.3, 0.8, 4.0], p=[0.6, 0.3, 0.1]))
        cells = soft(hollow, _EDGE) * free
        canvas.add("air", cells if walls is None else cells * soft(-walls * 5, _EDGE), where)


def paint_shell(region: Region, plan: HeadPlan, bank: NoiseBank) -> Canvas:
    """The head without its brain, on the points that are in the head."""
    skin = head_surface(region.points, region.depth, plan)
    bruise = _bruise(region.points, plan) if plan.bruise > 0 else None
    if bruise is not None:
        skin = skin - bruise
    keep = (skin < _EDGE) & (region.depth < _EDGE)
    canvas = Canvas(region.points.take(keep))
    depth, skin = region.depth[keep], skin[keep]
    _shell(canvas, depth, skin, None if bruise is None else bruise[keep], plan, bank)
    outside = soft(depth + 2.2, _EDGE) * soft(skin + 2.0, _EDGE)
    _airways(canvas, outside, bank, plan.rng(2))
    _orbits(canvas, outside, plan)
    return canvas
