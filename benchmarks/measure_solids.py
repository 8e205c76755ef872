"""How far measurements lie from solids whose size is known on paper, by how many voxels the solid spans.

    python -m benchmarks.measure_solids --places 40

Spheres and ellipsoids, upright and turned, in cubic, flat and tall voxels, oblique and gantry-tilted grids, each at
many places between the voxels. A voxel is in the mask where its centre is in the solid, so this is the error of a
perfect mask. `span`: voxels along the axis of the grid that the solid spans least. Volume in per cent of the truth;
diameters in voxels (the longer side of the two in the slice): root mean square, 95th percentile, largest.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from radseek.retrieval.regions.axial_diameter import axial_diameters

SPANS = (2, 3, 4, 6, 8, 10, 12, 16, 24)


@dataclass(frozen=True)
class Setting:
    """A grid's voxel (x, y, z) in mm, its turn and gantry tilt; a solid's proportions and its turn."""

    name: str
    voxel: tuple[float, float, float]
    grid_turn: tuple[float, float, float] = (0, 0, 0)
    tilt: float = 0
    semi: tuple[float, float, float] = (1, 1, 1)
    turn: tuple[float, float, float] = (0, 0, 0)


SETTINGS = (
    Setting("sphere, cubic voxels", (1, 1, 1)),
    Setting("sphere, 1 : 1 : 3 voxels", (1, 1, 3)),
    Setting("ellipsoid, upright", (1, 1, 1), semi=(2, 1, 1.4)),
    Setting("ellipsoid, turned", (1, 1, 1), semi=(2, 1, 1.4), turn=(20, 35, 50)),
    Setting("ellipsoid, turned, 0.7 : 1.1 : 2 voxels", (0.7, 1.1, 2), semi=(2, 1.2, 1.5), turn=(20, -15, 50)),
    Setting("ellipsoid, oblique grid", (0.8, 0.8, 2), (15, -20, 35), semi=(1.6, 1, 1.3), turn=(0, 10, 30)),
    Setting("ellipsoid, gantry tilt 20 degrees", (0.8, 0.8, 2), tilt=20, semi=(1.6, 1, 1.3), turn=(10, 0, 30)),
)


def grid(setting: Setting) -> NDArray[np.float64]:
    """The columns that lead from one voxel to the next, LPS mm `(3, 3)`."""
    axes = Rotation.from_euler("xyz", setting.grid_turn, degrees=True).as_matrix()
    columns = axes * np.array(setting.voxel)
    columns[:, 2] += axes[:, 1] * setting.voxel[2] * np.tan(np.radians(setting.tilt))
    return columns


def errors(setting: Setting, span: int, places: int, rng: np.random.Generator) -> Iterator[tuple[float, float, float]]:
    """Per place: the volume's error in per cent, and the two diameters' in voxels."""
    columns = grid(setting)
    axes = Rotation.from_euler("xyz", setting.turn, degrees=True).as_matrix()
    form = axes @ np.diag(1 / np.array(setting.semi) ** 2) @ axes.T
    # Half widths along the grid's own axes: the support of the ellipsoid in the voxels' coordinates.
    inner = np.linalg.inv(columns) @ np.linalg.inv(form) @ np.linalg.inv(columns).T
    scale = span / (2 * np.sqrt(np.diag(inner)).min())
    form = form / scale**2
    normal = np.cross(columns[:, 0], columns[:, 1])
    plane = np.linalg.svd(normal[None])[2][1:]
    longest, short = 2 / np.sqrt(np.linalg.eigvalsh(plane @ form @ plane.T))
    truth = 4 / 3 * np.pi * np.prod(setting.semi) * scale**3
    reach = np.ceil(np.sqrt(np.diag(inner)) * scale).astype(int) + 1
    z, y, x = np.indices(tuple(2 * reach[::-1] + 1))
    index = np.stack([x, y, z], axis=-1) - reach
    affine = np.eye(4)
    affine[:3, :3] = columns
    voxel = max(setting.voxel[:2])
    for _ in range(places):
        own = (index + rng.uniform(-0.5, 0.5, 3)) @ columns.T
        mask = np.einsum("...i,ij,...j->...", own, form, own) <= 1
        if not mask.any():
            yield -100.0, -longest / voxel, -short / voxel
            continue
        volume = mask.sum() * abs(np.linalg.det(columns))
        found = axial_diameters(mask, affine)
        yield 100 * (volume / truth - 1), (found.longest - longest) / voxel, (found.short - short) / voxel


def summary(values: NDArray[np.float64], digits: int) -> str:
    size = np.abs(values)
    figures = (float(np.sqrt((values**2).mean())), float(np.percentile(size, 95)), float(size.max()))
    return " / ".join(f"{figure:.{digits}f}" for figure in figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--places", type=int, default=40, help="places between the voxels, a solid")
    parser.add_argument("--spans", type=int, nargs="*", default=SPANS)
    arguments = parser.parse_args()
    print(f"{arguments.places} places each; rms / 95th percentile / largest")
    print("| solid | span | volume, % | longest diameter, voxels | short axis, voxels |\n|---|---|---|---|---|")
    for setting in SETTINGS:
        for span in arguments.spans:
            rng = np.random.default_rng(span)
            found = np.array(list(errors(setting, span, arguments.places, rng)))
            cells = (summary(found[:, 0], 1), summary(found[:, 1], 2), summary(found[:, 2], 2))
            print(f"| {setting.name} | {span} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
