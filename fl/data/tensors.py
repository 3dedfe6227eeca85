"""Samples as tensors: what a model takes, and what it has to predict."""

import numpy as np
import torch

from fl.data.base import Dataset

Set = tuple[torch.Tensor, torch.Tensor]
"""Images (n, 1, 28, 28) and labels (n,) of one agent; of text, characters and those that follow, (n, length) each."""


def inputs(dataset: Dataset, indices: np.ndarray) -> torch.Tensor:
    """Return images in [0, 1], float32, shape (n, 1, 28, 28); of text, codes of characters as float32, (n, length)."""
    samples = torch.from_numpy(dataset.images[indices]).to(torch.float32)
    return samples[:, :-1] if dataset.is_text else samples.div_(255).unsqueeze(1)


def targets(dataset: Dataset, indices: np.ndarray) -> np.ndarray:
    """Return classes, int64, shape (n,); of text, the characters that follow each input, (n, length)."""
    return dataset.images[indices][:, 1:].astype(np.int64) if dataset.is_text else dataset.labels[indices]


def gather_samples(dataset: Dataset, indices: np.ndarray, device: str) -> Set:
    """Return inputs and targets on a torch device."""
    return inputs(dataset, indices).to(device), torch.from_numpy(targets(dataset, indices)).to(device)
