"""One generation that belongs to the server: what a page asked for, and a handle that any thread may use.

It hands out what has been said so far, turns dials, holds, stops and saves. It does not know who runs it.
"""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...probes.errors import WorkError
from ...probes.recording import Recording
from ...probes.schema import THINK
from .. import library

if TYPE_CHECKING:
    from ...probes import Run

__all__ = ["Ask", "Job"]


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
        path = library.new_path(ask.problem or ask.text)
        self.path: Path = path.with_stem(f"{path.stem}-{self.id[:4]}")
        """Where it is saved when the user says so, the journal beside it; runs asked for at once differ by the id."""
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

    def stop(self, answer: bool = False) -> None:
        """Close the thinking and let the model answer, or end the answer: whichever the user saw and meant.

        Args:
            answer: end the answer; False closes the thinking, and does nothing once that is closed.
        """
        if self.run is not None:
            self.run.stop(answer=answer)

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

    def start(self, run: Run) -> None:
        """Take over a prepared run; what was asked while it was waiting is done now."""
        with self._lock:
            run.pace = self._pace
            for turn in self._early:
                run.turn(*turn)
            self.began = time.time()
            self.run = run

    def finish(self, error: str | None = None) -> None:
        """The run has ended, or failed for this reason."""
        self.error, self._done = error, error is None
