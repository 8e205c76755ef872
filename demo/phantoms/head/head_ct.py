"""Head CT phantoms: the drawn head in Hounsfield units as a scanner shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import numpy as np
from scipy import ndimage

from radseek.demo.phantoms.brain.brain_mr import make_brain_mr
from radseek.demo.phantoms.head.distance_fields import Array
from radseek.demo.phantoms.head.head_space import SUB
from radseek.demo.phantoms.head.patient_plan import HeadPlan, draw_plan
from radseek.demo.phantoms.head.tissue_layers import render
from radseek.demo.phantoms.head.whole_head import Head, build_head, head_facts, head_mimics
from radseek.demo.phantoms.phantom import FINDINGS, Phantom, PhantomSeries
from radseek.demo.phantoms.random_fields import Grid, ramp_noise

__all__ = ["make_brain_mr", "make_head"]

# HU of what covers; (low, high) is drawn once for a patient.
_HU: dict[str, tuple[float, float]] = {
    "air": (-1000, -1000), "fat": (-105, -75), "skin": (5, 35), "muscle": (46, 70), "bone": (950, 1500),
    "diploe": (350, 750), "mucosa": (20, 40), "orbital_fat": (-100, -75), "sclera": (30, 45), "globe": (4, 14),
    "lens": (60, 85), "csf": (2, 10), "grey": (35, 39.5), "white": (27, 31), "deep_grey": (34, 39),
    "cerebellum": (33, 38), "stem": (29, 34), "dura": (42, 54), "sinus": (46, 64), "vessel": (38, 52),
    "calcium": (130, 420), "blood_acute": (52, 68), "blood_dense": (64, 80), "blood_thin": (48, 66),
    "bruise": (48, 72),
    "blood_subacute": (32, 44), "blood_chronic": (10, 24), "tumour": (26, 44), "tumour_pale": (20, 27),
    "tumour_rim": (34, 44), "meningioma": (40, 52), "necrosis": (12, 22),
}  # fmt: skip
_CONTRAST_HU: dict[str, tuple[float, float]] = {
    "sinus": (95, 150), "vessel": (110, 190), "dura": (55, 75), "tumour": (45, 60), "tumour_rim": (62, 88),
    "meningioma": (72, 98), "mucosa": (40, 65),
}  # fmt: skip
# HU that adds to what is there.
_SHIFTS: dict[str, tuple[float, float]] = {
    "leukoaraiosis": (-9, -4), "infarct": (-9, -4), "infarct_cortex": (-4, -1), "vasogenic": (-14, -8),
    "rim_oedema": (-12, -6), "swollen": (-6, -3),
}  # fmt: skip


def _draw_grid(rng: np.random.Generator, plan: HeadPlan) -> Grid:
    """Field of view 215 to 240 mm, slices of 4.5 to 5.5 mm from skull base to vertex."""
    pixels = int(rng.choice([192, 208, 224]))
    field, step = rng.uniform(215, 240), rng.uniform(4.6, 5.4)
    low = -60 * plan.scale[2] + plan.offset[2] + rng.uniform(-14, 8)
    top = 84 * plan.scale[2] + plan.offset[2] + rng.uniform(2, 10)
    slices = int(np.clip(round((top - low) / step), 26, 38))
    pitch = field / pixels
    return Grid(
        (-field / 2 + rng.normal(0, 3), -field / 2 - 4 + rng.normal(0, 4), low), (pitch, pitch, step),
        (pixels, pixels, slices),
    )  # fmt: skip


def _tables(rng: np.random.Generator, contrast: bool) -> tuple[dict[str, float], dict[str, float]]:
    ranges = {**_HU, **(_CONTRAST_HU if contrast else {})}
    values = {name: rng.uniform(low, high) for name, (low, high) in ranges.items()}
    drift = rng.normal(0, 1.2)  # no scanner's water is exactly 0
    for name in ("csf", "grey", "white", "deep_grey", "cerebellum", "stem"):
        values[name] += drift
    return values, {name: rng.uniform(low, high) for name, (low, high) in _SHIFTS.items()}


def _scan(grid: Grid, plan: HeadPlan, head: Head, rng: np.random.Generator) -> Array:
    """HU before blur and noise: shell, then brain with its soft inner edge, then thick slices."""
    values, shifts = _tables(rng, plan.contrast)
    shell = render(head.shell, values, shifts)
    brain = render(head.brain.canvas, values, shifts)
    fine = np.full(int(np.prod(grid.shape)) * SUB, values["air"], np.float32)
    fine[head.shell.points.index] = shell
    index = head.brain.canvas.points.index
    bone = np.float32(values["bone"])
    fine[index] = bone + (brain - bone) * head.inner
    thick: Array = fine.reshape(grid.shape[0], SUB, *grid.shape[1:]).mean(axis=1, dtype=np.float32)
    return thick


def _add_headrest(volume: Array, grid: Grid, plan: HeadPlan, rng: np.random.Generator) -> None:
    """A foam-filled carbon cradle behind the head."""
    x, y = grid.axis(0)[None, :], grid.axis(1)[:, None]
    reach = 104 * plan.scale[1] + plan.offset[1] + rng.uniform(0, 6)
    radius = np.hypot(x - np.float32(plan.offset[0]), y - np.float32(reach - 125))
    shell = (np.abs(radius - 125) < 1.6) & (y > reach - 45)
    foam = (radius < 125) & (radius > 118) & (y > reach - 45)
    outside = volume < -900
    volume[outside & foam[None]] = rng.uniform(-960, -880)
    volume[outside & shell[None]] = rng.uniform(-300, 60)


def _beam_hardening(volume: Array, grid: Grid, plan: HeadPlan, rng: np.random.Generator) -> None:
    """Cupping, the bright rim under thick bone and the dark bars between the petrous bones."""
    x, y, z = grid.axes()
    radius = ((x - np.float32(plan.offset[0])) / 78) ** 2 + ((y - np.float32(plan.offset[1])) / 95) ** 2
    volume += np.float32(rng.uniform(0.5, 4)) * np.clip(radius, 0, 1.2)
    level = np.exp(-(((z - np.float32(plan.offset[2] - 36)) / 10) ** 2))
    bars = np.exp(-(((y - np.float32(plan.offset[1] + rng.uniform(2, 14))) / rng.uniform(3, 6)) ** 2))
    volume -= np.float32(rng.uniform(2, 13)) * level * bars * (np.abs(x) < 48)


def make_head(seed: int, findings: Sequence[str] | None = None) -> Phantom:
    """A head CT of one synthetic patient.

    `findings`: names of FINDINGS["head_ct"] to draw (empty: normal); None draws those too. A subdural haematoma is
    also an intracranial haemorrhage and carries both labels. Same seed and findings, same phantom.
    """
    plan = draw_plan(seed, FINDINGS["head_ct"], findings, tilt=0.16)
    rng = plan.rng(50)
    grid = _draw_grid(rng, plan)
    head = build_head(grid, plan)
    volume = _scan(grid, plan, head, rng)
    _add_headrest(volume, grid, plan, rng)
    _beam_hardening(volume, grid, plan, rng)
    blur = rng.uniform(0.45, 0.8)
    volume = ndimage.gaussian_filter(volume, (0, blur, blur), truncate=3)
    sharp = rng.uniform(0.18, 0.3)
    noise = float(rng.uniform(4, 10) * np.sqrt(1.25 / grid.step[2]))
    volume += np.float32(noise) * ramp_noise(rng, grid.shape, sharp)
    voxels = np.clip(np.rint(volume), -1024, 3071).astype(np.int16)
    attributes: dict[str, str | float] = {
        "kvp": float(rng.choice([100, 120, 120, 140])), "kernel": "H30s" if sharp < 0.24 else "H40s",
        "contrast": "iodinated" if plan.contrast else "none", "slice_thickness": round(grid.step[2], 2),
        "body_part": "HEAD",
    }  # fmt: skip
    spacing = (grid.step[2], grid.step[1], grid.step[0])
    series = PhantomSeries("CT", "head ct", voxels, spacing, grid.affine, "HU", attributes)
    facts = {**head_facts(plan, head), "noise_hu": round(noise, 1)}
    sex = cast(Literal["F", "M"], plan.sex)
    return Phantom("head_ct", seed, sex, plan.age, (series,), head.lesions, head_mimics(plan, head), facts)
