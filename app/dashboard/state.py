"""What pages share: the server's worker, the run that a browser looks at, and the form that outlives a page.

The run's id is in the URL (`?run=...`), so a reload finds the generation again; losing the rest of a session costs
nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from ..traceview import TraceFeed
from .job import Ask, Job
from .worker import Worker

__all__ = ["FORM", "Screen", "current_job", "keep_form", "look_at", "screen", "worker"]

FORM: Mapping[str, Any] = {
    "source": "Bundled problem",
    "problem": "dev-1",
    "text": "",
    "answer": "",
    "seed": 0,
    "temperature": 0.6,
    "max_tokens": 700,
    "budget": None,
    "engine": "native",
    "pace": "Reading",
    "alpha": 0.0,
}
"""Keys of the form on the Live page, with what they begin at."""


@dataclass
class Screen:
    """What the server remembers of one browser's live view."""

    feed: TraceFeed = field(default_factory=TraceFeed)
    payload: bytes = b""
    shown: tuple[Any, ...] = ()
    """Of which run, how many tokens, and in which state the payload is."""
    due: float = 0.0
    """When the next payload may be made; it waits longer where one takes long."""


def worker() -> Worker:
    """The server's worker for the model that the command line named."""
    return _worker(os.environ.get("THOUGHTSCOPE_MODEL", "sample"))


@st.cache_resource(show_spinner=False, max_entries=2, on_release=lambda worker: worker.close())
def _worker(ref: str) -> Worker:
    return Worker(ref)


def screen() -> Screen:
    """This session's live view."""
    return st.session_state.setdefault("screen", Screen())


def current_job(owner: Worker) -> Job | None:
    """The run in the URL, or the one this session looked at before it went to another page."""
    asked = st.query_params.get("run") or st.session_state.get("run")
    job = owner.jobs.get(asked) if asked else None
    if job is None:
        st.query_params.pop("run", None)
        return None
    look_at(job)
    return job


def look_at(job: Job) -> None:
    """Make `job` the run that this browser shows."""
    st.session_state["run"] = job.id
    if st.query_params.get("run") != job.id:
        st.query_params["run"] = job.id


def keep_form(job: Job | None, defaults: Mapping[str, Any]) -> None:
    """Fill the form: with what was asked for `job` in a new session, else with defaults; then keep it across pages."""
    fresh = "seed" not in st.session_state
    said = {**FORM, **defaults, **(_asked(job.ask) if fresh and job else {})}
    for key, value in said.items():
        st.session_state[key] = st.session_state.get(key, value)  # assigning keeps the key of a widget not on this page


def _asked(ask: Ask) -> dict[str, Any]:
    names = ("seed", "temperature", "max_tokens", "budget", "engine", "alpha")
    asked = {name: getattr(ask, name) for name in names}
    if ask.problem is not None:
        return {**asked, "problem": ask.problem}
    return {**asked, "source": "Your own", "text": ask.text, "answer": ask.answer or ""}
