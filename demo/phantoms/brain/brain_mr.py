"""Brain MR phantoms: the drawn head through spin physics as T1, T2 and FLAIR of one visit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast

import numpy as np
from scipy import ndimage

from radseek.demo.phantoms.head.distance_fields import Array
from radseek.demo.phantoms.head.head_space import SUB
from radseek.demo.phantoms.head.patient_plan import HeadPlan, draw_plan
from radseek.demo.phantoms.head.tissue_layers import render
from radseek.demo.phantoms.head.whole_head import Head, build_head, head_facts, head_mimics
from radseek.demo.phantoms.phantom import FINDINGS, Phantom, PhantomSeries
from radseek.demo.phantoms.random_fields import Grid, smooth_noise

__all__ = ["make_brain_mr", "signal"]

# Proton density (share of water's), T1 and T2 in ms, about 1.5 tesla.
_TISSUES: dict[str, tuple[float, float, float]] = {
    "air": (0.0, 1000, 50), "fat": (0.95, 280, 75), "skin": (0.55, 700, 45), "muscle": (0.78, 950, 38),
    "bone": (0.06, 800, 20), "diploe": (0.5, 350, 60), "mucosa": (0.85, 1300, 120), "orbital_fat": (0.95, 280, 75),
    "sclera": (0.5, 900, 30), "globe": (1.0, 3800, 1400), "lens": (0.6, 1000, 28), "csf": (1.0, 4200, 1800),
    "grey": (0.83, 1050, 97), "white": (0.71, 570, 76), "deep_grey": (0.8, 900, 84), "cerebellum": (0.82, 990, 94),
    "stem": (0.73, 640, 80), "dura": (0.35, 900, 30), "sinus": (0.25, 1400, 60), "vessel": (0.05, 1400, 60),
    "calcium": (0.25, 900, 30), "blood_acute": (0.82, 760, 55), "blood_dense": (0.8, 620, 42),
    "blood_thin": (0.88, 1000, 110),
    "bruise": (0.88, 500, 120), "blood_subacute": (0.88, 340, 170), "blood_chronic": (0.95, 1500, 320),
    "tumour": (0.88, 1350, 140), "tumour_pale": (0.9, 1500, 170), "tumour_rim": (0.86, 1200, 120),
    "meningioma": (0.84, 1050, 98), "necrosis": (0.97, 2600, 380), "leukoaraiosis": (0.83, 1150, 135),
    "infarct": (0.89, 1350, 155), "vasogenic": (0.9, 1450, 165), "rim_oedema": (0.9, 1400, 160),
    "swollen": (0.86, 1120, 118),
}  # fmt: skip
_ENHANCED_T1 = {"tumour": 700.0, "tumour_rim": 330.0, "meningioma": 330.0, "sinus": 280.0, "mucosa": 500.0}
_ENHANCED_PD = {"sinus": 0.8}


def signal(sequence: Mapping[str, float], tissue: tuple[float, float, float]) -> float:
    """Spin echo (inversion recovery where `ti` > 0), magnitude: PD (1 - 2 e^-TI/T1 + e^-TR/T1) e^-TE/T2."""
    density, t1, t2 = tissue
    recovery = 1 - np.exp(-sequence["tr"] / t1)
    if sequence["ti"] > 0:
        recovery = 1 - 2 * np.exp(-sequence["ti"] / t1) + np.exp(-sequence["tr"] / t1)
    return float(abs(density * recovery * np.exp(-sequence["te"] / t2)))


def _draw_grid(rng: np.random.Generator, plan: HeadPlan) -> Grid:
    """Field of view 210 to 250 mm, slices with gaps 4.6 to 5.8 mm apart; half of the scans tilted to the orbits."""
    pixels = int(rng.choice([192, 208, 224]))
    field, step = rng.uniform(212, 245), rng.uniform(4.6, 5.8)
    low = -62 * plan.scale[2] + plan.offset[2] + rng.uniform(-6, 10)
    top = 82 * plan.scale[2] + plan.offset[2] + rng.uniform(0, 8)
    slices = int(np.clip(round((top - low) / step), 24, 34))
    pitch = field / pixels
    return Grid(
        (-field / 2 + rng.normal(0, 3), -field / 2 - 4 + rng.normal(0, 3), low), (pitch, pitch, step),
        (pixels, pixels, slices),
    )  # fmt: skip


def _sequences(rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """Echo times as different scanners set them, ms."""
    t1 = {"tr": rng.uniform(420, 680), "te": rng.uniform(8, 15), "ti": 0.0}
    t2 = {"tr": rng.uniform(3600, 5500), "te": rng.uniform(85, 115), "ti": 0.0}
    flair = {"tr": rng.uniform(8000, 10000), "te": rng.uniform(105, 140), "ti": 0.0}
    flair["ti"] = 4200 * np.log(2 / (1 + np.exp(-flair["tr"] / 4200))) * rng.uniform(0.96, 1.04)
    return {"t1": t1, "t2": t2, "flair": flair}


def _table(sequence: Mapping[str, float], jitter: Mapping[str, float], contrast: bool) -> dict[str, float]:
    """Signal of every tissue in one sequence, 0 to about 1."""
    table = {}
    for tissue, (density, t1, t2) in _TISSUES.items():
        if contrast:
            t1, density = _ENHANCED_T1.get(tissue, t1), _ENHANCED_PD.get(tissue, density)
        scale = jitter[tissue]
        table[tissue] = signal(sequence, (density, t1 * scale, t2 * scale))
    return table


def _acquire(grid: Grid, head: Head, table: Mapping[str, float], rng: np.random.Generator) -> Array:
    """One sequence of the head: drawn, blurred, shaded by the coil, noisy (Rician)."""
    fine = np.full(int(np.prod(grid.shape)) * SUB, 0, np.float32)
    fine[head.shell.points.index] = render(head.shell, table, {})
    index, bone = head.brain.canvas.points.index, np.float32(table["bone"])
    fine[index] = bone + (render(head.brain.canvas, table, {}) - bone) * head.inner
    volume: Array = fine.reshape(grid.shape[0], SUB, *grid.shape[1:]).mean(axis=1, dtype=np.float32)
    blur = rng.uniform(0.4, 0.75)
    volume = ndimage.gaussian_filter(volume, (0, blur, blur), truncate=3)
    volume *= np.exp(np.float32(rng.uniform(0.05, 0.16)) * smooth_noise(rng, grid, 130.0))
    noise = np.float32(table["white"] * rng.uniform(0.02, 0.075))
    real = volume + noise * rng.standard_normal(grid.shape, dtype=np.float32)
    imaginary = noise * rng.standard_normal(grid.shape, dtype=np.float32)
    magnitude: Array = np.sqrt(real * real + imaginary * imaginary)
    return magnitude


def make_brain_mr(seed: int, findings: Sequence[str] | None = None) -> Phantom:
    """T1 (after gadolinium in one of three), T2 and FLAIR of one synthetic patient, on one axial grid.

    `findings`: names of FINDINGS["brain_mr"] to draw (empty: normal); None draws those too. Signals follow the
    spin-echo equations, so tissues are consistent between the sequences. Same seed and findings, same phantom.
    """
    plan = draw_plan(seed, FINDINGS["brain_mr"], findings, tilt=0.2)
    rng = plan.rng(60)
    grid = _draw_grid(rng, plan)
    head = build_head(grid, plan)
    jitter = {name: float(np.exp(rng.normal(0, 0.03))) for name in _TISSUES}
    top = float(rng.choice([255, 600, 1200, 2500, 4000]))
    spacing = (grid.step[2], grid.step[1], grid.step[0])
    series = []
    for name, sequence in _sequences(rng).items():
        enhanced = plan.contrast and name == "t1"
        volume = _acquire(grid, head, _table(sequence, jitter, enhanced), rng)
        volume *= np.float32(top * rng.uniform(0.6, 0.95) / np.percentile(volume[::2, ::4, ::4], 99.5))
        attributes: dict[str, str | float] = {f"{key}_ms": round(value, 1) for key, value in sequence.items()}
        attributes |= {"contrast": "gadolinium" if enhanced else "none", "field_t": 1.5, "body_part": "BRAIN"}
        voxels = np.clip(np.rint(volume), 0, 32767).astype(np.int16)
        series.append(PhantomSeries("MR", name, voxels, spacing, grid.affine, "raw", attributes))
    sex = cast(Literal["F", "M"], plan.sex)
    mimics, facts = head_mimics(plan, head), head_facts(plan, head)
    return Phantom("brain_mr", seed, sex, plan.age, tuple(series), head.lesions, mimics, facts)
