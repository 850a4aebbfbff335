"""Projections of hidden states on a bank of directions: one matrix product.

It does not know what the directions mean, nor whether they were fitted at the site that the states come from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def project(h: ArrayLike, bank: ArrayLike) -> NDArray[np.float32]:
    """(..., d_model) states, (n_directions, d_model) bank -> (..., n_directions) products, float32 (methods 0.3)."""
    rows, directions = np.asarray(h, dtype=np.float32), np.asarray(bank, dtype=np.float32)
    if rows.shape[-1] != directions.shape[-1]:
        raise ValueError(
            f"states {rows.shape} and bank {directions.shape} differ in their last axis; "
            "use a bank that was fitted on this model's width"
        )
    return rows @ directions.T
