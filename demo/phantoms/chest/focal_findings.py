"""Nodules and masses, and the small harmless things that look like them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radseek.demo.phantoms.chest.body import nipple
from radseek.demo.phantoms.chest.soft_tissue import Scene, blend, paint_cloud
from radseek.demo.phantoms.chest.vessels import fissure_side, lung_points
from radseek.demo.phantoms.phantom import Lesion, Side
from radseek.demo.phantoms.random_fields import Array, ball, coverage, stream
from radseek.demo.phantoms.tubes import Cloud, join, resample, tube

__all__ = ["add_granuloma", "add_mass", "add_nipples", "add_nodule", "add_scar", "lobe_name", "paint_lump", "side_of"]

F = NDArray[np.float64]


def side_of(x: float) -> Side:
    """The patient's side of an x in LPS."""
    return "left" if x > 0 else "right"


def lobe_name(scene: Scene, point: F) -> str:
    """The lobe that holds `point (3,)`."""
    lobe = ("upper", "lower", "middle")[int(fissure_side(scene, point[None])[0])]
    return f"{side_of(float(point[0]))} {lobe} lobe"


def _free_spot(scene: Scene, rng: np.random.Generator, radius: float, depth: float) -> F:
    """A lung point at least `depth` mm inside, off the hilum, clear of fluid, air and consolidation."""
    side = int(rng.choice([-1, 1]))
    for attempt in range(6):
        points = lung_points(scene, rng, side if attempt < 3 else -side, 160)
        if len(points) == 0:
            continue
        z, y, x = scene.grid.index(points).T
        good = scene.lung_edge[z, y, x] < -depth
        away = np.hypot(points[:, 0] / 52, (points[:, 2] - 15) / 40) > 0.9
        good &= away & (np.abs(points[:, 2] - scene.grid.axis(2).mean()) < 0.47 * np.ptp(scene.grid.axis(2)))
        for taken in (scene.freed, scene.solid):
            if taken is not None:
                good &= ~taken[z, y, x]
        if scene.patient.posture == "upright":  # not hidden behind the domes
            good &= points[:, 2] > max(scene.patient.dome) + 4
        good &= ~_crowded(scene, points, radius)
        if good.any():
            return np.asarray(points[int(np.argmax(good))])
        depth *= 0.6
    return np.asarray(points[int(np.argmin(scene.lung_edge[z, y, x]))])


def _crowded(scene: Scene, points: F, radius: float) -> NDArray[np.bool_]:
    near = np.zeros(len(points), bool)
    for lesion in scene.lesions:
        if lesion.finding in {"lung_nodule", "lung_mass"}:
            centre = np.array([lesion.details["x"], lesion.details["y"], lesion.details["z"]], float)
            near |= np.linalg.norm(points - centre, axis=1) < radius + lesion.size_mm / 2 + 8
    return near


def _snap(scene: Scene, point: F, radius: float) -> F:
    """Move a small lump onto a voxel's centre along each axis that samples it coarsely."""
    origin, step = np.array(scene.grid.origin), np.array(scene.grid.step)
    nearest = origin + np.rint((point - origin) / step) * step
    return np.where(step > 0.6 * radius, nearest, point)


def _lobes(ways: tuple[F, F], u: Array, v: Array, w: Array) -> Array:
    """A bumpy function of direction, about -1 to 1: a few waves, each along its own random axis."""
    total = np.zeros(np.broadcast_shapes(u.shape, v.shape, w.shape), np.float32)
    for (a, b, c), phase in zip(*ways, strict=True):
        total += np.sin(
            np.float32(2.6) * (np.float32(a) * u + np.float32(b) * v + np.float32(c) * w) + np.float32(phase)
        )
    return total / np.float32(2.6)


def paint_lump(
    scene: Scene, rng: np.random.Generator, centre: F, radius: float, hu: float, bumps: float
) -> NDArray[np.bool_]:
    """A lobulated ball of `hu`, averaged over the slice thickness and clipped to the lung; returns its mask."""
    grid = scene.grid
    box = grid.box(centre, radius * (1.3 + bumps) + 3)
    dx, dy, dz = ball(grid, box, centre)
    stretch = rng.uniform(0.88, 1.0, 3)
    stretch /= stretch.max()
    ways = rng.standard_normal((7, 3)), rng.uniform(0, 6.3, 7)
    shell = coverage(scene.lung_edge[box] - 1.5, 2.0)
    occupancy = np.zeros(shell.shape, np.float32)
    offsets = (0.0,) if grid.step[2] < 2.5 else (-0.33, 0.0, 0.33)
    inside = np.zeros(shell.shape, bool)
    for offset in offsets:
        w = dz + np.float32(offset * grid.step[2] * 0.8)
        u, v = dx / np.float32(stretch[0]), dy / np.float32(stretch[1])
        r = np.sqrt(u * u + v * v + w * w)
        n = np.maximum(r, 1e-3)
        distance = r - np.float32(radius) * (1 + np.float32(bumps) * _lobes(ways, u / n, v / n, w / n))
        occupancy += coverage(distance, scene.edge * 0.8) / len(offsets)
        if offset == 0.0:
            inside = distance < 0.3 * grid.step[0]
    occupancy *= shell
    blend(scene.hu[box], occupancy, np.float32(hu))
    mask = np.zeros(grid.shape, bool)
    mask[box] = (inside | (occupancy > 0.5)) & (shell > 0.3)
    return mask


def _record(
    scene: Scene, finding: str, centre: F, size: float, mask: NDArray[np.bool_], details: dict[str, str | float]
) -> None:
    spot = {"x": float(centre[0]), "y": float(centre[1]), "z": float(centre[2])}
    scene.lesions.append(
        Lesion(
            finding,
            side_of(float(centre[0])),
            lobe_name(scene, centre),
            size,
            float(mask.sum()) * scene.grid.voxel_ml,
            mask,
            {**details, **spot},
        )
    )


def add_nodule(scene: Scene, rng: np.random.Generator, smallest: float) -> None:
    """4 to 30 mm; solid at 20 to 60 HU, or subsolid at -650 to -300."""
    size = float(np.exp(rng.uniform(np.log(smallest), np.log(30))))
    faint = rng.random() < 0.22 and scene.patient.posture == "supine"  # a film would not show it
    subsolid = bool(faint and size > 8)
    hu = float(rng.uniform(-650, -300) if subsolid else rng.uniform(20, 60))
    centre = _snap(scene, _free_spot(scene, rng, size / 2, 0.55 * size), size / 2)
    mask = paint_lump(scene, rng, centre, size / 2, hu, bumps=0.10)
    _record(scene, "lung_nodule", centre, size, mask, {"density": "subsolid" if subsolid else "solid", "hu": hu})


def add_mass(scene: Scene, rng: np.random.Generator) -> None:
    """31 to 70 mm, lobulated and spiculated, 20 to 60 HU."""
    size = float(rng.uniform(31, 70))
    hu = float(rng.uniform(20, 60))
    centre = _free_spot(scene, rng, size / 2, 0.32 * size)
    mask = paint_lump(scene, rng, centre, size / 2, hu, bumps=0.16)
    ways = rng.standard_normal((int(rng.integers(18, 42)), 3))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    rays = []
    for way in ways:
        ends = centre + np.outer([0.42 * size, 0.5 * size + rng.uniform(5, 16)], way)
        path, radii = resample(ends, np.array([1.9, 0.5]), 0.8)
        rays.append(tube(path, radii, 1.2))
    _paint_in_lung(scene, join(rays), hu)
    _record(scene, "lung_mass", centre, size, mask, {"margin": "spiculated", "hu": hu})


def _paint_in_lung(scene: Scene, cloud: Cloud, hu: float) -> None:
    z, y, x = scene.grid.index(cloud.points).T
    cloud = cloud.keep(scene.lung_edge[z, y, x] < 0)
    paint_cloud(scene, cloud, hu, gain=1.0, most=0.9)


def add_granuloma(scene: Scene, rng: np.random.Generator) -> None:
    """A calcified granuloma of 3 to 6 mm: a mimic of a nodule, far denser."""
    radius = float(rng.uniform(1.6, 3.2))
    centre = _snap(scene, _free_spot(scene, rng, radius, 5.0), radius)
    paint_lump(scene, rng, centre, radius, float(rng.uniform(400, 1100)), bumps=0.05)
    scene.mimics.append(f"calcified granuloma in the {lobe_name(scene, centre)}")


def add_scar(scene: Scene, rng: np.random.Generator) -> None:
    """A linear band that reaches the pleura: a mimic of a nodule or of consolidation."""
    start = _free_spot(scene, rng, 4, 4.0)
    way = rng.standard_normal(3) * [1.0, 1.0, 0.35]
    way /= np.linalg.norm(way)
    path, radii = resample(np.stack([start, start + way * rng.uniform(15, 40)]), np.array([1.4, 2.2]), 0.8)
    _paint_in_lung(scene, tube(path, radii, 1.2), float(rng.uniform(-60, 40)))
    scene.mimics.append(f"linear scar in the {lobe_name(scene, start)}")


def add_nipples(scene: Scene) -> None:
    """Two small soft bumps on the skin: on a film they can pass for nodules."""
    rng = stream(scene.patient.seed, "nipples")
    radius = float(rng.uniform(3.0, 6.0))
    for side in (-1, 1):
        centre = np.array(nipple(scene.patient, side)) + np.array([0, 0.3 * radius, 0])
        box = scene.grid.box(centre, radius + 4)
        dx, dy, dz = ball(scene.grid, box, centre)
        occupancy = coverage(np.sqrt(dx * dx + dy * dy + dz * dz) - np.float32(radius), 2.5)
        blend(scene.hu[box], occupancy, np.float32(35))
    scene.mimics.append("nipple shadows")
