"""One patient's chest in numbers, and the shapes that everything else hangs on: cage, skin, diaphragm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from radseek.demo.phantoms.random_fields import Array, Grid, ball, stream

__all__ = [
    "Patient",
    "Posture",
    "breast_depth",
    "cage_distance",
    "cage_radii",
    "diaphragm",
    "draw_patient",
    "nipple",
    "skin_depth",
    "spine_y",
]

Posture = Literal["supine", "upright"]
F = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Patient:
    """Random anatomy, mm and HU. x to the left, y to posterior, z to the head; the carina is near z = 35."""

    seed: int
    posture: Posture
    sex: Literal["F", "M"]
    age: int
    half_width: float  # of the inner cage
    half_depth: float
    apex: float  # z of the cage's inner top
    dome: tuple[float, float]  # z of the right and left diaphragm domes
    fat: float  # subcutaneous, mm
    muscle: float
    ctr: float  # aimed at
    lung_hu: float
    lung_gradient: float  # HU denser from front to back
    blood_hu: float
    tissue_hu: float
    bone_hu: float
    contrast: str
    lean: tuple[float, float]  # scoliosis amplitude mm, phase
    vessel_scale: float
    breast: float  # half-thickness mm, 0 for none


def draw_patient(seed: int, posture: Posture, *, enlarged_heart: bool) -> Patient:
    """The same person for the same seed whatever the findings; only the heart's size follows the label."""
    rng = stream(seed, "patient")
    sex: Literal["F", "M"] = "F" if rng.random() < 0.5 else "M"
    age = int(np.clip(rng.normal(58, 17), 18, 94))
    width = float(np.clip(rng.normal(128 if sex == "F" else 139, 7), 112, 156))
    inspiration = float(rng.normal(0, 1)) * 13
    dome = -88 - inspiration + (12 if posture == "supine" else -4)
    lung = float(np.clip(rng.normal(-835, 45) - 0.8 * inspiration, -915, -720))
    habitus = float(rng.gamma(3.0, 5.5))
    contrast = ("none", "venous", "arterial", "pulmonary")[int(rng.choice(4, p=[0.5, 0.3, 0.12, 0.08]))]
    blood = {"none": rng.uniform(32, 50), "venous": rng.uniform(120, 190)}.get(contrast, rng.uniform(220, 380))
    ctr = rng.uniform(0.508, 0.65) if enlarged_heart else rng.uniform(0.40, 0.492)
    return Patient(
        seed=seed, posture=posture, sex=sex, age=age, half_width=width,
        half_depth=width * float(rng.uniform(0.63, 0.75)), apex=float(rng.normal(122, 6)),
        dome=(dome, dome - float(rng.uniform(3, 18))), fat=float(np.clip(4 + habitus, 5, 48)),
        muscle=float(rng.uniform(14, 24)) * (0.85 if sex == "F" else 1.0), ctr=float(ctr), lung_hu=lung,
        lung_gradient=float(rng.uniform(10, 110)) * (1.0 if posture == "supine" else 0.3),
        blood_hu=float(blood), tissue_hu=float(rng.uniform(42, 62)),
        bone_hu=float(np.clip(rng.normal(1050 - 4 * (age - 55), 120), 600, 1400)), contrast=contrast,
        lean=(float(rng.normal(0, 4)), float(rng.uniform(0, 6.3))), vessel_scale=float(rng.uniform(0.85, 1.2)),
        breast=float(rng.uniform(8, 26) + 0.4 * habitus) if sex == "F" else 0.0,
    )  # fmt: skip


def cage_radii(patient: Patient, z: F) -> tuple[F, F, F]:
    """Half-width, half-depth and y of the centre of the inner cage at heights `z`: a dome over a barrel."""
    rise_x = np.clip((patient.apex - z) / 158.0, 0.0, 1.0)
    rise_y = np.clip((patient.apex - z) / 190.0, 0.0, 1.0)
    wide = patient.half_width * np.sqrt(np.clip(1 - (1 - rise_x) ** 2.45, 1e-4, 1))
    deep = patient.half_depth * np.sqrt(np.clip(1 - (1 - rise_y) ** 2.6, 1e-4, 1))
    return wide, deep, 26.0 * (1 - rise_y)


def _norm(u: F, v: F) -> F:
    """Between an ellipse and a rounded box, the shape of a thorax."""
    u2, v2 = u * u, v * v
    return np.float32(0.62) * np.sqrt(u2 + v2) + np.float32(0.38) * np.sqrt(np.sqrt(u2 * u2 + v2 * v2))


def cage_distance(patient: Patient, grid: Grid) -> Array:
    """About the distance in mm to the inner cage within each axial plane, negative inside."""
    x, y, z = grid.axes()
    wide, deep, centre = (np.asarray(v, np.float32) for v in cage_radii(patient, z))
    dy = y - centre
    rho = _norm(x / wide, dy / deep)
    reach = np.sqrt(x * x + dy * dy) / np.maximum(rho, np.float32(1e-3))
    return np.asarray((rho - 1) * reach, np.float32)


def spine_y(patient: Patient, z: F | float) -> F:
    """AP position (y) of the vertebral bodies' centres: a kyphosis that follows the cage."""
    return np.asarray(patient.half_depth - 37.0 - 0.0013 * (z + 30.0) ** 2)


def _skin_radii(patient: Patient, z: F) -> tuple[F, F]:
    wall = patient.muscle + patient.fat + 6
    if patient.posture == "supine":
        wide = np.interp(z, [-180, 20, 85, 125, 150, 190], [1.0, 1.02, 1.1, 1.12, 1.0, 0.5])
    else:
        wide = np.interp(z, [-180, 20, 85, 118, 138, 152, 175], [1.0, 1.02, 1.13, 1.12, 0.85, 0.47, 0.36])
    deep = np.interp(z, [-180, 0, 70, 120, 150, 190], [1.0, 1.0, 0.95, 0.84, 0.7, 0.6])
    return (patient.half_width + wall) * wide, (patient.half_depth + wall) * deep


def skin_depth(patient: Patient, grid: Grid) -> Array:
    """About the depth in mm below the skin, negative in the air."""
    x, y, _ = grid.axes()
    wide, deep = (np.asarray(v, np.float32)[:, None, None] for v in _skin_radii(patient, grid.axis(2)))
    dy = y - np.float32(2)
    rho = _norm(x / wide, dy / deep)
    reach = np.sqrt(x * x + dy * dy) / np.maximum(rho, np.float32(1e-3))
    return np.asarray((1 - rho) * reach, np.float32)


def nipple(patient: Patient, side: int) -> tuple[float, float, float]:
    """Where the nipple is: on the breast, or on a man's chest wall."""
    x, z = 0.58 * patient.half_width, -18.0 if patient.posture == "supine" else -42.0
    _, deep = _skin_radii(patient, np.array(z))
    slope = float(np.sqrt(1 - 0.2)) * float(deep)
    return side * x, 2 - slope - 0.75 * patient.breast, z


def breast_depth(patient: Patient, grid: Grid) -> Array:
    """About the depth in mm below the breasts' skin, very negative elsewhere."""
    depth = np.full(grid.shape, -99, np.float32)
    if patient.breast <= 0:
        return depth
    supine = patient.posture == "supine"
    for side in (-1, 1):
        tip = nipple(patient, side)
        thick = 1.5 * patient.breast
        centre = (tip[0] + side * (8 if supine else 0), tip[1] + thick, tip[2] + (0 if supine else 8))
        radii = (62.0, thick, 58.0)
        box = grid.box(np.array(centre), 75.0)
        parts = [(a / np.float32(r)) ** 2 for a, r in zip(ball(grid, box, np.array(centre)), radii, strict=True)]
        depth[box] = np.maximum(depth[box], (1 - np.sqrt(parts[0] + parts[1] + parts[2])) * np.float32(min(radii)))
    return depth


def diaphragm(patient: Patient, x: F, y: F) -> F:
    """Height (z) of the diaphragm above (x, y): two domes that fall steeply to the costophrenic recesses."""
    a, b = patient.half_width, patient.half_depth
    heights = []
    for sign, dome in zip((-1, 1), patient.dome, strict=True):
        side = (x - sign * 0.45 * a) * sign
        q = (side / (np.where(side > 0, 0.62, 0.95) * a)) ** 2 + ((y + 0.12 * b) / (0.98 * b)) ** 2
        heights.append(dome - 32 * q - 30 * q * q)
    right, left = heights
    share = np.clip(0.5 + x / 40.0, 0, 1)
    return np.asarray(right * (1 - share) + left * share)
