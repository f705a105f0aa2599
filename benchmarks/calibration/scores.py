"""Scores of imagined trainings: what across-seed distributions look like, and seeds that two models share."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Array = NDArray[np.float64]
POOL = Path(__file__).with_name("pool.json")

# Each is a function of a standard normal number, increasing, so that one seed's luck carries from model to model.
# Smaller is better, as everywhere in the verdict.
DISTRIBUTIONS: dict[str, Callable[[Array], Array]] = {
    "normal": lambda z: z,
    "log-normal": np.exp,
    "90/10 bimodal": lambda z: np.where(z > ndtri(0.9), 5 + 0.1 * z, 0.1 * z),  # a tenth of the seeds fails
    "ties": lambda z: np.floor(4 * ndtr(z)),  # four distinct scores
    "10 % diverged": lambda z: np.where(z > ndtri(0.9), np.inf, z),
}


def draw(random: np.random.Generator, models: int, seeds: int, correlation: float) -> Array:
    """(models, seeds) standard normal numbers; those of one seed correlate between models."""
    shared, own = random.normal(size=(1, seeds)), random.normal(size=(models, seeds))
    return np.asarray(np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own)


def as_costs(scores: Array) -> list[dict[int, float]]:
    """One mapping of seed to score for every row."""
    return [dict(enumerate(row.tolist())) for row in scores]


def pool() -> Array:
    """Test scores of 200 replicas of one model, trained by the command that stands in `pool.json`."""
    return np.array(json.loads(POOL.read_text(encoding="utf-8"))["scores"])
