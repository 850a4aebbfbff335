"""The pages as Streamlit runs them, without a browser: what of a file gets into labels and messages, and how."""

from __future__ import annotations

import html
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from thoughtscope.app.dashboard import look, state
from thoughtscope.app.dashboard.job import Ask, Job
from thoughtscope.probes.recording import Recording
from thoughtscope.probes.store import Journal

IMAGE = "![x](http://evil.example/a.png)"
HARMLESS = r"\!\[x\]\(http\:\/\/evil\.example\/a\.png\)"
META = {
    "format_version": 1,
    "model": {"name": "tiny", "n_layers": 1, "d_model": 4},
    "prompt": {"text": "How many?"},
    "events": [],
    "token_texts": ["a", "b"],
    "problem": IMAGE,
}
ROWS = {"token_id": np.array([1, 2], np.int32)}


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch, own_library: Path) -> dict[str, Any]:
    """The runs of a server without a model."""
    owner = SimpleNamespace(jobs={}, model=None, trouble=None, ref="tiny")
    monkeypatch.setattr(state, "worker", lambda: owner)
    return owner.jobs


def opened(recording: str | None = None) -> AppTest:
    """The Recordings page, as its address is opened."""

    def script() -> None:
        from thoughtscope.app.dashboard.views import recordings

        recordings.page()

    page = AppTest.from_function(script, default_timeout=30)
    if recording is not None:
        page.query_params["recording"] = recording
    page.run()
    assert not page.exception
    return page


def journal(path: Path, age: float) -> Path:
    """A journal of 2 tokens, last written `age` seconds ago."""
    written = Journal(path)
    written.append(ROWS, META)
    written.close()
    os.utime(path, (time.time() - age,) * 2)
    return path


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (IMAGE, HARMLESS),
        ("dev-1", r"dev\-1"),
        (":material/home: $x$ :red[y]", r"\:material\/home\: \$x\$ \:red\[y\]"),
        ("a\n\n# b\n    c", r"a \# b c"),
        ("zwölf", "zwölf"),
    ],
)
def test_plain_text_is_no_markdown(text: str, shown: str) -> None:
    """Images, directives, formulas and headings of a file became Markdown: every punctuation mark has a backslash."""
    assert look.plain(text) == shown


def test_a_title_from_a_file_is_no_markdown(jobs: dict[str, Any], own_library: Path) -> None:
    """The problem's id in a recording could make the browser fetch an image from anywhere: the label is escaped."""
    Recording(META, ROWS).save(own_library / "run.safetensors")
    page = opened()
    assert page.button[0].label == HARMLESS


def test_names_in_messages_are_no_markdown(jobs: dict[str, Any], own_library: Path) -> None:
    """A file name in "Delete ... for good?" and the library's error message were Markdown: both are escaped."""
    Recording(META, ROWS).save(own_library / "![x](a).safetensors")
    page = opened("![x](a).safetensors")
    assert r"Delete \!\[x\]\(a\)\.safetensors for good?" in [text.value for text in page.markdown]
    (error,) = opened(IMAGE).error
    assert HARMLESS.split("http")[0] in error.value
    assert IMAGE not in error.value


def buttons(page: AppTest) -> set[str]:
    return {button.label for button in page.button}


def test_a_journal_that_is_being_written_can_only_be_looked_at(jobs: dict[str, Any], own_library: Path) -> None:
    """The journal of a run on the command line could be saved and deleted under it; a minute later it may be."""
    path = journal(own_library / "run.journal", age=2)
    assert buttons(opened(path.name)) == {"All recordings"}
    assert any("still running" in html.unescape(element.proto.body) for element in opened().get("html"))
    journal(path, age=60)
    assert buttons(opened(path.name)) == {"All recordings", "Save", "Yes, delete it"}


def test_the_journal_of_a_run_of_this_server_is_left_alone(jobs: dict[str, Any], own_library: Path) -> None:
    """Its address offered Save and Delete, however long the run was paused; once it has ended both are there."""
    job = Job(Ask("How many?"))
    path = journal(job.journal, age=60)
    jobs[job.id] = job
    assert buttons(opened(path.name)) == {"All recordings"}
    job.finish()
    assert buttons(opened(path.name)) == {"All recordings", "Save", "Yes, delete it"}


def test_a_run_submitted_while_the_list_is_made(jobs: dict[str, Any], own_library: Path) -> None:
    """It was "dictionary changed size during iteration"; the list is shown."""

    class Intruder:
        id, journal = "intruder", Path("other.journal")

        @property
        def is_active(self) -> bool:
            jobs[f"new {len(jobs)}"] = Job(Ask("How many?"))
            return True

    jobs["intruder"] = Intruder()
    opened()
