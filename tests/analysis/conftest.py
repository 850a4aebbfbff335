"""A recording of twenty lines: columns as the live loop fills them, token by token, with or without raw states."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from thoughtscope.kernels.entropy import logit_facts
from thoughtscope.kernels.hsic import dependence, gold_bank, gold_factor
from thoughtscope.kernels.moments import cosine, state_moments
from thoughtscope.probes.streaming import ProgressReader, Trajectory, is_sentence_end

N_LAYERS, D_MODEL, VOCAB, N_NULL = 3, 32, 50, 8
WORDS = ("we", "add", "3", "and", "4", ".", "so", "7", "!", "wait", "check", "it", "\n")


@dataclass(frozen=True)
class FakeRun:
    """What a measure needs of a recording, and nothing else."""

    meta: Mapping[str, Any]
    columns: dict[str, np.ndarray]
    tokens: tuple[str, ...]
    extras: dict[str, Any] = field(default_factory=dict)

    @property
    def n_tokens(self) -> int:
        return len(self.tokens)

    def has(self, name: str) -> bool:
        return name in self.columns

    def column(self, name: str) -> np.ndarray:
        return self.columns[name]

    def without(self, *names: str) -> "FakeRun":
        return FakeRun(self.meta, {k: v for k, v in self.columns.items() if k not in names}, self.tokens, self.extras)


@dataclass(frozen=True)
class FakeDirection:
    """A read-out with arbitrary numbers."""

    weight: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    intercept: float = 0.3
    site: str = "ln_final.hook_out"


def record(n_tokens: int = 90, seed: int = 0, measures: Mapping[str, Any] | None = None) -> FakeRun:
    """A run of random states; every column is made one token at a time, as a live loop would."""
    random = np.random.default_rng(seed)
    sites = [f"blocks.{layer}.hook_out" for layer in range(N_LAYERS)] + ["ln_final.hook_out"]
    followed = ["blocks.0.hook_out", "blocks.2.hook_out"]
    states = np.cumsum(random.standard_normal((n_tokens, N_LAYERS + 1, D_MODEL)), axis=0).astype(np.float32)
    gold = random.standard_normal((1 + N_NULL, len(followed), D_MODEL)).astype(np.float32)
    tokens = tuple(random.choice(WORDS, n_tokens))
    segment = np.where(np.arange(n_tokens) < n_tokens - 10, 1, 2).astype(np.uint8)
    segment[-1] = 3
    forced = np.zeros(n_tokens, dtype=np.uint8)
    forced[[token for token in (20, 41) if token < n_tokens]] = 1
    ids = random.integers(VOCAB, size=n_tokens).astype(np.int32)
    unembedding = (0.1 * random.standard_normal((VOCAB, D_MODEL))).astype(np.float32)
    direction = FakeDirection(random.standard_normal(D_MODEL), random.standard_normal(D_MODEL), np.full(D_MODEL, 30.0))
    reader, path, bank = ProgressReader(direction), Trajectory(), gold_bank(gold)
    median = gold_factor(gold[0, -1], "median")
    rows: list[dict[str, Any]] = []
    for j in range(n_tokens):
        facts = logit_facts(states[j, -1] @ unembedding.T, ids[j])
        blocks, thinking = states[j, :N_LAYERS], segment[j] == 1
        closes = bool(thinking and not forced[j] and is_sentence_end(tokens[j]))
        counts = thinking and not forced[j]
        moved = path.update(blocks, closes) if counts else np.full((3, N_LAYERS), np.nan)
        values = dependence(states[j, [0, 2]], bank)
        row = {name: getattr(facts, name) for name in ("entropy", "logprob", "rank", "topk_id", "topk_logit")}
        row |= state_moments(blocks)._asdict()
        row |= dict(zip(("net", "cumulative", "aligned"), moved, strict=True))
        row["cos_prev"] = cosine(blocks, states[j - 1, :N_LAYERS]) if j else np.full(N_LAYERS, np.nan, np.float32)
        row["segment_end"] = np.uint8(closes)
        row["progress"] = reader.read(states[j, -1]) if thinking else np.nan
        row["dependence"], row["dependence_null"] = values[:, 0], values[:, 1:]
        row["dependence_median"] = dependence(states[j, 2], median)
        rows.append(row)
    columns = {name: np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]}
    columns |= {"token_id": ids, "segment": segment, "forced": forced, "states": states}
    columns |= {"gold_state": gold[0], "null_bank": gold[1:]}
    meta = {
        "model": {"n_layers": N_LAYERS, "d_model": D_MODEL, "vocab": VOCAB},
        "prompt": {"ids": [1, 2, 3]},
        "thinking": None,
        "sites": sites,
        "measures": {"dependence": {"sites": followed, "sigma": 50.0}, **(measures or {})},
    }
    return FakeRun(meta, columns, tokens, {"unembedding": unembedding, "direction": direction})


@pytest.fixture(scope="session")
def make_run() -> Callable[..., FakeRun]:
    """The function that makes a run."""
    return record


@pytest.fixture(scope="session")
def run() -> FakeRun:
    """One run with raw states."""
    return record()
