"""Things that are not the patient: pacemakers, central lines and electrodes."""

from __future__ import annotations

import numpy as np

from radseek.demo.phantoms.chest.soft_tissue import Scene, paint_cloud
from radseek.demo.phantoms.random_fields import stream
from radseek.demo.phantoms.tubes import Cloud, join, resample, tube

__all__ = ["add_devices"]

Point = tuple[float, float, float]


def _line(knots: list[Point], radius: float) -> Cloud:
    path, radii = resample(np.array(knots), np.full(len(knots), radius), 0.8)
    return tube(path, radii, 0.6)


def _front(scene: Scene, x: float, z: float) -> Point:
    """A point on the skin of the chest's front."""
    rows = np.flatnonzero(scene.hu[scene.grid.index(np.array([[x, 0.0, z]]))[0][0], :, _column(scene, x)] > -300)
    y = float(scene.grid.axis(1)[rows[0]]) if rows.size else -scene.patient.half_depth
    return (x, y, z)


def _column(scene: Scene, x: float) -> int:
    return int(scene.grid.index(np.array([[x, 0.0, 0.0]]))[0][2])


def _pacemaker(scene: Scene, rng: np.random.Generator) -> None:
    x, z = float(rng.uniform(70, 100)), float(rng.uniform(62, 84))
    x0, y0, z0 = _front(scene, x, z)
    y0 += 9
    u, w, t = rng.uniform(-1, 1, (3, 9000))
    inside = (np.abs(u) ** 3 + np.abs(w) ** 3) < 1
    points = np.stack([x0 + 23 * u, y0 + 4 * t, z0 + 21 * w], axis=1)[inside]
    box = Cloud(points, np.full(len(points), 46 * 8 * 42 / 9000), np.ones(len(points)))
    paint_cloud(scene, box, 2800)
    tip = tuple(float(v) for v in scene.heart.centre + 0.55 * scene.heart.radii[0] * scene.heart.axes[0])
    lead = _line(
        [(x0, y0, z0), (62, 2, 110), (10, -24, 86), (-25, -14, 60), (-27, -13, 10), (tip[0], tip[1], tip[2])], 1.1
    )
    paint_cloud(scene, lead, 2800)
    scene.mimics.append("pacemaker in the left chest wall")


def _central_line(scene: Scene, rng: np.random.Generator) -> None:
    end = float(rng.uniform(0, 40))
    line = _line([(-70, -4, 118), (-50, -8, 108), (-27, -15, 78), (-27, -14, end)], 1.0)
    paint_cloud(scene, line, 900)
    scene.mimics.append("central venous line")


def _electrodes(scene: Scene, rng: np.random.Generator) -> None:
    """Three or four electrodes on the skin, each with its wire."""
    clouds = []
    below = float(scene.grid.axis(2)[0])
    meet = (float(rng.uniform(-60, 60)), below + 8)
    for x, z in ((-78.0, 88.0), (82.0, 92.0), (88.0, -60.0), (-86.0, -66.0))[: int(rng.integers(2, 5))]:
        x, z = x + float(rng.normal(0, 12)), z + float(rng.normal(0, 12))
        spot = _front(scene, x, z)
        clouds.append(_line([spot, (x, spot[1] - 3, z)], 4.5))
        middle = _front(scene, 0.5 * (x + meet[0]) + float(rng.normal(0, 25)), 0.5 * (z + meet[1]))
        clouds.append(_line([spot, middle, _front(scene, *meet)], 0.9))
    paint_cloud(scene, join(clouds), 1800, gain=1.0)
    scene.mimics.append("electrodes and wires on the skin")


def add_devices(scene: Scene) -> None:
    """Devices, in a minority of patients and whatever the findings."""
    rng = stream(scene.patient.seed, "devices")
    pacemaker, line, electrodes = rng.random(3)
    if pacemaker < 0.05:
        _pacemaker(scene, rng)
    if line < 0.10:
        _central_line(scene, rng)
    if electrodes < 0.18:
        _electrodes(scene, rng)
