"""Consolidation, emphysema, the large heart and the broken rib."""

from __future__ import annotations

import numpy as np

from radseek.demo.phantoms.chest.bones import Break, rib_path
from radseek.demo.phantoms.chest.focal_findings import lobe_name, side_of
from radseek.demo.phantoms.chest.pleura import axial_extent
from radseek.demo.phantoms.chest.soft_tissue import Scene, blend, paint_cloud
from radseek.demo.phantoms.chest.vessels import fissure_side, lung_points
from radseek.demo.phantoms.phantom import Lesion
from radseek.demo.phantoms.random_fields import Grid, ball, coverage, smooth_noise
from radseek.demo.phantoms.tubes import grow_tree, join, resample, tube

__all__ = ["add_consolidation", "add_emphysema", "draw_break", "record_break", "record_heart"]


def _sub_grid(grid: Grid, box: tuple[slice, slice, slice]) -> Grid:
    origin = tuple(grid.origin[k] + grid.step[k] * box[2 - k].start for k in range(3))
    size = tuple(box[2 - k].stop - box[2 - k].start for k in range(3))
    return Grid((origin[0], origin[1], origin[2]), grid.step, (size[0], size[1], size[2]))


def add_consolidation(scene: Scene, rng: np.random.Generator, side: int) -> None:
    """Part of a lobe at -50 to 50 HU with air bronchograms and a patchy edge."""
    seeds = lung_points(scene, rng, side, 40)
    low = float(np.quantile(seeds[:, 2], 0.08 if scene.patient.posture == "supine" else 0.2))
    centre = seeds[int(np.argmax((seeds[:, 2] > low) & (np.abs(seeds[:, 0]) > 45)))]
    radius = float(rng.uniform(16, 52))
    box = scene.grid.box(centre, radius * 1.6)
    part = _sub_grid(scene.grid, box)
    dx, dy, dz = ball(scene.grid, box, centre)
    ragged = 0.30 * radius * smooth_noise(rng, part, 22) * 0.6 + 3.0 * smooth_noise(rng, part, 7)
    distance = np.sqrt(dx * dx + dy * dy + (dz * 1.15) ** 2) - radius + ragged
    x, y, z = (np.broadcast_to(a, distance.shape).ravel() for a in part.axes())
    lobe = fissure_side(scene, np.stack([x, y, z], axis=1)).reshape(distance.shape)
    same = lobe == fissure_side(scene, centre[None])[0]
    edge = np.where(same, np.maximum(distance, scene.lung_edge[box]), np.float32(50))
    edge = np.where(np.sign(x.reshape(distance.shape)) == side, edge, np.float32(50))
    hu = float(rng.uniform(-40, 45))
    haze = coverage(edge - 4, 12.0) * np.clip(0.45 + 0.25 * smooth_noise(rng, part, 6), 0, 1)
    blend(scene.hu[box], haze, np.float32(hu - 150))
    blend(scene.hu[box], coverage(edge, scene.edge * 1.5), hu + 9 * smooth_noise(rng, part, 5))
    mask = np.zeros(scene.grid.shape, bool)
    mask[box] = (edge < 0) & (scene.lungs[box] == side)
    scene.solid = mask if scene.solid is None else scene.solid | mask
    _air_bronchograms(scene, rng, mask)
    scene.lesions.append(
        Lesion(
            "consolidation",
            side_of(side),
            lobe_name(scene, centre),
            axial_extent(scene, mask),
            float(mask.sum()) * scene.grid.voxel_ml,
            mask,
            {"hu": hu, "edge": "patchy"},
        )
    )


def _air_bronchograms(
    scene: Scene, rng: np.random.Generator, mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> None:
    flat = np.flatnonzero(mask)
    if flat.size < 30:
        return
    z, y, x = np.unravel_index(rng.choice(flat, 14), mask.shape)
    points = np.array(scene.grid.origin) + np.stack([x, y, z], axis=1) * np.array(scene.grid.step)
    root = points[int(np.argmin(np.abs(points[:, 0])))]
    starts, ends, radii = grow_tree(root, points, 0.9)
    clouds = []
    for a, b, r in zip(starts, ends, radii, strict=True):
        if np.linalg.norm(b - a) > 2:
            path, width = resample(np.stack([a, b]), np.array([r, r * 0.8]), 0.9)
            clouds.append(tube(path, width, 1.0))
    if not clouds:
        return
    air = join(clouds)
    z, y, x = scene.grid.index(air.points).T
    paint_cloud(scene, air.keep(mask[z, y, x]), -900, gain=1.0, most=0.95)


def add_emphysema(scene: Scene, rng: np.random.Generator) -> None:
    """Centrilobular holes of 3 to 10 mm at -950 and below, most in the upper lobes."""
    _, _, z = scene.grid.axes()
    top, base = scene.patient.apex, float(np.mean(scene.patient.dome))
    height = ((z - base) / (top - base)).astype(np.float32)
    severity = float(rng.uniform(0.0, 1.0))
    holes = smooth_noise(rng, scene.grid, float(rng.uniform(6, 10))) + 0.4 * smooth_noise(rng, scene.grid, 26)
    threshold = 1.35 - 0.75 * severity - 0.9 * (height - 0.5)
    lung = scene.lung_edge < -1
    if scene.freed is not None:
        lung &= ~scene.freed
    depth = np.clip((holes - threshold) * 2.2, 0, 1) * lung
    blend(scene.hu, depth, np.float32(rng.uniform(-985, -965)))
    mask = depth > 0.5
    share = float(mask.sum()) / max(float((scene.lungs != 0).sum()), 1.0)
    grade = "mild" if share < 0.08 else "moderate" if share < 0.2 else "severe"
    scene.lesions.append(
        Lesion(
            "emphysema",
            "bilateral",
            "upper lobes",
            axial_extent(scene, mask),
            float(mask.sum()) * scene.grid.voxel_ml,
            mask,
            {"grade": grade, "share": share},
        )
    )


def record_heart(scene: Scene, *, enlarged: bool) -> float:
    """The cardiothoracic ratio that was drawn; a lesion with the heart's mask where it is enlarged."""
    heart = scene.heart
    ratio = heart.reach(0) / scene.patient.half_width
    if enlarged:
        x, y, z = scene.grid.axes()
        total = np.zeros(scene.grid.shape, np.float32)
        for axis, radius in zip(heart.axes, heart.radii, strict=True):
            a = (axis / radius).astype(np.float32)
            c = np.float32(a @ heart.centre)
            term = a[0] * x + a[1] * y + a[2] * z - c
            total += term * term
        mask = (total < 1) & (scene.cage < -3)
        grade = "mild" if ratio < 0.55 else "moderate" if ratio < 0.60 else "severe"
        scene.lesions.append(
            Lesion(
                "cardiomegaly",
                "midline",
                "heart",
                2 * heart.reach(0),
                float(mask.sum()) * scene.grid.voxel_ml,
                mask,
                {"ctr": ratio, "grade": grade},
            )
        )
    return ratio


def draw_break(rng: np.random.Generator, *, visible: bool) -> Break:
    """Where a rib breaks. For a radiograph the step is larger and the site where the rib crosses the lung."""
    step = float(rng.uniform(5, 10) if visible else rng.uniform(3, 9)) * (1 if rng.random() < 0.7 else -1)
    return Break(
        side=int(rng.choice([-1, 1])), number=int(rng.integers(3, 9)),
        at=float(rng.uniform(0.16, 0.36) if visible else rng.uniform(0.2, 0.85)), step=step,
        gap=float(rng.uniform(2.0, 6.5)), callus=float(rng.uniform(3, 7)) if rng.random() < 0.5 else 0.0,
        bruise=float(rng.uniform(3, 9)) if rng.random() < 0.6 else 0.0,
    )  # fmt: skip


def record_break(scene: Scene, broken: Break) -> None:
    """The lesion at the fracture: a ball round the break that holds both ends; callus and bruise beside it."""
    path = rib_path(scene.patient, broken.side, broken.number)
    centre = path[int(broken.at * len(path))]
    radius = 9.0
    box = scene.grid.box(centre, 24)
    dx, dy, dz = ball(scene.grid, box, centre)
    reach = np.sqrt(dx * dx + dy * dy + dz * dz)
    if broken.callus:
        haze = coverage(reach - np.float32(broken.callus), 4.0) * (scene.hu[box] > -200)
        blend(scene.hu[box], haze * np.float32(0.7), np.maximum(scene.hu[box], np.float32(260)))
    mask = np.zeros(scene.grid.shape, bool)
    if broken.bruise:
        swelling = np.float32(broken.bruise) * (1 - (reach / 24) ** 2)
        blend(
            scene.hu[box],
            coverage(np.maximum(-scene.cage[box] - swelling, scene.cage[box] - 3), 3.0) * (scene.hu[box] < 40),
            np.float32(45),
        )
    mask[box] = (reach < max(radius, 0.6 * scene.grid.step[2])) & (scene.cage[box] > -5)
    side = side_of(broken.side)
    name = f"{broken.number}{({1: 'st', 2: 'nd', 3: 'rd'}).get(broken.number, 'th')}"
    third = "posterior" if broken.at < 0.38 else "lateral" if broken.at < 0.66 else "anterior"
    scene.lesions.append(
        Lesion(
            "rib_fracture",
            side,
            f"{third} {side} {name} rib",
            abs(broken.step),
            float(mask.sum()) * scene.grid.voxel_ml,
            mask,
            {
                "rib": float(broken.number),
                "step_mm": abs(broken.step),
                "gap_mm": broken.gap,
                "callus_mm": broken.callus,
            },
        )
    )
