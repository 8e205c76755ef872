"""The radiograph: line integrals of attenuation through the phantom's own Hounsfield volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from radseek.demo.phantoms.chest.body import Patient
from radseek.demo.phantoms.chest.soft_tissue import Scene
from radseek.demo.phantoms.phantom import PhantomSeries
from radseek.demo.phantoms.random_fields import Array, Grid, stream

__all__ = ["Film", "project", "project_mask", "xray_grid"]

_WATER = 0.0182  # mm^-1 at the effective energy of a 120 kV chest beam
_BONE = 1.5e-5  # mm^-1 a Hounsfield unit more, above 120, for bone's photoelectric share


@dataclass(frozen=True, slots=True)
class Film:
    """How the detector lay: pixels, pixel size (mm), turn (degrees), centre (x, z) and magnification by depth."""

    pixels: int
    pixel: float
    turn: float
    centre: tuple[float, float]
    anteroposterior: bool


def xray_grid(patient: Patient) -> Grid:
    """Fine across the film, coarse along the beam."""
    reach = patient.half_depth + patient.muscle + patient.fat + 18
    rows = int(2 * reach / 4.4) + 1
    return Grid((-204.0, -reach, -214.0), (1.62, 4.4, 1.62), (252, rows, 252))


def _film(patient: Patient) -> Film:
    rng = stream(patient.seed, "film")
    pixels = int(rng.choice([320, 352, 384]))
    width = float(np.clip(2 * patient.half_width + rng.uniform(55, 105), 300, 398))
    middle = 0.5 * (patient.apex + min(patient.dome)) + float(rng.normal(-14, 8))
    return Film(
        pixels, width / pixels, float(rng.normal(0, 1.6)), (float(rng.normal(0, 5)), middle), bool(rng.random() < 0.3)
    )


def _rows_and_columns(film: Film, grid: Grid) -> tuple[Array, Array]:
    """For each film pixel, the index along z and x of the grid's projection."""
    at = (np.arange(film.pixels, dtype=np.float32) - (film.pixels - 1) / 2) * np.float32(film.pixel)
    u, v = at[None, :], -at[:, None]
    c, s = np.float32(np.cos(np.radians(film.turn))), np.float32(np.sin(np.radians(film.turn)))
    x = film.centre[0] + c * u - s * v
    z = film.centre[1] + s * u + c * v
    return (z - np.float32(grid.origin[2])) / grid.step[2], (x - np.float32(grid.origin[0])) / grid.step[0]


def _integrate(scene: Scene, film: Film) -> Array:
    """Line integrals `(Z, X)` of attenuation: each coronal layer is magnified by its distance to the source."""
    hu, grid = scene.hu, scene.grid
    mu = np.maximum(hu, -1000) * np.float32(_WATER / 1000) + np.float32(_WATER)
    mu += np.maximum(hu - 120, 0) * np.float32(_BONE)
    mu *= np.float32(grid.step[1])
    distance = 1800.0 if not film.anteroposterior else 1150.0
    total = np.zeros(grid.shape[::2], np.float32)
    bands = np.array_split(np.arange(grid.size[1]), 6)
    for band in bands:
        layer = mu[:, band].sum(axis=1)
        depth = float(grid.axis(1)[band].mean()) * (-1.0 if not film.anteroposterior else 1.0)
        zoom = (distance - depth) / distance  # further from the detector looks larger
        total += _zoom(layer, zoom)
    return total


def _zoom(layer: Array, zoom: float) -> Array:
    rows, columns = layer.shape
    offset = [(rows - 1) / 2 * (1 - zoom), (columns - 1) / 2 * (1 - zoom)]
    return np.asarray(scipy.ndimage.affine_transform(layer, [zoom, zoom], offset, order=1, mode="nearest"))


def project(scene: Scene) -> tuple[PhantomSeries, Film]:
    """A frontal film as a reader sees it: the patient's left on the viewer's right, bone bright."""
    patient = scene.patient
    rng = stream(patient.seed, "exposure")
    film = _film(patient)
    lines = _integrate(scene, film)
    at = _rows_and_columns(film, scene.grid)
    path = np.asarray(scipy.ndimage.map_coordinates(lines, at, order=3, mode="nearest"), np.float32)
    image = _expose(path, rng, film)
    voxels = np.clip(np.rint(image * 4095), 0, 4095).astype(np.int16)[None]
    affine = np.array(
        [
            [film.pixel, 0, 0, film.centre[0] - film.pixel * (film.pixels - 1) / 2],
            [0, 0, 1, 0],
            [0, -film.pixel, 0, film.centre[1] + film.pixel * (film.pixels - 1) / 2],
            [0, 0, 0, 1],
        ]
    )
    attributes: dict[str, str | float] = {
        "manufacturer": str(rng.choice(["North Imaging", "Gamma Systems", "Kanto Medical", "Delft Scanners"])),
        "view": "AP" if film.anteroposterior else "PA", "kvp": float(rng.choice([85, 110, 120, 125])),
        "body_part": "CHEST",
    }  # fmt: skip
    return PhantomSeries("DX", "radiograph", voxels, (1.0, film.pixel, film.pixel), affine, "raw", attributes), film


def _expose(path: Array, rng: np.random.Generator, film: Film) -> Array:
    """Beam, scatter, quantum noise, logarithm, and the maker's tone curve: 0 black to 1 white."""
    beam = np.exp(-path)
    scatter = scipy.ndimage.gaussian_filter(beam, film.pixels / 12, truncate=2.0)
    beam = beam + np.float32(rng.uniform(0.05, 0.45)) * scatter + np.float32(rng.uniform(0.0005, 0.003))
    photons = float(np.exp(rng.uniform(np.log(1.5e4), np.log(2e5))))
    beam += np.sqrt(beam / photons).astype(np.float32) * rng.standard_normal(beam.shape, dtype=np.float32)
    image = -np.log(np.maximum(beam, 1e-5))
    if rng.random() < 0.7:  # detail enhancement as digital systems do
        soft = scipy.ndimage.gaussian_filter(image, film.pixels / 24, truncate=2.5)
        image = image + np.float32(rng.uniform(0.2, 1.1)) * (image - soft)
    image = scipy.ndimage.gaussian_filter(image, float(rng.uniform(0.3, 0.8)))
    body = image[path > 0.6]
    low, high = np.quantile(body, [rng.uniform(0.002, 0.03), rng.uniform(0.955, 0.998)])
    low -= rng.uniform(0.0, 0.25) * (high - low)
    tone = np.clip((image - low) / (high - low), 0, 1) ** np.float32(rng.uniform(0.75, 1.35))
    return _frame(np.asarray(tone, np.float32), rng, film)


def _frame(tone: Array, rng: np.random.Generator, film: Film) -> Array:
    """Collimation and a lead marker on the patient's left."""
    n = film.pixels
    if rng.random() < 0.35:
        for edge in range(4):
            cut = int(rng.uniform(0, 0.04) * n)
            if cut:
                np.rot90(tone, edge)[:cut] = 0.0
    if rng.random() < 0.7:
        size = int(n * rng.uniform(0.028, 0.045))
        row, column = int(n * rng.uniform(0.03, 0.12)), int(n * rng.uniform(0.86, 0.93))
        tone[row : row + size, column : column + max(size // 4, 2)] = 0.98  # an L
        tone[row + size - max(size // 5, 2) : row + size, column : column + int(size * 0.7)] = 0.98
    return tone


def project_mask(mask: NDArray[np.bool_], film: Film, grid: Grid) -> NDArray[np.bool_]:
    """The shadow `(1, Y, X)` of a volume mask on the film."""
    shadow = mask.any(axis=1).astype(np.float32)
    at = _rows_and_columns(film, grid)
    return np.asarray(scipy.ndimage.map_coordinates(shadow, at, order=1, mode="constant") > 0.5)[None]
