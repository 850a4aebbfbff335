"""One generation under a user's hand: started, paused, steered, stopped, kept.

`Run` is what the live page and the command line drive; `record` runs one to its end; `replay` runs a recording again.
All of them consume the one loop in `generate`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import answers
from .collected import Collected
from .controls import Control, Overclock, StopThinking, TokenBudget
from .directions import Direction
from .engines import open_engine
from .errors import ControlError, ModelError
from .generate import Generation, Request, Step, Turn
from .gold import gold_states
from .live import Gold, Taps, kept_sites
from .models import Model
from .prompt import Prompt, render
from .recording import FORMAT_VERSION, Recording
from .sampling import Sampling
from .sites import FINAL_NORM
from .store import Journal

if TYPE_CHECKING:
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
        self.generation = Generation(self.engine, [request], taps=self.taps, progress=progress)
        sites = self.generation.live.sites
        wanted = [progress.site] if progress else []
        self.sites = kept_sites(self.taps, sites, model.d_model, self.sampling.max_tokens, wanted) if sites else []
        self.collected = Collected([sites.index(site) for site in self.sites])
        self._extra = extra or {}
        self._journal = Journal(Path(journal)) if journal else None
        self._flushed, self._flushed_events = 0, 0
        self._go, self._cancelled = threading.Event(), threading.Event()
        self._go.set()
        self.pace: float | None = None
        """Most tokens per second, None for as fast as it goes."""
        self.busy_seconds = 0.0
        """Time spent computing, pauses and pace left out."""
        self._own_events: list[dict[str, Any]] = []

    def control(self, name: str) -> Control:
        """A control of this run by name."""
        for control in self.controls:
            if control.name == name:
                return control
        raise ControlError(f"this run has no control {name!r}; it has {', '.join(c.name for c in self.controls)}")

    def turn(self, name: str, dial: str, value: Any) -> None:
        """Turn a dial; it acts at the next token that is not yet computed."""
        self.control(name).dials[dial].turn(value)

    def stop(self) -> None:
        """Close the thinking and let the model answer; while it answers, end the run."""
        self.turn("stop", "stop", True)
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

    def __iter__(self) -> Iterator[Step]:
        """Generate to the end, a token at a time."""
        began = time.perf_counter()
        steps = iter(self.generation)
        due = began
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
                step[0].events += self._own_events
                self._own_events = []
                self.collected.add(step[0], now - began)
                if self._journal and len(self.collected) - self._flushed >= FLUSH_TOKENS:
                    self._flush()
                yield step[0]
                due = max(due + 1 / self.pace, now) if self.pace else now
                if due > time.perf_counter():
                    self._cancelled.wait(due - time.perf_counter())
        finally:
            steps.close()
            self.collected.events += self._own_events
            if self._journal:
                self._flush()
                self._journal.close()

    def _flush(self) -> None:
        columns = self.collected.columns(self._flushed)
        first = self._flushed == 0
        news = self.header() if first else {"stop_reason": self.collected.finished}
        texts, events = self.collected.texts[self._flushed :], self.collected.events[self._flushed_events :]
        if first:
            columns |= self._constants()
        self._journal.append(columns, {**news, "token_texts": texts, "events": events})
        self._flushed, self._flushed_events = self._flushed + len(texts), self._flushed_events + len(events)

    def _constants(self) -> dict[str, np.ndarray]:
        constants = {c.name: c for c in self.controls}
        arrays: dict[str, np.ndarray] = {}
        if isinstance(overclock := constants.get("overclock"), Overclock) and overclock.direction:
            arrays["overclock_weight"] = overclock.direction.weight
        if self.gold is not None:
            arrays |= {"gold_state": self.gold.state, "null_bank": self.gold.bank}
        return arrays

    def header(self) -> dict[str, Any]:
        """The header of the recording as it stands."""
        model, thinking, progress = self.engine.model, self.engine.model.thinking, self.generation.live.progress
        stated = answers.extract(self.collected.answer_text())
        measures: dict[str, Any] = {}
        if progress is not None:
            measures["progress"] = {
                "site": progress.site,
                "position_curve": np.round(progress.curve.astype(float), 4).tolist(),
                "position_sd": progress.curve_sd,
                "provenance": dict(progress.provenance),
            }
        if self.gold is not None:
            measures["dependence"] = {"sites": list(self.gold.sites), "sigma": 50.0}
        return {
            "format_version": FORMAT_VERSION,
            "model": {
                "ref": model.ref,
                "name": model.name,
                "fingerprint": model.fingerprint,
                "n_layers": model.n_layers,
                "d_model": model.d_model,
                "vocab": model.vocab_size,
                "dtype": str(model.dtype).removeprefix("torch."),
                "device": str(model.device),
            },
            "engine": self.engine.name,
            "prompt": {
                "text": self.prompt.text,
                "rendered": self.prompt.rendered,
                "ids": list(self.prompt.ids),
                "thinking": self.prompt.thinking,
                "system": self.prompt.system,
            },
            "sampling": self.sampling.to_meta(),
            "thinking": thinking and {"open_ids": list(thinking.open_ids), "close_ids": list(thinking.close_ids)},
            "controls": self._initial,
            "events": list(self.collected.events),
            "measures": measures,
            "sites": self.sites,
            "sites_dropped": len(self.generation.live.sites) - len(self.sites) if self.taps.states else 0,
            "token_texts": list(self.collected.texts),
            "answer": stated,
            "gold": self.answer,
            "correct": answers.equivalent(stated, self.answer),
            "judged_by": answers.RULE,
            "stop_reason": self.collected.finished or ("cancelled" if self._cancelled.is_set() else None),
            "thinking_tokens": self.collected.thinking_tokens(),
            "tokens_per_second": round(len(self.collected) / self.busy_seconds, 2) if self.busy_seconds else None,
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "versions": _versions(),
            **self._extra,
        }

    def recording(self) -> Recording:
        """What has been said so far as a recording; call it after the run for the whole."""
        header = self.header()
        count = len(header["token_texts"])
        columns = self.collected.columns(stop=count) or {"token_id": np.empty(0, np.int32)}
        return Recording(header, columns | self._constants())

    def save(self, path: str | Path) -> Path:
        """Write the recording, and drop the journal that it replaces."""
        saved = self.recording().save(path)
        if self._journal:
            self._journal.path.unlink(missing_ok=True)
        return saved


def _versions() -> dict[str, str]:
    found = {}
    for name in ("thoughtscope", "torch", "transformers", "transformer-lens", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def record(model: Model | Engine, text: str, *, seed: int | None = None, **settings: Any) -> Recording:
    """Run to the end and return the recording; settings as for `Run`, and `seed` by itself for the usual sampling."""
    if seed is not None:
        opened = model if isinstance(model, Model) else model.model
        settings["sampling"] = replace(settings.get("sampling") or Sampling(**opened.sampling_defaults()), seed=seed)
    run = Run(model, text, **settings)
    for _ in run:
        pass
    return run.recording()


def replay(engine: Engine, recording: Recording, **settings: Any) -> Recording:
    """Run a recording again: same prompt tokens, sampling, controls and dial turns; other settings as for `Run`.

    Raises:
        ModelError: when the model is not the one that was recorded.
    """
    made_by = recording.meta["model"]
    if made_by["fingerprint"] != engine.model.fingerprint:
        raise ModelError(
            f"this recording was made by {made_by['name']} ({made_by['fingerprint']}), not by {engine.model.name} "
            f"({engine.model.fingerprint}); give the model with --model"
        )
    asked = recording.meta["prompt"]
    prompt = Prompt(asked["text"], asked["rendered"], tuple(asked["ids"]), asked["thinking"], asked.get("system"))
    turns: dict[int, list[Turn]] = {}
    for event in recording.events:
        if event["kind"] == "set":
            turns.setdefault(event["token"], []).append((event["control"], event["dial"], event["value"]))
    controls = [_rebuild(settings, recording) for settings in recording.meta["controls"] if settings["name"] != "stop"]
    gold = None
    if recording.has("gold_state"):
        sites = tuple(recording.meta["measures"]["dependence"]["sites"])
        gold = Gold(sites, recording.column("gold_state"), recording.column("null_bank"))
    return record(
        engine,
        asked["text"],
        prompt=prompt,
        sampling=Sampling(**recording.meta["sampling"]),
        controls=controls,
        turns=turns,
        gold=gold,
        answer=recording.meta.get("gold"),
        extra={"problem": recording.meta.get("problem")},
        **settings,
    )


def _rebuild(settings: dict[str, Any], recording: Recording) -> Control:
    if settings["name"] == "budget":
        return TokenBudget(settings["tokens"])
    if settings["name"] == "overclock":
        weight = recording.column("overclock_weight")
        return Overclock(settings["alpha"], Direction.bare(settings["direction"], FINAL_NORM, weight, {}))
    raise ControlError(
        f"this recording used a control {settings['name']!r} that this version does not know; update thoughtscope"
    )


def first_difference(one: Recording, other: Recording) -> int | None:
    """Index of the first generated token in which two recordings differ, or None when all are the same."""
    first, second = one.column("token_id"), other.column("token_id")
    shared = min(len(first), len(second))
    differs = np.nonzero(first[:shared] != second[:shared])[0]
    if len(differs):
        return int(differs[0])
    return None if len(first) == len(second) else shared
