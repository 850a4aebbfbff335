"""The generation loop, written once: every consumer (live view, recording, collection, replay) iterates over it.

Batch first: rows have their own prompt, seed, controls and end; a finished row leaves and a waiting one takes its
place. The loop knows token ids, logits and states. It does not know files, pages, or what a signal is for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from . import cache as caches
from .controls import BIAS_CAP, Control, View, settle
from .fork import Fork, fork_from
from .live import NO_TAPS, Gold, LiveSet, Taps
from .phases import Phase
from .sampling import Sampler, Sampling
from .schema import END, THINK

if TYPE_CHECKING:
    from .directions import Direction
    from .engines.base import Engine
    from .prompt import Prompt

Turn = tuple[str, str, Any]
"""Control, dial and value: how a replay turns the dials as the user did."""


@dataclass
class Request:
    """One row to generate."""

    prompt: Prompt
    sampling: Sampling
    controls: Sequence[Control] = ()
    gold: Gold | None = None
    turns: Mapping[int, Sequence[Turn]] = field(default_factory=dict)
    """Dials to turn by themselves, by token index (for a replay)."""


@dataclass(slots=True)
class Step:
    """One token of one row."""

    row: int
    """Index of the request."""
    token: int
    """Index among the row's generated tokens."""
    token_id: int
    text: str
    segment: int
    forced: bool
    facts: dict[str, Any]
    """Columns of `schema.COLUMNS` by name, one row of each."""
    states: np.ndarray | None
    """(n_sites, d_model) float32, what chose the token; None when nothing is tapped."""
    events: list[dict[str, Any]]
    finished: str | None
    """Why the row ended with this token, or None: "end", "max_tokens", "max_positions"."""


class _Row:
    """A request being generated."""

    def __init__(self, index: int, request: Request, generation: Generation) -> None:
        model = generation.engine.model
        self.index, self.request, self.generation = index, request, generation
        self.phase = Phase(model.thinking, model.end_ids, request.prompt.thinking)
        self.sampler = Sampler(request.sampling, model.vocab_size)
        self.signals = generation.live.row(request.gold)
        self.length = len(request.prompt.ids)
        self.count = 0
        self.forced: deque[int] = deque()
        self.last = -1
        self._half_told: list[int] = []
        self._was_clipped = False

    def choose(self, logits: np.ndarray) -> tuple[int, bool, list[dict[str, Any]], float]:
        """Token, whether it was forced, events, and the overclock strength in force, from (vocab,) untouched logits."""
        events = self._take_turns()
        alpha, forced = 0.0, bool(self.forced)
        if not forced:
            phase = self.phase
            view = View(self.count, phase.thinking_tokens, phase.is_thinking, phase.may_still_think)
            settled = settle(
                [action for control in self.request.controls for action in control.propose(view)],
                self.generation.bias_cap,
            )
            acting = settled.stop or settled.force
            if acting:
                self.forced.extend(settled.force.ids if settled.force else self._closing())
                events.append(self._event(acting.control, "force", acting.value, tokens=len(self.forced)))
                forced = bool(self.forced)
            elif settled.bias is not None:
                alpha = next((c.dials["alpha"].value for c in self.request.controls if c.name == "overclock"), 0.0)
                logits = logits + settled.bias
                if settled.clipped != self._was_clipped:
                    self._was_clipped = settled.clipped
                    value = self.generation.bias_cap if settled.clipped else None
                    events.append(self._event("arbiter", "clip", value))
        token = self.forced.popleft() if forced else self.sampler.choose(logits, self.count)
        return token, forced, events, alpha

    def _take_turns(self) -> list[dict[str, Any]]:
        for name, dial, value in self.request.turns.get(self.count, ()):
            next(control for control in self.request.controls if control.name == name).dials[dial].turn(value)
        return [
            self._event(control.name, "set", dial.value, dial=name)
            for control in self.request.controls
            for name, dial in control.dials.items()
            if dial.take()
        ]

    def _closing(self) -> Sequence[int]:
        """What a stop forces: the closing mark while thinking, the end token afterwards."""
        model = self.generation.engine.model
        if self.phase.is_thinking and model.thinking is not None:
            return model.thinking.close_ids
        return sorted(model.end_ids)[:1]

    def _event(self, control: str, kind: str, value: Any, **more: Any) -> dict[str, Any]:
        return {"token": self.count, "control": control, "kind": kind, "value": value, **more}

    def tell(self, token: int, is_last: bool) -> str:
        """Text of the newest token."""
        return self.generation.engine.model.next_text(self._half_told, token, is_last)

    def read(self, token: int) -> tuple[int, str | None]:
        """Take the token in; returns its segment and why the row ends, if it does."""
        segment = self.phase.read(token)
        self.last = token
        self.count += 1
        limit = self.generation.engine.model.max_positions
        if segment == END:
            return segment, "end"
        if self.count >= self.request.sampling.max_tokens:
            return segment, "max_tokens"
        if limit is not None and self.length + self.count >= limit:
            return segment, "max_positions"
        return segment, None


class Generation:
    """Generates requests, `batch` rows at a time; iterate over it for lists of steps, one per running row."""

    def __init__(
        self,
        engine: Engine,
        requests: Iterable[Request],
        *,
        batch: int = 1,
        taps: Taps = NO_TAPS,
        progress: Direction | None = None,
        bias_cap: float | None = BIAS_CAP,
    ) -> None:
        """Prepare; nothing runs before the first step is asked for.

        Args:
            engine: runs the model.
            requests: what to generate; may be a generator, rows are taken from it as places become free.
            batch: rows generated together.
            taps: what is computed and kept for each token.
            progress: read-out of the model's sense of progress, if there is one.
            bias_cap: largest absolute logit bias of one control (methods.md 33); None for no cap.
        """
        thinking = engine.model.thinking
        self.engine, self.batch, self.bias_cap = engine, batch, bias_cap
        self.live = LiveSet(
            taps,
            engine.model.n_layers,
            close_id=thinking.close_ids[0] if thinking else None,
            progress=progress,
            bank=[one for one in engine.model.directions.values() if one is not progress],
            marker_ids=list(engine.model.single_tokens(taps.markers).values()),
        )
        self._waiting = enumerate(requests)
        self._rows: list[_Row] = []
        self._cache: Any = None  # these three are replaced when the first row is admitted
        self._logits = self._states = torch.empty(0)

    def __iter__(self) -> Generator[list[Step], None, None]:
        """Steps until every request is finished; hooks are gone afterwards, whatever happens."""
        steps: list[Step] = []
        with self.engine.tapping(self.live.sites):
            while steps := self._step(steps):
                yield steps  # outside inference mode, which is the consumer's own affair

    @torch.inference_mode()
    def _step(self, before: list[Step]) -> list[Step]:
        """One token of every row; no steps when all are finished."""
        if before:
            self._keep([place for place, step in enumerate(before) if step.finished is None])
            if self._rows:
                self._advance()
        self._admit()
        return self._choose() if self._rows else []

    def fork(self, row: int, suffix: Sequence[int], max_tokens: int) -> Fork:
        """Try a continuation of a running row, without a trace (methods.md 0.4 FORK); only between two steps.

        Args:
            row: index of the request.
            suffix: tokens to feed after the row's newest one.
            max_tokens: greedy tokens to decode after the suffix.
        """
        place = [running.index for running in self._rows].index(row)
        running = self._rows[place]
        alone = len(self._rows) == 1
        cache = self._cache if alone else caches.copy(self._cache, place)
        pad = 0 if alone else caches.length(cache) - self._kept(running)
        caches.trim_left(cache, pad)
        return fork_from(self.engine, cache, [running.last, *suffix], max_tokens)

    def _kept(self, row: _Row) -> int:
        """Columns of the cache that hold the row's own tokens (the newest token is not among them yet)."""
        return row.length + row.count - 1

    def _admit(self) -> None:
        while len(self._rows) < self.batch:
            waiting = next(self._waiting, None)
            if waiting is None:
                return
            row = _Row(*waiting, self)
            cache = caches.empty()
            ids = torch.tensor([row.request.prompt.ids], device=self.engine.model.device)
            out = self.engine.forward(ids, cache=cache)
            if not self._rows:
                self._cache, self._logits, self._states = cache, out.logits, out.states
            else:
                self._cache = caches.join(self._cache, cache)
                self._logits = torch.cat([self._logits, out.logits])
                self._states = torch.cat([self._states, out.states], dim=1)
            self._rows.append(row)

    def _choose(self) -> list[Step]:
        logits = self._logits.float().cpu().numpy()
        chosen = [row.choose(logits[place]) for place, row in enumerate(self._rows)]
        columns = self.live.of_logits(logits, np.array([token for token, *_ in chosen]))
        states = None
        if len(self._states):
            states = self._states.float().cpu().numpy().transpose(1, 0, 2)
            columns |= self.live.of_states(states)
        steps = []
        for place, (row, (token, forced, events, alpha)) in enumerate(zip(self._rows, chosen, strict=True)):
            count = row.count
            segment, finished = row.read(token)
            facts = {name: values[place] for name, values in columns.items()}
            facts["alpha"] = alpha
            text = row.tell(token, finished is not None)
            if row.signals is not None and states is not None:
                facts |= row.signals.update(states[place][: self.live.n_layers], text, segment == THINK, forced)
            if segment != THINK and "progress" in facts:
                facts["progress"] = np.nan
            own = None if states is None else states[place]
            steps.append(Step(row.index, count, token, text, segment, forced, facts, own, events, finished))
        return steps

    def _keep(self, places: list[int]) -> None:
        """Go on with the rows at these places only."""
        if len(places) == len(self._rows):
            return
        self._rows = [self._rows[place] for place in places]
        if self._rows:
            caches.select(self._cache, places)
            spare = caches.length(self._cache) - max(map(self._kept, self._rows))
            caches.trim_left(self._cache, spare)

    def _advance(self) -> None:
        """Feed the newest token of every row."""
        device = self.engine.model.device
        ids = torch.tensor([[row.last] for row in self._rows], device=device)
        columns = caches.length(self._cache)
        pads = torch.tensor([columns - self._kept(row) for row in self._rows])
        mask = positions = None
        if bool(pads.any()):
            mask = (torch.arange(columns + 1)[None] >= pads[:, None]).long().to(device)
            positions = (columns - pads)[:, None].to(device)
        out = self.engine.forward(ids, cache=self._cache, attention_mask=mask, position_ids=positions)
        self._logits, self._states = out.logits, out.states
