"""Traces of the bundled model, many at once, and what is counted on each: length, convergence, redundant checking."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...probes.answers import equivalent, extract
from ...probes.controls import Control
from ...probes.engines import Engine
from ...probes.generate import Generation, Request
from ...probes.live import NO_TAPS, Taps
from ...probes.prompt import render
from ...probes.sampling import Sampling
from ...probes.schema import THINK
from ..problems import Problem


@dataclass
class Trace:
    """One generation about one problem."""

    problem: Problem
    sample: int
    ids: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    segments: list[int] = field(default_factory=list)
    states: list[np.ndarray] = field(default_factory=list)
    """Of thinking tokens, closing mark included: (n_sites, d_model) each."""
    finished: str | None = None

    @property
    def thinking(self) -> list[str]:
        """Texts of the thinking tokens, the closing mark included."""
        return [text for text, segment in zip(self.texts, self.segments, strict=True) if segment == THINK]

    @property
    def answer(self) -> str | None:
        """What was answered after the thinking."""
        return extract("".join(t for t, s in zip(self.texts, self.segments, strict=True) if s != THINK))

    @property
    def correct(self) -> bool:
        """Whether the answer is right."""
        return equivalent(self.answer, str(self.problem.answer)) is True

    @property
    def ended(self) -> bool:
        """Whether the model ended by itself within the limit."""
        return self.finished == "end"

    def converged_at(self) -> int | None:
        """Index of the first thinking token that states the final answer, such that no later statement differs.

        A statement is a number after the target's record mark ("Ava:") or after "the answer is". None where the final
        answer is never stated in the thinking.
        """
        words = [text.strip() for text in self.thinking]
        stated = [
            (at, words[at])
            for at in range(2, len(words))
            if words[at].isdigit()
            and (words[at - 1] == f"{self.problem.target}:" or words[at - 2 : at] == ["answer", "is"])
        ]
        first = None
        for at, value in reversed(stated):
            if value != self.answer:
                break
            first = at
        return first

    def redundant_tokens(self) -> int:
        """Tokens on lines that check or repeat, after the first line that states the answer."""
        count, answered = 0, False
        for line in "".join(self.thinking).splitlines():
            words = line.replace(".", " .").replace(",", " ,").split()
            if answered:
                count += len(words) + 1
            answered = answered or "the answer is" in line
        return count


def run_problems(
    engine: Engine,
    asked: Sequence[Problem],
    *,
    samples: int = 1,
    temperature: float = 0.0,
    max_tokens: int = 700,
    batch: int = 32,
    controls: Callable[[], list[Control]] = list,
    sites: Sequence[str] = (),
    say: str = "",
) -> list[Trace]:
    """All problems, `samples` times each with seeds 0, 1, ...; traces in order of problem, then sample."""
    traces = [Trace(problem, sample) for problem in asked for sample in range(samples)]

    def request(trace: Trace) -> Request:
        bound = controls()
        for control in bound:
            control.bind(engine.model)
        sampling = Sampling(temperature, seed=trace.sample, max_tokens=max_tokens)
        return Request(render(engine.model, trace.problem.text), sampling, bound)

    taps = Taps(logits=False, blocks=False, states=tuple(sites)) if sites else NO_TAPS
    generation = Generation(engine, map(request, traces), batch=batch, taps=taps)
    kept = [generation.live.sites.index(site) for site in sites]
    began, tokens, done = time.perf_counter(), 0, 0
    for steps in generation:
        for step in steps:
            trace = traces[step.row]
            trace.ids.append(step.token_id)
            trace.texts.append(step.text)
            trace.segments.append(step.segment)
            if kept and step.segment == THINK and step.states is not None:
                trace.states.append(step.states[kept].copy())
            trace.finished = step.finished
            done += step.finished is not None
        tokens += len(steps)
        if say and tokens % 512 < len(steps):
            rate = tokens / (time.perf_counter() - began)
            sys.stderr.write(f"\r{say}: {done} of {len(traces)} traces, {rate:,.0f} tokens/s   ")
            sys.stderr.flush()
    if say:
        sys.stderr.write("\n")
    return traces


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean, rounded for a table; NaN of nothing."""
    return round(float(np.mean(values)), 4) if len(values) else float("nan")


def summary(traces: Sequence[Trace]) -> dict[str, float]:
    """Correct, answered and ended as shares, and mean thinking tokens."""
    return {
        "accuracy": mean([trace.correct for trace in traces]),
        "answered": mean([trace.answer is not None for trace in traces]),
        "ended": mean([trace.ended for trace in traces]),
        "thinking_tokens": round(float(np.mean([len(trace.thinking) for trace in traces])), 1),
    }
