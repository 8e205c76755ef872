"""The chest's large shapes as Hounsfield units: skin, fat, muscle, mediastinum, heart, abdomen, lungs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from radseek.demo.phantoms.chest.body import (
    Patient,
    breast_depth,
    cage_distance,
    cage_radii,
    diaphragm,
    skin_depth,
    spine_y,
)
from radseek.demo.phantoms.phantom import Lesion
from radseek.demo.phantoms.random_fields import Array, Grid, ball, coverage, smooth_noise, splat, stream
from radseek.demo.phantoms.tubes import Cloud

__all__ = ["Heart", "Scene", "blend", "build_scene", "paint_cloud", "place_heart"]

Box = tuple[slice, slice, slice]
Shade = NDArray[np.floating] | np.floating | float


@dataclass(frozen=True, slots=True, eq=False)
class Heart:
    """A tilted ellipsoid: `centre (3,)`, unit `axes` as rows `(3, 3)`, `radii (3,)`, mm."""

    centre: NDArray[np.float64]
    axes: NDArray[np.float64]
    radii: NDArray[np.float64]

    def reach(self, k: int) -> float:
        """Half extent along x (0), y (1) or z (2)."""
        return float(np.sqrt(np.sum((self.radii * self.axes[:, k]) ** 2)))


@dataclass(slots=True, eq=False)
class Scene:
    """A patient on a grid while it is being built. `lungs`: +1 left, -1 right, 0 elsewhere."""

    patient: Patient
    grid: Grid
    hu: Array
    cage: Array  # mm to the inner cage, negative inside
    lung_edge: Array  # mm to the lungs' surface, negative inside
    lungs: NDArray[np.int8]
    heart: Heart
    edge: float  # mm over which an edge is spread
    freed: NDArray[np.bool_] | None = None  # pleural fluid or air: no vessel there
    solid: NDArray[np.bool_] | None = None  # consolidated lung
    lesions: list[Lesion] = field(default_factory=list)
    mimics: list[str] = field(default_factory=list)


def blend(hu: Array, occupancy: Array, value: Shade) -> None:
    """`hu` becomes `value` where `occupancy` is 1, in place."""
    hu += occupancy * (value - hu)


def paint_cloud(scene: Scene, cloud: Cloud, value: Shade, *, gain: float = 1.15, most: float = 1.0) -> None:
    """Paint particles at `value` HU, each or all; over-filled by `gain` so that a tube's inside is solid."""
    if isinstance(value, np.ndarray):
        box, (occupancy, mass) = splat(scene.grid, cloud.points, cloud.weights, cloud.weights * value)
        shade: Shade = mass / np.maximum(occupancy, np.float32(1e-3))
    else:
        box, (occupancy,) = splat(scene.grid, cloud.points, cloud.weights)
        shade = np.float32(value)
    blend(scene.hu[box], np.clip(occupancy * np.float32(gain), 0, most), shade)


def place_heart(patient: Patient) -> Heart:
    """Scale the heart so that its width is `ctr` of the inner thoracic width, and seat it on the diaphragm."""
    rng = stream(patient.seed, "heart")
    tilt = rng.uniform(0.30, 0.62)
    long_axis = np.array([np.cos(tilt), -0.42, -np.sin(tilt)])
    long_axis /= np.linalg.norm(long_axis)
    up = np.cross(long_axis, [0.0, 1.0, 0.0])
    up *= np.sign(up[2]) / np.linalg.norm(up)
    axes = np.stack([long_axis, up, np.cross(long_axis, up)])
    base = np.array([64.0, rng.uniform(54, 63), 44.0])
    half = patient.ctr * patient.half_width
    scale = half / float(np.sqrt(np.sum((base * axes[:, 0]) ** 2)))
    heart = Heart(np.zeros(3), axes, base * scale)
    shift = rng.uniform(0.22, 0.40) * half
    z = float(np.mean(patient.dome)) - 28 + heart.reach(2)
    return Heart(np.array([shift, -0.20 * patient.half_depth, z]), axes, heart.radii)


def _heart_norm(scene: Scene, box: Box, scale: float = 1.0, shift: float = 0.0) -> Array:
    """Normalised distance (1 on the surface) to the heart, or to a chamber shifted along its long axis."""
    heart = scene.heart
    x, y, z = scene.grid.axes()
    x, y, z = x[..., box[2]], y[:, box[1]], z[box[0]]
    total = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), np.float32)
    centre = heart.centre + heart.axes[0] * shift
    for axis in heart.axes / (heart.radii[:, None] * scale):
        along = [np.float32(axis[k]) for k in range(3)]
        part = along[0] * (x - np.float32(centre[0])) + along[1] * (y - np.float32(centre[1]))
        part = part + along[2] * (z - np.float32(centre[2]))
        total += part * part
    return np.sqrt(total)


def _paint_heart(scene: Scene) -> None:
    patient, heart = scene.patient, scene.heart
    box = scene.grid.box(heart.centre, float(max(heart.reach(k) for k in range(3))) + 6)
    mean = float(heart.radii.mean())
    norm = _heart_norm(scene, box)
    distance = np.maximum((norm - 1) * np.float32(mean), scene.cage[box] + 3)
    hu = scene.hu[box]
    blend(hu, coverage(distance, scene.edge), np.float32(-70 if patient.fat > 20 else 20))
    muscle = np.float32(patient.tissue_hu if patient.contrast == "none" else patient.tissue_hu + 45)
    blend(hu, coverage(distance + 4, scene.edge), muscle)
    blood = np.float32(patient.blood_hu)
    for scale, shift in ((0.62, 0.22), (0.60, -0.34)):  # ventricles, then atria
        chamber = (_heart_norm(scene, box, scale, shift * mean) - 1) * np.float32(mean * scale)
        blend(hu, coverage(np.maximum(chamber, distance + 8), scene.edge), blood)
    scene.lung_edge[box] = np.maximum(scene.lung_edge[box], -distance)
    _paint_base(scene, muscle)


def _paint_base(scene: Scene, muscle: np.float32) -> None:
    """The atria and outflow tracts that join the ventricles to the great vessels."""
    heart, patient = scene.heart, scene.patient
    centre = np.array([0.35 * heart.centre[0], heart.centre[1] + 6, heart.centre[2] + 0.66 * heart.reach(2)])
    radii = np.array([0.62 * heart.reach(0), 0.8 * heart.reach(1), 0.62 * heart.reach(2)])
    box = scene.grid.box(centre, float(radii.max()) + 6)
    parts = [(a / np.float32(r)) ** 2 for a, r in zip(ball(scene.grid, box, centre), radii, strict=True)]
    distance = (np.sqrt(parts[0] + parts[1] + parts[2]) - 1) * np.float32(radii.min())
    distance = np.maximum(distance, scene.cage[box] + 3)
    hu = scene.hu[box]
    blend(hu, coverage(distance, scene.edge) * (hu < muscle - 8), muscle)
    blend(hu, coverage(distance + 5, scene.edge), np.float32(patient.blood_hu))
    scene.lung_edge[box] = np.maximum(scene.lung_edge[box], -distance)


def _carve_mediastinum(scene: Scene) -> None:
    """No lung in the great vessels' space, round the spine, or across the midline."""
    patient = scene.patient
    x, y, z = scene.grid.axes()
    middle = np.abs(scene.grid.axis(0)) < 62
    x = x[..., middle]
    wide = np.interp(z, [-60, -5, 40, 90, 130], [15, 24, 27, 23, 20]).astype(np.float32)
    upper = np.sqrt((x / wide) ** 2 + ((y - 4) / 50) ** 2)
    edge = (1 - upper) * wide
    back = spine_y(patient, z).astype(np.float32)
    spine = (1 - np.sqrt((x / 24) ** 2 + ((y - back - 6) / 33) ** 2)) * 24
    front = np.clip((-y - 22) / (patient.half_depth - 22), 0, 1)
    septum = 1.2 + 17 * front * (1.2 - 0.5 * front) - np.abs(x)  # a wedge of fat behind the breastbone
    carved = np.maximum(np.maximum(edge, spine), septum)
    scene.lung_edge[..., middle] = np.maximum(scene.lung_edge[..., middle], carved)


def _paint_wall(scene: Scene, texture: Array) -> None:
    """Skin, fat, muscle with fat planes, and mediastinal fat inside the cage."""
    patient, hu = scene.patient, scene.hu
    x, y, _ = scene.grid.axes()
    depth = np.maximum(skin_depth(patient, scene.grid), breast_depth(patient, scene.grid))
    belly = 1 + 0.25 * np.clip(-y / patient.half_depth, -1, 1) + 0.2 * np.abs(x) / patient.half_width
    fat = np.float32(patient.fat) * belly.astype(np.float32)
    blend(hu, coverage(-depth, scene.edge), np.float32(-104) + 6 * texture)
    blend(hu, coverage(np.abs(depth - 1) - 1, scene.edge), np.float32(20))
    flesh = np.float32(patient.tissue_hu) + 5 * texture
    slow = smooth_noise(stream(patient.seed, "muscle planes"), scene.grid, 38)
    planes = (np.abs(scene.cage - 13 - 2.5 * slow) < 0.9 + 0.8 * slow) | (texture > 1.9)
    flesh = np.where(planes & (scene.cage > 8), np.float32(-80), flesh)
    blend(hu, coverage(fat - depth, scene.edge), flesh)
    _paint_axillae(scene)
    blend(hu, coverage(scene.cage, scene.edge), np.float32(-95))


def _paint_axillae(scene: Scene) -> None:
    """Fat between the chest wall and the shoulder."""
    x, y, z = scene.grid.axes()
    rows = np.flatnonzero(scene.grid.axis(2) > 25)
    if rows.size == 0:
        return
    cut = slice(int(rows[0]), None)
    wide, _, centre = cage_radii(scene.patient, z[cut])
    far = (wide + 26).astype(np.float32)
    pocket = np.sqrt(((np.abs(x) - far) / 20) ** 2 + ((y - centre.astype(np.float32) + 4) / 26) ** 2)
    fade = np.clip((z[cut] - 25) / 25, 0, 1)
    distance = np.maximum((pocket - fade) * 20, 9 - scene.cage[cut])
    blend(scene.hu[cut], coverage(distance, scene.edge) * (scene.hu[cut] > -60), np.float32(-96))


def _paint_abdomen(scene: Scene, texture: Array, roof: Array) -> None:
    patient, grid = scene.patient, scene.grid
    rng = stream(patient.seed, "abdomen")
    below = np.flatnonzero(grid.axis(2) < max(patient.dome) + 5)
    if below.size == 0:
        return
    cut = slice(0, int(below[-1]) + 1)
    x, y, z = grid.axes()
    z, hu, grain = z[cut], scene.hu[cut], texture[cut]
    inside = np.maximum(scene.cage[cut] + 2, z - roof + 3)
    blend(hu, coverage(inside, scene.edge), np.float32(-98))
    dye = 0.0 if patient.contrast == "none" else rng.uniform(30, 60)
    liver = np.maximum(inside, (x - 30 + 0.5 * (z - patient.dome[0]) + 8 * grain[:, :1]) * 0.8)
    blend(hu, coverage(liver, scene.edge), np.float32(rng.uniform(48, 66) + dye) + 4 * grain)
    _ellipsoid(scene, cut, inside, (88, 42, patient.dome[1] - 42), (30, 42, 46), 50 + dye)
    centre = (rng.uniform(45, 62), rng.uniform(-25, -5), patient.dome[1] - rng.uniform(38, 52))
    radii = (rng.uniform(30, 46), rng.uniform(32, 44), rng.uniform(28, 42))
    _ellipsoid(scene, cut, inside, centre, radii, 45)
    _ellipsoid(scene, cut, inside, centre, tuple(r - 4 for r in radii), rng.uniform(5, 40))
    level = rng.uniform(-0.6, 0.6)
    air = (y - centre[1] + level * radii[1]) if patient.posture == "supine" else (centre[2] + level * radii[2] - z)
    _ellipsoid(scene, cut, np.maximum(inside, air), centre, tuple(r - 4 for r in radii), -985)
    scene.mimics.append("air in the stomach")


def _ellipsoid(
    scene: Scene, cut: slice, bound: Array, centre: tuple[float, ...], radii: tuple[float, ...], value: float
) -> None:
    """An organ as an ellipsoid clipped by `bound` (a distance, negative inside)."""
    x, y, z = scene.grid.axes()
    parts = [
        ((axis - np.float32(c)) / np.float32(r)) ** 2 for axis, c, r in zip((x, y, z[cut]), centre, radii, strict=True)
    ]
    distance = (np.sqrt(parts[0] + parts[1] + parts[2]) - 1) * np.float32(min(radii))
    blend(scene.hu[cut], coverage(np.maximum(distance, bound), scene.edge), np.float32(value))


def _paint_lungs(scene: Scene, texture: Array) -> None:
    patient, grid = scene.patient, scene.grid
    rng = stream(patient.seed, "lung")
    _, y, _ = grid.axes()
    slope = np.float32(patient.lung_gradient) * y / np.float32(2 * patient.half_depth)
    patchy = np.float32(rng.uniform(8, 32)) * texture + np.float32(rng.uniform(5, 25)) * smooth_noise(rng, grid, 45)
    blend(scene.hu, coverage(scene.lung_edge, scene.edge), np.float32(patient.lung_hu) + slope + patchy)
    side = np.where(grid.axis(0) > 0, 1, -1).astype(np.int8)
    scene.lungs = np.where(scene.lung_edge < 0, side, np.int8(0)).astype(np.int8)


def build_scene(patient: Patient, grid: Grid) -> Scene:
    """All the large shapes; vessels, bones and lesions come after."""
    cage = cage_distance(patient, grid)
    x, y, z = grid.axes()
    roof = diaphragm(patient, x, y).astype(np.float32)
    edge = float(max(grid.step[0], 1.2)) * 1.2
    hu = np.full(grid.shape, -1000, np.float32)
    scene = Scene(
        patient, grid, hu, cage, np.maximum(cage + 2, (roof - z) * np.float32(0.75)),
        np.zeros(grid.shape, np.int8), place_heart(patient), edge,
    )  # fmt: skip
    texture = smooth_noise(stream(patient.seed, "texture"), grid, 9)
    _paint_wall(scene, texture)
    _carve_mediastinum(scene)
    _paint_abdomen(scene, texture, roof)
    _paint_heart(scene)
    _paint_lungs(scene, texture)
    return scene
