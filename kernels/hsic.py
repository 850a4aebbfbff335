"""Dependence between two vectors over their coordinates: exact, low-rank, float64.

The coordinates of one hidden state and of one gold state are taken as samples of a scalar pair, each side gets a
Gaussian kernel, and the value is the regularised sum of squared kernel canonical correlations that the MI-peaks work
plots as "mutual information" (methods 1.2). It is not a mutual information in nats, and it knows nothing of tokens or
problems: a larger residual norm or one shared outlier coordinate raises it (methods 1.7), so it is never read without
its nulls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

SIGMA = 50.0
"""Kernel width as published (methods 1.3); `"median"` is the median distance of each vector instead."""
EPS = 1e-5
"""Regularisation as published: eps * d_model is added to every eigenvalue."""

Width = float | Literal["median"]
Array = NDArray[np.float64]

_NEAR, _FAR = 2.0, 8.0
"""Reach |v| / sigma up to which Taylor (methods 1.2) and up to which Fourier features serve; beyond: Cholesky."""
_RESIDUAL = 1e-13
"""Largest kernel entry that any kind of features may leave out. Errors are amplified by up to 1/eps, hence so small."""
_CHUNK = 1 << 22
"""Doubles held in features at once."""


@dataclass(frozen=True)
class Factor:
    """The gold side of the dependence, solved once per problem: R_y = G G' for every site and gold state."""

    basis: Array
    """(*sites, d_model, n_bank * rank) the columns G, padded with zeros to one rank."""
    n_bank: int | None
    """How many gold states share each site; None for a single one, and then results have no bank axis."""
    sigma: Width
    """Kernel width, used for the other side too; "median" means each vector's own median distance."""
    eps: float
    """Regularisation."""


def gold_factor(y: ArrayLike, sigma: Width = SIGMA, eps: float = EPS) -> Factor:
    """(*sites, d_model) gold states -> Factor; `dependence` of (..., *sites, d_model) is then (..., *sites)."""
    return _factor(np.asarray(y, dtype=np.float64)[None], None, sigma, eps)


def gold_bank(ys: ArrayLike, sigma: Width = SIGMA, eps: float = EPS) -> Factor:
    """(n_bank, *sites, d_model) gold states -> Factor of all of them; `dependence` is then (..., *sites, n_bank).

    The true gold state and those of other problems (the shuffled-gold null) share one pass over a token's state.
    """
    states = np.asarray(ys, dtype=np.float64)
    return _factor(states, len(states), sigma, eps)


def dependence(x: ArrayLike, factor: Factor) -> Array:
    """(..., *sites, d_model) states -> (..., *sites) or (..., *sites, n_bank) regularised dependence (methods 1.2).

    A vector with a coordinate that is not finite has no value: NaN for it alone, on either side.

    Value = trace(Mx C My C') with Mx = (Fx'Fx + eps m)^-1, C = Fx'Fy and m = d_model. With R_y = G G' known in advance
    it is trace(G' Fx Mx Fx' G): one small solve per state.
    """
    states = np.asarray(x, dtype=np.float64)
    basis, width = factor.basis, states.shape[-1]
    sites = basis.shape[:-2]
    if width != basis.shape[-2] or states.shape[states.ndim - 1 - len(sites) : -1] != sites:
        raise ValueError(
            f"states {states.shape} do not end in the gold states' shape {(*sites, basis.shape[-2])}; "
            "pass the same sites, in the same order, as the factor was made from"
        )
    known = np.asarray(np.isfinite(states).all(axis=-1, keepdims=True))
    if not known.all():
        values = dependence(np.where(known, states, 0.0), factor)
        return np.where(known[..., 0] if factor.n_bank is None else known, values, np.nan)
    lead = states.shape[: states.ndim - 1 - len(sites)]
    if not lead:
        return _values(states, factor)
    rows = states.reshape(-1, *sites, width)
    step = max(1, _CHUNK // max(1, rows[0].size * 24))
    parts = [_values(rows[at : at + step], factor) for at in range(0, len(rows), step)]
    return np.concatenate(parts).reshape(*lead, *parts[0].shape[1:]) if parts else np.zeros((*lead, *sites))


def dependence_dense(x: ArrayLike, y: ArrayLike, sigma: Width = SIGMA, eps: float = EPS) -> float:
    """(d_model,), (d_model,) -> the same value by the definition: R = KH (KH + eps m)^-1, value = trace(R_x R_y).

    Cubic in d_model; the reference for tests.
    """
    answer = []
    for vector in (np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)):
        m = len(vector)
        kernel = np.exp(-0.5 * ((vector[:, None] - vector[None, :]) / _width(vector, sigma)) ** 2)
        centred = kernel - kernel.mean(axis=1, keepdims=True)
        answer.append(np.linalg.solve((centred + eps * m * np.eye(m)).T, centred.T).T)
    return float(np.sum(answer[0] * answer[1].T))


def median_width(v: ArrayLike, places: int = 48) -> Array:
    """(..., d_model) -> (...,) median distance between coordinates, the usual choice of a kernel width.

    Taken over `places` evenly spaced order statistics (all of them when d_model <= places), so that it costs a sort
    and not d_model squared; within 2% of the median over all pairs for bell-shaped data. Constant vectors get width 1.
    """
    ranked = np.sort(np.asarray(v, dtype=np.float64), axis=-1)
    width = ranked.shape[-1]
    if width > places:
        ranked = ranked[..., np.rint((np.arange(places) + 0.5) * width / places - 0.5).astype(np.intp)]
    low, high = _pairs(ranked.shape[-1])
    distance, half = ranked[..., high] - ranked[..., low], len(low) // 2
    distance.partition((half - 1, half), axis=-1)
    distance = distance[..., half] if len(low) % 2 else 0.5 * (distance[..., half - 1] + distance[..., half])
    return np.where(distance > 0, distance, 1.0)


@lru_cache(maxsize=8)
def _pairs(n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices (low, high) of all pairs of n places."""
    return np.triu_indices(n, 1)


def unbiased_hsic(x: ArrayLike, y: ArrayLike, sigma_x: float, sigma_y: float) -> float:
    """(n, d_x), (n, d_y) -> HSIC over n samples, without bias: its mean is 0 under independence (methods 1.8).

    Args:
        x: (n, d_x) one row for each problem.
        y: (n, d_y) the paired rows.
        sigma_x: width of the Gaussian kernel on rows of x.
        sigma_y: the same for y.
    """
    first, second = _rows_kernel(x, sigma_x), _rows_kernel(y, sigma_y)
    n = len(first)
    if n < 4 or len(second) != n:
        raise ValueError(f"unbiased HSIC needs at least 4 pairs of rows, got {n} and {len(second)}")
    cross = np.sum(first * second) + first.sum() * second.sum() / ((n - 1) * (n - 2))
    cross -= 2.0 / (n - 2) * (first.sum(axis=0) @ second.sum(axis=0))
    return float(cross / (n * (n - 3)))


def _factor(states: Array, n_bank: int | None, sigma: Width, eps: float) -> Factor:
    """(n_bank, *sites, d_model) -> Factor. G = F Q (scale + eps m)^(-1/2), Q the eigenvectors of F'F."""
    known = np.asarray(np.isfinite(states).all(axis=-1, keepdims=True))
    states = np.where(known, states, 0.0)
    features = _features(states, _width(states, sigma))
    m = states.shape[-1]
    scale, turn = np.linalg.eigh(features @ np.swapaxes(features, -1, -2))
    kept = scale / (scale + eps * m) > _RESIDUAL * 10
    rank = max(1, int(kept.sum(axis=-1).max()))
    scale, turn = np.where(kept, scale, np.inf)[..., -rank:], turn[..., -rank:]
    basis = np.swapaxes(features, -1, -2) @ (turn / np.sqrt(scale + eps * m)[..., None, :])
    basis[~known[..., 0]] = np.nan
    basis = np.moveaxis(basis, 0, -2).reshape(*states.shape[1:], -1)
    return Factor(basis=np.ascontiguousarray(basis), n_bank=n_bank, sigma=sigma, eps=eps)


def _values(states: Array, factor: Factor) -> Array:
    """(..., *sites, d_model) -> (..., *sites[, n_bank])."""
    features = _features(states, _width(states, factor.sigma))
    gram = features @ np.swapaxes(features, -1, -2)
    diagonal = np.arange(gram.shape[-1])
    gram[..., diagonal, diagonal] += factor.eps * states.shape[-1]
    mixed = features @ factor.basis
    # the inverse of a small matrix and one product: much quicker than solving for all of a bank
    shares = np.add.reduce(mixed * (np.linalg.inv(gram) @ mixed), axis=-2)
    if factor.n_bank is None:
        return np.add.reduce(shares, axis=-1)
    return np.add.reduce(shares.reshape(*shares.shape[:-1], factor.n_bank, -1), axis=-1)


def _width(states: Array, sigma: Width) -> Array:
    """Kernel width of each vector: (...,) for "median", else the number itself."""
    return median_width(states) if isinstance(sigma, str) else np.asarray(sigma, dtype=np.float64)


def _features(states: Array, sigma: Array) -> Array:
    """(..., d_model) -> (..., r, d_model) centred F' with F F' = H K H, K the Gaussian kernel of width sigma.

    The kernel sees differences only, so the vectors are first moved to the middle of their range (shift invariance).
    """
    low, high = np.minimum.reduce(states, axis=-1), np.maximum.reduce(states, axis=-1)
    reach = (high - low) * (0.5 / sigma)
    scaled = (states - (0.5 * (low + high))[..., None]) * (1.0 / sigma)[..., None]
    furthest = float(np.max(reach, initial=0.0))
    if furthest <= _NEAR:
        features = _taylor(scaled, furthest)
    elif furthest <= _FAR:
        features = _fourier(scaled, furthest)
    else:
        flat, far = scaled.reshape(-1, scaled.shape[-1]), reach.reshape(-1) > _FAR
        wide = _cholesky(flat[far])
        near = _fourier(flat[~far], float(np.max(reach, where=reach <= _FAR, initial=0.0)))
        features = np.zeros((len(flat), max(wide.shape[1], 0 if far.all() else near.shape[1]), flat.shape[1]))
        features[far, : wide.shape[1]] = wide
        if not far.all():
            features[~far, : near.shape[1]] = near
        features = features.reshape(*scaled.shape[:-1], *features.shape[1:])
    features -= np.add.reduce(features, axis=-1, keepdims=True) * (1.0 / states.shape[-1])
    return features


def _taylor(u: Array, reach: float) -> Array:
    """(..., d) scaled values -> (..., r, d): exp(-u^2/2) u^n / sqrt(n!), n < r, from exp(u u') = sum (u u')^n / n!."""
    rank, term = 1, 1.0
    while term > _RESIDUAL:
        term *= reach * reach / rank
        rank += 1
    features = np.empty((*u.shape[:-1], rank, u.shape[-1]))
    row = features[..., 0, :] = np.exp(-0.5 * u * u)
    for n in range(1, rank):
        row = row * u
        row *= 1.0 / math.sqrt(n)
        features[..., n, :] = row
    return features


def _fourier(u: Array, reach: float) -> Array:
    """(..., d) scaled values -> (..., 2 r, d): cosines and sines at evenly spaced frequencies.

    The trapezoid rule for K(t) = integral of the Gaussian spectrum: its only errors are the kernel's periodic image
    and the spectrum that is cut off, and both are below the residual by the choice of the step and of r.
    """
    tail = math.sqrt(-2.0 * math.log(_RESIDUAL))
    step = 2.0 * math.pi / (2.0 * reach + tail)
    half = math.ceil(tail / step)
    # frequency 0 is a constant and disappears when the rows are centred
    weight = np.sqrt(step * np.sqrt(2.0 / np.pi)) * np.exp(-0.25 * (step * np.arange(1, half + 1)) ** 2)
    wave = np.empty((*u.shape[:-1], half, u.shape[-1]), dtype=np.complex128)
    np.cos(step * u, out=wave.real[..., 0, :])
    np.sin(step * u, out=wave.imag[..., 0, :])
    done = 1
    while done < half:  # powers by doubling: exp(i (done + k) t) = exp(i k t) exp(i done t)
        more = min(done, half - done)
        np.multiply(wave[..., :more, :], wave[..., done - 1 : done, :], out=wave[..., done : done + more, :])
        done += more
    wave *= weight[:, None]
    return np.concatenate([wave.real, wave.imag], axis=-2)


def _cholesky(u: Array) -> Array:
    """(n, d) scaled values -> (n, r, d) pivoted incomplete Cholesky of all n kernels side by side.

    Handles outliers: each far coordinate costs one row, the bulk about as many as it is kernel widths wide.
    """
    n, width = u.shape
    rows = np.arange(n)
    residual = np.ones((n, width))
    features = np.zeros((n, min(width, 32), width))
    rank = 0
    while rank < width:
        pivot = residual.argmax(axis=1)
        top = residual[rows, pivot]
        if top.max() <= _RESIDUAL:
            break
        if rank == features.shape[1]:
            features = np.concatenate([features, np.zeros((n, min(width - rank, rank), width))], axis=1)
        live = top > _RESIDUAL
        known = features[rows, :rank, pivot]
        column = np.exp(-0.5 * (u - u[rows, pivot][:, None]) ** 2) - (known[:, None, :] @ features[:, :rank])[:, 0]
        column *= (live / np.sqrt(np.where(live, top, 1.0)))[:, None]
        features[:, rank] = column
        residual -= column * column
        residual[rows, pivot] = 0.0
        rank += 1
    return features[:, :rank]


def _rows_kernel(samples: ArrayLike, sigma: float) -> Array:
    """(n, d) -> (n, n) Gaussian kernel between rows, diagonal set to 0."""
    rows = np.asarray(samples, dtype=np.float64)
    square = np.einsum("nd,nd->n", rows, rows)
    distance = np.maximum(square[:, None] + square[None, :] - 2.0 * rows @ rows.T, 0.0)
    kernel = np.exp(-distance / (2.0 * sigma * sigma))
    np.fill_diagonal(kernel, 0.0)
    return kernel
