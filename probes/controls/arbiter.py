"""Settling what happens at a token when several controls want something (methods.md 33).

Order, highest first: hard budget or user stop; a policy's stop; forced insertions; logit biases, summed. Each bias is
capped at |b| <= `bias_cap` unless the cap is None. Whatever acts is written down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .base import Action, Bias, Force, Stop

BIAS_CAP = 20.0


@dataclass(frozen=True, eq=False)
class Settled:
    """What the arbiter decided for one token."""

    stop: Stop | None = None
    force: Force | None = None
    bias: np.ndarray | None = None
    """(vocab,) float32 to add to the logits, or None."""
    clipped: bool = False
    """Whether the cap changed a bias."""


_NOTHING = Settled()


def settle(actions: Sequence[Action], bias_cap: float | None = BIAS_CAP) -> Settled:
    """One decision from all proposals; of several stops the lowest rank wins, of equals the first."""
    if not actions:
        return _NOTHING
    stops = [action for action in actions if isinstance(action, Stop)]
    if stops:
        return Settled(stop=min(stops, key=lambda stop: stop.rank))
    forces = [action for action in actions if isinstance(action, Force)]
    if forces:
        return Settled(force=forces[0])
    biases = [action.logits for action in actions if isinstance(action, Bias)]
    clipped = bias_cap is not None and any(np.abs(bias).max() > bias_cap for bias in biases)
    if bias_cap is not None and clipped:
        biases = [np.clip(bias, -bias_cap, bias_cap) for bias in biases]
    return Settled(bias=np.asarray(np.sum(biases, axis=0), np.float32), clipped=clipped)
