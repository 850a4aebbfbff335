"""Facts of a row of logits: entropy, log-sum-exp, top-k, and log-probability and rank of the token that was chosen.

One pass over untouched logits (temperature 1, before any processor). It does not know what a token means, which
tokens are allowed, or whether the chosen one was sampled or forced.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

_FLOOR = np.float32(-1e4)
"""Shifted logits are clipped here, so that a vocabulary entry at minus infinity adds 0 to the entropy and not NaN."""


class LogitFacts(NamedTuple):
    """What is kept of each row of logits; the leading axes are those of the logits."""

    entropy: NDArray[np.float32]
    """(...,) Shannon entropy of softmax(logits), nats, in 0..ln(vocab)."""
    log_sum_exp: NDArray[np.float32]
    """(...,) log of the normaliser, so that log-probability = logit - log_sum_exp."""
    topk_id: NDArray[np.int32]
    """(..., k) the k largest logits' indices, largest first, the lower index first where two are equal."""
    topk_logit: NDArray[np.float32]
    """(..., k) their logits."""
    logprob: NDArray[np.float32] | None
    """(...,) log-probability of the chosen token, nats; None when no token was given."""
    rank: NDArray[np.int32] | None
    """(...,) number of tokens with a strictly larger logit than the chosen one; 0 is the argmax."""


def logit_facts(logits: ArrayLike, chosen: ArrayLike | None = None, k: int = 20) -> LogitFacts:
    """(..., vocab) logits -> LogitFacts, in float32 (methods 0.3, block ENT in 0.4).

    Args:
        logits: (..., vocab) untouched logits; any float type, minus infinity allowed.
        chosen: (...,) token ids whose log-probability and rank are wanted, or None.
        k: how many of the largest to keep; cut to vocab.

    Returns:
        LogitFacts with the leading shape of `logits`.
    """
    rows = np.asarray(logits, dtype=np.float32)
    lead, vocab = rows.shape[:-1], rows.shape[-1]
    k = min(k, vocab)
    rows = rows.reshape(-1, vocab)
    index = np.arange(len(rows))
    top = rows.max(axis=1, keepdims=True)
    shifted = np.maximum(rows - top, _FLOOR)
    weight = np.exp(shifted)
    total = np.add.reduce(weight, axis=1)
    log_total = np.log(total)
    spread = log_total - np.einsum("nv,nv->n", weight, shifted) / total
    ids, values = _largest(rows, k, index[:, None])
    logprob = rank = None
    if chosen is not None:
        picked = np.asarray(chosen).reshape(-1)
        if len(picked) != len(rows):
            raise ValueError(f"chosen has {len(picked)} ids, logits have {len(rows)} rows; pass one id for each row")
        score = rows[index, picked]
        logprob = (score - top[:, 0] - log_total).reshape(lead)
        rank = np.add.reduce(rows > score[:, None], axis=1, dtype=np.int32).reshape(lead)
    return LogitFacts(
        entropy=np.maximum(spread, np.float32(0)).reshape(lead),
        log_sum_exp=(top[:, 0] + log_total).reshape(lead),
        topk_id=ids.reshape(*lead, k),
        topk_logit=values.reshape(*lead, k),
        logprob=logprob,
        rank=rank,
    )


def entropy(logits: ArrayLike) -> NDArray[np.float32]:
    """(..., vocab) -> (...,) Shannon entropy in nats: ln(vocab) when uniform, 0 when one token has it all."""
    return logit_facts(logits, k=1).entropy


def normalised_entropy(logits: ArrayLike) -> NDArray[np.float32]:
    """(..., vocab) -> (...,) entropy / ln(vocab), in 0..1; thresholds on it live near 0.01 to 0.05 (methods 0.4)."""
    vocab = np.asarray(logits).shape[-1]
    return entropy(logits) / np.float32(max(np.log(vocab), np.finfo(np.float32).tiny))


def _largest(
    rows: NDArray[np.float32], k: int, index: NDArray[np.intp]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """(n, vocab) -> ids and values (n, k), largest first; ids are ordered before the stable sort, so ties are fixed."""
    ids = np.argpartition(rows, rows.shape[1] - k, axis=1)[:, rows.shape[1] - k :]
    ids.sort(axis=1)
    values = rows[index, ids]
    order = np.argsort(-values, axis=1, kind="stable")
    return ids[index, order].astype(np.int32), values[index, order]
