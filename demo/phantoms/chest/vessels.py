"""Great vessels, lung vessels, airways, oesophagus and fissures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radseek.demo.phantoms.chest.body import spine_y
from radseek.demo.phantoms.chest.soft_tissue import Scene, paint_cloud
from radseek.demo.phantoms.random_fields import stream
from radseek.demo.phantoms.tubes import Cloud, grow_tree, join, resample, tube

__all__ = ["fissure_side", "lung_points", "paint_fissures", "paint_great_vessels", "paint_lung_trees"]

F = NDArray[np.float64]


def lung_points(scene: Scene, rng: np.random.Generator, side: int, count: int) -> F:
    """`count` random points `(N, 3)` inside the lung (+1 left, -1 right)."""
    flat = np.flatnonzero(scene.lungs == side)
    if flat.size == 0:
        return np.zeros((0, 3))
    z, y, x = np.unravel_index(rng.choice(flat, count), scene.grid.shape)
    index = np.stack([x, y, z], axis=1) + rng.uniform(-0.5, 0.5, (count, 3))
    return np.asarray(np.array(scene.grid.origin) + index * np.array(scene.grid.step))


def _pipe(knots: list[tuple[float, float, float]], radii: list[float], cell: float = 1.6) -> Cloud:
    path, radius = resample(np.array(knots), np.array(radii, float), 1.2)
    return tube(path, radius, cell)


def _arch(scene: Scene, rng: np.random.Generator) -> Cloud:
    patient = scene.patient
    top = float(scene.heart.centre[2] + scene.heart.reach(2) * 0.7)
    r = float(rng.uniform(10.5, 13.5) + 0.04 * (patient.age - 50))
    knob = float(rng.uniform(20, 27) + 0.08 * max(patient.age - 55, 0))
    down = [(knob - 4 - 0.05 * (30 - z), float(spine_y(patient, z)) - 16, z) for z in (20, -20, -60, -110, -190)]
    knots = [
        (-2.0, -24.0, min(top, 0.0) - 8),
        (-16.0, -26.0, 28.0),
        (-9.0, -16.0, 52.0),
        (6.0, 4.0, 63.0),
        (knob - 2, 24.0, 54.0),
        *down,
    ]
    return _pipe(knots, [r * 1.1, r * 1.15, r * 1.1, r, r, r * 0.95, r * 0.9, r * 0.88, r * 0.85, r * 0.8])


def paint_great_vessels(scene: Scene) -> None:
    """Aorta and its branches, pulmonary arteries, cavae, oesophagus."""
    patient = scene.patient
    rng = stream(patient.seed, "great vessels")
    back = [(float(2 + 0.02 * (40 - z)), float(spine_y(patient, z)) - 23, float(z)) for z in range(170, -190, -40)]
    paint_cloud(scene, _pipe(back, [6.0] * len(back)), 35)
    if rng.random() < 0.4:
        paint_cloud(scene, _pipe(back[1:5], [2.2] * 4), -700)
    top = min(float(scene.heart.centre[2] + scene.heart.reach(2) * 0.6), 0.0)
    r = float(rng.uniform(10, 13.5))
    arterial = [
        _pipe([(14, -42, top - 6), (15, -30, 12), (20, -8, 26), (44, 8, 30)], [r + 1, r, r - 1, r - 3]),
        _pipe([(15, -24, 16), (0, -2, 20), (-44, 6, 18)], [r, r - 1, r - 3]),
    ]
    veins = [
        _pipe([(-26, -16, 78), (-27, -14, 30), (-28, -14, top - 10)], [7, 8.5, 9.5]),
        _pipe([(-26, -16, 78), (-34, -14, 96), (-62, 2, 112)], [7, 7, 5.5]),
        _pipe([(-24, -18, 76), (10, -26, 86), (40, -14, 100), (62, 2, 110)], [6.5, 6.5, 6, 5]),
        _pipe([(-24, 0, float(scene.heart.centre[2]) - 18), (-24, 8, -190)], [10, 11]),
    ]
    branches = [
        _pipe([(-8, -8, 60), (-18, -4, 90), (-24, 2, 150)], [6.5, 5.5, 4]),
        _pipe([(4, 2, 62), (14, 2, 95), (22, 4, 150)], [4.5, 4, 3.5]),
        _pipe([(14, 18, 62), (26, 14, 95), (60, 12, 118)], [5.5, 5, 4.5]),
    ]
    venous = patient.blood_hu if patient.contrast != "arterial" else 90.0
    paint_cloud(scene, join(arterial), patient.blood_hu)
    paint_cloud(scene, join(veins), venous * (1.5 if patient.contrast == "pulmonary" else 0.95))
    aorta = patient.blood_hu * (0.6 if patient.contrast == "pulmonary" else 1.0)
    paint_cloud(scene, join([_arch(scene, rng), *branches]), aorta)
    _calcify(scene, rng)


def _calcify(scene: Scene, rng: np.random.Generator) -> None:
    """Plaques in the arch of the old."""
    if scene.patient.age < 60 or rng.random() < 0.3:
        return
    shell = _arch(scene, stream(scene.patient.seed, "great vessels"))
    rim = shell.keep((shell.radial > 0.9) & (np.sin(shell.points @ [0.31, 0.23, 0.27] + rng.uniform(0, 6)) > 0.93))
    paint_cloud(scene, rim, 650, gain=3.0, most=0.8)


def _segments(starts: F, ends: F, radii: F, cell: float) -> Cloud:
    """Every branch of a tree as one cloud: slightly bowed, tapering towards its end."""
    length = np.linalg.norm(ends - starts, axis=1)
    count = np.maximum((length / 0.8).astype(int), 1)
    owner = np.repeat(np.arange(len(length)), count)
    at = (np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count) + 0.5) / count[owner]
    direction = (ends - starts) / np.maximum(length, 1e-6)[:, None]
    side = np.cross(direction, np.roll(direction, 1, axis=1))
    bow = (np.sin(np.pi * at) * length[owner] * 0.09)[:, None] * side[owner]
    centre = starts[owner] + at[:, None] * (ends - starts)[owner] + bow
    radius = radii[owner] * (1.08 - 0.16 * at)
    discs = np.maximum((np.pi * radius**2 / cell).astype(int), 1)
    who = np.repeat(np.arange(len(owner)), discs)
    rank = np.arange(len(who)) - np.repeat(np.cumsum(discs) - discs, discs)
    radial = np.sqrt((rank + 0.5) / discs[who])
    angle = rank * 2.39996 + who * 1.7
    first = side[owner][who]
    first = first / np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-6)
    second = np.cross(direction[owner][who], first)
    reach = np.where(discs[who] > 1, radial * radius[who], 0)[:, None]
    points = centre[who] + reach * (np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * second)
    weight = np.pi * radius**2 * (length / count)[owner] / discs
    return Cloud(points, weight[who], radial)


def _in_lung(scene: Scene, cloud: Cloud) -> Cloud:
    """Only what runs in aerated lung, away from pleural fluid or air."""
    z, y, x = scene.grid.index(cloud.points).T
    inside = scene.lung_edge[z, y, x] < 1.0
    if scene.freed is not None:
        inside &= ~scene.freed[z, y, x]
    return cloud.keep(inside)


def paint_lung_trees(scene: Scene) -> None:
    """Pulmonary arteries and veins that taper to the periphery, and the airways beside them."""
    patient = scene.patient
    rng = stream(patient.seed, "trees")
    leaf = 0.66 * patient.vessel_scale
    blood = []
    for side in (-1, 1):
        for root, count in (((44, 8, 24), 300), ((34, 10, -4), 220)):
            targets = lung_points(scene, rng, side, count)
            blood.append(_segments(*grow_tree(np.array(root) * [side, 1, 1.0], targets, leaf, 2.72), cell=0.8))
    paint_cloud(scene, _in_lung(scene, join(blood)), min(patient.blood_hu, 300.0))
    _paint_airways(scene, rng)


def _paint_airways(scene: Scene, rng: np.random.Generator) -> None:
    patient = scene.patient
    r = 9.2 if patient.sex == "M" else 7.8
    neck = [(1.0, float(spine_y(patient, z)) - 33, float(z)) for z in (190, 150, 110, 70, 36)]
    low = neck[-1]
    tubes = [_pipe(neck, [r] * 5)]
    walls = [_pipe(neck, [r + 1.4] * 5)]
    for side, drop in ((-1, 18), (1, 24)):
        knots = [low, (side * 16, low[1], 36 - drop * 0.55), (side * 40, low[1] - 2, 36 - drop)]
        tubes.append(_pipe(knots, [r * 0.8, r * 0.72, r * 0.6]))
        walls.append(_pipe(knots, [r * 0.8 + 1.3, r * 0.72 + 1.3, r * 0.6 + 1.3]))
        targets = lung_points(scene, rng, side, 46)
        starts, ends, radii = grow_tree(np.array(knots[-1]), targets, 1.0)
        tubes.append(_segments(starts, ends, radii, cell=0.7))
        walls.append(_in_lung(scene, _segments(starts, ends, radii + 0.9, cell=0.9)))
    wall, lumen = join(walls), join(tubes)
    paint_cloud(scene, wall, 10, gain=1.0)
    paint_cloud(scene, lumen, -975)


def fissure_side(scene: Scene, points: F) -> NDArray[np.int8]:
    """0 upper, 1 lower, 2 middle lobe for points `(N, 3)`; the middle lobe is on the right only."""
    x, y, z = points.T
    depth = scene.patient.half_depth
    mean = float(np.mean(scene.patient.dome))
    oblique = 55 + (y - 0.8 * depth) * (95 - mean) / (1.7 * depth) - 6
    lower = z < oblique
    horizontal = (x < 0) & ~lower & (z < 12 - 0.08 * np.abs(x))
    return np.where(lower, 1, np.where(horizontal, 2, 0)).astype(np.int8)


def paint_fissures(scene: Scene) -> None:
    """The major fissures and the right minor one, as thin sheets of particles."""
    rng = stream(scene.patient.seed, "fissures")
    clouds = []
    for side in (-1, 1):
        points = lung_points(scene, rng, side, 14000)
        if len(points) == 0:
            continue
        depth, mean = scene.patient.half_depth, float(np.mean(scene.patient.dome))
        sheet = points.copy()
        sheet[:, 2] = 49 + (points[:, 1] - 0.8 * depth) * (95 - mean) / (1.7 * depth) + 5 * np.sin(points[:, 0] / 31)
        clouds.append(Cloud(sheet, np.full(len(sheet), 1.3), np.zeros(len(sheet))))
    if not clouds:
        return
    cloud = _in_lung(scene, join(clouds))
    paint_cloud(scene, cloud, -100, gain=1.0, most=0.5)
