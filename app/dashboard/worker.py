"""Generations that belong to the server: asked for by a page, run one at a time in a thread, found again by id.

A `Worker` owns one model. It loads it, opens engines, measures how fast they decode, and runs `Job`s; a page that is
reloaded or closed takes nothing with it. Nothing here knows Streamlit, and nothing here knows a formula.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...probes.errors import ThoughtscopeError, WorkError
from ...probes.recording import Recording
from ...probes.schema import THINK
from ...sample_data import find_problem, other_solutions, problems, solution
from .. import library

if TYPE_CHECKING:
    from ...probes import Model, Run
    from ...probes.engines import Engine

__all__ = ["Ask", "Job", "Worker"]

KEPT = 8
"""Finished runs that stay in memory; older ones go, and the journals of those that were not saved with them."""
WARM, MEASURED, LONGEST = 8, 24, 5.0
"""Speed is measured over MEASURED tokens after WARM ones, in LONGEST seconds at most."""
SWITCH = 0.0005
"""Seconds a thread may hold the interpreter. A forward pass lets go of it hundreds of times, and with Python's 5 ms each
return may wait that long for a page that is being made: measured here 4 instead of 200 tokens per second."""
OTHERS = 8
"""Answers of other problems that make the null of a typed question."""


@dataclass(frozen=True)
class Ask:
    """What a page asks for."""

    text: str
    problem: str | None = None
    """Id of a bundled problem; its worked solution is then known."""
    answer: str | None = None
    """The right answer of a typed question, if the user knows it."""
    engine: str = "native"
    seed: int = 0
    temperature: float = 0.6
    max_tokens: int = 700
    budget: int | None = None
    """Close the thinking after this many tokens."""
    alpha: float = 0.0
    """Overclock at the start; ignored where the model has no direction for it."""
    pace: float | None = None
    """Most tokens per second; None for as fast as it goes."""


class Job:
    """One generation: waiting, running, paused, finished or failed. Any thread may call any method."""

    def __init__(self, ask: Ask) -> None:
        """Wait for the worker."""
        self.id = uuid.uuid4().hex[:12]
        self.ask = ask
        self.path: Path = library.new_path(ask.problem or ask.text)
        """Where it is saved when the user says so; the journal lies beside."""
        self.saved: Path | None = None
        self.error: str | None = None
        self.run: Run | None = None
        self.began = float("nan")
        """Wall clock when the generation began, in seconds since 1970."""
        self._done = False
        self._pace = ask.pace
        self._early: list[tuple[str, str, Any]] = []
        self._lock = threading.Lock()
        self._columns: dict[str, np.ndarray] = {}
        self._header: dict[str, Any] = {}

    @property
    def state(self) -> str:
        """One of "waiting", "running", "paused", "finished", "failed"."""
        if self.error is not None:
            return "failed"
        if self._done:
            return "finished"
        if self.run is None:
            return "waiting"
        return "paused" if self.run.is_paused else "running"

    @property
    def is_active(self) -> bool:
        """Whether anything may still happen."""
        return self.state in ("waiting", "running", "paused")

    @property
    def is_answering(self) -> bool:
        """Whether the newest token lies outside the thinking."""
        step = self.run.collected if self.run else None
        return step is not None and len(step) > 0 and step.columns(len(step) - 1)["segment"][-1] != THINK

    @property
    def journal(self) -> Path:
        """What is on disk until the run is saved."""
        return self.path.with_suffix(library.JOURNAL)

    def turn(self, control: str, dial: str, value: Any) -> None:
        """Turn a dial of a control; it acts at the next token that is not yet computed."""
        with self._lock:
            if self.run is None:
                self._early.append((control, dial, value))
                return
        self.run.turn(control, dial, value)

    def set_pace(self, pace: float | None) -> None:
        """Change the most tokens per second."""
        with self._lock:
            self._pace = pace
            if self.run is not None:
                self.run.pace = pace

    def pause(self) -> None:
        """Hold before the next token."""
        if self.run is not None:
            self.run.pause()

    def resume(self) -> None:
        """Go on."""
        if self.run is not None:
            self.run.resume()

    def stop(self) -> None:
        """Close the thinking and let the model answer; while it answers, end the run."""
        if self.run is not None:
            self.run.stop()

    def save(self) -> Path:
        """Write the finished recording into the library.

        Raises:
            WorkError: when the run is not finished.
        """
        if self.run is None or not self._done:
            raise WorkError(f"this run is {self.state}; it can be saved once it has finished")
        with self._lock:
            if self.saved is None:
                self.saved = self.run.save(self.path)
        return self.saved

    def snapshot(self) -> Recording:
        """What has been said so far, without raw states: cheap enough to be taken several times a second."""
        if self.run is None:
            raise WorkError("this run has not begun; wait for its first token")
        with self._lock:
            collected = self.run.collected
            have, done = len(self._columns.get("token_id", ())), self._done
            if not self._header or (done and self._header["stop_reason"] is None):
                self._header = self.run.header()
            count = len(collected)
            if count > have:
                for name, rows in collected.columns(have, count).items():
                    if name != "states":
                        before = self._columns.get(name)
                        self._columns[name] = rows if before is None else np.concatenate([before, rows])
            changing = {
                "token_texts": collected.texts[:count],
                "events": list(collected.events),
                "tokens_per_second": count / self.run.busy_seconds if self.run.busy_seconds else None,
            }
            columns = dict(self._columns) or {"token_id": np.empty(0, np.int32)}
        return Recording({**self._header, **changing}, columns)

    def _start(self, run: Run) -> None:
        """Take over a prepared run; what was asked while it was waiting is done now."""
        with self._lock:
            run.pace = self._pace
            for turn in self._early:
                run.turn(*turn)
            self.began = time.time()
            self.run = run

    def _finish(self, error: str | None = None) -> None:
        self.error, self._done = error, error is None


class Worker:
    """One model and the thread that runs it."""

    def __init__(self, ref: str, load: Callable[[str], Model] | None = None) -> None:
        """Begin to load the model `ref`; returns at once."""
        self.ref = ref
        self.model: Model | None = None
        self.trouble: str | None = None
        """Why the model cannot be used."""
        self.speeds: dict[str, float] = {}
        """Measured tokens per second by engine."""
        self.engine_troubles: dict[str, str] = {}
        """Why an engine cannot be used, by engine."""
        self.jobs: dict[str, Job] = {}
        """By id, the oldest first."""
        self.began = time.monotonic()
        self._load = load
        self._engines: dict[str, Engine] = {}
        self.asked_speed: set[str] = set()
        self._tasks: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name=f"worker {ref}", daemon=True)
        self._thread.start()

    def submit(self, ask: Ask) -> Job:
        """Queue a generation."""
        job = Job(ask)
        self._forget_old()
        self.jobs[job.id] = job
        self._tasks.put(lambda: self._generate(job))
        return job

    def want_speed(self, engine: str) -> None:
        """Measure how fast an engine decodes, once, when the thread is free."""
        if engine not in self.asked_speed:
            self.asked_speed.add(engine)
            self._tasks.put(lambda: self._measure(engine))

    def close(self) -> None:
        """End every run and the thread."""
        for job in list(self.jobs.values()):
            if job.run is not None:
                job.run.cancel()
        self._tasks.put(None)
        self._thread.join(timeout=30)

    def _work(self) -> None:
        sys.setswitchinterval(SWITCH)
        try:
            if self._load is None:
                from ...probes import load as self_load  # torch comes with it

                self._load = self_load
            self.model = self._load(self.ref)
        except (ThoughtscopeError, WorkError) as error:
            self.trouble = str(error)
        except Exception as error:  # noqa: BLE001 - whatever a checkpoint does, the page must be able to say it
            self.trouble = f"{self.ref} could not be loaded: {type(error).__name__}: {error}"
        while (task := self._tasks.get()) is not None:
            task()

    def _generate(self, job: Job) -> None:
        try:
            run = self._prepare(job)
            job._start(run)
            for _ in run:
                pass
            job._finish()
        except (ThoughtscopeError, WorkError) as error:
            job._finish(str(error))
        except Exception as error:  # noqa: BLE001 - the thread outlives a run that fails, and the page says why
            job._finish(f"the run failed: {type(error).__name__}: {error}")

    def _prepare(self, job: Job) -> Run:
        from ...probes import Overclock, Run, Sampling, TokenBudget

        ask, engine = job.ask, self._engine(job.ask.engine)
        drawn = {**engine.model.sampling_defaults(), "temperature": ask.temperature}
        controls: list[Any] = [TokenBudget(ask.budget)]
        if "overclock" in engine.model.directions:
            controls.append(Overclock(ask.alpha))
        return Run(
            engine,
            ask.text,
            sampling=Sampling(**drawn, seed=ask.seed, max_tokens=ask.max_tokens),
            controls=controls,
            journal=job.journal,
            extra={"problem": ask.problem},
            **_gold(ask),
        )

    def _engine(self, name: str) -> Engine:
        if self.model is None:
            raise WorkError(self.trouble or "the model is still loading")
        if name not in self._engines:
            from ...probes import open_engine

            self._engines[name] = open_engine(self.model, name)
        return self._engines[name]

    def _measure(self, name: str) -> None:
        from ...probes import Run, Sampling

        try:
            engine = self._engine(name)
            for problem in problems("dev", 3):
                sampling = Sampling(max_tokens=WARM + MEASURED)
                run, counted, before = Run(engine, problem.text, sampling=sampling), 0, 0.0
                for step in run:
                    counted = step.token + 1 - WARM
                    if counted == 0:
                        before = run.busy_seconds
                    if run.busy_seconds > LONGEST:
                        run.cancel()
                if counted > 0:
                    self.speeds[name] = counted / (run.busy_seconds - before)
                if counted >= MEASURED // 2 or run.busy_seconds > LONGEST:
                    break
        except (ThoughtscopeError, WorkError) as error:
            self.engine_troubles[name] = str(error)
        except Exception as error:  # noqa: BLE001 - an engine that cannot run is a line on the page, not the end of it
            self.engine_troubles[name] = f"{type(error).__name__}: {error}"

    def _forget_old(self) -> None:
        finished = [job for job in self.jobs.values() if not job.is_active]
        for job in finished[: max(0, len(finished) - KEPT + 1)]:
            del self.jobs[job.id]
            if job.saved is None:
                job.journal.unlink(missing_ok=True)


def _gold(ask: Ask) -> dict[str, Any]:
    """What is known of the right answer, as `Run` takes it."""
    if ask.problem is not None:
        problem = find_problem(ask.problem)
        if problem.text == ask.text:
            others = other_solutions(problem)
            return {"answer": str(problem.answer), "gold_text": solution(problem), "null_texts": others}
    if not ask.answer:
        return {}
    others = [str(problem.answer) for problem in problems("dev", OTHERS, start=9_000)]
    return {"answer": ask.answer, "gold_text": ask.answer, "null_texts": others}
