"""One generation under a user's hand: started, paused, steered, stopped, kept.

`Run` is what the live page and the command line drive; `record` runs one to its end. Both consume the one loop in
`generate`. A run knows no file but its journal, and no page; running a recording again is the business of `rerun`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import header
from .collected import Collected
from .controls import BIAS_CAP, Control, Overclock, StopThinking
from .engines import open_engine
from .errors import ControlError
from .generate import Generation, Request, Step, Turn
from .gold import gold_states
from .live import Gold, Taps, kept_sites
from .models import Model
from .prompt import Prompt, render
from .recording import FORMAT_VERSION, Recording
from .sampling import Sampling
from .store import Journal

if TYPE_CHECKING:
    from .directions import Direction
    from .engines.base import Engine

FLUSH_TOKENS = 8
"""A journal is appended to after this many tokens; a killed process loses at most these."""


class Run:
    """One generation that other threads may watch and steer.

    Iterate over it to make it go; every method below may be called from any thread at any time.
    """

    def __init__(
        self,
        model: Model | Engine,
        text: str,
        *,
        engine: str = "native",
        sampling: Sampling | None = None,
        controls: Sequence[Control] = (),
        taps: Taps | None = None,
        progress: Direction | None = None,
        gold: Gold | None = None,
        gold_text: str | None = None,
        null_texts: Sequence[str] = (),
        answer: str | None = None,
        system: str | None = None,
        raw: bool | None = None,
        prompt: Prompt | None = None,
        turns: dict[int, list[Turn]] | None = None,
        journal: str | Path | None = None,
        bias_cap: float | None = BIAS_CAP,
        extra: dict[str, Any] | None = None,
    ) -> None:
        """Prepare a run.

        Args:
            model: a loaded model, or an engine already opened on one.
            text: what the user asks.
            engine: name of the engine to open on a model.
            sampling: how tokens are drawn; the model's own defaults where None.
            controls: what may act; a stop by hand is always among them.
            taps: what is computed and kept for each token; everything where None.
            progress: read-out of the model's sense of progress; the one that comes with the model where None.
            gold: gold states for the dependence on the answer (for a replay).
            gold_text: the worked solution, or else the answer, from which the gold states are made.
            null_texts: the same for other problems: the null of the dependence. Without one there is no dependence.
            answer: the right answer, to judge by.
            system: system message.
            raw: feed the text without chat template.
            prompt: a rendered prompt in place of `text` (for a replay).
            turns: dials to turn by themselves (for a replay).
            journal: file that is appended to while the run goes on.
            bias_cap: largest absolute logit bias of one control; None for no cap. Where it cuts, an event says so.
            extra: further entries of the recording's header, for example the problem's id.
        """
        self.engine = open_engine(model, engine) if isinstance(model, Model) else model
        model = self.engine.model
        self.answer = answer
        self.gold = gold or (gold_states(self.engine, gold_text, null_texts) if gold_text and null_texts else None)
        progress = progress or model.directions.get("progress")
        self.prompt = prompt or render(model, text, system=system, raw=raw)
        self.sampling = sampling or Sampling(**model.sampling_defaults())
        self.controls: list[Control] = [StopThinking(), *controls]
        for control in self.controls:
            control.bind(model)
        self._initial = [control.settings() for control in self.controls]
        self.taps = taps or Taps()
        request = Request(self.prompt, self.sampling, self.controls, self.gold, turns or {})
        self.generation = Generation(self.engine, [request], taps=self.taps, progress=progress, bias_cap=bias_cap)
        sites = self.generation.live.sites
        wanted = [progress.site] if progress else []
        asked = sites if self.taps.states == "all" else [site for site in sites if site in self.taps.states]
        self.sites = kept_sites(self.taps, asked, model.d_model, self.sampling.max_tokens, wanted)
        self.sites_dropped = len(asked) - len(self.sites)
        """Sites whose raw states are not kept for want of room."""
        self.collected = Collected([sites.index(site) for site in self.sites])
        self._extra = extra or {}
        self.journal = Path(journal) if journal else None
        """File that is appended to while the run goes on."""
        self._flushed, self._flushed_events = 0, 0
        self._began = False
        self._go, self._cancelled = threading.Event(), threading.Event()
        self._go.set()
        self.pace: float | None = None
        """Most tokens per second, None for as fast as it goes."""
        self.busy_seconds = 0.0
        """Time spent computing, pauses and pace left out."""
        self._own_events: deque[dict[str, Any]] = deque()
        self.created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        """When the run was made, UTC."""

    def control(self, name: str) -> Control:
        """A control of this run by name."""
        for control in self.controls:
            if control.name == name:
                return control
        raise ControlError(f"this run has no control {name!r}; it has {', '.join(c.name for c in self.controls)}")

    def turn(self, name: str, dial: str, value: Any) -> None:
        """Turn a dial; it acts at the next token that is not yet computed."""
        self.control(name).dials[dial].turn(value)

    def stop(self, *, answer: bool = False) -> None:
        """Close the thinking and let the model answer; with `answer`, end the answer instead.

        A stop is for what the user saw: one for the thinking that comes too late does nothing to the answer.
        """
        self.turn("stop", "stop", "answer" if answer else "thinking")
        self.resume()

    def pause(self) -> None:
        """Hold the run before its next token."""
        if self._go.is_set():
            self._go.clear()
            self._own_events.append({"token": len(self.collected), "control": "loop", "kind": "pause", "value": None})

    def resume(self) -> None:
        """Let a held run go on."""
        if not self._go.is_set():
            self._own_events.append({"token": len(self.collected), "control": "loop", "kind": "resume", "value": None})
            self._go.set()

    def cancel(self) -> None:
        """End the run at once; what has been said is kept."""
        self._cancelled.set()
        self._go.set()

    @property
    def is_paused(self) -> bool:
        """Whether the run is held."""
        return not self._go.is_set()

    def __iter__(self) -> Generator[Step, None, None]:
        """Generate to the end, a token at a time; possible once.

        The journal is begun here, not before, and goes again if not one token was said.
        """
        if self._began:
            raise RuntimeError("this run has been run; make another Run")
        self._began = True
        journal = Journal(self.journal) if self.journal else None
        began = due = time.perf_counter()
        steps = iter(self.generation)
        try:
            while not self._cancelled.is_set():
                self._go.wait()
                if self._cancelled.is_set():
                    break
                started = time.perf_counter()
                step = next(steps, None)
                if step is None:
                    break
                now = time.perf_counter()
                self.busy_seconds += now - started
                step[0].events += self._drain()
                self.collected.add(step[0], now - began)
                if journal and len(self.collected) - self._flushed >= FLUSH_TOKENS:
                    self._flush(journal)
                yield step[0]
                pace = self.pace
                due = max(due + 1 / pace, now) if pace else now
                if due > time.perf_counter():
                    self._cancelled.wait(due - time.perf_counter())
        finally:
            steps.close()
            self.collected.events += self._drain()
            if journal:
                said_something = len(self.collected) > 0
                if said_something:
                    self._flush(journal)
                journal.close(delete=not said_something)

    def _drain(self) -> list[dict[str, Any]]:
        """Events of the run's own that no step has taken along yet."""
        return [self._own_events.popleft() for _ in range(len(self._own_events))]

    def _flush(self, journal: Journal) -> None:
        """Append what is new; the first frame carries the whole header, later ones what has changed in it."""
        tokens, events = self._flushed, self._flushed_events
        meta = self._so_far() if tokens else self.header()
        news = {"token_texts": self.collected.texts[tokens:], "events": self.collected.events[events:]}
        columns = self.collected.columns(tokens) if news["token_texts"] else {}
        journal.append(columns if tokens else columns | self._constants(), meta | news)
        self._flushed, self._flushed_events = tokens + len(news["token_texts"]), events + len(news["events"])

    def _constants(self) -> dict[str, np.ndarray]:
        """Columns that do not grow: the direction pushed along, the gold states and their null."""
        arrays: dict[str, np.ndarray] = {}
        for control in self.controls:
            if isinstance(control, Overclock) and control.direction:
                arrays["overclock_weight"] = control.direction.weight
        if self.gold is not None:
            arrays |= {"gold_state": self.gold.state, "null_bank": self.gold.bank}
        return arrays

    def header(self) -> dict[str, Any]:
        """The header of the recording as it stands."""
        model, live = self.engine.model, self.generation.live
        return {
            "format_version": FORMAT_VERSION,
            "model": header.of_model(model),
            "engine": self.engine.name,
            "prompt": header.of_prompt(self.prompt),
            "sampling": self.sampling.to_meta(),
            "thinking": header.of_thinking(model.thinking),
            "controls": self._initial,
            "measures": header.of_measures(live, self.gold, [*model.single_tokens(self.taps.markers)]),
            "sites": self.sites,
            "sites_dropped": self.sites_dropped,
            "bias_cap": self.generation.bias_cap,
            "created": self.created,
            "versions": header.versions(),
            **self._so_far(),
            **self._extra,
        }

    def _so_far(self) -> dict[str, Any]:
        """The entries of the header that change while the run goes on."""
        said = self.collected
        return {
            "events": list(said.events),
            "token_texts": list(said.texts),
            **header.of_answer(said.answer_text(), self.answer),
            "stop_reason": said.finished or ("cancelled" if self._cancelled.is_set() else None),
            "thinking_tokens": said.thinking_tokens(),
            "tokens_per_second": round(len(said) / self.busy_seconds, 2) if self.busy_seconds else None,
        }

    def recording(self) -> Recording:
        """What has been said so far as a recording; call it after the run for the whole."""
        meta = self.header()
        columns = self.collected.columns(stop=len(meta["token_texts"])) or {"token_id": np.empty(0, np.int32)}
        return Recording(meta, columns | self._constants())

    def save(self, path: str | Path) -> Path:
        """Write the recording, and drop the journal that it replaces."""
        saved = self.recording().save(path)
        if self.journal and self.journal != saved:
            self.journal.unlink(missing_ok=True)
        return saved


def record(model: Model | Engine, text: str, *, seed: int | None = None, **settings: Any) -> Recording:
    """Run to the end and return the recording; settings as for `Run`, and `seed` by itself for the usual sampling."""
    if seed is not None:
        opened = model if isinstance(model, Model) else model.model
        settings["sampling"] = replace(settings.get("sampling") or Sampling(**opened.sampling_defaults()), seed=seed)
    run = Run(model, text, **settings)
    for _ in run:
        pass
    return run.recording()
