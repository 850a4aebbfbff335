"""The Live page: ask, watch, take the wheel."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import streamlit as st

from ....analysis import CATALOGUE
from ....probes.engines import ENGINES
from ....probes.errors import ThoughtscopeError, WorkError
from ....sample_data import find_problem, problems
from .. import look, state
from ..job import Ask, Job
from ..worker import Worker
from . import view

QUESTION = "What is it thinking now, and should it go on?"
PACES: Mapping[str, float | None] = {"Reading": 12.0, "Brisk": 40.0, "Full": None}
"""Most tokens per second."""
OFFERED = 40
EXAMPLE = "Ava has 3 apples. Tom has twice as many apples as Ava. How many apples does Tom have?"
REFRESH = 0.12
"""Seconds between two looks at a running generation."""
ALPHA_RANGE = (-20.0, 40.0)
EXPECT = "Beneath the text comes a strip for each signal, with the band that a trivial explanation would produce."
KEY = "trace"


def page() -> None:
    """Everything on the page, once a rerun; only the view below goes on by itself."""
    owner = state.worker()
    job = state.current_job(owner)
    model = owner.model
    state.keep_form(job, {"temperature": model.sampling_defaults()["temperature"]} if model else {})
    with st.sidebar:
        ask = _form(owner, job)
    done = job is not None and job.state == "finished"
    look.heading(QUESTION, view.verdict(job.snapshot()) if job and done else "")
    _transport(owner, job, ask)
    if owner.trouble:
        st.error(look.plain(owner.trouble))
    elif job is not None and job.error:
        st.error(look.plain(job.error))
    active = owner.trouble is None and (model is None or (job is not None and job.is_active) or _awaits_speed(owner))
    seen = _seen(owner, job)
    st.fragment(_watch, run_every=REFRESH if active else None, key="watch")(owner, job, ask, seen)


def _watch(owner: Worker, job: Job | None, ask: Ask, seen: tuple[Any, ...]) -> None:
    """The view; when more than its tokens has changed, the whole page is made again."""
    if job is not None and not (job.error and job.run is None):
        view.show_job(job, state.screen(), key=KEY)
    elif owner.model is None and owner.trouble is None:
        view.question_only(ask.text, f"loading {owner.ref}, {time.monotonic() - owner.began:.0f} s", key=KEY)
    else:
        view.question_only(ask.text, "ready", key=KEY)
        _expect()
    if _seen(owner, job) != seen:
        st.rerun(scope="app")


def _seen(owner: Worker, job: Job | None) -> tuple[Any, ...]:
    """What the page around the view depends on."""
    running = (job.id, job.state, job.is_answering, job.saved) if job else ()
    return owner.model is not None, owner.trouble, tuple(owner.speeds), tuple(owner.engine_troubles), running


def _awaits_speed(owner: Worker) -> bool:
    engine = st.session_state["engine"]
    return engine not in owner.speeds and engine not in owner.engine_troubles


def _expect() -> None:
    """What will be on the screen, in the catalogue's words."""
    lines = "".join(
        f"<li><b>{entry.title}</b><span>{entry.meaning}<br><small>{entry.not_this}</small></span></li>"
        for entry in CATALOGUE.values()
    )
    st.html(f'<section class="ts-expect"><p>{EXPECT}</p><ul>{lines}</ul></section>')


def _form(owner: Worker, job: Job | None) -> Ask:
    """What to ask and how; returns it as it stands."""
    look.wordmark(owner.model.name if owner.model else owner.ref)
    source = st.segmented_control(
        "Question",
        ["Bundled problem", "Your own"],
        key="source",
        required=True,
        width="stretch",
        label_visibility="collapsed",
    )
    if source == "Your own":
        st.text_area("Question", key="text", height=118, placeholder=EXAMPLE, label_visibility="collapsed")
        st.text_input("Right answer, if you know it", key="answer")
    else:
        choices = [problem.id for problem in problems("dev", OFFERED)]
        if st.session_state["problem"] not in choices:
            choices.insert(0, st.session_state["problem"])
        st.selectbox("Problem", choices, key="problem", format_func=_problem_label, label_visibility="collapsed")
    left, right = st.columns(2)
    left.number_input("Seed", 0, 2**31 - 1, key="seed", step=1)
    right.number_input("Temperature", 0.0, 10.0, key="temperature", step=0.1, format="%.2f", help="0 is greedy")
    left.number_input("Token limit", 1, 32_768, key="max_tokens", step=50)
    right.number_input(
        "Thinking limit", 0, 32_768, value=None, key="budget", step=10, placeholder="none", on_change=_turn_budget,
        args=(job,), help="Close the thinking after this many tokens; acts in mid-run too",
    )  # fmt: skip
    engine = st.radio(
        "Engine",
        ENGINES,
        key="engine",
        captions=[look.plain(_speed(owner, name)) for name in ENGINES],
        help="Measured here, with every signal on",
    )
    owner.want_speed(engine)
    st.segmented_control(
        "Pace",
        list(PACES),
        key="pace",
        required=True,
        width="stretch",
        on_change=_turn_pace,
        args=(job,),
        help="Reading 12, brisk 40 tokens per second, or as fast as it goes",
    )
    return _asked()


def _problem_label(problem_id: str) -> str:
    problem = find_problem(problem_id)
    return f"{problem.id} · {problem.steps} steps · {problem.item}"


def _speed(owner: Worker, engine: str) -> str:
    if engine in owner.engine_troubles:
        return owner.engine_troubles[engine]
    if engine in owner.speeds:
        return f"{owner.speeds[engine]:.0f} tokens/s measured"
    return "measuring …" if engine in owner.asked_speed else "not measured yet"


def _transport(owner: Worker, job: Job | None, ask: Ask) -> None:
    """Start, pause, stop, save, and the overclock."""
    with st.container(key="transport", horizontal=True, vertical_alignment="bottom", gap="small"):
        active = job if job is not None and job.is_active else None
        if active is None:
            st.button(
                "Start", type="primary", icon=":material/play_arrow:", width=112, disabled=bool(owner.trouble),
                on_click=_start, args=(owner,),
            )  # fmt: skip
        elif active.state == "paused":
            st.button("Resume", type="primary", icon=":material/play_arrow:", width=112, on_click=active.resume)
        else:
            begun = active.state != "waiting"
            st.button("Pause", icon=":material/pause:", width=112, on_click=active.pause, disabled=not begun)
        answering = active is not None and active.is_answering
        st.button(
            "End answer" if answering else "Stop thinking",
            icon=":material/stop:",
            width=150,
            on_click=active.stop if active else None,
            kwargs={"answer": answering},  # what was on screen when it was clicked, whatever has been said since
            disabled=active is None or active.state == "waiting",
        )
        _save(job)
        _overclock(owner, job)


def _start(owner: Worker) -> None:
    """Before the page is made again, so that no other reason to make it again can swallow the click."""
    state.look_at(owner.submit(_asked()))


def _asked() -> Ask:
    """The form as it stands, from its keys."""
    kept = st.session_state
    drawn = {name: kept[name] for name in ("engine", "seed", "temperature", "max_tokens", "budget", "alpha")}
    pace = PACES[kept["pace"] or "Full"]
    if kept["source"] == "Your own":
        return Ask(kept.get("text") or "", answer=(kept.get("answer") or "").strip() or None, pace=pace, **drawn)
    return Ask(find_problem(kept["problem"]).text, problem=kept["problem"], pace=pace, **drawn)


def _save(job: Job | None) -> None:
    if job is not None and job.saved:
        st.button("Saved", icon=":material/check:", width=104, disabled=True, help=look.plain(job.saved.name))
    elif (
        st.button("Save", icon=":material/download:", width=104, disabled=job is None or job.state != "finished")
        and job
    ):
        try:
            job.save()
        except (ThoughtscopeError, WorkError) as error:
            st.error(look.plain(str(error)))
        else:
            st.rerun()


def _overclock(owner: Worker, job: Job | None) -> None:
    """The strength of the overclock: where a run begins, and a dial while it goes on."""
    direction = owner.model.directions.get("overclock") if owner.model else None
    reason = "the model is loading" if owner.model is None else "no fitted direction"
    ends = direction.provenance.get("alpha_range") if direction else None
    low, high = map(float, ends or ALPHA_RANGE)
    st.session_state["alpha"] = min(high, max(low, float(st.session_state["alpha"])))
    st.slider(
        "Overclock α" if direction else f"Overclock α ({reason})",
        low, high, key="alpha", step=1.0 if high - low >= 20 else (high - low) / 40, format="%g",
        on_change=_turn_alpha, args=(job,), disabled=direction is None,
        help="Above 0 hurries the thinking, below 0 draws it out; acts at the next token",
    )  # fmt: skip


def _turn_alpha(job: Job | None) -> None:
    if job is not None and job.is_active:
        job.turn("overclock", "alpha", float(st.session_state["alpha"]))


def _turn_budget(job: Job | None) -> None:
    if job is not None and job.is_active:
        job.turn("budget", "tokens", st.session_state["budget"])


def _turn_pace(job: Job | None) -> None:
    if job is not None:
        job.set_pace(PACES[st.session_state["pace"]])
