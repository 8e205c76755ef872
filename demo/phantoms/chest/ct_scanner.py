"""The CT scanner: grid, table, slice profile, reconstruction kernel and noise."""

from __future__ import annotations

import numpy as np
import scipy.ndimage

from radseek.demo.phantoms.chest.body import Patient
from radseek.demo.phantoms.chest.soft_tissue import Scene
from radseek.demo.phantoms.phantom import PhantomSeries
from radseek.demo.phantoms.random_fields import Array, Grid, ramp_noise, smooth_noise, stream

__all__ = ["ct_grid", "scan"]

# vendor-like makers: kernel -> (noise sharpness, noise multiplier, edge: > 0 enhances, < 0 smooths)
_KERNELS: dict[str, dict[str, tuple[float, float, float]]] = {
    "North Imaging": {"B30f": (0.22, 1.0, -0.55), "B45f": (0.30, 1.3, 0.0), "B70f": (0.42, 2.1, 0.7)},
    "Gamma Systems": {"STANDARD": (0.24, 1.0, -0.4), "DETAIL": (0.31, 1.4, 0.15), "LUNG": (0.42, 2.2, 0.9)},
    "Kanto Medical": {"FC08": (0.21, 0.9, -0.6), "FC13": (0.26, 1.1, -0.2), "FC52": (0.40, 2.0, 0.6)},
    "Delft Scanners": {"B": (0.23, 1.0, -0.5), "C": (0.28, 1.2, 0.0), "YB": (0.38, 1.9, 0.5)},
}


def ct_grid(patient: Patient) -> Grid:
    """40 to 64 slices of 192 to 240 pixels, centred within a centimetre or two of the patient."""
    rng = stream(patient.seed, "ct grid")
    pixels = int(rng.choice([192, 208, 224, 240], p=[0.2, 0.25, 0.4, 0.15]))
    reach = patient.half_width + patient.muscle + patient.fat + 6
    field = float(np.clip(2 * reach * rng.uniform(1.02, 1.22), 300, 500))
    low = min(patient.dome) - float(rng.uniform(55, 85))
    high = patient.apex + float(rng.uniform(8, 26))
    spacing = float(np.clip((high - low) / rng.integers(40, 61), 4.6, 7.0))
    step = field / pixels
    x0 = -field / 2 + float(rng.normal(0, 5))
    y0 = -field / 2 + float(rng.normal(8, 6))
    return Grid((x0, y0, low), (step, step, spacing), (pixels, pixels, int((high - low) / spacing) + 1))


def _table(scene: Scene, rng: np.random.Generator) -> None:
    """A curved couch: two thin shells with foam between, in the air behind the patient."""
    x, y, _ = scene.grid.axes()
    patient = scene.patient
    top = patient.half_depth + patient.muscle + patient.fat + 8 + float(rng.uniform(2, 14))
    bend = float(rng.uniform(0.0006, 0.0016))
    thick = float(rng.uniform(14, 30))
    below = (y - top + bend * x * x)[0]
    side = np.abs(x[0]) < rng.uniform(190, 240)
    shell = (np.minimum(np.abs(below), np.abs(below - thick)) < 1.4) & side
    foam = (below > 0) & (below < thick) & side
    couch = np.where(shell, rng.uniform(-420, -120), np.where(foam, rng.uniform(-930, -860), -1000.0)).astype(
        np.float32
    )
    air = scene.hu < -930
    outside = air & (scene.cage > 8)
    scene.hu += outside * (couch[None] - scene.hu)


def _kernel(hu: Array, edge: float) -> Array:
    if edge < 0:
        return np.asarray(scipy.ndimage.gaussian_filter(hu, (0, -edge, -edge), truncate=3.0), np.float32)
    if edge > 0.05:
        soft = scipy.ndimage.gaussian_filter(hu, (0, 0.9, 0.9), truncate=3.0)
        return np.asarray(hu + np.float32(0.6 * edge) * (hu - soft), np.float32)
    return hu


def _noise_level(scene: Scene, rng: np.random.Generator, sigma: float) -> Array:
    """Noise grows towards the middle of the patient and across the shoulders."""
    x, y, z = scene.grid.axes()
    patient = scene.patient
    inner = np.exp(-((x / (1.1 * patient.half_width)) ** 2) - (y / (1.3 * patient.half_depth)) ** 2)
    shoulder = 1 + 0.8 * np.clip((z - patient.apex + 38) / 40, 0, 1)
    scale = sigma * float(rng.uniform(0.97, 1.03))
    return np.asarray(scale * (0.55 + 0.6 * inner) * shoulder, np.float32)


def scan(scene: Scene) -> PhantomSeries:
    """Turn the scene into a reconstructed series; `scene.hu` is used up."""
    patient, grid = scene.patient, scene.grid
    rng = stream(patient.seed, "scan")
    maker = str(rng.choice(list(_KERNELS)))
    kernel = str(rng.choice(list(_KERNELS[maker]), p=[0.45, 0.3, 0.25]))
    sharpness, gain, edge = _KERNELS[maker][kernel]
    sigma = float(np.clip(rng.uniform(8, 20) * gain * (0.75 + patient.fat / 60), 8, 40))
    _table(scene, rng)
    blur = float(rng.uniform(0, 0.14))
    hu = scene.hu
    hu[1:-1] = (1 - 2 * blur) * hu[1:-1] + blur * (hu[:-2] + hu[2:])
    hu = _kernel(hu, edge)
    noise = ramp_noise(rng, grid.shape, sharpness)
    noise *= _noise_level(scene, rng, sigma)
    hu += noise
    _streaks(scene, rng, hu, sigma)
    voxels = np.clip(np.rint(hu), -1024, 3071).astype(np.int16)
    attributes: dict[str, str | float] = {
        "manufacturer": maker, "kernel": kernel, "kvp": float(rng.choice([100, 120, 120, 120, 140])),
        "contrast": patient.contrast, "noise_hu": sigma, "slice_thickness": grid.step[2], "body_part": "CHEST",
    }  # fmt: skip
    spacing = (grid.step[2], grid.step[1], grid.step[0])
    return PhantomSeries("CT", "chest ct", voxels, spacing, grid.affine, "HU", attributes)


def _streaks(scene: Scene, rng: np.random.Generator, hu: Array, sigma: float) -> None:
    """Photon starvation across the shoulders: noise that runs along x."""
    z = scene.grid.axis(2)
    strength = np.clip((z - scene.patient.apex + 30) / 40, 0, 1) * sigma * rng.uniform(0.1, 0.9)
    rows = np.flatnonzero(strength > 1)
    if rows.size == 0:
        return
    lines = rng.standard_normal((rows.size, scene.grid.size[1], 1), dtype=np.float32)
    wander = 1 + 0.5 * smooth_noise(rng, scene.grid, 60)[rows]
    hu[rows] += strength[rows, None, None].astype(np.float32) * lines * wander * (hu[rows] > -960)
