"""Glyphs: a synthetic alphabet of handwriting-like characters, made here and needing no download.

A character is two to five pen strokes, each a cubic Bézier curve between points of a coarse lattice; a stroke often
starts on the one before it. A drawer repeats the same strokes with a hand of their own: slant, size, rotation, a
wandering of every control point, and a pen. Images are the ink that a Gaussian pen leaves along the curves.
"""

from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from fl.data.base import SHAPES, SIDE, Arrays

VERSION = 1
SEED = 1961
DRAWERS = 20
STROKES = 5
POINTS = 48  # along a stroke
WOBBLE = 0.06  # rms of a drawer's control points, in units of the image side


def build(root: Path) -> Arrays:
    """Return all images of all characters; `root` is not used, nothing is read."""
    shape = SHAPES["glyphs"]
    classes = shape.train_classes + shape.new_classes
    rng = np.random.default_rng(SEED)
    drawn = [draw_character(*invent_character(rng), rng) for _ in range(classes)]
    return Arrays(np.concatenate(drawn), np.repeat(np.arange(classes), DRAWERS), shape.train_classes)


def invent_character(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return control points in [0, 1]², shape (strokes, 4, 2), and which strokes are used, shape (strokes,)."""
    lattice = np.linspace(0.18, 0.82, 4)
    ends = rng.choice(lattice, (STROKES, 2, 2))
    too_short = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=-1) < 0.3
    ends[too_short, 1] = 1 - ends[too_short, 0] * rng.choice([0.3, 1.0], (int(too_short.sum()), 2))
    attached = rng.random(STROKES) < 0.6
    for stroke in range(1, STROKES):
        if attached[stroke]:
            ends[stroke, 0] = ends[stroke - 1, rng.integers(2)]
    bow = rng.normal(0, 0.28, (STROKES, 2, 2)) * (rng.random((STROKES, 1, 1)) < 0.65)
    thirds = np.stack([(2 * ends[:, 0] + ends[:, 1]) / 3, (ends[:, 0] + 2 * ends[:, 1]) / 3], axis=1)
    control = np.stack([ends[:, 0], thirds[:, 0] + bow[:, 0], thirds[:, 1] + bow[:, 1], ends[:, 1]], axis=1)
    return control, np.arange(STROKES) < rng.integers(2, STROKES + 1)


def draw_character(control: np.ndarray, used: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return one image of a character by each drawer, uint8, shape (20, 28, 28).

    Args:
        control: control points, shape (strokes, 4, 2).
        used: which strokes belong to the character, shape (strokes,).
        rng: generator.
    """
    points = control[None] + rng.normal(0, WOBBLE, (DRAWERS, *control.shape))
    points = (points - 0.5) @ _hands(rng) + 0.5 + rng.normal(0, 0.085, (DRAWERS, 1, 1, 2))
    curves = np.einsum("pk,dskx->dspx", _bernstein(), points)[:, used]
    pens = rng.uniform(0.62, 1.0, DRAWERS)
    density = np.stack([_splat(curve * (SIDE - 1)) for curve in curves])
    blurred = np.stack([gaussian_filter(image, pen) for image, pen in zip(density, pens, strict=True)])
    ink = 1 - np.exp(-2.2 * blurred * pens[:, None, None])
    return np.rint(255 * np.clip(1.25 * ink, 0, 1)).astype(np.uint8)


def _hands(rng: np.random.Generator) -> np.ndarray:
    """Return a linear map of each drawer (slant, rotation, size), shape (drawers, 1, 2, 2)."""
    turn, slant = rng.normal(0, 0.3, DRAWERS), rng.normal(0, 0.3, DRAWERS)
    width, height = rng.uniform(0.6, 1.15, (2, DRAWERS))
    one, none = np.ones(DRAWERS), np.zeros(DRAWERS)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    shear = np.array([[one, none], [slant, one]])
    size = np.array([[width, none], [none, height]])
    return np.einsum("abd,bcd,ced->dae", size, shear, rotation)[:, None]


def _bernstein() -> np.ndarray:
    """Return the cubic Bernstein polynomials along a stroke, shape (points, 4)."""
    t = np.linspace(0, 1, POINTS)[:, None]
    return np.concatenate([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], axis=1)


def _splat(curves: np.ndarray) -> np.ndarray:
    """Return the length of curves in each pixel, shared among four neighbours; what lies outside is lost.

    Args:
        curves: points along each stroke, in pixels, shape (strokes, points, 2).
    """
    steps = np.diff(curves, axis=1)
    points = (curves[:, 1:] - steps / 2).reshape(-1, 2)
    length = np.linalg.norm(steps, axis=-1).ravel()
    corner = np.floor(points).astype(int)
    part = points - corner
    image = np.zeros((SIDE + 2, SIDE + 2))
    for dx in (0, 1):
        for dy in (0, 1):
            share = length * np.abs(1 - dx - part[:, 0]) * np.abs(1 - dy - part[:, 1])
            place = np.clip(corner + np.array([dx, dy]), -1, SIDE) + 1
            np.add.at(image, (place[:, 1], place[:, 0]), share)
    return image[1:-1, 1:-1]
