"""The Recordings page: what the library holds, and one of them in the same view as a live run."""

from __future__ import annotations

import html
import time
from pathlib import Path

import streamlit as st

from ....probes import Recording
from ....probes.errors import RecordingError, ThoughtscopeError
from ... import library
from .. import look, state
from ..job import Job
from . import view

QUESTION = "What have I recorded?"
NOTHING = "Nothing yet. Start a run on the Live page and save it, or: <code>thoughtscope record --problem dev-0</code>"
A_PAGE = 30
"""Rows before "Show more"."""


def page() -> None:
    """One recording if the URL names one, else the list."""
    look.without_sidebar()
    chosen = st.query_params.get("recording")
    if chosen is None:
        _list()
    else:
        _one(chosen)


def _list() -> None:
    look.heading(QUESTION)
    running = {job.journal.name for job in _jobs() if job.is_active}
    found = [entry for entry in library.entries() if entry.name not in running]
    st.html(f'<p class="ts-fine">{len(found)} in <code>{html.escape(str(library.folder()))}</code></p>')
    if not found:
        st.html(f'<p class="ts-fine">{NOTHING}</p>')
    shown = st.session_state.setdefault("rows", A_PAGE)
    for entry in found[:shown]:
        _row(entry)
    if len(found) > shown and st.button(f"Show {min(A_PAGE, len(found) - shown)} more"):
        st.session_state["rows"] = shown + A_PAGE
        st.rerun()


def _row(entry: library.Entry) -> None:
    """A line of the list: what was asked, how it ended, when."""
    with st.container(key=f"row {entry.name}", horizontal=True, vertical_alignment="center", gap="medium"):
        title, unreadable = look.plain(entry.title), bool(entry.trouble)
        if st.button(title, key=f"open {entry.name}", type="tertiary", width=120, disabled=unreadable):
            st.query_params["recording"] = entry.name
            st.rerun()
        st.html(f'<p class="ts-asked">{html.escape(entry.trouble or entry.question)}</p>', width="stretch")
        st.html(f'<p class="ts-facts">{_facts(entry)}</p>', width=400)


def _facts(entry: library.Entry) -> str:
    header = entry.header
    parts = [f"{entry.n_tokens} tokens", str(header.get("engine", "")), _ago(entry.modified)]
    if entry.trouble:
        return look.chip("unreadable")
    left = "still running" if _is_going_on(entry.path) else "not saved"
    mark = look.chip(left) if entry.is_journal else look.mark(header.get("correct"))
    return f"{mark} {html.escape(' · '.join(filter(None, parts)))}"


def _one(name: str) -> None:
    try:
        path = library.find(name)
        run = Recording.load(path)
    except RecordingError as error:
        look.heading(QUESTION)
        st.error(look.plain(str(error)))
        _back()
        return
    look.heading(str(run.meta.get("problem") or path.stem), view.verdict(run))
    with st.container(key="transport", horizontal=True, vertical_alignment="center", gap="small"):
        _back()
        st.html(f'<p class="ts-fine">{html.escape(_made(run))}</p>', width="stretch")
        if _is_going_on(path):
            st.html('<p class="ts-fine">This run is still going on. Come back when it has ended.</p>')
        else:
            _acts(run, path)
    try:
        view.show_recording(run, name=name)
    except ThoughtscopeError as error:
        st.error(look.plain(str(error)))


def _jobs() -> list[Job]:
    """The server's runs; a list of its own, since other sessions submit while this one looks."""
    return list(state.worker().jobs.values())


def _is_going_on(path: Path) -> bool:
    """Whether this is the journal of a run that has not ended: one of this server, or one that grew just now."""
    ours = [job for job in _jobs() if job.journal.name == path.name]
    return any(job.is_active for job in ours) if ours else library.is_growing(path)


def _back() -> None:
    if st.button("All recordings", icon=":material/arrow_back:"):
        st.query_params.pop("recording", None)
        st.rerun()


def _acts(run: Recording, path: Path) -> None:
    """What can be done with a file that nobody is writing."""
    try:
        if path.suffix == library.SAVED:
            st.download_button("Download", path.read_bytes, path.name, on_click="ignore", icon=":material/download:")
        else:
            _keep(run, path)
        with st.popover("Delete", icon=":material/delete:"):
            st.write(f"Delete {look.plain(path.name)} for good?")
            if st.button("Yes, delete it", type="primary"):
                library.delete(path.name)
                st.query_params.pop("recording", None)
                st.rerun()
    except RecordingError as error:
        st.error(look.plain(str(error)))


def _keep(run: Recording, journal: Path) -> None:
    """Turn what was recovered from a journal into a recording."""
    if st.button("Save", icon=":material/download:", help="It was not saved: this is what its journal still has"):
        saved = run.save(journal.with_suffix(library.SAVED))
        journal.unlink(missing_ok=True)
        st.query_params["recording"] = saved.name
        st.rerun()


def _made(run: Recording) -> str:
    sampling, model = run.meta.get("sampling", {}), run.meta.get("model", {})
    drawn = f"seed {sampling.get('seed')} · temperature {sampling.get('temperature')}"
    return " · ".join(str(part) for part in (model.get("name"), run.meta.get("engine"), drawn) if part)


def _ago(seconds: float) -> str:
    passed = max(0.0, time.time() - seconds)
    for length, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if passed >= length:
            count = int(passed // length)
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"
