"""The live set: what is computed for each token while a generation runs.

Logit facts and state statistics are computed for all rows of a batch at once; what has a memory (the latent
trajectory, the previous state) belongs to a row. The arithmetic is that of `kernels` and `probes.streaming`, the same
functions that `analysis` applies to a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..kernels.entropy import logit_facts
from ..kernels.hsic import dependence, gold_bank, gold_factor
from ..kernels.moments import cosine, state_moments
from .directions import Direction
from .schema import TOP_K
from .sites import FINAL_NORM, block_site
from .streaming import ProgressReader, Trajectory, is_sentence_end


@dataclass(frozen=True)
class Taps:
    """What is read of each token.

    Attributes:
        logits: entropy, log-probability, rank, top-20 of the untouched logits.
        blocks: statistics and latent trajectory at every block.
        states: keep the raw states of these sites; "all" for every block and the final norm, () for none.
        state_budget: most bytes of raw states a run may hold; above it fewer sites are kept, and the header says so.
        markers: thinking words whose probability is followed where they are one token.
    """

    logits: bool = True
    blocks: bool = True
    states: Sequence[str] | str = "all"
    state_budget: int = 256 * 2**20
    markers: Sequence[str] = ("Wait", "Hmm", "So", "Therefore", "But")


NO_TAPS = Taps(logits=False, blocks=False, states=(), markers=())
"""Text only."""


@dataclass(frozen=True)
class Gold:
    """What the right answer looks like inside: states at the end of the gold text, and of other problems' (the null).

    Attributes:
        sites: block sites, one per entry of the next axis.
        state: (n_mi_layers, d_model) float32.
        bank: (n_null, n_mi_layers, d_model) float32.
    """

    sites: tuple[str, ...]
    state: np.ndarray
    bank: np.ndarray


def dependence_layers(n_layers: int, count: int = 4) -> list[int]:
    """The blocks at which dependence on the answer is followed: evenly spread, the last one always among them."""
    return sorted({round(n_layers * (index + 1) / count) - 1 for index in range(min(count, n_layers))})


def kept_sites(taps: Taps, asked: Sequence[str], d_model: int, max_tokens: int, wanted: Sequence[str]) -> list[str]:
    """The sites whose raw states fit the byte budget, those in `wanted` first, then the deepest."""
    fit = int(taps.state_budget // max(1, max_tokens * d_model * 4))
    if len(asked) <= fit:
        return list(asked)
    ordered = [site for site in wanted if site in asked] + [site for site in reversed(asked) if site not in wanted]
    return [site for site in asked if site in ordered[:fit]]


class RowSignals:
    """The live signals of one row that have a memory."""

    def __init__(self, progress: ProgressReader | None, gold: Gold | None, block_sites: Sequence[str]) -> None:
        """Start before the first token."""
        self.trajectory = Trajectory()
        self.progress = progress
        self.previous: np.ndarray | None = None
        self.layers = [block_sites.index(site) for site in gold.sites] if gold else []
        self.bank = self.bank_median = None
        if gold is not None:
            everyone = np.concatenate([gold.state[None], gold.bank])
            self.bank = gold_bank(everyone)
            self.bank_median = gold_factor(gold.state[-1], sigma="median")

    def update(self, states: np.ndarray, text: str, is_thinking: bool, forced: bool) -> dict[str, Any]:
        """The row's own facts of one token.

        Args:
            states: (n_layers, d_model) block outputs that chose the token.
            text: text of the token; a sentence end closes a segment of the trajectory.
            is_thinking: whether the token belongs to the thinking.
            forced: whether a control chose it; forced tokens do not enter the trajectory.
        """
        counts = is_thinking and not forced
        closes = counts and is_sentence_end(text)
        net, cumulative, aligned = self.trajectory.update(states, closes, counts)
        if not counts:
            net = cumulative = aligned = np.full(len(states), np.nan)
        before = self.previous
        self.previous = states
        facts: dict[str, Any] = {
            "segment_end": closes,
            "net": net,
            "cumulative": cumulative,
            "aligned": aligned,
            "cos_prev": np.full(len(states), np.nan, np.float32) if before is None else cosine(states, before),
        }
        if self.bank is not None and self.bank_median is not None:
            at = states[self.layers]
            values = dependence(at, self.bank)
            facts["dependence"] = values[..., 0]
            facts["dependence_null"] = values[..., 1:]
            facts["dependence_median"] = dependence(at[-1], self.bank_median)
        return facts


@dataclass
class LiveSet:
    """Computes the facts of a batch of rows at one token."""

    taps: Taps
    n_layers: int
    close_id: int | None
    """First token of the mark that closes the thinking."""
    progress: Direction | None = None
    bank: Sequence[Direction] = ()
    """Further directions that states are projected on, each at its own site."""
    marker_ids: Sequence[int] = ()
    """Tokens whose probability is followed."""
    sites: list[str] = field(init=False)
    """Everything tapped: each block, then the final norm."""

    def __post_init__(self) -> None:
        """Fix the order of the sites."""
        every = [*map(block_site, range(self.n_layers)), FINAL_NORM]
        self.sites = every if self.taps.blocks or self.taps.states else []
        self._reader = ProgressReader(self.progress) if self.progress and self.sites else None
        self._progress_at = every.index(self.progress.site) if self.progress else 0
        self._bank = [(every.index(one.site), ProgressReader(one)) for one in self.bank] if self.sites else []

    def of_logits(self, logits: np.ndarray, chosen: np.ndarray) -> dict[str, np.ndarray]:
        """Facts of (rows, vocab) untouched logits and the (rows,) tokens chosen."""
        if not self.taps.logits:
            return {}
        facts = logit_facts(logits, chosen, TOP_K)
        columns = {
            "entropy": facts.entropy,
            "logprob": facts.logprob,
            "rank": facts.rank,
            "topk_id": facts.topk_id,
            "topk_logit": facts.topk_logit,
        }
        if self.close_id is not None:
            columns["p_end"] = np.exp(logits[:, self.close_id] - facts.log_sum_exp)
        if self.marker_ids:
            columns["p_marker"] = np.exp(logits[:, self.marker_ids] - facts.log_sum_exp[:, None])
        return columns

    def of_states(self, states: np.ndarray) -> dict[str, np.ndarray]:
        """Facts of (rows, n_sites, d_model) states."""
        if not self.sites:
            return {}
        columns: dict[str, np.ndarray] = {}
        if self.taps.blocks:
            moments = state_moments(states[:, : self.n_layers])
            columns = {
                "norm": moments.norm,
                "mean": moments.mean,
                "median": moments.median,
                "top3": moments.top3,
                "top3_dim": moments.top3_dim,
            }
        if self._reader is not None:
            columns["progress"] = np.asarray(self._reader.read(states[:, self._progress_at]))
        if self._bank:
            columns["projection"] = np.stack([reader.read(states[:, place]) for place, reader in self._bank], axis=-1)
        return columns

    def row(self, gold: Gold | None) -> RowSignals | None:
        """The memory of a new row; None where blocks are not tapped."""
        return RowSignals(self._reader, gold, self.sites[: self.n_layers]) if self.taps.blocks else None
