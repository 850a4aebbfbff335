"""The server's worker: runs are found by id, steered from other threads, saved, and outlived by the thread."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from thoughtscope.app.dashboard.job import Ask, Job
from thoughtscope.app.dashboard.worker import KEPT, Worker
from thoughtscope.probes import Recording, Run
from thoughtscope.probes.directions import Direction
from thoughtscope.probes.errors import ModelError, WorkError
from thoughtscope.sample_data import MODEL_FOLDER, problems

TEXT = problems("dev", 1)[0].text


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker on the bundled model, with a random direction to overclock along."""
    folder = Path(shutil.copytree(MODEL_FOLDER, tmp_path_factory.mktemp("worker") / "model"))
    weight = np.random.default_rng(0).standard_normal(160) * 0.02
    Direction.bare("overclock", "ln_final.hook_out", weight, {}).save(folder / "directions" / "overclock.safetensors")
    owner = Worker(str(folder))
    yield owner
    owner.close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("THOUGHTSCOPE_HOME", str(tmp_path))
    return tmp_path


def wait(question: Callable[[], object], what: str, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < until, f"waited {seconds} s in vain for {what}"
        time.sleep(0.01)


def ended(job: Job) -> Job:
    wait(lambda: not job.is_active, "the end of a run")
    return job


def test_a_run_is_made_saved_and_opens(worker: Worker, home: Path) -> None:
    """Submitting returns at once; the finished run of at most 40 tokens is judged, and saving replaces its journal."""
    job = worker.submit(Ask(TEXT, problem="dev-0", max_tokens=40))
    assert worker.jobs[job.id] is job
    assert ended(job).state == "finished"
    assert job.journal.exists()
    saved = job.save()
    assert saved.parent == home
    assert not job.journal.exists()
    run = Recording.load(saved)
    assert 0 < run.n_tokens <= 40
    assert run.meta["problem"] == "dev-0"
    assert run.meta["correct"] in (True, False)
    assert run.has("dependence")
    assert job.save() == saved


def test_the_snapshot_grows_with_the_run_and_agrees_with_the_recording(worker: Worker) -> None:
    """Whenever it is taken, columns and texts have one length; at the end each column equals the recording's."""
    job = worker.submit(Ask(TEXT, problem="dev-0", max_tokens=60, pace=200))
    wait(lambda: job.run, "the run")
    lengths = []
    while job.is_active:
        lengths.append(job.snapshot().n_tokens)
    assert lengths == sorted(lengths)
    assert job.run is not None
    snapshot, whole = job.snapshot(), job.run.recording()
    assert "states" not in snapshot.columns
    assert snapshot.meta["answer"] == whole.meta["answer"]
    for name, values in snapshot.columns.items():
        np.testing.assert_array_equal(values, whole.columns[name], err_msg=name)


def test_dials_act_in_mid_run_and_before_it(worker: Worker) -> None:
    """Turned while waiting: a "set" event at token 0. Turned while paused: one at the first token after the pause."""
    first = worker.submit(Ask(TEXT, max_tokens=30, pace=100))
    job = worker.submit(Ask(TEXT, max_tokens=30, pace=100))
    assert job.state == "waiting"
    job.turn("budget", "tokens", 20)
    ended(first)
    wait(lambda: job.run and len(job.run.collected) >= 4, "4 tokens")
    job.pause()
    assert job.state == "paused"
    time.sleep(0.2)  # the token under way when the pause came may still be told
    held = len(job.snapshot().tokens)
    job.turn("overclock", "alpha", 2.0)
    job.resume()
    ended(job)
    turned = {event["dial"]: event["token"] for event in job.snapshot().events if event["kind"] == "set"}
    assert turned == {"tokens": 0, "alpha": held}


def test_stop_closes_the_thinking(worker: Worker) -> None:
    """The next token after a stop is forced by it, and what follows is the answer."""
    job = worker.submit(Ask(TEXT, max_tokens=200, pace=100))
    wait(lambda: job.run and len(job.run.collected) >= 4, "4 tokens")
    assert not job.is_answering
    job.stop()
    wait(lambda: job.is_answering or not job.is_active, "the answer")
    job.set_pace(None)
    ended(job)
    assert any(event["control"] == "stop" and event["kind"] == "force" for event in job.snapshot().events)


@pytest.mark.parametrize("answer", [False, True])
def test_stop_says_what_the_page_showed(answer: bool) -> None:
    """A click on "Stop thinking" just as the thinking closed ended the answer; the run is told which one was meant."""
    job, told = Job(Ask(TEXT)), []
    job.run = SimpleNamespace(stop=lambda answer: told.append(answer))  # type: ignore[assignment]
    job.stop(answer=answer)
    assert told == [answer]


def test_pace_holds_the_run_back(worker: Worker) -> None:
    """20 tokens at 40 a second take at least 19 / 40 s of wall time, however fast the model is."""
    began = time.monotonic()
    job = ended(worker.submit(Ask(TEXT, max_tokens=20, pace=40)))
    assert time.monotonic() - began >= (job.snapshot().n_tokens - 1) / 40


def test_an_error_is_said_and_the_worker_goes_on(worker: Worker) -> None:
    """An unknown word fails its run, by name; an unknown engine too; the run after them works."""
    word = worker.submit(Ask("Ava has 3 zeppelins. How many zeppelins does Ava have?"))
    engine = worker.submit(Ask(TEXT, engine="steam"))
    fine = worker.submit(Ask(TEXT, max_tokens=4))
    assert "zeppelins" in str(ended(word).error)
    assert "steam" in str(ended(engine).error)
    assert (word.state, engine.state, ended(fine).state) == ("failed", "failed", "finished")
    with pytest.raises(WorkError, match="failed"):
        word.save()


def test_speed_is_measured_once_asked_for(worker: Worker) -> None:
    """No number before; a positive one after, for each of the two engines; "steam" gets a reason instead."""
    assert "transformer_lens" not in worker.speeds
    for engine in ("native", "transformer_lens", "steam"):
        worker.want_speed(engine)
    wait(lambda: "steam" in worker.engine_troubles, "the measurements")
    assert set(worker.speeds) == {"native", "transformer_lens"}
    assert min(worker.speeds.values()) > 0


def test_speed_is_measured_with_every_signal_on(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says so, but the dependence on the answer was off: each measured run has gold states and their null."""
    made: list[Run] = []

    def remembered(*given, **settings) -> Run:
        made.append(Run(*given, **settings))
        return made[-1]

    monkeypatch.setattr("thoughtscope.probes.Run", remembered)
    worker._measure("native")
    assert made
    assert all(run.gold is not None and "dependence" in run.recording().columns for run in made)


def test_close_begins_nothing_that_waits() -> None:
    """Runs that waited went on, one after the other, after the worker was closed: of three, two have no token."""
    owner = Worker("sample")
    first, *waiting = [owner.submit(Ask(TEXT, max_tokens=400, pace=20)) for _ in range(3)]
    wait(lambda: first.run and len(first.run.collected) >= 2, "2 tokens")
    owner.close()
    assert not owner._thread.is_alive()
    assert first.state == "finished"
    assert [(job.state, job.run) for job in waiting] == [("failed", None)] * 2
    assert owner.submit(Ask(TEXT)).state == "failed"


def test_sessions_submit_at_the_same_time() -> None:
    """It was "dictionary changed size during iteration": another session submits while old runs are counted."""
    owner = Worker("nowhere", lambda ref: None)  # type: ignore[arg-type, return-value]

    class Intruder:
        id, journal, saved = "intruder", Path("nothing.journal"), None

        @property
        def is_active(self) -> bool:
            owner.jobs[f"new {len(owner.jobs)}"] = Job(Ask(TEXT))
            return True

    owner.jobs["intruder"] = Intruder()  # type: ignore[assignment]
    job = owner.submit(Ask(TEXT))
    assert owner.jobs[job.id] is job
    del owner.jobs["intruder"]
    owner.close()


def test_old_unsaved_runs_are_forgotten(worker: Worker) -> None:
    """After KEPT more runs the first is gone, and so is its journal; a saved one stays on disk."""
    first, saved = (ended(worker.submit(Ask(TEXT, max_tokens=2))) for _ in range(2))
    saved.save()
    *_, last = [ended(worker.submit(Ask(TEXT, max_tokens=2))) for _ in range(KEPT)]
    assert first.id not in worker.jobs
    assert not first.journal.exists()
    assert saved.path.exists()
    assert last.journal.exists()
    assert len(worker.jobs) == KEPT


def test_runs_asked_for_at_once_have_their_own_files(worker: Worker) -> None:
    """Two runs of one question in one second: two journals, and two saved files."""
    pair = [worker.submit(Ask(TEXT, max_tokens=2)) for _ in range(2)]
    assert len({ended(job).save() for job in pair}) == 2


def test_a_model_that_cannot_be_loaded_is_said() -> None:
    """The reason is on the worker, and a run submitted all the same fails with it."""

    def load(ref: str) -> None:
        raise ModelError(f"no model {ref}")

    owner = Worker("nowhere", load)  # type: ignore[arg-type]
    job = ended(owner.submit(Ask(TEXT)))
    assert owner.trouble == job.error == "no model nowhere"
    owner.close()
