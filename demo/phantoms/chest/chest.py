"""One synthetic chest: draw the patient and the findings, build the anatomy, then scan or project it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from radseek.demo.phantoms.chest.body import Patient, draw_patient
from radseek.demo.phantoms.chest.bones import Break, paint_bones, paint_spine
from radseek.demo.phantoms.chest.ct_scanner import ct_grid, scan
from radseek.demo.phantoms.chest.devices import add_devices
from radseek.demo.phantoms.chest.diffuse_findings import (
    add_consolidation,
    add_emphysema,
    draw_break,
    record_break,
    record_heart,
)
from radseek.demo.phantoms.chest.focal_findings import add_granuloma, add_mass, add_nipples, add_nodule, add_scar
from radseek.demo.phantoms.chest.pleura import add_effusion, add_pneumothorax
from radseek.demo.phantoms.chest.soft_tissue import Scene, build_scene
from radseek.demo.phantoms.chest.vessels import paint_fissures, paint_great_vessels, paint_lung_trees
from radseek.demo.phantoms.chest.xray import project, project_mask, xray_grid
from radseek.demo.phantoms.phantom import FINDINGS, Phantom
from radseek.demo.phantoms.random_fields import stream

__all__ = ["make_chest"]

ChestKind = Literal["chest_ct", "chest_xray"]


def _draw_findings(kind: ChestKind, seed: int) -> tuple[str, ...]:
    """About 35 % normal, else one to three findings."""
    rng = stream(seed, "findings")
    if rng.random() < 0.35:
        return ()
    count = int(rng.choice([1, 2, 3], p=[0.5, 0.32, 0.18]))
    return tuple(str(name) for name in rng.choice(FINDINGS[kind], count, replace=False))


def _paint_pleura_and_lung(scene: Scene, wanted: Sequence[str], *, upright: bool) -> None:
    """What must be known before the vessels are drawn."""
    seed = scene.patient.seed
    rng = stream(seed, "sides")
    side, other, third = (int(v) for v in rng.choice([-1, 1], 3))
    if "consolidation" in wanted:
        add_consolidation(scene, stream(seed, "consolidation"), third)
    if "pneumothorax" in wanted:
        add_pneumothorax(scene, stream(seed, "pneumothorax"), 15 if upright else 3, other)
    if "pleural_effusion" in wanted:
        draw = stream(seed, "effusion")
        add_effusion(scene, draw, 150 if upright else 50, side)
        if draw.random() < 0.25:
            add_effusion(scene, draw, 150 if upright else 50, -side)
    if "emphysema" in wanted:
        add_emphysema(scene, stream(seed, "emphysema"))


def _paint_focal(scene: Scene, wanted: Sequence[str], *, upright: bool) -> None:
    seed = scene.patient.seed
    if "lung_mass" in wanted:
        add_mass(scene, stream(seed, "mass"))
    if "lung_nodule" in wanted:
        rng = stream(seed, "nodule")
        for _ in range(int(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1]))):
            add_nodule(scene, rng, 8.0 if upright else 4.0)
    rng = stream(seed, "mimics")
    if rng.random() < 0.25:
        add_granuloma(scene, rng)
    if rng.random() < 0.3:
        add_scar(scene, rng)


def _breaks(seed: int, wanted: Sequence[str], *, upright: bool) -> list[Break]:
    """One fracture, or up to four on neighbouring ribs."""
    if "rib_fracture" not in wanted:
        return []
    rng = stream(seed, "fracture")
    first = draw_break(rng, visible=upright)
    count = int(rng.choice([1, 2, 3, 4], p=[0.35, 0.3, 0.2, 0.15]))
    return [replace(first, number=first.number + k, at=first.at + 0.03 * k) for k in range(count)]


def _build(patient: Patient, kind: ChestKind, wanted: Sequence[str]) -> tuple[Scene, float]:
    upright = kind == "chest_xray"
    scene = build_scene(patient, xray_grid(patient) if upright else ct_grid(patient))
    ratio = record_heart(scene, enlarged="cardiomegaly" in wanted)
    _paint_pleura_and_lung(scene, wanted, upright=upright)
    paint_fissures(scene)
    paint_great_vessels(scene)
    paint_lung_trees(scene)
    _paint_focal(scene, wanted, upright=upright)
    breaks = _breaks(patient.seed, wanted, upright=upright)
    paint_bones(scene, breaks)
    paint_spine(scene)
    add_nipples(scene)
    add_devices(scene)
    for broken in breaks:
        record_break(scene, broken)
    return scene, ratio


def make_chest(kind: ChestKind, seed: int, *, findings: Sequence[str] | None = None) -> Phantom:
    """A chest CT, or a radiograph projected from the same patient standing.

    `findings`: exactly these are drawn; None draws them at random. The same seed is the same person.
    """
    wanted = tuple(findings) if findings is not None else _draw_findings(kind, seed)
    posture: Literal["supine", "upright"] = "upright" if kind == "chest_xray" else "supine"
    patient = draw_patient(seed, posture, enlarged_heart="cardiomegaly" in wanted)
    scene, ratio = _build(patient, kind, wanted)
    if kind == "chest_xray":
        series, film = project(scene)
        lesions = tuple(replace(v, mask=project_mask(v.mask, film, scene.grid)) for v in scene.lesions)
    else:
        series, lesions = scan(scene), tuple(scene.lesions)
    facts: dict[str, str | float] = {
        "ctr": ratio, "contrast": patient.contrast, "posture": posture, "fat_mm": patient.fat,
        "lung_hu": patient.lung_hu, "lung_ml": float(np.count_nonzero(scene.lungs)) * scene.grid.voxel_ml,
    }  # fmt: skip
    return Phantom(
        kind, seed, patient.sex, patient.age, (series,), lesions, tuple(scene.mimics), facts,
    )  # fmt: skip
