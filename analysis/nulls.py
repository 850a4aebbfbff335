"""Nulls and peaks: the bands that trivial explanations produce, and which values stand out from them.

Simulated bands use a fixed seed and are cached. None of this knows what a signal means.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .signal import Null

Array = NDArray[np.float64]
LEVELS = (0.025, 0.975)
"""Quantiles of every 95% band."""


def top_peaks(values: ArrayLike, k: int = 20) -> NDArray[np.intp]:
    """(n,) -> indices of the k largest values, in order of place (the published peak rule, methods 1.3)."""
    found = np.asarray(values, dtype=np.float64)
    ranked = np.argsort(np.where(np.isfinite(found), -found, np.inf), kind="stable")[
        : min(k, int(np.isfinite(found).sum()))
    ]
    return np.sort(ranked)


def fence_peaks(values: ArrayLike, reach: float = 1.5) -> NDArray[np.intp]:
    """(n,) -> indices of the values above Q3 + reach * IQR (the other peak rule, methods 1.3)."""
    found = np.asarray(values, dtype=np.float64)
    finite = found[np.isfinite(found)]
    if len(finite) < 4:
        return np.zeros(0, dtype=np.intp)
    low, high = np.quantile(finite, (0.25, 0.75))
    return np.flatnonzero(np.where(np.isfinite(found), found, -np.inf) > high + reach * (high - low))


def display_peaks(values: ArrayLike, upper: ArrayLike, most: int = 20) -> NDArray[np.intp]:
    """(n,), (n,) -> indices above Q3 + 1.5 IQR and the null's upper edge, the `most` largest, in order of place."""
    found, edge = np.asarray(values, dtype=np.float64), np.asarray(upper, dtype=np.float64)
    fenced = np.full(len(found), np.nan)
    outside = fence_peaks(found)
    fenced[outside] = found[outside]
    with np.errstate(invalid="ignore"):
        fenced[~(found > edge)] = np.nan
    return top_peaks(fenced, most)


def own_values(values: ArrayLike, defined: ArrayLike, why: str = "") -> Null:
    """Band that holds 95% of this trace's own values, whatever their order: what shuffling the tokens would produce."""
    found = np.asarray(values, dtype=np.float64)
    kept = found[np.asarray(defined, dtype=bool) & np.isfinite(found)]
    low, high = np.quantile(kept, LEVELS) if len(kept) else (np.nan, np.nan)
    text = "2.5% to 97.5% of this trace's own values with their order shuffled; it knows nothing of place or content"
    return Null("own values", np.full(len(found), low), np.full(len(found), high), f"{why}{text}")


def walk_band(steps: ArrayLike, d_model: int) -> Null:
    """(n_tokens,) steps so far -> aligned change of a random walk: 1/sqrt(n) -+ 2 simulated sd (methods 11.7)."""
    n = np.asarray(steps, dtype=np.int64)
    spread = _walk_spread(int(max(n.max(initial=0), 1)), d_model)
    expected = 1.0 / np.sqrt(np.maximum(n, 1))
    margin = 2.0 * spread[np.maximum(n, 1) - 1]
    low, high = (np.where(n >= 1, np.clip(expected + sign * margin, -1.0, 1.0), np.nan) for sign in (-1.0, 1.0))
    return Null(
        "random walk",
        low,
        high,
        f"aligned change of a random walk in {d_model} independent dimensions with as many segments: 1/sqrt(n), "
        "two simulated standard deviations either way; real states have fewer effective dimensions and scatter more",
    )


@lru_cache(maxsize=16)
def _walk_spread(most: int, d_model: int, seed: int = 0) -> Array:
    """(most,) standard deviation of the aligned change after 1..most steps of a Gaussian walk, 32 to 256 of them."""
    if most > 512:  # the spread falls like 1/n there, and walks of thousands of steps are slow to draw
        known = _walk_spread(512, d_model, seed)
        return np.concatenate([known, known[-1] * 512.0 / np.arange(513, most + 1)])
    random = np.random.default_rng(seed)
    walks = min(256, max(32, (1 << 25) // (most * d_model)))
    aligned = np.empty((walks, most))
    for walk in range(walks):
        step = random.standard_normal((most, d_model), dtype=np.float32)
        units = np.cumsum(step / np.linalg.norm(step, axis=1, keepdims=True), axis=0)
        moved = np.cumsum(step, axis=0)
        aligned[walk] = np.einsum("nd,nd->n", units, moved) / np.linalg.norm(moved, axis=1)
    return aligned.std(axis=0) / np.arange(1, most + 1)


def gaussian_ratio_band(n_tokens: int, d_model: int, n_layers: int) -> Null:
    """Band of log10(max|h| / median|h|) for Gaussian vectors of this width, the largest of n_layers (methods 5.6)."""
    low, high = _gaussian_ratio(d_model, n_layers)
    text = f"95% of log10(max|h| / median|h|) for a Gaussian vector of {d_model} coordinates, the largest of {n_layers}"
    return Null("gaussian", np.full(n_tokens, low), np.full(n_tokens, high), text)


@lru_cache(maxsize=64)
def _gaussian_ratio(d_model: int, n_layers: int, draws: int = 4096, seed: int = 0) -> tuple[float, float]:
    """Quantiles of the largest of n_layers ratios: level q of the largest is level q^(1/n_layers) of one."""
    random = np.random.default_rng(seed)
    ratios = []
    for _ in range(8):
        size = np.abs(random.standard_normal((draws // 8, d_model), dtype=np.float32))
        ratios.append(np.log10(size.max(axis=1) / np.median(size, axis=1)))
    low, high = np.quantile(np.concatenate(ratios), [level ** (1.0 / max(n_layers, 1)) for level in LEVELS])
    return float(low), float(high)


def position_band(n_tokens: int, curve: ArrayLike, sd: float) -> Null:
    """Band of E[y | token index] -+ sd, both fitted on other problems; past its end the curve keeps its last value."""
    fitted = np.asarray(curve, dtype=np.float64)
    expected = fitted[np.minimum(np.arange(n_tokens), len(fitted) - 1)]
    low, high = np.clip(expected - sd, 0.0, 1.0), np.clip(expected + sd, 0.0, 1.0)
    return Null(
        "position",
        low,
        high,
        "progress expected from the token index alone, one residual standard deviation either way",
    )


def shuffled_gold_band(null_values: ArrayLike) -> Null:
    """(n_tokens, n_null) values against other problems' gold states -> their 95% range at each token (methods 1.7)."""
    found = np.asarray(null_values, dtype=np.float64)
    low, high = np.quantile(found, LEVELS, axis=1)
    text = f"2.5% to 97.5% of the same quantity at the same token, against {found.shape[1]} other problems' gold states"
    return Null("shuffled gold", low, high, text)
