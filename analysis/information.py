"""Dependence of each token's state on the state of the right answer, known in the literature as "mutual information".

The quantity is a regularised kernel correlation over the coordinates of two vectors, not an information in nats; it
grows with the residual norm and with shared outlier coordinates (methods 1.7). It uses the gold answer, so it is an
oracle signal: no control may act on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..kernels.hsic import EPS, SIGMA, dependence, gold_bank, gold_factor
from .nulls import own_values, shuffled_gold_band
from .signal import CATALOGUE, Null, Run, Signal, register, sampled, settings, states_at

Array = NDArray[np.float64]


@register(
    name="mutual_information",
    title="Dependence on the answer (MI)",
    unit="regularised dependence",
    domain=(0.0, None),
    oracle=True,
    needs=("dependence",),
    reference="MI-Peaks estimator, exact low-rank form (methods 1.2)",
    meaning="How much the hidden state shares with the state at the end of the right answer.",
    not_this="Not mutual information in nats, nor deployable: it needs the gold answer, and rises with the norm.",
)
def mutual_information(run: Run) -> Signal:
    """Dependence at the last followed block with kernel width 50; null: gold states of other problems."""
    by_layer = np.asarray(run.column("dependence"), dtype=np.float64)
    values, defined = by_layer[:, -1], sampled(run)
    parts: dict[str, np.ndarray] = {}
    if run.has("dependence_median"):
        parts["median_width"] = np.asarray(run.column("dependence_median"), dtype=np.float64)
    null: Null
    if run.has("dependence_null") and run.column("dependence_null").shape[-1]:
        parts["null"] = np.asarray(run.column("dependence_null"), dtype=np.float64)[:, -1]
        null = shuffled_gold_band(parts["null"])
    else:
        null = own_values(values, defined, "no gold states of other problems were recorded: ")
    correlation = squared_correlation(run)
    if correlation is not None:
        parts["squared_correlation"] = correlation[:, -1]
    if run.has("norm"):
        parts["norm"] = np.asarray(run.column("norm"))[:, -1]
    parameters: dict[str, Any] = {"sigma": _sigma(run), "eps": _eps(run), "sites": _sites(run)}
    return CATALOGUE["mutual_information"].signal(
        values, defined, null, by_layer=by_layer, parts=parts, parameters=parameters
    )


def recompute_information(run: Run) -> dict[str, np.ndarray] | None:
    """Columns dependence, dependence_median and dependence_null again, from raw states and stored gold states.

    None where the file lacks the raw states of a followed block, the gold state, or the names of the followed sites.
    """
    states, gold = _followed(run)
    if states is None or gold is None:
        return None
    sigma, eps = _sigma(run), _eps(run)
    columns = {
        "dependence": dependence(states, gold_factor(gold, sigma, eps)),
        "dependence_median": dependence(states[:, -1], gold_factor(gold[-1], "median", eps)),
    }
    if run.has("null_bank"):
        columns["dependence_null"] = dependence(states, gold_bank(run.column("null_bank"), sigma, eps))
    return columns


def squared_correlation(run: Run) -> Array | None:
    """(n_tokens, n_mi_layers) squared Pearson correlation with the gold state; None without raw states.

    The published value is, for small states, this number shrunk by their variance (methods 1.2, small-scale limit).
    """
    states, gold = _followed(run)
    return None if states is None or gold is None else pearson(states, gold) ** 2


def pearson(x: ArrayLike, y: ArrayLike) -> Array:
    """(..., d_model), (..., d_model) -> (...,) correlation over coordinates; NaN where one of them is constant."""
    a, b = (np.asarray(side, dtype=np.float64) for side in (x, y))
    a, b = a - a.mean(axis=-1, keepdims=True), b - b.mean(axis=-1, keepdims=True)
    size = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    product = np.einsum("...d,...d->...", a, b)
    return np.divide(product, size, out=np.full(np.shape(product), np.nan), where=size > 0)


def small_scale_law(x: ArrayLike, y: ArrayLike, sigma: float = SIGMA, eps: float = EPS) -> Array:
    """(..., d_model) twice -> (...,) rho^2 v_x/(v_x + eps sigma^2) v_y/(v_y + eps sigma^2), for |values| << sigma."""
    shrink = eps * sigma * sigma
    a, b = (np.var(np.asarray(side, dtype=np.float64), axis=-1) for side in (x, y))
    return pearson(x, y) ** 2 * a / (a + shrink) * b / (b + shrink)


def _followed(run: Run) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(n_tokens, n_mi_layers, d_model) raw states at the followed sites, (n_mi_layers, d_model) gold states."""
    if not run.has("gold_state"):
        return None, None
    gold = np.asarray(run.column("gold_state"))
    states = states_at(run, _sites(run))
    return (states, gold) if states is not None and states.shape[1] == len(gold) else (None, None)


def _sites(run: Run) -> list[str]:
    return list(settings(run, "dependence").get("sites") or ())


def _sigma(run: Run) -> float:
    return float(settings(run, "dependence").get("sigma", SIGMA))


def _eps(run: Run) -> float:
    return float(settings(run, "dependence").get("eps", EPS))
