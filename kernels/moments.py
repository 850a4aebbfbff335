"""Statistics of a hidden state: norm, mean, median of |h|, the three largest |h| with their dimensions, cosine.

One read of each row of the residual stream. It does not know which site a row comes from, and applies no threshold:
whether a coordinate is a massive activation is decided by whoever reads these numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Moments(NamedTuple):
    """What is kept of each state; the leading axes are those of the states."""

    norm: NDArray[np.float32]
    """(...,) Euclidean norm."""
    mean: NDArray[np.float32]
    """(...,) mean over coordinates (signed)."""
    median: NDArray[np.float32]
    """(...,) median of |h| over coordinates."""
    top3: NDArray[np.float32]
    """(..., 3) the largest |h|, largest first."""
    top3_dim: NDArray[np.int32]
    """(..., 3) the coordinates they sit at."""


def state_moments(h: ArrayLike) -> Moments:
    """(..., d_model) states, d_model >= 3 -> Moments, in float32 (methods 0.3 and 4.4)."""
    rows = np.asarray(h, dtype=np.float32)
    width = rows.shape[-1]
    if width < 3:
        raise ValueError(f"states of shape {rows.shape} have {width} coordinates, at least 3 are needed for top3")
    size = np.abs(rows)
    half = width // 2
    order = np.argpartition(size, (half - 1, half, width - 3, width - 2, width - 1), axis=-1)
    # one partition serves the median (the two middle places) and the top 3 (the last three places)
    places = order[..., (half - 1, half, width - 1, width - 2, width - 3)]
    if rows.ndim == 1:
        picked = size[places]
    elif rows.ndim == 2:
        picked = size[np.arange(len(size))[:, None], places]
    else:
        picked = np.take_along_axis(size, places, axis=-1)
    median = picked[..., 1] if width % 2 else (picked[..., 0] + picked[..., 1]) * np.float32(0.5)
    return Moments(
        norm=np.sqrt(np.einsum("...d,...d->...", rows, rows)),
        mean=np.add.reduce(rows, axis=-1) / np.float32(width),
        median=median,
        top3=picked[..., 2:],
        top3_dim=places[..., 2:].astype(np.int32),
    )


def cosine(a: ArrayLike, b: ArrayLike) -> NDArray[np.float32]:
    """(..., d_model), (..., d_model) -> (...,) cosine of the angle between them; NaN where one of them is zero."""
    x, y = np.asarray(a, dtype=np.float32), np.asarray(b, dtype=np.float32)
    dot = np.einsum("...d,...d->...", x, y)
    size = np.sqrt(np.einsum("...d,...d->...", x, x) * np.einsum("...d,...d->...", y, y))
    if not np.ndim(size):
        return np.float32(dot / size) if size else np.float32(np.nan)  # type: ignore[return-value]
    return np.divide(dot, size, out=np.full(np.shape(size), np.nan, dtype=np.float32), where=size > 0)
