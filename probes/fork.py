"""FORK: a trial continuation that leaves no trace (methods.md 0.4).

The cache is cropped back to where it was, nothing is sampled from the row's noise, and no signal is updated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from . import cache as caches

if TYPE_CHECKING:
    from .engines.base import Engine


@dataclass(frozen=True)
class Fork:
    """What a trial continuation said."""

    ids: tuple[int, ...]
    """(n,) greedy tokens after the suffix, the end token included."""
    probabilities: tuple[float, ...]
    """(n,) probability of each of them at temperature 1."""


def fork_from(engine: Engine, cache: Any, suffix: Sequence[int], max_tokens: int) -> Fork:
    """Feed `suffix` to a one-row cache, decode greedily up to `max_tokens` tokens, and crop the cache back."""
    model = engine.model
    kept = caches.length(cache)
    ids, probabilities = [], []
    try:
        feed = list(suffix)
        while len(ids) < max_tokens:
            logits = engine.forward(torch.tensor([feed], device=model.device), cache=cache).logits[0]
            best = int(logits.argmax())
            ids.append(best)
            probabilities.append(float(torch.softmax(logits.float(), -1)[best]))
            if best in model.end_ids:
                break
            feed = [best]
    finally:
        caches.crop(cache, kept)
    return Fork(tuple(ids), tuple(probabilities))
