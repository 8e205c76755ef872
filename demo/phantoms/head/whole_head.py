"""One whole head, drawn from its plan: tissues of shell and brain, and the findings, before any scanner sees it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radseek.demo.phantoms.brain.anatomy import Brain, paint_brain
from radseek.demo.phantoms.brain.bleeds import paint_bleed, paint_collection
from radseek.demo.phantoms.brain.lesion_sites import Collection, Site, draw_collection, draw_site, pressure_field
from radseek.demo.phantoms.brain.lesions import (
    paint_hydrocephalus,
    paint_infarct,
    paint_oedema,
    paint_shift,
    paint_swelling,
    paint_tumour,
)
from radseek.demo.phantoms.brain.painted_finding import Draft, to_lesion
from radseek.demo.phantoms.head.distance_fields import Array, NoiseBank, soft
from radseek.demo.phantoms.head.head_space import SUB, Region, cavity_depth, locate, measure_shift
from radseek.demo.phantoms.head.patient_plan import OEDEMA_CUT_ML, SHIFT_CUT_MM, HeadPlan
from radseek.demo.phantoms.head.skull import paint_shell
from radseek.demo.phantoms.head.tissue_layers import Canvas
from radseek.demo.phantoms.phantom import Lesion
from radseek.demo.phantoms.random_fields import Grid

__all__ = ["Head", "build_head", "head_facts", "head_mimics"]

_CALCIUM_WORDS = {
    "choroid": "choroid plexus calcification",
    "pineal": "pineal calcification",
    "falx": "falx calcification",
    "pallidum": "basal ganglia calcification",
    "dura": "dural calcification",
}


@dataclass(frozen=True, eq=False)
class Head:
    """Tissues on the fine grid, and findings on the scan's grid. `inner`: share of each brain point not bone."""

    shell: Canvas
    brain: Brain
    inner: Array
    lesions: tuple[Lesion, ...]
    collection: Collection | None
    shift: float


_MOST_ML = 60.0  # of an extra-axial collection


def _thickness(collection: Collection, region: Region, grid: Grid) -> Array:
    """Thickness of the collection, thinned where it would hold more than _MOST_ML."""
    layer = collection.depth(region)
    volume = float(((region.depth > 0) & (region.depth < layer)).sum()) * grid.voxel_ml / SUB
    return layer * np.float32(min(1.0, _MOST_ML / max(volume, 1.0)))


def _sites(plan: HeadPlan) -> tuple[Site | None, Site | None]:
    """Where the lump of blood and the tumour are."""
    bleed = draw_site(plan, 11, 6.2, 24) if plan.bleed == "intraparenchymal" else None
    tumour = draw_site(plan, 12, 4.0, 27.5) if "brain_tumour" in plan.findings else None
    return bleed, tumour


def _lumps(
    brain: Brain, plan: HeadPlan, sites: tuple[Site | None, Site | None], bank: NoiseBank, ml: float
) -> list[Draft]:
    """Bleeds and tumours, each with its oedema; diffuse swelling where nothing else explains the oedema."""
    bleed, tumour = sites
    drafts, distance = paint_bleed(brain, bleed, plan, bank)
    location = bleed.location if bleed is not None else ""
    if tumour is not None:
        found, distance = paint_tumour(brain, tumour, plan, bank)
        drafts, location = [*drafts, *found], found[0].location
    if distance is not None:
        drafts += paint_oedema(brain, distance, location, plan, bank, ml)
    elif "cerebral_oedema" in plan.findings:
        drafts += paint_swelling(brain, plan)
    return drafts


def build_head(grid: Grid, plan: HeadPlan) -> Head:
    """Draw the head of `plan` for the scan of `grid`."""
    points = locate(grid, plan)
    depth = cavity_depth(points)
    bank = NoiseBank(plan.rng(0))
    shell = paint_shell(Region(points, depth), plan, bank)
    inside = depth > -1.0
    region = Region(points.take(inside), depth[inside])
    collection, sites = draw_collection(plan), _sites(plan)
    layer = np.zeros_like(region.depth) if collection is None else _thickness(collection, region, grid)
    pressure = pressure_field(region, plan, tuple(s for s in sites if s is not None), collection)
    brain = paint_brain(region, plan, bank, layer, pressure)
    shift = measure_shift(plan)
    drafts: list[Draft] = []
    if "cerebral_infarct" in plan.findings:
        drafts += paint_infarct(brain, plan, bank)
    if "hydrocephalus" in plan.findings:
        drafts += paint_hydrocephalus(brain, plan)
    drafts += _lumps(brain, plan, sites, bank, grid.voxel_ml / SUB)
    if collection is not None:
        drafts += paint_collection(brain, region, layer, collection, plan)
    if abs(shift) >= SHIFT_CUT_MM:
        drafts += paint_shift(brain, plan, shift)
    spacing = (grid.step[2], grid.step[1], grid.step[0])
    lesions = tuple(to_lesion(d, region.points.index, grid.shape, spacing) for d in drafts)
    return Head(shell, brain, soft(-region.depth, 1.4), lesions, collection, shift)


def head_facts(plan: HeadPlan, head: Head) -> dict[str, str | float]:
    """What is true of the head beside its findings, with the cuts that the labels use."""
    return {
        "midline_shift_mm": round(abs(head.shift), 1),
        "midline_shift_cut_mm": SHIFT_CUT_MM,
        "oedema_cut_ml": OEDEMA_CUT_ML,
        "ventricle_scale": round(plan.ventricle, 2),
        "atrophy": round(plan.atrophy, 2),
        "contrast": "yes" if plan.contrast else "no",
    }


def head_mimics(plan: HeadPlan, head: Head) -> tuple[str, ...]:
    """Benign look-alikes, in words."""
    words = [_CALCIUM_WORDS[name] for name in sorted(plan.calcified)]
    if plan.atrophy > 0.45:
        words.append("age-related volume loss")
    if plan.atrophy > 0.55:
        words.append("chronic small vessel ischaemic change")
    if plan.bruise > 0:
        words.append("scalp swelling")
    if head.collection is not None and head.collection.kind == "arachnoid cyst":
        words.append(f"{'left' if head.collection.side > 0 else 'right'} middle cranial fossa arachnoid cyst")
    return tuple(words)
