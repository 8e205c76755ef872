"""Pleural fluid and air: where gravity puts them for the posture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radseek.demo.phantoms.chest.body import cage_radii
from radseek.demo.phantoms.chest.soft_tissue import Scene, blend
from radseek.demo.phantoms.phantom import Lesion, Side
from radseek.demo.phantoms.random_fields import Array, coverage

__all__ = ["add_effusion", "add_pneumothorax", "axial_extent"]


def axial_extent(scene: Scene, mask: NDArray[np.bool_]) -> float:
    """The longest extent of a mask along x or y within one slice, mm."""
    along_x = [np.ptp(np.flatnonzero(row)) + 1 for row in np.asarray(mask.any(axis=1)) if row.any()]
    along_y = [np.ptp(np.flatnonzero(row)) + 1 for row in np.asarray(mask.any(axis=2)) if row.any()]
    if not along_x:
        return 0.0
    return float(max(max(along_x) * scene.grid.step[0], max(along_y) * scene.grid.step[1]))


def _free(scene: Scene, mask: NDArray[np.bool_]) -> None:
    scene.freed = mask if scene.freed is None else scene.freed | mask


def _span(scene: Scene, side: int) -> slice:
    """The columns of one half of the grid."""
    x = scene.grid.axis(0)
    return slice(int(np.searchsorted(x, 0)), len(x)) if side > 0 else slice(0, int(np.searchsorted(x, 0)))


def _filling_order(scene: Scene, columns: slice) -> Array:
    """A level in mm: fluid takes the lowest first. Lying, along the back; standing, at the base with a meniscus."""
    _, y, z = scene.grid.axes()
    cage = scene.cage[..., columns]
    if scene.patient.posture == "upright":
        return np.asarray(z - 34 * np.exp(np.minimum(cage, 0) / 11), np.float32)
    _, deep, centre = (np.asarray(v, np.float32) for v in cage_radii(scene.patient, z))
    return np.asarray(0.55 * -cage + 0.6 * (centre + deep - y) + 0.09 * (z - scene.patient.dome[0]), np.float32)


def add_effusion(scene: Scene, rng: np.random.Generator, smallest: float, side: int) -> None:
    """50 to 1,500 ml of fluid at 0 to 20 HU, with the lung beside it partly collapsed."""
    columns = _span(scene, side)
    lung = scene.lungs[..., columns] == side
    if scene.freed is not None:
        lung = lung & ~scene.freed[..., columns]
    room = 0.6 * float(lung.sum()) * scene.grid.voxel_ml
    volume = min(float(np.exp(rng.uniform(np.log(smallest), np.log(1500)))), room)
    level = _filling_order(scene, columns)
    order = level[lung]
    count = int(np.clip(volume / scene.grid.voxel_ml, 4, order.size - 1))
    surface = float(np.partition(order, count)[count])
    edge = np.maximum(level - np.float32(surface), scene.lung_edge[..., columns] - 1)
    hu = float(rng.uniform(2, 18))
    view = scene.hu[..., columns]
    squeezed = coverage(np.maximum(level - np.float32(surface + rng.uniform(3, 9)), scene.lung_edge[..., columns]), 6.0)
    blend(view, squeezed * (view < -200), np.float32(rng.uniform(-350, 10)))
    blend(view, coverage(edge, scene.edge), np.float32(hu))
    mask = np.zeros(scene.grid.shape, bool)
    mask[..., columns] = lung & (level < surface) & (scene.lung_edge[..., columns] < -0.8 * scene.grid.step[0])
    _free(scene, mask)
    where: Side = "left" if side > 0 else "right"
    millilitres = float(mask.sum()) * scene.grid.voxel_ml
    grade = "small" if millilitres < 300 else "moderate" if millilitres < 900 else "large"
    scene.lesions.append(
        Lesion(
            "pleural_effusion",
            where,
            f"{where} pleural space",
            axial_extent(scene, mask),
            millilitres,
            mask,
            {"hu": hu, "grade": grade},
        )
    )


def add_pneumothorax(scene: Scene, rng: np.random.Generator, smallest: float, side: int) -> None:
    """Air 3 to 60 mm deep, in front when lying, over the apex and side when standing."""
    patient = scene.patient
    depth = float(np.exp(rng.uniform(np.log(smallest), np.log(60))))
    columns = _span(scene, side)
    _, y, z = scene.grid.axes()
    if patient.posture == "supine":
        front = np.clip((0.30 - y / patient.half_depth) / 0.85, 0, 1)
        share = np.sqrt(front) * np.clip((patient.apex - z) / 45, 0.3, 1)
    else:
        share = np.clip(0.22 + (z + 35) / 110, 0.12, 1) + 0 * y
    beneath = -2 - scene.cage[..., columns]  # mm inside the parietal pleura
    if patient.posture == "upright":
        beneath = np.minimum(beneath, (patient.apex - 4 - z) * np.float32(0.8))
    visceral = beneath - (depth * share).astype(np.float32)
    air = np.maximum(visceral, scene.lung_edge[..., columns])
    view, lung = scene.hu[..., columns], scene.lungs[..., columns] == side
    mask = np.zeros(scene.grid.shape, bool)
    mask[..., columns] = lung & (visceral < 0)
    lost = float(mask.sum()) / max(float(lung.sum()), 1.0)  # what is left holds the same tissue in less room
    view += (view + 1000) * (1.3 * lost / max(1 - lost, 0.4) * (lung & (visceral >= 0) & (view < -300)))
    blend(view, coverage(np.abs(visceral) - 0.8, 1.5) * lung * np.float32(0.8), np.float32(-60))
    blend(view, coverage(air, scene.edge), np.float32(-990))
    _free(scene, mask)
    where: Side = "left" if side > 0 else "right"
    grade = "small" if depth < 20 else "large"
    scene.lesions.append(
        Lesion(
            "pneumothorax",
            where,
            f"{where} pleural space",
            axial_extent(scene, mask),
            float(mask.sum()) * scene.grid.voxel_ml,
            mask,
            {"depth_mm": depth, "grade": grade, "hu": -990.0},
        )
    )
