"""Pseudo-writers: images of similar handwriting for every agent, where the true writers are not known (MNIST).

What they are: every image has a style, three numbers measured from its pixels (slant, thickness of the strokes,
width), and an agent holds images of every class whose style is alike: slanted or upright, bold or thin, narrow or
wide. No pixel is changed and no label is skewed: agents differ in p(image | class) alone.

What they are not: people. A real writer also has shapes of their own, such as a crossed 7, varies from image to image,
and writes some characters more often. So figures by pseudo-writer say nothing about EMNIST or FEMNIST by writer.

Classes are cut in halves again and again, along one number after the other, as a k-d tree does, but every class at its
own quantile: a 1 is narrow beside other digits, and narrow here means narrow for a 1.
"""

from collections.abc import Sequence

import numpy as np

CHUNK = 10_000


def pseudo_writers(
    images: np.ndarray, class_images: Sequence[np.ndarray], n_agents: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Return the sample indices of each pseudo-writer; all have about the same number of every class.

    Args:
        images: ink, uint8, shape (n, height, width).
        class_images: image indices of each class.
        n_agents: writers.
        rng: generator, which says who is who.
    """
    dealt = _halve(styles(images), [np.asarray(members) for members in class_images], n_agents, 0)
    return [dealt[place] for place in rng.permutation(n_agents)]


def _halve(style: np.ndarray, classes: list[np.ndarray], n_agents: int, depth: int) -> list[np.ndarray]:
    if n_agents == 1:
        return [np.concatenate(classes)]
    first, axis = n_agents // 2, depth % style.shape[1]
    low, high = [], []
    for members in classes:
        order = members[np.argsort(style[members, axis], kind="stable")]
        cut = round(len(order) * first / n_agents)
        low.append(order[:cut])
        high.append(order[cut:])
    return _halve(style, low, first, depth + 1) + _halve(style, high, n_agents - first, depth + 1)


def styles(images: np.ndarray) -> np.ndarray:
    """Return slant, thickness and width of the ink of each image, float32, shape (n, 3).

    With x to the right, y downwards and the moments μ of the ink about its centre,

        slant = −μ_xy/μ_yy,   thickness = 2·Σ ink/Σ|∇ink| in pixels,   width = √((μ_xx − μ_xy²/μ_yy)/μ_yy)

    Slant is positive for ink that leans to the right, width is that of the upright image over its height. An image
    without ink has zeros.
    """
    parts = [_styles(images[start : start + CHUNK]) for start in range(0, len(images), CHUNK)]
    return np.concatenate(parts) if parts else np.zeros((0, 3), np.float32)


def _styles(images: np.ndarray) -> np.ndarray:
    ink = np.asarray(images, np.float32) / 255
    mass = np.maximum(ink.sum((1, 2)), 1e-6)
    y, x = (np.arange(size, dtype=np.float32) for size in ink.shape[1:])
    mean_y, mean_x = ink.sum(2) @ y / mass, ink.sum(1) @ x / mass
    yy = np.maximum(ink.sum(2) @ y**2 / mass - mean_y**2, 1e-3)
    xx = ink.sum(1) @ x**2 / mass - mean_x**2
    xy = np.einsum("nyx,y,x->n", ink, y, x, optimize=True) / mass - mean_x * mean_y
    down, right = np.gradient(ink, axis=(1, 2))
    thickness = 2 * mass / np.maximum(np.hypot(down, right).sum((1, 2)), 1e-6)
    measured = np.stack([-xy / yy, thickness, np.sqrt(np.maximum(xx - xy**2 / yy, 0) / yy)], axis=1)
    measured[mass <= 1e-6] = 0
    return measured.astype(np.float32)
