"""The inside of the skull: cortex folded by noise, deep nuclei, ventricles, cisterns, hindbrain, dura, vessels.

Shapes are in canonical millimetres (x left, y posterior, z up, origin between the thalami) and mirrored by |x|.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radseek.demo.phantoms.head.distance_fields import Array, NoiseBank, chain, ellipsoid, smooth_min, soft
from radseek.demo.phantoms.head.head_space import Points, Region, displaced_x
from radseek.demo.phantoms.head.patient_plan import HeadPlan
from radseek.demo.phantoms.head.tissue_layers import Canvas

__all__ = ["Brain", "paint_brain"]

_EDGE = 1.4
Knot = tuple[float, float, float, float]
_CORTEX = 3.0  # mm
_FOLD = 19.5  # mm, twice the width of a gyrus
# Lateral ventricle of a young adult: x, y, z, radius.
_VENTRICLE = (
    (9.0, -37.0, 5.0, 2.6),
    (8.0, -29.0, 9.0, 4.0),
    (5.5, -16.0, 14.0, 3.8),
    (8.0, 2.0, 19.0, 3.6),
    (13.0, 17.0, 19.0, 4.2),
    (22.0, 31.0, 11.0, 6.0),
)
_OCCIPITAL = ((22.0, 31.0, 11.0, 6.0), (24.0, 46.0, 6.0, 3.6), (23.0, 60.0, 4.0, 1.0))
_TEMPORAL = ((22.0, 31.0, 11.0, 5.0), (29.0, 21.0, -5.0, 2.2), (30.0, 4.0, -15.0, 1.5), (27.0, -8.0, -18.0, 1.0))


@dataclass(frozen=True, eq=False)
class Brain:
    """The painted brain and the fields that lesions are placed by (each on the canvas' points).

    `before`: coordinates before mass effect. `depth`: mm under dura or collection. `fluid`: distance to fluid over
    the brain. `white`: share of white matter. `ventricles`: distance. `parenchyma`: share of brain tissue.
    `above`: share over the tentorium.
    """

    canvas: Canvas
    before: Points
    depth: Array
    fluid: Array
    white: Array
    ventricles: Array
    parenchyma: Array
    above: Array


def _tentorium(p: Points, bank: NoiseBank) -> tuple[Array, Array]:
    """Height of the tentorium, and signed distance (negative below it) to the posterior fossa."""
    lateral = np.abs(p.x)
    height = 5 - 0.4 * np.maximum(p.y - 25, 0) - 0.36 * lateral - 0.8 * np.maximum(25 - p.y, 0)
    height += 2.2 * bank.at(p.x, p.y, p.z, 48, 13)
    ridge = -4 + 0.5 * lateral
    return height, np.maximum((p.z - height) * 0.85, (ridge - p.y) * 0.9)


def _stem(p: Points) -> Array:
    """Signed distance to midbrain with its peduncles, pons and medulla."""
    core = [(0, 13, 0, 8.5), (0, 13, -14, 9.5), (0, 9, -24, 12.5), (0, 8, -38, 12), (0, 15, -54, 8), (0, 19, -90, 7)]
    legs = [(9, 0, -2, 5.5), (7.5, 2, -12, 7), (5, 3, -24, 9)]
    return smooth_min(chain(p.x * 0.9, p.y, p.z, core), chain(np.abs(p.x), p.y, p.z, legs), 4)


def _ventricles(p: Points, plan: HeadPlan, pressure: Array, bank: NoiseBank) -> Array:
    """Signed distance to the lateral, third and fourth ventricles."""
    side = np.where(p.x > 0, np.float32(plan.asymmetry), np.float32(1 / plan.asymmetry))
    size = plan.ventricle
    spread = 1 + 0.16 * (size - 1)
    lateral = np.abs(p.x) / np.float32(spread)

    def grow(points: tuple[Knot, ...]) -> list[Knot]:
        return [(x, y, z, r * size**0.8) for x, y, z, r in points]

    horns = np.minimum(chain(lateral, p.y, p.z, grow(_VENTRICLE)), chain(lateral, p.y, p.z, grow(_OCCIPITAL)))
    horns = smooth_min(horns, chain(lateral, p.y, p.z, grow(_TEMPORAL)) + np.float32(max(0, 1.1 - size)), 2)
    horns = horns - (side - 1) * 6 + 0.5 * bank.at(p.x, p.y, p.z, 30, 10)
    horns = np.maximum(horns, 0.7 - np.abs(p.x))  # septum pellucidum
    third = ellipsoid(p.x, p.y, p.z, (0, 1, -3), (1.2 + 1.6 * size, 15, 10))
    fourth = ellipsoid(p.x, p.y, p.z, (0, 26, -36), (4 + 3.5 * size**0.5, 3.2 + 1.8 * size**0.5, 10))
    inside: Array = np.minimum(np.minimum(horns + 4 * pressure, third + pressure), fourth)
    return inside


def _sylvian(p: Points, bank: NoiseBank) -> Array:
    """Distance to the insular cistern and the cleft that opens it to the side."""
    wobble = bank.at(p.x, p.y, p.z, 26, 14)
    lateral = np.abs(p.x) + 1.8 * wobble
    beyond_y, beyond_z = np.maximum(np.abs(p.y + 3) - 23, 0), np.maximum(np.abs(p.z - 2) - 13, 0)
    insula = np.sqrt((lateral - 39 - 0.006 * p.y * p.y) ** 2 + beyond_y**2 + beyond_z**2)
    rise = (p.z + 2.5 * wobble - 0.8 * (p.y + 4)) * np.float32(0.78)
    cleft = np.sqrt(rise**2 + np.maximum(38 - lateral, 0) ** 2 + np.maximum(np.abs(p.y + 6) - 26, 0) ** 2)
    distance: Array = np.minimum(insula, cleft)
    return distance


def _fluid(p: Points, depth: Array, below: Array, plan: HeadPlan, pressure: Array, bank: NoiseBank) -> Array:
    """Signed distance to the fluid over the cerebrum: outer gap, sulci, fissures (negative in fluid)."""
    reach = np.maximum(np.sqrt(p.x**2 + p.y**2 + p.z**2), 30)
    out = 1 + 0.7 * np.clip(depth, 0, 14) / reach  # sheets stand upright on the surface
    sheet = bank.sheet(p.x * out, p.y * out, p.z * out, _FOLD, 0)
    bottom = 16 + 5 * bank.at(p.x, p.y, p.z, 45, 1)
    core = -ellipsoid(p.x, p.y, p.z, (0, 0, 5), (200, 38, 22))
    from_middle = np.sqrt(p.x**2 + np.maximum(core, 0) ** 2)
    under = np.minimum(depth, from_middle)
    sulci = np.sqrt(sheet**2 + np.maximum(under - bottom, 0) ** 2)
    width = np.float32(plan.sulcus) * (1 + 0.35 * bank.at(p.x, p.y, p.z, 60, 2)) - 1.3 * pressure
    width += np.float32(0.35 * max(plan.sulcus, 0)) * (depth < 8)
    fluid = np.minimum(sulci - width, _sylvian(p, bank) - 0.7 - 1.1 * width)
    fluid = np.minimum(fluid, from_middle - np.maximum(0.5 + 0.8 * width, 0.2))
    over: Array = np.minimum(np.minimum(fluid, depth - np.float32(plan.gap) + 0.8 * pressure), below - 1.0)
    return over


def _deep_grey(p: Points) -> Array:
    """Signed distance to thalami, lentiform and caudate nuclei."""
    lateral = np.abs(p.x)
    thalamus = ellipsoid(lateral, p.y, p.z, (11.5, 8, 4), (9, 14, 10))
    turned = lateral + np.float32(0.22) * (-p.y - 4)
    lentiform = ellipsoid(turned, p.y, p.z, (24.5, -4, 1), (6.5, 18, 11))
    caudate = ellipsoid(lateral, p.y, p.z, (14, -25, 8), (5.5, 10, 10))
    return np.minimum(np.minimum(thalamus, lentiform), caudate)


def _hindbrain(canvas: Canvas, p: Points, depth: Array, below: Array, plan: HeadPlan, bank: NoiseBank) -> Array:
    """Cisterns round the stem, the cerebellum with its folia, the stem. Gives the share that is hindbrain."""
    tight = np.float32(0.8 + 1.6 * (1 - plan.atrophy)) * np.float32(1 if plan.sulcus > 0.1 else 2.2)
    stem = _stem(p)
    where = np.flatnonzero((p.z < 12) & (np.abs(p.x) < 62))
    cisterns = np.minimum(
        ellipsoid(p.x, p.y, p.z, (0, -9, -23), (15, 14, 8)), ellipsoid(p.x, p.y, p.z, (0, 26, 0), (13, 5, 7))
    )
    cisterns = np.minimum(cisterns, np.maximum(stem - 4.5, p.z + 3)) + tight
    canvas.add("csf", np.maximum(soft(below, _EDGE), soft(cisterns, _EDGE)))
    x, y, z, lateral = p.x[where], p.y[where], p.z[where], np.abs(p.x[where])
    lobes = ellipsoid(x, y, z, (0, 46, -34), (58, 44, 38 - 6 * plan.atrophy))
    lobes = np.maximum(lobes, np.maximum(1.0 + 0.5 * tight + below[where], 1.2 + plan.gap * 0.6 - depth[where]))
    lobes = np.maximum(
        lobes,
        np.maximum(1.5 + tight - stem[where], 11 + 0.3 * lateral + 1.5 * tight - y - 0.7 * np.clip(-14 - z, 0, 25)),
    )
    cerebellum = soft(lobes, _EDGE)
    canvas.add("cerebellum", cerebellum, where)
    spread = np.sqrt(x**2 + (y - 22) ** 2 + (z + 36) ** 2) + 1.5 * bank.at(x, y, z, 26, 11)
    folia = soft(0.75 - np.sin(spread * np.float32(2 * np.pi / 5.5)), 0.6) * soft(-lobes - 11, 6)
    canvas.add("csf", 0.45 * folia * cerebellum, where)
    core = chain(lateral, y, z, [(14, 10, -31, 5), (19, 28, -35, 5), (20, 40, -39, 7), (27, 49, -42, 7)])
    canvas.add("white", soft(core + 1.5 * bank.at(x, y, z, 12, 12), 3) * cerebellum, where)
    canvas.add("stem", soft(stem, _EDGE))
    hind = soft(stem, _EDGE)
    hind[where] = np.maximum(hind[where], cerebellum)
    return hind


def _dura(canvas: Canvas, region: Region, p: Points, bank: NoiseBank) -> None:
    """Falx (which gives way less than the brain), tentorium and the venous sinuses."""
    at = region.points
    falx_x = 0.35 * p.x + 0.65 * at.x
    inner = np.sqrt(((at.y - 4) / 52) ** 2 + ((at.z - 2) / 36) ** 2)
    falx = np.maximum(np.abs(falx_x) - 0.7, (1 - inner) * 36)
    canvas.add("dura", soft(np.maximum(falx, -14 - at.z), _EDGE))
    height, below = _tentorium(at, bank)
    leaf = np.maximum(np.abs(below) - 0.6, 24 - at.y)
    canvas.add("dura", soft(leaf, _EDGE) * (np.abs(at.z - height) < 4))
    sagittal = np.maximum(np.abs(falx_x) - (5.0 - 0.55 * region.depth), region.depth - 8)
    torcular = chain(np.abs(at.x), at.y, at.z, [(0, 80, -16, 4), (28, 72, -22, 3), (54, 40, -24, 3)])
    canvas.add("sinus", soft(np.minimum(np.maximum(sagittal, -12 - at.z), torcular), _EDGE))


def _vessels(canvas: Canvas, p: Points) -> None:
    """Basilar, middle and anterior cerebral arteries."""
    where = np.flatnonzero((p.z < 14) & (p.z > -50) & (np.abs(p.x) < 48))
    x, y, z, lateral = p.x[where], p.y[where], p.z[where], np.abs(p.x[where])
    middle = chain(lateral, y, z, [(7, -14, -21, 1.7), (24, -14, -17, 1.5), (38, -10, -8, 1.1)])
    front = chain(lateral, y, z, [(7, -14, -21, 1.7), (2, -24, -18, 1.2), (1.5, -42, -4, 1.0)])
    basilar = chain(x, y, z, [(1, -9, -46, 1.7), (0, -8, -22, 1.9)])
    canvas.add("vessel", soft(np.minimum(np.minimum(middle, front), basilar), _EDGE), where)


def _calcify(canvas: Canvas, p: Points, plan: HeadPlan) -> None:
    """Benign calcium: choroid plexus, pineal gland, falx, pallidum, dura."""
    rng, lateral = plan.rng(3), np.abs(p.x)
    spread = 1 + 0.16 * (plan.ventricle - 1)
    spots = {
        "choroid": ellipsoid(lateral, p.y, p.z, (22 * spread, 33, 9), (2.6, 4.5, 4)),
        "pineal": ellipsoid(p.x, p.y, p.z, (0, 24, 3), (2.4, 2.8, 2.4)),
        "falx": ellipsoid(p.x, p.y, p.z, (0, rng.uniform(-70, -40), rng.uniform(20, 45)), (1.6, 8, 7)),
        "pallidum": ellipsoid(lateral, p.y, p.z, (19, -3, 1), (2.2, 5, 4)),
        "dura": ellipsoid(p.x, p.y, p.z, (0, rng.uniform(30, 60), rng.uniform(38, 52)), (1.5, 7, 6)),
    }
    for name in sorted(plan.calcified):
        canvas.add("calcium", soft(spots[name] + rng.uniform(-0.6, 0.8), 2.0) * rng.uniform(0.3, 1.0))


def paint_brain(region: Region, plan: HeadPlan, bank: NoiseBank, collection: Array, pressure: Array) -> Brain:
    """Paint the brain under `collection` (mm of extra-axial fluid) where `pressure` (0 to 1) flattens sulci."""
    at, canvas = region.points, Canvas(region.points)
    p = Points(displaced_x(plan, at), at.y, at.z, at.index)
    depth = region.depth - collection
    _, below = _tentorium(p, bank)
    fluid = _fluid(p, depth, below, plan, pressure, bank)
    ventricles = _ventricles(p, plan, pressure, bank)
    canvas.add("white", np.ones_like(p.x))
    grey = soft(fluid - np.float32(_CORTEX), 2.0)
    canvas.add("grey", grey)
    deep = soft(_deep_grey(p) + 0.6 * bank.at(p.x, p.y, p.z, 14, 3), 2.5)
    canvas.add("deep_grey", deep)
    rarefied = soft(ventricles - np.float32(9 * plan.atrophy), 7) * np.float32(plan.atrophy)
    canvas.add("leukoaraiosis", rarefied * (1 - grey) * (1 - deep))
    canvas.add("csf", soft(fluid, _EDGE))
    hind = _hindbrain(canvas, p, depth, below, plan, bank)
    canvas.add("csf", soft(ventricles, _EDGE))
    covered = np.maximum(soft(fluid, _EDGE) * (1 - hind), soft(ventricles, _EDGE))
    parenchyma = (1 - covered) * np.maximum(soft(-below, _EDGE), hind)
    _dura(canvas, region, p, bank)
    _vessels(canvas, p)
    _calcify(canvas, p, plan)
    white = (1 - grey) * (1 - deep) * parenchyma
    return Brain(canvas, p, depth, fluid, white, ventricles, parenchyma, soft(-below, _EDGE) * (1 - hind))
