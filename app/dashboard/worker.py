"""Generations that belong to the server: asked for by a page, run one at a time in a thread, found again by id.

A `Worker` owns one model. It loads it, opens engines, measures how fast they decode, and runs `Job`s; a page that is
reloaded or closed takes nothing with it. Nothing here knows Streamlit, and nothing here knows a formula.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...probes.errors import ThoughtscopeError, WorkError
from ...sample_data import find_problem, other_solutions, problems, solution
from .job import Ask, Job

if TYPE_CHECKING:
    from ...probes import Model, Run
    from ...probes.engines import Engine

__all__ = ["Worker"]

KEPT = 8
"""Finished runs that stay in memory; older ones go, and the journals of those that were not saved with them."""
WARM, MEASURED, LONGEST = 8, 24, 5.0
"""Speed is measured over MEASURED tokens after WARM ones, in LONGEST seconds at most."""
CLOSED = "the server has let go of this model; reload the page"
OTHERS = 12
"""Answers of other problems that make the null of a typed question."""


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
        self._closed = threading.Event()
        self._tasks: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name=f"worker {ref}", daemon=True)
        self._thread.start()

    def submit(self, ask: Ask) -> Job:
        """Queue a generation."""
        job = Job(ask)
        self._forget_old()
        self.jobs[job.id] = job
        self._tasks.put(lambda: self._generate(job))
        if self._closed.is_set():
            job.finish(CLOSED)  # nobody takes tasks any more
        return job

    def want_speed(self, engine: str) -> None:
        """Measure how fast an engine decodes, once, when the thread is free."""
        if engine not in self.asked_speed:
            self.asked_speed.add(engine)
            self._tasks.put(lambda: self._measure(engine))

    def close(self) -> None:
        """End the run that goes on, begin none of those that wait, and end the thread."""
        self._closed.set()
        for job in list(self.jobs.values()):
            if job.run is not None:
                job.run.cancel()
        self._tasks.put(None)
        self._thread.join(timeout=30)

    def _work(self) -> None:
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
            if self._closed.is_set():
                raise WorkError(CLOSED)
            run = self._prepare(job)
            job.start(run)
            if self._closed.is_set():  # since it was prepared: `close` has not seen it
                run.cancel()
            for _ in run:
                pass
            job.finish()
        except (ThoughtscopeError, WorkError) as error:
            job.finish(str(error))
        except Exception as error:  # noqa: BLE001 - the thread outlives a run that fails, and the page says why
            job.finish(f"the run failed: {type(error).__name__}: {error}")

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
            if self._closed.is_set():
                return
            engine, sampling = self._engine(name), Sampling(max_tokens=WARM + MEASURED)
            for problem in problems("dev", 3):
                known = _gold(Ask(problem.text, problem=problem.id))  # every signal on, the dependence too
                run, counted, before = Run(engine, problem.text, sampling=sampling, **known), 0, 0.0
                for step in run:
                    counted = step.token + 1 - WARM
                    if counted == 0:
                        before = run.busy_seconds
                    if run.busy_seconds > LONGEST or self._closed.is_set():
                        run.cancel()
                if counted > 0:
                    self.speeds[name] = counted / (run.busy_seconds - before)
                if counted >= MEASURED // 2 or run.busy_seconds > LONGEST or self._closed.is_set():
                    break
        except (ThoughtscopeError, WorkError) as error:
            self.engine_troubles[name] = str(error)
        except Exception as error:  # noqa: BLE001 - an engine that cannot run is a line on the page, not the end of it
            self.engine_troubles[name] = f"{type(error).__name__}: {error}"

    def _forget_old(self) -> None:
        finished = [job for job in list(self.jobs.values()) if not job.is_active]
        for job in finished[: max(0, len(finished) - KEPT + 1)]:
            self.jobs.pop(job.id, None)  # another session may have been quicker
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
    answers = dict.fromkeys(str(problem.answer) for problem in problems("dev", 8 * OTHERS, start=9_000))
    others = [other for other in answers if other != ask.answer][:OTHERS]
    return {"answer": ask.answer, "gold_text": ask.answer, "null_texts": others}
