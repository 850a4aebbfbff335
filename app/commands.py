"""What the commands of the command line do: one function each, from parsed arguments to an exit code.

Input is checked before a model is read, and everything before the first token is written anywhere, so that a wrong
input leaves nothing behind. Heavy packages are imported by the command that needs them. Which options there are,
`cli` says.
"""

from __future__ import annotations

import json
import os
import sys
import time
from argparse import Namespace
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..probes.errors import ThoughtscopeError, WorkError

if TYPE_CHECKING:
    from ..probes.controls import Control
    from ..probes.models import Model
    from ..probes.run import Run
    from ..probes.sampling import Sampling


def record(given: Namespace) -> int:
    """Generate once, show the text while it comes, and save the recording."""
    from ..probes.live import NO_TAPS, Taps
    from ..probes.run import Run
    from .library import JOURNAL, new_path

    text, settings = _asked(given)
    output = given.output or new_path(given.problem or text)
    _must_be_writable(output)
    _sampling(given, {})
    controls = _controls(given)
    model = _open(given, given.model)
    run = Run(
        model,
        text,
        engine=given.engine or "native",
        sampling=_sampling(given, model.sampling_defaults()),
        controls=controls,
        taps={"all": Taps(), "facts": Taps(states=()), "none": NO_TAPS}[given.taps],
        raw=given.raw or None,
        journal=_free(output, JOURNAL),
        **settings,
    )
    began = time.perf_counter()
    _generate(run, aloud=not given.json)
    saved = run.save(output)
    say(json.dumps(_as_json(run, saved)) if given.json else _summary(run, saved, time.perf_counter() - began))
    return 0


def _asked(given: Namespace) -> tuple[str, dict[str, Any]]:
    """What the model is asked, and what is known about the right answer."""
    from ..sample_data import find_problem, other_solutions, solution

    if (given.prompt is None) == (given.problem is None):
        was = "neither was given" if given.prompt is None else "both were given"
        raise ThoughtscopeError(
            f"record takes either a PROMPT or --problem ID, {was}; for example: thoughtscope record --problem dev-0"
        )
    if given.problem is None:
        if not given.prompt.strip():
            raise ThoughtscopeError("the prompt is empty; type a question, or take a bundled one with --problem dev-0")
        return given.prompt, {"answer": given.gold, "system": given.system}
    if given.gold is not None:
        raise ThoughtscopeError(
            f"--gold {given.gold} was given for a bundled problem, which brings its answer; leave out --gold"
        )
    try:
        problem = find_problem(given.problem)
    except ValueError as error:
        raise ThoughtscopeError(str(error)) from error
    return problem.text, {
        "answer": str(problem.answer),
        "system": given.system,
        "gold_text": solution(problem),
        "null_texts": other_solutions(problem),
        "extra": {"problem": problem.id},
    }


def _sampling(given: Namespace, defaults: Mapping[str, Any]) -> Sampling:
    """The sampling asked for; what was not asked for as in `defaults`."""
    from ..probes.sampling import Sampling

    asked = {"temperature": given.temperature, "top_p": given.top_p, "top_k": given.top_k}
    chosen = {name: value for name, value in asked.items() if value is not None}
    return Sampling(**{**defaults, **chosen}, seed=given.seed, max_tokens=given.max_tokens)


def _controls(given: Namespace) -> list[Control]:
    from ..probes.controls import Overclock, TokenBudget
    from ..probes.directions import Direction

    controls: list[Control] = []
    for policy in given.policy:
        name, _, values = policy.partition(":")
        key, _, value = values.partition("=")
        if name != "budget" or key != "tokens" or not value.isdecimal():
            raise ThoughtscopeError(
                f"policy {policy!r} is unknown; there is budget:tokens=N, for example --policy budget:tokens=100"
            )
        controls.append(TokenBudget(int(value)))
    if given.overclock is not None:
        controls.append(Overclock(given.overclock, Direction.load(given.direction) if given.direction else None))
    elif given.direction is not None:
        raise ThoughtscopeError("--direction says along what to push, --overclock ALPHA how hard; give both")
    return controls


def _open(given: Namespace, ref: str) -> Model:
    from ..probes.models import load

    marks = given.thinking
    if marks == ["none"]:
        marks = "none"
    elif marks is not None:
        if len(marks) != 2:
            raise ThoughtscopeError(
                f"--thinking {' '.join(marks)} is not possible; give the two marks OPEN CLOSE, or none"
            )
        marks = tuple(marks)
    return load(ref, device=given.device, dtype=given.dtype, raw=given.raw, thinking=marks)


def _generate(run: Run, *, aloud: bool) -> None:
    """Run to the end; ended by Ctrl-C, what was said stays in the journal."""
    try:
        with closing(iter(run)) as steps:
            for step in steps:
                if aloud:
                    say(step.text, end="")
    except KeyboardInterrupt:
        said = len(run.collected)
        kept = f"; they are kept in {run.journal}, which opens like a recording" if said else ""
        raise WorkError(f"cancelled after {said} tokens{kept}") from None


def _as_json(run: Run, saved: Path) -> dict[str, Any]:
    """What `record --json` prints; keys are added, never renamed."""
    header = run.header()
    same = ("thinking_tokens", "answer", "correct", "stop_reason", "tokens_per_second", "events")
    return {
        "file": str(saved),
        "model": header["model"]["name"],
        "engine": header["engine"],
        "seed": header["sampling"]["seed"],
        "token_ids": run.collected.columns()["token_id"].tolist(),
        "text": "".join(header["token_texts"]),
        **{key: header[key] for key in same},
    }


def _summary(run: Run, saved: Path, seconds: float) -> str:
    header = run.header()
    verdict = {True: "right", False: f"wrong, it is {header['gold']}", None: "not judged"}[header["correct"]]
    return (
        f"\n\nanswer {header['answer']} ({verdict}); {len(header['token_texts'])} tokens, "
        f"{header['thinking_tokens']} of them thinking; {header['tokens_per_second']:.0f} tokens/s, {seconds:.1f} s; "
        f"ended by {header['stop_reason']}\nsaved {saved}"
    )


def replay(given: Namespace) -> int:
    """Run a recording again; 1 where any token differs."""
    from ..probes.engines import open_engine
    from ..probes.recording import Recording
    from ..probes.rerun import first_difference, replay

    recording = Recording.load(given.file)
    was = recording.meta["model"]
    if given.dtype == "auto":
        given.dtype = was["dtype"]
    given.raw = given.raw or bool(was.get("raw"))
    if given.thinking is None:
        marks = recording.meta["thinking"]
        given.thinking = ["none"] if marks is None else [marks["open"], marks["close"]]
    model = _open(given, given.model or was["ref"])
    again = replay(open_engine(model, given.engine or recording.meta["engine"]), recording)
    differs = first_difference(recording, again)
    if given.json:
        say(json.dumps({"identical": differs is None, "first_difference": differs}))
    elif differs is None:
        say(f"identical: all {recording.n_tokens} tokens")
    else:
        was, now = ("".join(run.tokens[differs : differs + 8]) for run in (recording, again))
        say(f"different from token {differs}: was {was!r}, now {now!r}")
    return 0 if differs is None else 1


def measure(given: Namespace) -> int:
    """Print signals of a recording."""
    from ..analysis import measure
    from ..probes.recording import Recording
    from .tables import as_json, csv_lines, summary_lines

    recording = Recording.load(given.file)
    signals = measure(recording, *([] if given.signals in (["all"], []) else given.signals))
    if given.json:
        say(json.dumps({name: as_json(signal) for name, signal in signals.items()}))
    else:
        say("\n".join(csv_lines(recording, signals) if given.csv else summary_lines(recording, signals)))
    return 0


def app(given: Namespace) -> int:
    """Open the dashboard."""
    from .dashboard.launch import launch

    return launch(given.model, given.host, given.port)


def bench(given: Namespace) -> int:
    """Measure what watching costs."""
    from .bench import append_rows, run_bench, table_lines

    for name, value in (("--tokens", given.tokens), ("--repeats", given.repeats)):
        if value < 1:
            raise ThoughtscopeError(f"{name} {value} is not possible; allowed is at least 1")
    if given.output:
        _must_be_writable(given.output)
    rows = run_bench(given.tokens, given.repeats, say=lambda line: complain(line, label=False))
    if given.output:
        append_rows(rows, given.output)
    say(json.dumps(rows) if given.json else "\n".join(table_lines(rows)))
    return 0


def _free(output: Path, suffix: str) -> Path:
    """A journal's name beside the output that no earlier run has left something in."""
    names = (output.with_name(f"{output.name}{more}{suffix}") for more in ("", *(f".{n}" for n in range(2, 1000))))
    return next(name for name in names if not name.exists())


def _must_be_writable(path: Path) -> None:
    """Refuse a place where no file can be made, without making anything."""
    from .library import JOURNAL

    if path.suffix == JOURNAL:
        raise ThoughtscopeError(f"{path} would be the journal of its own run; end the name in .safetensors")
    try:
        if path.is_dir():
            raise ThoughtscopeError(f"cannot write {path}: it is a folder; give the name of a file in it with -o")
        there = next(folder for folder in path.absolute().parents if folder.exists())
        why = "" if there.is_dir() and os.access(there, os.W_OK | os.X_OK) else "you may not write there"
        why = why if there.is_dir() else f"{there} is not a folder"
    except OSError as error:
        why = str(error.strerror)
    if why:
        raise ThoughtscopeError(f"cannot write {path}: {why}; choose another place with -o")


def say(text: str, end: str = "\n") -> None:
    """Print a result."""
    sys.stdout.write(text + end)
    sys.stdout.flush()


def complain(text: str, *, label: bool = True) -> None:
    """Print what is not a result: an error, or how far a long command is."""
    sys.stderr.write(f"{'thoughtscope: ' if label else ''}{text}\n")
    sys.stderr.flush()
