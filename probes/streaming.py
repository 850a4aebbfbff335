"""Arithmetic that a running generation and a finished file share: averages, robust scores, trajectories, read-outs.

Each class is fed one token at a time and costs O(d_model) at most; `analysis/` feeds the same classes from a file, so
a live column and its recomputation are one formula. Nothing here knows a model, a recording, or which tokens to leave
out: the caller feeds thinking tokens only and skips forced ones.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

_CLOSERS = "\"')]}*_”’"
"""Quotation marks, brackets and emphasis that may follow a sentence's last mark inside one token."""


class Direction(Protocol):
    """A fitted read-out: p = weight . (h - mean) / scale + intercept."""

    @property
    def weight(self) -> NDArray[np.floating]:
        """(d_model,) weights on standardised coordinates."""
        ...

    @property
    def intercept(self) -> float:
        """Value at h = mean."""
        ...

    @property
    def mean(self) -> NDArray[np.floating]:
        """(d_model,) training mean."""
        ...

    @property
    def scale(self) -> NDArray[np.floating]:
        """(d_model,) training standard deviation."""
        ...


class Ema:
    """Exponential moving average with bias-corrected read-out (methods 0.4): half-life 6.6 steps for beta = 0.1."""

    def __init__(self, beta: float = 0.1) -> None:
        if not 0.0 < beta <= 1.0:
            raise ValueError(f"beta is {beta}; it is the weight of the new value, above 0 and at most 1")
        self.beta = beta
        self._sum = 0.0
        self._weight = 0.0

    def update(self, value: float) -> float:
        """Feed one value, get the average so far; a value that is not a number is skipped."""
        if value == value:
            self._sum += self.beta * (value - self._sum)
            self._weight += self.beta * (1.0 - self._weight)
        return self._sum / self._weight if self._weight else float("nan")


class RobustZ:
    """How far a value lies from the recent ones: (x - median) / (1.4826 MAD) over a rolling window (methods 1.4)."""

    def __init__(self, window: int = 256, threshold: float = 3.5) -> None:
        self.threshold = threshold
        self._recent: deque[float] = deque(maxlen=window)

    def update(self, value: float) -> float:
        """Score of one value against the window before it, which then takes it in; NaN while there are fewer than 8."""
        score = float("nan")
        if len(self._recent) >= 8:
            recent = np.fromiter(self._recent, dtype=np.float64, count=len(self._recent))
            middle = np.median(recent)
            spread = 1.4826 * np.median(np.abs(recent - middle))
            score = float((value - middle) / spread) if spread > 0 else float("nan")
        if value == value:
            self._recent.append(value)
        return score

    def is_peak(self, score: float) -> bool:
        """Whether a score is beyond the threshold (3.5 as published)."""
        return score > self.threshold


class RollingPeaks:
    """The other peak rule while a run is going on: above Q3 + reach * IQR of the last `window` values (methods 1.3)."""

    def __init__(self, window: int = 256, reach: float = 1.5) -> None:
        self.reach = reach
        self._recent: deque[float] = deque(maxlen=window)

    def update(self, value: float) -> bool:
        """Whether one value stands out from the window before it, which then takes it in."""
        peak = False
        if len(self._recent) >= 8:
            low, high = np.quantile(np.fromiter(self._recent, dtype=np.float64, count=len(self._recent)), (0.25, 0.75))
            peak = bool(value > high + self.reach * (high - low))
        if value == value:
            self._recent.append(value)
        return peak


def is_sentence_end(token_text: str) -> bool:
    """Whether a token ends a sentence: its text ends in . ? or ! (quotes and brackets aside), or holds a newline."""
    return "\n" in token_text or token_text.rstrip().rstrip(_CLOSERS).endswith((".", "?", "!"))


class Segmenter:
    """Says after which token a trajectory segment closes: at sentence ends ("sentence"), or every n tokens."""

    def __init__(self, rule: str | int = "sentence") -> None:
        if rule != "sentence" and not (isinstance(rule, int) and rule >= 1):
            raise ValueError(f"segment rule {rule!r}; allowed are 'sentence' and a number of tokens of at least 1")
        self.rule = rule
        self._count = 0

    def closes(self, token_text: str) -> bool:
        """Feed the text of one token, get whether its segment closes with it."""
        if isinstance(self.rule, str):
            return is_sentence_end(token_text)
        self._count += 1
        if self._count < self.rule:
            return False
        self._count = 0
        return True


class Trajectory:
    """Net, cumulative and aligned change of segment means, exact while streaming (methods 11.2 and 11.5).

    Keeps the sum of the open segment, the first and the previous segment mean, the accumulated length and the sum of
    unit steps: five vectors for each row and layer, in float64. With m the segment means and n steps between them:
    net = ||m_n - m_0||, cumulative = sum ||m_i - m_(i-1)||, aligned = mean cosine of a step with m_n - m_0.
    """

    def __init__(self) -> None:
        self._begun = False

    def update(
        self, h: ArrayLike, closes: bool | NDArray[np.bool_], active: bool | NDArray[np.bool_] = True
    ) -> tuple[Array, Array, Array]:
        """Feed the states of one token.

        Args:
            h: (*lead, d_model) states, typically (n_layers, d_model) or (n_rows, n_layers, d_model).
            closes: whether a segment closes with this token; a bool, or (n_rows,) for rows along the first axis.
            active: whether the token counts (thinking and not forced); a bool, or (n_rows,).

        Returns:
            (net, cumulative, aligned), each (*lead,) and as of the last closed segment; NaN before two have closed, and
            aligned NaN where the path has come back to its start.
        """
        states = np.asarray(h)
        if not self._begun:
            self._begin(states.shape)
        if isinstance(closes, bool) and isinstance(active, bool):
            if active:
                self._sum += states
                self._tokens += 1
                if closes:
                    self._close(None)
        else:
            shape = (-1,) + (1,) * (states.ndim - 2)
            counts = np.broadcast_to(np.reshape(active, shape if np.ndim(active) else ()), states.shape[:-1])
            shut = np.broadcast_to(np.reshape(closes, shape if np.ndim(closes) else ()), states.shape[:-1]) & counts
            np.add(self._sum, states, out=self._sum, where=counts[..., None])
            self._tokens += counts
            if shut.any():
                self._close(shut)
        return self.net, self.cumulative, self.aligned

    def _begin(self, shape: tuple[int, ...]) -> None:
        lead = shape[:-1]
        self._begun = True
        self._sum, self._first, self._last, self._units = (np.zeros(shape) for _ in range(4))
        self._tokens, self._segments = np.zeros(lead, dtype=np.int64), np.zeros(lead, dtype=np.int64)
        self._length = np.zeros(lead)
        self.net, self.cumulative, self.aligned = (np.full(lead, np.nan) for _ in range(3))

    def _close(self, where: NDArray[np.bool_] | None) -> None:
        """Turn the open segments (of the rows named by `where`) into one more step each."""
        shut = (self._tokens > 0) if where is None else where & (self._tokens > 0)
        mean = self._sum / np.maximum(self._tokens, 1)[..., None]
        opening, going = shut & (self._segments == 0), shut & (self._segments > 0)
        self._first = np.where(opening[..., None], mean, self._first)
        if going.any():
            step = np.where(going[..., None], mean - self._last, 0.0)
            length = np.sqrt(np.einsum("...d,...d->...", step, step))
            self._length = self._length + length
            self._units += step / np.where(length > 0, length, 1.0)[..., None]
            moved = mean - self._first
            net = np.sqrt(np.einsum("...d,...d->...", moved, moved))
            ahead = np.einsum("...d,...d->...", self._units, moved)
            # a path that came back to its start has no direction; rounding leaves about 1e-16 of its length
            closed = net <= 1e-12 * self._length
            aligned = np.where(closed, np.nan, ahead / np.where(closed, 1.0, np.maximum(self._segments, 1) * net))
            self.net = np.where(going, net, self.net)
            self.cumulative = np.where(going, self._length, self.cumulative)
            self.aligned = np.where(going, aligned, self.aligned)
        self._last = np.where(shut[..., None], mean, self._last)
        self._segments = self._segments + shut
        self._sum[shut] = 0.0
        self._tokens = np.where(shut, 0, self._tokens)


class ProgressReader:
    """Reads thinking progress off a state with a fitted direction: unclipped, about 0 at the start and 1 at the end."""

    def __init__(self, direction: Direction) -> None:
        scale = np.asarray(direction.scale, dtype=np.float64)
        self._weight: Array = np.asarray(direction.weight, dtype=np.float64) / scale
        self._offset = float(direction.intercept) - float(self._weight @ np.asarray(direction.mean, dtype=np.float64))

    def read(self, h: ArrayLike) -> Array | float:
        """(..., d_model) -> (...,), a float for one state: p = weight . (h - mean) / scale + intercept."""
        values = np.asarray(h, dtype=np.float64) @ self._weight + self._offset
        return float(values) if np.ndim(values) == 0 else values


def remaining_tokens(progress: ArrayLike, window: int = 64) -> float:
    """(n,) progress so far -> predicted tokens still to come, (1 - p) / slope (methods 2.5).

    Slope and p are those of the least-squares line through the last `window` finite values, p at its end. NaN with
    fewer than 8 values or where progress does not rise; 0 once p has reached 1.
    """
    recent = np.asarray(progress, dtype=np.float64)[-window:]
    recent = recent[np.isfinite(recent)]
    n = len(recent)
    if n < 8:
        return float("nan")
    when = np.arange(n) - 0.5 * (n - 1)
    slope = float(when @ recent) * 12.0 / (n * (n * n - 1.0))
    now = float(recent.mean()) + slope * 0.5 * (n - 1)
    if now >= 1.0 - 1e-9:
        return 0.0
    # a slope below 1e-7 a token is rounding, not progress
    return (1.0 - now) / slope if slope > 1e-7 else float("nan")
