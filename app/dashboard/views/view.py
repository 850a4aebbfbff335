"""A run in TraceView, live or from a file: the one view that both pages show."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import streamlit as st

from ....analysis import Signal, measure
from ....probes import Recording
from ...traceview import pack, pack_recording
from .. import look
from ..job import Job
from ..state import Screen
from ..widget import trace_view

__all__ = ["question_only", "show_job", "show_recording", "verdict"]

PATIENCE = 4.0
"""A payload that takes t seconds to make is followed by at least this many times t without another."""


def show_recording(run: Recording, *, name: str) -> None:
    """A finished run."""
    signals = measure(run)
    trace_view(pack_recording(run, signals, name=name, state="finished"), key=f"trace {name}")


def show_job(job: Job, screen: Screen, *, key: str) -> None:
    """A run that the server holds, as far as it is now; only what is new is sent."""
    kept: Any = st.session_state.get(key) or {}
    missing = kept.get("missing")
    count, state = len(job.run.collected) if job.run else 0, job.state
    now = (job.id, count, state, missing and missing["at"])
    moment = time.monotonic()
    urgent = screen.shown[:1] != (job.id,) or not job.is_active
    if now != screen.shown and (urgent or moment >= screen.due) and job.run is not None:
        run = job.snapshot()
        signals = measure(run)
        start = screen.feed.start(job.id, run.n_tokens, missing) if job.is_active else 0
        screen.payload = pack_recording(
            run,
            signals,
            name=job.id,
            began=job.began,
            state="running" if state == "running" else "finished" if state in ("finished", "failed") else state,
            note=str(run.meta.get("stop_reason") or "") if state == "finished" else "",
            start=start,
            seq=screen.feed.seq,
            remaining=_remaining(signals),
        )
        screen.shown, screen.due = now, time.monotonic() + PATIENCE * (time.monotonic() - moment)
    trace_view(screen.payload or question_payload(job.ask.text, "waiting"), key=key)


def question_only(text: str, state: str, *, key: str) -> None:
    """A question that has not been asked yet."""
    trace_view(question_payload(text, state), key=key)


def question_payload(text: str, state: str) -> bytes:
    """A run without tokens."""
    return pack([], {}, run=f"{state} {text}", columns={}, prompt=text, state=state)


def verdict(run: Recording) -> str:
    """What the run answered, as a chip."""
    return look.verdict(run.meta.get("answer"), run.meta.get("gold"), run.meta.get("correct"))


def _remaining(signals: dict[str, Signal]) -> float | None:
    """Thinking tokens left, as the newest token predicts."""
    left = signals["progress"].parts.get("remaining") if "progress" in signals else None
    known = left[np.isfinite(left)] if left is not None else np.empty(0)
    return float(known[-1]) if len(known) else None
