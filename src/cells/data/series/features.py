"""Input columns beside the targets: numbers are scaled, categories become one input each."""

import numpy as np

from cells.data.series.normalization import SMALLEST_SPREAD
from cells.errors import UserError

MOST_CATEGORIES = 50
"""Distinct values of a text column beyond which it is an identifier or a comment, not a category."""


def encode_features(
    features: dict[str, np.ndarray], rows: int, training: range
) -> tuple[np.ndarray, list[str]]:
    """Feature columns as (rows, J) float64, and a name for each.

    Numbers are centred on the training mean and divided by the training standard deviation, if it is not 0.
    A column of categories becomes one 0/1 column for each category of the training rows.

    Raises:
        UserError: a column that in the training rows has no value, hardly varies, or has too many categories.
    """
    encoded: dict[str, np.ndarray] = {}
    for name, column in features.items():
        if column.dtype == object:
            encoded |= _one_hot(name, column, training)
        else:
            encoded[name] = _scaled(name, column, training)
    return np.column_stack([np.empty((rows, 0)), *encoded.values()]), list(encoded)


def _scaled(name: str, column: np.ndarray, training: range) -> np.ndarray:
    known = column[training.start : training.stop]
    known = known[~np.isnan(known)]
    if not len(known):
        raise UserError(f"data.features: column {name!r} has no value in the training split; leave it out.")
    spread = known.std() if np.ptp(known) > 0 else 1.0
    if spread < SMALLEST_SPREAD:
        raise UserError(
            f"data.features: column {name!r} varies by {np.ptp(known):g} at most in the training split, too "
            "little to compute with; give it in another unit, or leave it out."
        )
    return np.asarray((column - known.mean()) / spread)


def _one_hot(name: str, column: np.ndarray, training: range) -> dict[str, np.ndarray]:
    vocabulary = sorted(set(column[training.start : training.stop]) - {""})
    if len(vocabulary) > MOST_CATEGORIES:
        raise UserError(
            f"data.features: text column {name!r} holds {len(vocabulary):,} different values in the training "
            f"split, and at most {MOST_CATEGORIES} make a category; leave it out."
        )
    return {f"{name}={value}": (column == value).astype(np.float64) for value in vocabulary}
