"""Choosing a token: Gumbel-max with noise from a counter-based generator keyed by (seed, step).

Two runs with one seed see the same noise at the same step, whatever else differs, so they part only where their
distributions moved enough. Temperature 0 is greedy and uses no noise.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from .errors import ThoughtscopeError

_BLOCK = 64
"""Steps whose noise is drawn at once; part of the definition of the noise, so never changed."""


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn.

    Attributes:
        temperature: 0 for greedy, otherwise logits are divided by it.
        top_p: smallest set of tokens with at least this probability is kept; 1 keeps all.
        top_k: this many most likely tokens are kept; 0 keeps all.
        seed: names the noise.
        max_tokens: the generation ends after this many tokens.
    """

    temperature: float = 0.6
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0
    max_tokens: int = 700

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for name, value, fine, allowed in (
            ("temperature", self.temperature, 0 <= self.temperature <= 10, "0 (greedy) to 10"),
            ("top_p", self.top_p, 0 < self.top_p <= 1, "above 0, at most 1"),
            ("top_k", self.top_k, self.top_k >= 0, "0 (all) or more"),
            ("max_tokens", self.max_tokens, self.max_tokens >= 1, "at least 1"),
            ("seed", self.seed, 0 <= self.seed < 2**63, "a whole number from 0 to 2**63 - 1"),
        ):
            if not fine:
                raise ThoughtscopeError(f"{name} {value} is not possible; allowed is {allowed}")

    def to_meta(self) -> dict[str, float | int]:
        """The settings as they stand in a recording's header."""
        return asdict(self)


class Sampler:
    """Draws the tokens of one row."""

    def __init__(self, sampling: Sampling, vocab: int) -> None:
        """Prepare the noise of one seed over a vocabulary of `vocab` tokens."""
        self.sampling, self.vocab = sampling, vocab
        self._block, self._noise = -1, np.empty((0, vocab), np.float32)

    def noise(self, step: int) -> np.ndarray:
        """(vocab,) standard Gumbel noise of a step; the same for the same seed, step and vocabulary."""
        block, offset = divmod(step, _BLOCK)
        if block != self._block:
            stream = np.random.Generator(np.random.Philox(key=self.sampling.seed, counter=[0, 0, 0, block]))
            exponential = stream.standard_exponential((_BLOCK, self.vocab), np.float32)
            self._noise = -np.log(np.maximum(exponential, np.float32(1e-38)))
            self._block = block
        return self._noise[offset]

    def choose(self, logits: np.ndarray, step: int) -> int:
        """The token for (vocab,) logits at a step."""
        settings = self.sampling
        if settings.temperature == 0:
            return int(logits.argmax())
        with np.errstate(over="ignore"):  # next to nothing is greedy: all but the best fall to minus infinity
            scaled = (logits - logits.max()) / np.float32(max(settings.temperature, 1e-30))
        if 0 < settings.top_k < self.vocab:
            edge = np.partition(scaled, -settings.top_k)[-settings.top_k]
            scaled = np.where(scaled < edge, -np.inf, scaled)
        if settings.top_p < 1:
            order = np.argsort(-scaled, kind="stable")
            weights = np.exp(scaled[order] - scaled[order[0]])
            before = np.cumsum(weights) - weights
            scaled[order[before >= settings.top_p * weights.sum()]] = -np.inf
        return int((scaled + self.noise(step)).argmax())
