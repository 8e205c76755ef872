"""Ribs, costal cartilage, sternum, clavicles, scapulae, humeri and the spine."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from radseek.demo.phantoms.chest.body import Patient, cage_radii, spine_y
from radseek.demo.phantoms.chest.soft_tissue import Scene, blend, paint_cloud
from radseek.demo.phantoms.random_fields import Array, coverage, stream
from radseek.demo.phantoms.tubes import Cloud, join, resample, tube

__all__ = ["Break", "paint_bones", "paint_spine", "rib_path"]

F = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Break:
    """A fracture: rib `number` (1-12) on `side` (+1 left), at `at` of its length, ends `step` and `gap` mm apart."""

    side: int
    number: int
    at: float
    step: float
    gap: float
    callus: float  # radius mm of young callus, 0 for none
    bruise: float = 0.0  # depth mm of an extrapleural haematoma, 0 for none


def rib_path(patient: Patient, side: int, number: int) -> F:
    """Centreline `(N, 3)` of a rib, from the spine round the cage to its cartilage."""
    rng = stream(patient.seed, f"rib {number}")
    start = patient.apex - 3 - (patient.apex + 140) / 11.0 * (number - 1)
    end = np.interp(number, [1, 3, 7, 10, 11, 12], [150, 152, 146, 118, 92, 62])
    fall = np.interp(number, [1, 4, 7, 10, 12], [34, 74, 92, 84, 50]) * rng.uniform(0.95, 1.05)
    phi = np.linspace(0, np.radians(end), 160)
    turn = phi / np.pi
    z = start - fall * (0.5 * turn + 0.7 * turn**1.8)
    wide, deep, centre = cage_radii(patient, z)
    u, v = np.sin(phi), np.cos(phi)
    norm = 0.62 * np.sqrt(u * u + v * v) + 0.38 * (u**4 + v**4) ** 0.25
    x, y = (wide + 4.0) * u / norm, centre + (deep + 4.0) * v / norm
    root = np.clip(1 - phi / 0.42, 0, 1) ** 1.5
    neck_y = spine_y(patient, z) + 13
    x, y = x * (1 - root) + 19 * root, y * (1 - root) + neck_y * root
    return np.stack([side * x, y, z], axis=1)


def _rib_clouds(patient: Patient, breaks: list[Break]) -> tuple[list[Cloud], list[Cloud]]:
    bones, gristle = [], []
    for side in (-1, 1):
        for number in range(1, 13):
            path = rib_path(patient, side, number)
            size = np.interp(number, [1, 2, 7, 12], [6.6, 5.6, 6.2, 4.6]) * (0.9 if patient.sex == "F" else 1.0)
            for broken in [b for b in breaks if (b.side, b.number) == (side, number)]:
                path = _snap(path, broken)
            outward = path * [1, 1, 0] - [0, 10, 0]
            for part in _pieces(path):
                points, radii = resample(path[part], np.full(len(path[part]), size), 1.3)
                away = np.stack(
                    [
                        np.interp(
                            np.linspace(0, 1, len(points)), np.linspace(0, 1, len(outward[part])), outward[part][:, k]
                        )
                        for k in range(3)
                    ],
                    1,
                )
                bones.append(tube(points, radii, 1.6, outward=away, flatten=0.55))
            if number <= 7:
                gristle.append(_cartilage(patient, side, number, path[-1]))
    return bones, gristle


def _snap(path: F, broken: Break) -> F:
    """Displace the far fragment: outward or inward, and down; a NaN row marks the gap."""
    cut = int(broken.at * len(path))
    out = path.copy()
    outward = path[cut] * [1, 1, 0]
    outward /= np.linalg.norm(outward)
    fade = np.exp(-np.arange(len(path) - cut) / 30.0)[:, None]
    out[cut:] += fade * (broken.step * outward - np.array([0, 0, 0.9 * abs(broken.step)]))
    width = max(round(broken.gap / 2.0), 1)
    out[cut : cut + width] = np.nan
    return out


def _pieces(path: F) -> list[slice]:
    """The runs of a path between its gaps."""
    whole = np.isfinite(path[:, 0])
    edges = np.flatnonzero(np.diff(whole.astype(int)))
    bounds = [0, *(edges + 1).tolist(), len(path)]
    return [slice(a, b) for a, b in pairwise(bounds) if whole[a] and b - a > 3]


def _cartilage(patient: Patient, side: int, number: int, start: F) -> Cloud:
    z = np.interp(number, [1, 2, 7], [88.0, 66.0, -42.0])
    _, deep, centre = cage_radii(patient, np.array(z))
    target = np.array([side * (22.0 if number < 3 else 15.0), centre - deep - 5, z])
    middle = 0.5 * (start + target) + [side * 6, -5, -8]
    points, radii = resample(np.stack([start, middle, target]), np.full(3, 5.5), 1.5)
    return tube(points, radii, 1.8, flatten=0.75)


def _plate(patient: Patient, side: int) -> list[Cloud]:
    """Scapula: a blade behind the ribs, its spine, and the glenoid corner."""
    rng = stream(patient.seed, "scapula")
    spread = 0.33 if patient.posture == "upright" else 0.12
    corner = np.array([[0.50 + spread, 82.0], [0.62 + spread, -28.0], [1.12 + spread, 92.0]])
    corner[:, 1] += rng.normal(0, 5) + (14 if patient.posture == "supine" else 0)
    a, b = rng.random((2, 9000))
    flip = a + b > 1
    a, b = np.where(flip, 1 - a, a), np.where(flip, 1 - b, b)
    phi, z = (corner[0] + a[:, None] * (corner[1] - corner[0]) + b[:, None] * (corner[2] - corner[0])).T
    wide, deep, centre = cage_radii(patient, np.minimum(z, 60.0))
    off = 15 + rng.uniform(-1.6, 1.6, len(z))
    points = np.stack([side * (wide + off) * np.sin(phi), centre + (deep + off) * np.cos(phi), z], axis=1)
    blade = Cloud(points, np.full(len(z), 2.6), np.ones(len(z)))
    tip = _shoulder(patient, side)
    inner = points[np.argmin(np.abs(phi - corner[0, 0]) + np.abs(z - corner[0, 1]) * 0.02)]
    ridge, r = resample(
        np.stack([inner, 0.5 * (inner + tip) + np.array([0, 14, 4]), tip + np.array([side * 2, 8, 22])]),
        np.array([3.0, 5.0, 7.0]),
        1.5,
    )
    border, r2 = resample(
        np.stack([tip + np.array([-side * 22, 4, -4]), points[np.argmin(z)]]), np.array([8.0, 4.0]), 1.5
    )
    return [blade, tube(ridge, r, 2.0, flatten=0.6), tube(border, r2, 2.0, flatten=0.7)]


def _shoulder(patient: Patient, side: int) -> F:
    """Centre of the humeral head."""
    if patient.posture == "upright":
        return np.array([side * (patient.half_width + 30.0), 14.0, 96.0])
    return np.array([side * (patient.half_width + 22.0), 22.0, 124.0])


def _girdle(patient: Patient) -> list[Cloud]:
    clouds = []
    _, deep, centre = cage_radii(patient, np.array([92.0, 86.0, 40.0, -50.0]))
    front = centre - deep - 6
    breast_bone = np.stack([np.zeros(4), front, [94.0, 72, 40, -58]], axis=1)
    points, radii = resample(breast_bone, np.array([24.0, 20, 15, 13]), 1.5)
    clouds.append(tube(points, radii, 2.2, outward=np.tile([0.0, 1.0, 0.0], (len(points), 1)), flatten=0.28))
    for side in (-1, 1):
        head = _shoulder(patient, side)
        lift = 18.0 if patient.posture == "supine" else 0.0
        knots = np.array(
            [
                [side * 20, front[0] - 2, 96],
                [side * 62, front[0] + 2, 106 + 0.4 * lift],
                [side * 105, 0, 118 + lift],
                head + np.array([side * 2, -6, 22]),
            ]
        )
        points, radii = resample(knots, np.array([8.5, 6, 5.5, 6]), 1.3)
        clouds.append(tube(points, radii, 1.8))
        shaft = [side * 75, -4, -200.0] if patient.posture == "upright" else [side * 60.0, -20, 90]
        arm, width = resample(
            np.stack(
                [
                    head + np.array([0, 0, 18]),
                    head,
                    head + np.array([side * 4, 0, -26 if patient.posture == "upright" else 20]),
                    head + np.array(shaft),
                ]
            ),
            np.array([12.0, 23, 15, 11]),
            2.0,
        )
        clouds += [tube(arm, width, 3.5), *_plate(patient, side)]
    return clouds


def _paint_arms(scene: Scene) -> None:
    """Muscle and fat round the humeri; in a radiograph they lie along the sides."""
    patient = scene.patient
    x, y, z = scene.grid.axes()
    for side in (-1, 1):
        head = _shoulder(patient, side)
        if patient.posture == "upright":
            lateral = head[0] + side * np.clip((head[2] - z) * 0.33, -8, 130).astype(np.float32)
            radius = np.clip(46 - 0.06 * (head[2] - z), 30, 46) + patient.fat * 0.5
            cap = np.maximum(z - (head[2] + 10), 0)
        else:
            lateral = head[0] + side * np.clip((z - head[2]) * 0.6, 0, 60).astype(np.float32)
            radius = np.full_like(z, 44 + patient.fat * 0.5)
            cap = np.maximum(head[2] - z, 0) * 0.9
        near = np.flatnonzero(np.abs(scene.grid.axis(0) - head[0]) < 100)
        if near.size == 0:
            continue
        span = slice(int(near[0]), int(near[-1]) + 1)
        dx, dy = x[..., span] - lateral, y - np.float32(head[1])
        distance = np.sqrt(dx * dx + dy * dy + cap * cap) - radius
        fat = np.float32(4 + patient.fat * 0.45)
        part = scene.hu[..., span]
        outside = coverage(distance, scene.edge) * (part < -200) * (scene.cage[..., span] > 4)
        part += outside * (-105 - part)
        outside = coverage(distance + fat, scene.edge) * (part < 20) * (scene.cage[..., span] > 8)
        part += outside * (patient.tissue_hu - part)


def paint_bones(scene: Scene, breaks: list[Break]) -> None:
    """Every bone but the spine: cortex at the surface of each tube, marrow within."""
    patient = scene.patient
    _paint_arms(scene)
    ribs, gristle = _rib_clouds(patient, breaks)
    soft = join(gristle)
    rigid = 40.0 + 4.0 * max(patient.age - 40, 0)
    paint_cloud(scene, soft, 60 + rigid, gain=1.1)
    cloud = join([*ribs, *_girdle(patient)])
    value = np.where(cloud.radial > 0.72, patient.bone_hu, 0.24 * patient.bone_hu)
    paint_cloud(scene, cloud, value.astype(np.float32), gain=1.1)


def paint_spine(scene: Scene) -> None:
    """Vertebral bodies with cortical rims and discs between, pedicles, laminae, processes and the canal."""
    patient, grid = scene.patient, scene.grid
    x, y, z = grid.axes()
    pitch = np.interp(z, [-180, 100, 190], [27, 21, 17]).astype(np.float32)
    phase = (z / pitch + stream(patient.seed, "spine").random()) % 1.0
    shift = patient.lean[0] * np.sin(z / 60 + patient.lean[1])
    y0 = spine_y(patient, z).astype(np.float32)
    near_x = np.abs(grid.axis(0)) < 52
    near_y = (grid.axis(1) > float(y0.min()) - 24) & (grid.axis(1) < float(y0.max()) + 75)
    rows = slice(int(np.flatnonzero(near_y)[0]), int(np.flatnonzero(near_y)[-1]) + 1)
    columns = slice(int(np.flatnonzero(near_x)[0]), int(np.flatnonzero(near_x)[-1]) + 1)
    dx, dy = x[..., columns] - shift.astype(np.float32), y[:, rows] - y0
    hu = scene.hu[:, rows, columns]
    ring = np.abs(phase - 0.5)  # 0.5 at the disc, 0 at mid-body
    radius = np.interp(z, [-180, 60, 150, 190], [20, 15, 11, 10]).astype(np.float32) * (
        1 + 0.35 * (2 * ring) ** 4 * 0.5
    )
    body = np.sqrt(dx * dx + (dy / 0.82) ** 2) - radius
    marrow, cortex = np.float32(0.12 * patient.bone_hu + 15), np.float32(0.33 * patient.bone_hu)
    disc = ring > 0.42
    flesh = np.where(disc, np.float32(80), np.where(ring > 0.385, cortex, marrow))
    muscles = np.sqrt((np.abs(dx) - 27) ** 2 / 1.4 + (dy - 38) ** 2 / 0.9) - 23
    blend(
        hu, coverage(np.maximum(muscles, -scene.cage[:, rows, columns] + 1), scene.edge), np.float32(patient.tissue_hu)
    )
    blend(hu, coverage(body, scene.edge), np.where(disc, np.float32(80), cortex) + 0 * dx)
    blend(hu, coverage(body + 1.8, scene.edge), flesh + 0 * dx)
    _paint_arch(scene, hu, dx, dy, ring, radius)


def _paint_arch(scene: Scene, hu: Array, dx: Array, dy: Array, ring: Array, radius: Array) -> None:
    cortex = np.float32(0.24 * scene.patient.bone_hu)
    canal_y = dy - radius * np.float32(0.82) - 9
    canal = np.sqrt((dx / 1.15) ** 2 + canal_y**2)
    lamina = np.maximum(np.abs(canal - 12) - 2.6, (ring - 0.3) * 20)
    transverse = np.maximum(
        np.maximum(np.abs(canal_y - 0.12 * np.abs(dx) - 5) - 3.4, np.abs(dx) - 32), (ring - 0.16) * 22
    )
    transverse = np.maximum(transverse, 9 - np.abs(dx))
    spinous = np.maximum(np.maximum(np.abs(dx) - 3.2, np.abs(canal_y - 25) - 14), (ring - 0.15) * 26)
    bone = np.minimum(np.minimum(lamina, transverse), spinous)
    blend(hu, coverage(bone, scene.edge), cortex)
    blend(hu, coverage(canal - 9, scene.edge), np.float32(28))
