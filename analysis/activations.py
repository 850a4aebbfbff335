"""Massive activations: how far the largest coordinate of a state stands out from its median, and where it sits.

The plotted quantity is log10(max|h| / median|h|); the rule "|h| > 100 and 1000 times the median" is a flag with both
numbers as parameters, since it was made for larger models than most (methods 4.6). Attention is not looked at.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..kernels.moments import cosine, state_moments
from .nulls import gaussian_ratio_band
from .signal import CATALOGUE, Run, Signal, block_states, register, sampled

Array = NDArray[np.float64]
MAGNITUDE, RATIO = 100.0, 1000.0
"""The published rule (methods 4.2)."""


@register(
    name="massive_activations",
    title="Massive activations",
    unit="log10(max|h| / median|h|)",
    domain=(0.0, None),
    oracle=False,
    needs=("top3", "top3_dim", "median"),
    reference="Massive Activations in Large Language Models (methods 4)",
    meaning="How far the largest coordinate of the hidden state sticks out above the typical one.",
    not_this="Not a measure of thinking: the largest coordinates act as constant biases and mostly mark fixed tokens.",
)
def massive_activations(run: Run, magnitude: float = MAGNITUDE, ratio: float = RATIO) -> Signal:
    """Largest log-ratio over layers at each token; null: Gaussian vectors of the same width."""
    columns = recompute_activations(run) or {}
    top3, top3_dim, median = (
        np.asarray(columns[name] if name in columns else run.column(name)) for name in ("top3", "top3_dim", "median")
    )
    top1 = top3[..., 0].astype(np.float64)
    median = median.astype(np.float64)
    by_layer = np.full(top1.shape, np.nan)
    np.log10(top1 / np.where(median > 0, median, 1.0), out=by_layer, where=(median > 0) & (top1 > 0))
    flag = is_massive(top1, median, magnitude, ratio)
    defined = sampled(run) & ~_is_first_position(run)
    values = np.max(np.where(np.isfinite(by_layer), by_layer, -np.inf), axis=1, initial=-np.inf)
    return CATALOGUE["massive_activations"].signal(
        np.where(np.isfinite(values), values, np.nan),
        defined,
        gaussian_ratio_band(run.n_tokens, int(run.meta["model"]["d_model"]), top1.shape[-1]),
        by_layer=by_layer,
        parts={"top1": top1, "median": median, "flag": flag, "top1_dim": top3_dim[..., 0]},
        parameters={
            "magnitude": magnitude,
            "ratio": ratio,
            "flagged_tokens": int((flag.any(axis=1) & defined).sum()),
            "dims": dims_table(top3_dim[defined][..., 0], flag[defined]),
        },
    )


def is_massive(
    top: ArrayLike, median: ArrayLike, magnitude: float = MAGNITUDE, ratio: float = RATIO
) -> NDArray[np.bool_]:
    """|h| and median(|h|) of its state -> whether |h| > magnitude and |h| >= ratio * median (methods 4.2)."""
    size = np.abs(np.asarray(top, dtype=np.float64))
    return (size > magnitude) & (size >= ratio * np.asarray(median, dtype=np.float64))


def massive_coordinates(
    states: ArrayLike, magnitude: float = MAGNITUDE, ratio: float = RATIO, per_sequence: bool = False
) -> NDArray[np.bool_]:
    """(n_tokens, d_model) states of one layer -> mask of massive coordinates of the same shape.

    The median is that of each token, or with `per_sequence` that of the whole matrix as in the reference (methods 4.2).
    """
    size = np.abs(np.asarray(states, dtype=np.float64))
    median = np.median(size) if per_sequence else np.median(size, axis=-1, keepdims=True)
    return is_massive(size, median, magnitude, ratio)


def dims_table(top1_dim: ArrayLike, flag: ArrayLike, most: int = 3) -> list[dict[str, Any]]:
    """(n_tokens, n_layers) where the largest |h| sits and whether it is massive -> rows by layer and dimension.

    Each row: layer, dim, share of tokens whose largest coordinate it is, hits (of them massive), and `massive`,
    whether it has more than 95% of the layer's hits (methods 4.4). The `most` commonest dimensions of each layer are
    listed.
    """
    dims, flagged = np.asarray(top1_dim), np.asarray(flag)
    table: list[dict[str, Any]] = []
    for layer in range(dims.shape[1] if dims.ndim == 2 and len(dims) else 0):
        found, count = np.unique(dims[:, layer], return_counts=True)
        total = int(flagged[:, layer].sum())
        for place in np.argsort(-count, kind="stable")[:most]:
            hits = int(flagged[dims[:, layer] == found[place], layer].sum())
            share = float(count[place] / len(dims))
            row = {"layer": layer, "dim": int(found[place]), "share": share, "hits": hits}
            table.append({**row, "massive": total > 0 and hits > 0.95 * total})
    return table


def recompute_activations(run: Run) -> dict[str, np.ndarray] | None:
    """Columns norm, mean, median, top3, top3_dim, cos_prev again, from raw states; None if a block is missing."""
    states = block_states(run)
    if states is None:
        return None
    columns: dict[str, np.ndarray] = dict(state_moments(states)._asdict())
    previous = np.full(states.shape[:2], np.nan, dtype=np.float32)
    if len(states) > 1:
        previous[1:] = cosine(states[1:], states[:-1])
    return {**columns, "cos_prev": previous}


def _is_first_position(run: Run) -> NDArray[np.bool_]:
    """(n_tokens,) True where the state is that of absolute position 0, an attention sink (methods 4.6)."""
    prompt = (run.meta.get("prompt") or {}).get("ids")
    first = np.zeros(run.n_tokens, dtype=bool)
    if prompt is not None and len(prompt) == 1 and run.n_tokens:
        first[0] = True
    return first
