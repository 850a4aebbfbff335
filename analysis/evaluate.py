"""Evaluation on held-out problems: R2, AUROC, and bootstrap intervals that resample problems, never tokens.

Works on plain arrays. Whether the rows were held out is the caller's business: split by problem first (methods 36).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Interval(NamedTuple):
    """A number and its 95% bootstrap interval."""

    mean: float
    """The statistic on all rows."""
    low: float
    """2.5% quantile over resamples of problems."""
    high: float
    """97.5% quantile."""


def r2(y: ArrayLike, p: ArrayLike) -> float:
    """(n,) targets, (n,) predictions -> 1 - residual sum of squares / total sum of squares around the mean of y."""
    truth, guess = _pair(y, p)
    return float(1.0 - np.sum((truth - guess) ** 2) / np.sum((truth - truth.mean()) ** 2))


def mse(y: ArrayLike, p: ArrayLike) -> float:
    """(n,) targets, (n,) predictions -> mean squared error; a constant 0.5 has 1/12 on progress (methods 2.6)."""
    truth, guess = _pair(y, p)
    return float(np.mean((truth - guess) ** 2))


def auroc(scores: ArrayLike, labels: ArrayLike) -> float:
    """(n,) scores, (n,) labels 0/1 -> probability that a positive outranks a negative, ties half; NaN without both."""
    score, label = np.asarray(scores, dtype=np.float64), np.asarray(labels).astype(bool)
    positives, negatives = int(label.sum()), int((~label).sum())
    if not positives or not negatives:
        return float("nan")
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - 0.5 * (count - 1))[place]
    return float((rank[label].sum() - 0.5 * positives * (positives + 1)) / (positives * negatives))


def auroc_within(scores: ArrayLike, labels: ArrayLike, groups: ArrayLike) -> float:
    """(n,) scores, labels, problems -> AUROC over pairs of the same problem only (methods 36: the main number)."""
    score, label, group = np.asarray(scores), np.asarray(labels).astype(bool), np.asarray(groups)
    won = pairs = 0.0
    for rows in _rows_by_group(group):
        weight = float(label[rows].sum()) * float((~label[rows]).sum())
        if weight:
            won += weight * auroc(score[rows], label[rows])
            pairs += weight
    return won / pairs if pairs else float("nan")


def bootstrap_by_problem(
    fn: Callable[[NDArray[np.intp]], float], groups: ArrayLike, n: int = 1000, seed: int = 0
) -> Interval:
    """A statistic with a 95% interval from resampling whole problems (methods 36).

    Args:
        fn: row indices -> statistic; a resampled problem's rows appear as often as it was drawn.
        groups: (n_rows,) problem of each row.
        n: number of resamples.
        seed: of the resampling.

    Returns:
        Interval(mean = fn on all rows, low, high); resamples whose statistic is NaN are left out.
    """
    members = _rows_by_group(np.asarray(groups))
    random = np.random.default_rng(seed)
    values = np.array(
        [
            fn(np.concatenate([members[problem] for problem in random.integers(len(members), size=len(members))]))
            for _ in range(n)
        ]
    )
    return _interval(float(fn(np.arange(len(np.asarray(groups))))), values)


def paired_r2_difference(
    y: ArrayLike, probe: ArrayLike, baseline: ArrayLike, groups: ArrayLike, n: int = 1000, seed: int = 0
) -> Interval:
    """R2 of the probe minus R2 of the baseline on the same rows, with a 95% interval by problem.

    Args:
        y: (n_rows,) targets.
        probe: (n_rows,) the probe's predictions.
        baseline: (n_rows,) the baseline's predictions.
        groups: (n_rows,) problem of each row.
        n: number of resamples.
        seed: of the resampling.
    """
    truth, guess = _pair(y, probe)
    _, other = _pair(y, baseline)
    _, problem = np.unique(np.asarray(groups), return_inverse=True)

    def total(values: Array) -> Array:
        return np.bincount(problem, weights=values).astype(np.float64)

    # sums by problem are enough: R2_probe - R2_baseline = (SSE_baseline - SSE_probe) / SST
    gain, count = total((truth - other) ** 2 - (truth - guess) ** 2), total(np.ones(len(truth)))
    first, second = total(truth), total(truth**2)
    random = np.random.default_rng(seed)
    drawn = random.multinomial(len(count), np.full(len(count), 1.0 / len(count)), size=n).astype(np.float64)
    times = np.concatenate([np.ones((1, len(count))), drawn])
    spread = times @ second - (times @ first) ** 2 / (times @ count)
    values = (times @ gain) / spread
    return _interval(float(values[0]), values[1:])


def _interval(value: float, resampled: Array) -> Interval:
    finite = resampled[np.isfinite(resampled)]
    low, high = np.quantile(finite, (0.025, 0.975)) if len(finite) else (np.nan, np.nan)
    return Interval(value, float(low), float(high))


def _rows_by_group(groups: np.ndarray) -> list[NDArray[np.intp]]:
    """(n,) -> the row indices of each distinct group, in order of their sorted names."""
    _, place = np.unique(groups, return_inverse=True)
    order = np.argsort(place, kind="stable")
    return np.split(order, np.cumsum(np.bincount(place))[:-1])


def _pair(y: ArrayLike, p: ArrayLike) -> tuple[Array, Array]:
    truth, guess = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    if truth.shape != guess.shape:
        raise ValueError(f"targets {truth.shape} and predictions {guess.shape} must have one shape")
    return truth, guess
