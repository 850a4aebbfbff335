"""Thinking progress: a linear read-out of the hidden state that says how far through its thinking a model is.

Target: y_j = (j + 1) / N for token j of N thinking tokens. The position alone predicts much of it, so a read-out counts
only by what it adds to E[y | j] on problems it was not fitted on. It does not know whether the thinking is any good.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..probes.streaming import Direction, Ema, ProgressReader, remaining_tokens
from .evaluate import Interval, mse, paired_r2_difference, r2
from .nulls import constant_band, position_band
from .signal import CATALOGUE, Run, Signal, in_thinking, register, settings, states_at, thinking

Array = NDArray[np.float64]
RIDGES = tuple(float(value) for value in np.logspace(-5, 1, 13))
"""Ridge penalties tried by default, relative to unit-variance features and a total weight of 1."""
SMOOTHING = 0.1
"""Weight of the newest token in what is shown (methods 2.2); a read-out is best fitted on states smoothed alike."""


@register(
    name="progress",
    title="Thinking progress",
    unit="share of the thinking",
    domain=(0.0, 1.0),
    oracle=False,
    needs=("progress",),
    reference="Thinking progress vectors (methods 2), ridge read-out with intercept, smoothed in time order",
    meaning="How far along its thinking the model is, read off its hidden state by a fitted direction.",
    not_this="Not correctness, and not a clock: the band shows what the token's position alone would predict.",
)
def progress(run: Run) -> Signal:
    """Smoothed and clipped read-out; null: progress expected from the position alone, smoothed in the same way."""
    raw = np.asarray(run.column("progress"), dtype=np.float64)
    defined = thinking(run) & np.isfinite(raw)
    smooth, remaining, seen = _smoothed(raw, defined), np.full(len(raw), np.nan), raw[defined]
    for count, token in enumerate(np.flatnonzero(defined), 1):
        remaining[token] = remaining_tokens(seen[:count], 64)
    fitted = settings(run, "progress")
    curve = fitted.get("position_curve")
    if curve is not None and len(curve):
        # forced tokens move the thinking on like any other: they count in the index, though they have no value
        place = np.cumsum(in_thinking(run)) - 1
        expected = position_prediction(run.n_tokens, curve)[np.maximum(place, 0)]
        null = position_band(_smoothed(expected, defined), float(fitted.get("position_sd") or 0.0))
    else:
        null = constant_band(run.n_tokens)
    return CATALOGUE["progress"].signal(
        np.clip(smooth, 0.0, 1.0),
        defined,
        null,
        parts={"raw": np.where(defined, raw, np.nan), "smooth": smooth, "remaining": remaining},
        parameters={"smoothing": SMOOTHING, "window": 64, "site": fitted.get("site")},
    )


def recompute_progress(run: Run, direction: Direction, site: str | None = None) -> dict[str, np.ndarray] | None:
    """The live column progress again, from raw states and the direction; None where its site was not kept."""
    site = site or getattr(direction, "site", None) or settings(run, "progress").get("site")
    states = states_at(run, [site]) if site else None
    if states is None:
        return None
    return {"progress": np.where(in_thinking(run), ProgressReader(direction).read(states[:, 0]), np.nan)}


def _smoothed(values: Array, defined: NDArray[np.bool_]) -> Array:
    """(n_tokens,) -> moving average over the defined tokens in time order, NaN elsewhere."""
    answer, average = np.full(len(values), np.nan), Ema(SMOOTHING)
    for token in np.flatnonzero(defined):
        answer[token] = average.update(float(values[token]))
    return answer


@dataclass(frozen=True)
class ProgressFit:
    """A fitted read-out, p = weight . (h - mean) / scale + intercept, with its null and how it came about."""

    weight: Array
    """(d_model,) on standardised features."""
    intercept: float
    """Value at h = mean."""
    mean: Array
    """(d_model,) training mean."""
    scale: Array
    """(d_model,) training standard deviation; 1 where a feature is constant."""
    site: str
    """Where the states came from."""
    ridge: float
    """Chosen penalty (lambda)."""
    position_curve: Array
    """(n,) E[y | token index] of the training traces."""
    position_sd: float
    """Residual standard deviation around that curve on the training tokens."""
    n_traces: int
    """How many traces were fitted."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """Penalties tried with their cross-validated errors, seed, folds, problems, tokens, weighing."""

    def predict(self, states: ArrayLike) -> Array:
        """(..., d_model) -> (...,) progress, unclipped."""
        return np.asarray(ProgressReader(self).read(states))


def targets(n_tokens: int) -> Array:
    """(n_tokens,) progress y_j = (j + 1) / N (methods 2.2)."""
    return np.arange(1, n_tokens + 1) / n_tokens


def fit_progress(
    states: Sequence[NDArray[Any]],
    groups: Sequence[Hashable],
    site: str,
    ridges: Sequence[float] = RIDGES,
    seed: int = 0,
    n_folds: int = 5,
    weigh: str = "trace",
) -> ProgressFit:
    """Ridge with standardised features and an intercept, its penalty by cross-validation over problems (methods 2.5).

    Args:
        states: per trace (N_i, d_model), the states that chose its thinking tokens, closing mark included.
        groups: problem of each trace; a problem is never on both sides of a split.
        site: name of the site that the states come from.
        ridges: penalties to try.
        seed: of the assignment of problems to folds.
        n_folds: number of folds, at most the number of problems.
        weigh: "trace" gives every trace the same weight, "token" every token.
    """
    names = sorted(set(groups), key=str)
    if len(states) != len(groups) or len(names) < 2 or weigh not in ("trace", "token"):
        raise ValueError(
            f"{len(states)} traces, {len(groups)} groups of {len(names)} problems, weigh={weigh!r}; "
            "give one group a trace, at least two problems, and weigh='trace' or 'token'"
        )
    folds = min(n_folds, len(names))
    order = np.random.default_rng(seed).permutation(len(names))
    fold_of = {names[place]: rank % folds for rank, place in enumerate(order)}
    origin = np.mean([trace.mean(axis=0, dtype=np.float64) for trace in states], axis=0)
    moments = [_Moments.empty(len(origin)) for _ in range(folds)]
    for trace, group in zip(states, groups, strict=True):
        moments[fold_of[group]].add(trace - origin, 1.0 / len(trace) if weigh == "trace" else 1.0)
    whole = _Moments.sum(moments)
    errors = np.zeros(len(ridges))
    for held in range(folds):
        train = _Moments.sum([part for fold, part in enumerate(moments) if fold != held])
        errors += [moments[held].squared_error(slope, offset) for slope, offset, *_ in train.solve(ridges)]
    errors /= whole.weight
    best = int(np.argmin(errors))
    slope, offset, mean, scale = whole.solve([ridges[best]])[0]
    lengths = [len(trace) for trace in states]
    curve, sd = position_baseline(lengths)
    return ProgressFit(
        weight=slope * scale,
        intercept=float(offset + mean @ slope),
        mean=mean + origin,
        scale=scale,
        site=site,
        ridge=float(ridges[best]),
        position_curve=curve,
        position_sd=sd,
        n_traces=len(states),
        provenance={
            "ridges": [float(value) for value in ridges],
            "cv_mse": [float(value) for value in errors],
            "seed": seed,
            "n_folds": folds,
            "n_problems": len(names),
            "n_tokens": int(sum(lengths)),
            "weigh": weigh,
        },
    )


def fit_tpv(states: Sequence[NDArray[Any]], ridge: float = 1e-10) -> Array:
    """Traces of (N_i, d_model) -> (d_model,) the authors' w = (F'F + 1e-10 I)^-1 F'y, no intercept (methods 2.2).

    All tokens weigh the same, so long traces weigh more; float64 where the authors' code is float32. Used for
    overclocking.
    """
    features = np.concatenate([np.asarray(trace, dtype=np.float64) for trace in states])
    y = np.concatenate([targets(len(trace)) for trace in states])
    gram = features.T @ features + ridge * np.eye(features.shape[1])
    return np.asarray(np.linalg.solve(gram, features.T @ y), dtype=np.float64)


def position_baseline(lengths: Sequence[int]) -> tuple[Array, float]:
    """Lengths of the training traces -> (E[y | j] for j < the longest, residual sd over their tokens) (methods 2.6)."""
    sums, counts = np.zeros(max(lengths)), np.zeros(max(lengths))
    for n in lengths:
        sums[:n] += targets(n)
        counts[:n] += 1
    curve = sums / counts
    squares = sum(float(np.sum((targets(n) - curve[:n]) ** 2)) for n in lengths)
    return curve, float(np.sqrt(squares / counts.sum()))


def position_prediction(n_tokens: int, curve: ArrayLike) -> Array:
    """(n_tokens,) what the position alone predicts for a trace: the curve, continued by its last value."""
    fitted = np.asarray(curve, dtype=np.float64)
    return fitted[np.minimum(np.arange(n_tokens), len(fitted) - 1)]


@dataclass(frozen=True)
class ProgressReport:
    """A read-out on held-out traces against its null."""

    r2_probe: float
    """R2 over all tokens."""
    r2_position: float
    """R2 of E[y | j], fitted on the training traces."""
    difference: Interval
    """r2_probe - r2_position with a 95% interval by problem."""
    mse_probe: float
    """Mean squared error; a constant 0.5 has 1/12."""
    mse_body: float
    """The same without the last 5% of each trace, where the state already predicts the end (methods 2.6)."""
    n_problems: int
    """Held-out problems."""


def evaluate_progress(
    fit: ProgressFit, states: Sequence[NDArray[Any]], groups: Sequence[Hashable], n: int = 1000, seed: int = 0
) -> ProgressReport:
    """Held-out traces of (N_i, d_model), their problems -> what the read-out adds to the position (methods 2.6, 36)."""
    y = np.concatenate([targets(len(trace)) for trace in states])
    probe = np.concatenate([fit.predict(trace) for trace in states])
    position = np.concatenate([position_prediction(len(trace), fit.position_curve) for trace in states])
    problem = np.repeat(np.array([str(group) for group in groups]), [len(trace) for trace in states])
    body = y <= 0.95
    return ProgressReport(
        r2_probe=r2(y, probe),
        r2_position=r2(y, position),
        difference=paired_r2_difference(y, probe, position, problem, n, seed),
        mse_probe=mse(y, probe),
        mse_body=mse(y[body], probe[body]),
        n_problems=len(set(groups)),
    )


@dataclass
class _Moments:
    """Weighted sums of a set of traces: enough to fit a ridge and to score one, without keeping the states."""

    weight: float
    f: Array
    ff: Array
    fy: Array
    y: float
    yy: float

    @classmethod
    def empty(cls, width: int) -> _Moments:
        return cls(0.0, np.zeros(width), np.zeros((width, width)), np.zeros(width), 0.0, 0.0)

    @classmethod
    def sum(cls, parts: Sequence[_Moments]) -> _Moments:
        """All parts together."""
        names = ("weight", "f", "ff", "fy", "y", "yy")
        return cls(*(sum(getattr(part, name) for part in parts[1:]) + getattr(parts[0], name) for name in names))

    def add(self, trace: Array, weight: float) -> None:
        """Take in one trace, each token with this weight."""
        y = targets(len(trace))
        self.weight += weight * len(trace)
        self.f += weight * trace.sum(axis=0)
        self.ff += weight * (trace.T @ trace)
        self.fy += weight * (trace.T @ y)
        self.y += weight * float(y.sum())
        self.yy += weight * float(y @ y)

    def solve(self, ridges: Sequence[float]) -> list[tuple[Array, float, Array, Array]]:
        """For each penalty (slope on raw features, offset, mean, scale), the features standardised and y centred."""
        mean, centre = self.f / self.weight, self.y / self.weight
        covariance = self.ff / self.weight - np.outer(mean, mean)
        variance = np.diag(covariance)
        scale = np.sqrt(np.where(variance > 1e-12 * max(float(variance.max()), 1e-300), variance, 1.0))
        values, turn = np.linalg.eigh(covariance / np.outer(scale, scale))
        target = turn.T @ ((self.fy / self.weight - mean * centre) / scale)
        slopes = [turn @ (target / (np.maximum(values, 0.0) + ridge)) / scale for ridge in ridges]
        return [(slope, float(centre - mean @ slope), mean, scale) for slope in slopes]

    def squared_error(self, slope: Array, offset: float) -> float:
        """Weighted sum of (y - slope . f - offset)^2."""
        cross = self.fy @ slope + offset * self.y - offset * (self.f @ slope)
        return float(self.yy - 2.0 * cross + slope @ self.ff @ slope + offset * offset * self.weight)


__all__ = [
    "RIDGES",
    "ProgressFit",
    "ProgressReport",
    "evaluate_progress",
    "fit_progress",
    "fit_tpv",
    "position_baseline",
    "position_prediction",
    "progress",
    "r2",
    "recompute_progress",
    "targets",
]
