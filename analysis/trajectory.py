"""Latent trajectory: how far, how long and how straight the segment means of the hidden states move while thinking.

It sees geometry only. After n steps a random walk has an aligned change of 1/sqrt(n), and noise around one place 1/n:
the band drawn beside it spans both; cumulative change grows with length, so it must never be read without a length
baseline (methods 11.7).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..probes.streaming import Segmenter, Trajectory
from .nulls import walk_band
from .signal import CATALOGUE, Run, Signal, block_states, register, settings, thinking

Array = NDArray[np.float64]


@register(
    name="trajectory",
    title="Latent trajectory: aligned change",
    unit="mean cosine",
    domain=(-1.0, 1.0),
    oracle=False,
    needs=("net", "cumulative", "aligned"),
    reference="Tracing the Traces (abstract; formulas methods 11.2, streaming form 11.5)",
    meaning="How straight the hidden state travels: the mean cosine of its "
    "sentence-to-sentence steps with the way made so far.",
    not_this="Not progress towards the right answer: straight paths may lead to a wrong one, short ones look straight.",
)
def trajectory(run: Run) -> Signal:
    """Aligned change averaged over layers; null: from noise to a random walk with as many segments."""
    columns = recompute_trajectory(run) or {}
    net, cumulative, aligned, ends = (
        np.asarray(columns[name] if name in columns else run.column(name))
        for name in ("net", "cumulative", "aligned", "segment_end")
    )
    defined = thinking(run) & np.isfinite(aligned).any(axis=1)
    steps = np.maximum(np.cumsum(ends.astype(np.int64)) - 1, 0)
    null = walk_band(steps, int(run.meta["model"]["d_model"]))
    parts = {
        "net": net,
        "cumulative": cumulative,
        "aligned": aligned,
        "straightness": _ratio(net, cumulative),
        "segment_end": ends,
        "steps": steps,
    }
    return CATALOGUE["trajectory"].signal(
        _mean_over_layers(aligned),
        defined,
        null,
        by_layer=aligned.astype(np.float64),
        parts=parts,
        parameters={"segment": _rule(run), "steps": int(steps[-1]) if len(steps) else 0},
    )


def recompute_trajectory(run: Run) -> dict[str, np.ndarray] | None:
    """Columns net, cumulative, aligned, segment_end again, from raw states; None where a block is missing."""
    states = block_states(run)
    if states is None:
        return None
    counts = thinking(run)
    shape = states.shape[:2]
    columns = {name: np.full(shape, np.nan) for name in ("net", "cumulative", "aligned")}
    ends = np.zeros(run.n_tokens, dtype=np.uint8)
    path, segmenter = Trajectory(), Segmenter(_rule(run))
    for token in np.flatnonzero(counts):
        closes = segmenter.closes(run.tokens[token])
        ends[token] = closes
        columns["net"][token], columns["cumulative"][token], columns["aligned"][token] = path.update(
            states[token], closes
        )
    return {**columns, "segment_end": ends}


def change_of_means(means: ArrayLike) -> tuple[Array, Array, Array]:
    """(n_segments, ..., d_model) segment means -> (net, cumulative, aligned), each (...,), in one go (methods 11.2).

    Aligned is NaN where the path ends where it began.
    """
    points = np.asarray(means, dtype=np.float64)
    steps, whole = np.diff(points, axis=0), points[-1] - points[0]
    length, net = np.linalg.norm(steps, axis=-1), np.linalg.norm(whole, axis=-1)
    cumulative = length.sum(axis=0)
    closed = net <= 1e-12 * cumulative
    ahead = np.einsum("n...d,...d->n...", steps, whole)
    size = np.where(length > 0, length, 1.0) * np.where(closed, 1.0, net)
    return net, cumulative, np.where(closed, np.nan, (ahead / size).mean(axis=0))


def _rule(run: Run) -> str | int:
    rule = settings(run, "trajectory").get("segment", "sentence")
    return rule if isinstance(rule, str) else int(rule)


def _mean_over_layers(values: np.ndarray) -> Array:
    """(n_tokens, n_layers) -> (n_tokens,) mean over layers with a value, NaN where no layer has one."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    return np.where(
        count > 0, np.where(known, values, 0.0).sum(axis=1, dtype=np.float64) / np.maximum(count, 1), np.nan
    )


def _ratio(above: np.ndarray, below: np.ndarray) -> Array:
    """above / below, NaN where below is 0 or unknown."""
    below = np.asarray(below, dtype=np.float64)
    return np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)
