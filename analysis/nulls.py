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
"""Quantiles of every 95% band that is made of values."""
REACH = 1.96
"""Standard deviations to either side of a 95% band that is made of a mean and a spread."""


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
    """(n_tokens,) steps so far -> aligned change that needs no thinking at all, from noise to a random walk.

    Two trivial explanations (methods 11.7): segment means that are the same cloud in any order (independent noise
    around one mean, what shuffling the segments leaves) and segment means that walk at random. The band reaches from
    1.96 standard deviations below the first to 1.96 above the second.
    """
    n = np.asarray(steps, dtype=np.int64)
    noise, noise_sd = noise_law(n, d_model)
    walk, walk_sd = walk_law(n, d_model)
    low, high = np.clip(noise - REACH * noise_sd, -1.0, 1.0), np.clip(walk + REACH * walk_sd, -1.0, 1.0)
    return Null(
        "noise to random walk",
        np.where(n >= 1, low, np.nan),
        np.where(n >= 1, high, np.nan),
        f"aligned change of as many segments without direction, in {d_model} independent dimensions: from independent "
        "noise around one mean (1/n after n steps) up to a random walk (1/sqrt(n)), 1.96 standard deviations beyond "
        "each, so that 2.5% of either lie outside; real states have fewer effective dimensions and scatter more",
    )


def walk_law(steps: ArrayLike, d_model: int) -> tuple[Array, Array]:
    """(...) steps n -> (mean, sd) of the aligned change of a Gaussian random walk: 1/sqrt(n), sqrt((n - 1) / 2d) / n.

    Mean: methods 11.7. Spread: the squared length of a sum of n unit steps scatters by 2 n (n - 1) / d.
    """
    n = np.maximum(np.asarray(steps, dtype=np.float64), 1.0)
    return 1.0 / np.sqrt(n), np.sqrt((n - 1.0) / (2.0 * d_model)) / n


def noise_law(steps: ArrayLike, d_model: int) -> tuple[Array, Array]:
    """(...) steps n -> (mean, sd) of the aligned change of independent points: 1/n, sqrt((1 + 3n/4d) / 2d) / n.

    All steps are about as long as the whole way, and together they make it: n times the mean cosine is 1. Spread: the
    lengths of the way and of its two end steps give 1/2d, those of the steps between 3n/8d^2. A single step is the
    whole way.
    """
    n = np.maximum(np.asarray(steps, dtype=np.float64), 1.0)
    spread = np.sqrt((1.0 + 0.75 * n / d_model) / (2.0 * d_model)) / n
    return 1.0 / n, np.where(n > 1.0, spread, 0.0)


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


def position_band(expected: ArrayLike, sd: float) -> Null:
    """Band of what the position alone predicts -+ 1.96 sd, in 0 to 1.

    Args:
        expected: (n_tokens,) E[y | index of the thinking token], smoothed as the drawn line is; NaN off the thinking.
        sd: residual standard deviation around it, fitted with it on other problems.
    """
    middle = np.asarray(expected, dtype=np.float64)
    return Null(
        "position",
        np.clip(middle - REACH * sd, 0.0, 1.0),
        np.clip(middle + REACH * sd, 0.0, 1.0),
        "progress expected from the index of the thinking token alone, smoothed like the line, 1.96 residual standard "
        "deviations either way: about 95% of the traces it was fitted on",
    )


def constant_band(n_tokens: int) -> Null:
    """Band of progress where nothing was fitted: it is uniform on 0 to 1."""
    low, high = (np.full(n_tokens, level) for level in LEVELS)
    return Null("constant", low, high, "a constant 0.5 with 95% of all thinking, since no position curve was recorded")


def shuffled_gold_band(null_values: ArrayLike) -> Null:
    """(n_tokens, n_null) values against other problems' gold states -> their range at each token (methods 1.7).

    The edges are the k-th smallest and k-th largest of n, k = 1 below 79: a value that is exchangeable with them lies
    above the k-th largest with probability k / (n + 1) exactly. Quantiles of few values would promise more than they
    hold. From n = 39 on no more than 2.5% lie on either side.
    """
    ranked = np.sort(np.asarray(null_values, dtype=np.float64), axis=1)
    n = ranked.shape[1]
    k = max(1, (n + 1) // 40)
    trimmed = f", the {k - 1} lowest and highest left out" if k > 1 else ""
    text = (
        f"range of the same quantity at the same token against {n} other problems' gold states{trimmed}; an unrelated "
        f"value lies above it with probability {k}/{n + 1} ({k / (n + 1):.1%}), and below it as often"
    )
    return Null("shuffled gold", ranked[:, k - 1], ranked[:, n - k], text)
