"""The command line: `thoughtscope record`, `replay`, `measure`, `app`, `bench`.

Reads arguments, calls the library, prints. Heavy packages are imported by the command that needs them. Exit code 0 for
done, 1 when the work failed, 2 for wrong input, with what was given, what is allowed and what to do next on stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..probes.errors import ThoughtscopeError, WorkError

if TYPE_CHECKING:
    from ..probes.run import Run
    from ..probes.sampling import Sampling


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = build_parser()
    given = parser.parse_args(arguments)
    if "command" not in given:
        parser.print_help()
        return 2
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        return given.command(given) or 0
    except ThoughtscopeError as error:
        _complain(str(error))
        return 2
    except WorkError as error:
        _complain(str(error))
        return 1
    except KeyboardInterrupt:
        _complain("cancelled")
        return 1


def build_parser() -> argparse.ArgumentParser:
    """The whole command line, so that documentation and tests can read it."""
    parser = argparse.ArgumentParser(
        prog="thoughtscope", description="Watch a reasoning model think, and take the wheel."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    app = commands.add_parser("app", help="open the dashboard in the browser")
    app.add_argument("--model", default="sample", help="sample (bundled), a hub id or a folder")
    app.add_argument("--port", type=int, default=8501)
    app.add_argument("--host", default="127.0.0.1", help="127.0.0.1 keeps it on this machine")
    app.set_defaults(command=_app)

    record = commands.add_parser("record", help="generate once and keep everything")
    record.add_argument("prompt", nargs="?", help="what to ask")
    record.add_argument("--problem", metavar="ID", help="a bundled problem instead, for example dev-0")
    _model_options(record)
    record.add_argument("--seed", type=int, default=0)
    record.add_argument("--temperature", type=float, help="0 is greedy; the model's own default otherwise")
    record.add_argument("--top-p", type=float)
    record.add_argument("--top-k", type=int)
    record.add_argument("--max-tokens", type=int, default=700)
    record.add_argument("--system", metavar="TEXT")
    record.add_argument("--policy", action="append", default=[], metavar="NAME[:k=v,...]", help="budget:tokens=N")
    record.add_argument(
        "--overclock", type=float, metavar="ALPHA", help="push along the model's own progress direction"
    )
    record.add_argument("--direction", type=Path, metavar="FILE", help="another direction to push along")
    record.add_argument(
        "--taps", choices=("all", "facts", "none"), default="all", help="all, without raw states, or text only"
    )
    record.add_argument("--gold", metavar="ANSWER", help="the right answer, to judge by")
    record.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to save; the library folder otherwise")
    record.add_argument("--json", action="store_true", help="print one object instead of the text")
    record.set_defaults(command=_record)

    replay = commands.add_parser("replay", help="run a recording again and compare every token")
    replay.add_argument("file", type=Path)
    _model_options(replay, model=None)
    replay.add_argument("--json", action="store_true")
    replay.set_defaults(command=_replay)

    measure = commands.add_parser("measure", help="signals of a recording")
    measure.add_argument("file", type=Path)
    measure.add_argument("signals", nargs="*", default=["all"], metavar="SIGNAL", help="names, or all")
    form = measure.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true")
    form.add_argument("--json", action="store_true")
    measure.set_defaults(command=_measure)

    bench = commands.add_parser("bench", help="what watching costs, measured side by side")
    bench.add_argument("--tokens", type=int, default=160, help="tokens per run")
    bench.add_argument("--repeats", type=int, default=7)
    bench.add_argument("--json", action="store_true")
    bench.add_argument("-o", "--output", type=Path, metavar="CSV", help="append the rows to this file")
    bench.set_defaults(command=_bench)
    return parser


def _model_options(parser: argparse.ArgumentParser, model: str | None = "sample") -> None:
    parser.add_argument("--model", default=model, metavar="REF", help="sample (bundled), a hub id or a folder")
    parser.add_argument("--engine", default=None, help="native or transformer_lens")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--raw", action="store_true", help="feed the prompt without a chat template")
    parser.add_argument("--thinking", nargs="+", metavar="MARK", help="OPEN CLOSE, or none")


def _open(given: argparse.Namespace, ref: str) -> Any:
    from ..probes.models import load

    thinking = given.thinking
    if thinking is not None and thinking != ["none"] and len(thinking) != 2:
        raise ThoughtscopeError(
            f"--thinking {' '.join(thinking)} is not possible; give the two marks OPEN CLOSE, or none"
        )
    marks = None if thinking is None else "none" if thinking == ["none"] else (thinking[0], thinking[1])
    return load(ref, device=given.device, dtype=given.dtype, raw=given.raw, thinking=marks)


def _record(given: argparse.Namespace) -> int:
    from ..sample_data import find_problem, other_solutions, solution
    from .library import new_path

    if (given.prompt is None) == (given.problem is None):
        raise ThoughtscopeError(
            "record needs either a PROMPT or --problem ID, for example: thoughtscope record --problem dev-0"
        )
    settings: dict[str, Any] = {"answer": given.gold, "system": given.system}
    text = given.prompt
    if given.problem is not None:
        try:
            problem = find_problem(given.problem)
        except ValueError as error:
            raise ThoughtscopeError(str(error)) from error
        text = problem.text
        settings |= {
            "answer": str(problem.answer),
            "gold_text": solution(problem),
            "null_texts": other_solutions(problem),
            "extra": {"problem": problem.id},
        }
    if not text.strip():
        raise ThoughtscopeError("the prompt is empty; type a question, or take a bundled problem with --problem dev-0")
    output = given.output or new_path(given.problem or text)
    _writable(output)
    controls = _controls(given)
    model = _open(given, given.model)
    run = _start(model, text, given, controls, settings, output)
    began = time.perf_counter()
    for step in run:
        if not given.json:
            _say(step.text, end="")
    saved = run.save(output)
    header = run.header()
    if given.json:
        keys = ("engine", "seed", "thinking_tokens", "answer", "correct", "stop_reason", "tokens_per_second", "events")
        found = {**header, "seed": header["sampling"]["seed"]}
        ids = run.recording().column("token_id").tolist()
        rest = {
            "file": str(saved),
            "model": header["model"]["name"],
            "token_ids": ids,
            "text": "".join(header["token_texts"]),
        }
        _say(json.dumps({**rest, **{key: found[key] for key in keys}}))
    else:
        verdict = {True: "right", False: f"wrong, it is {header['gold']}", None: "not judged"}[header["correct"]]
        _say(
            f"\n\nanswer {header['answer']} ({verdict}); {len(header['token_texts'])} tokens, {header['thinking_tokens']} of them thinking; "
            f"{header['tokens_per_second']:.0f} tokens/s, {time.perf_counter() - began:.1f} s; ended by {header['stop_reason']}\nsaved {saved}"
        )
    return 0


def _start(
    model: Any, text: str, given: argparse.Namespace, controls: list[Any], settings: dict[str, Any], output: Path
) -> Run:
    from ..probes.live import NO_TAPS, Taps
    from ..probes.run import Run

    taps = {"all": Taps(), "facts": Taps(states=()), "none": NO_TAPS}[given.taps]
    return Run(
        model,
        text,
        engine=given.engine or "native",
        sampling=_sampling(model, given),
        controls=controls,
        taps=taps,
        raw=given.raw or None,
        journal=output.with_suffix(".journal"),
        **settings,
    )


def _sampling(model: Any, given: argparse.Namespace) -> Sampling:
    from ..probes.sampling import Sampling

    asked = {"temperature": given.temperature, "top_p": given.top_p, "top_k": given.top_k}
    chosen = {name: value for name, value in asked.items() if value is not None}
    return Sampling(**{**model.sampling_defaults(), **chosen}, seed=given.seed, max_tokens=given.max_tokens)


def _controls(given: argparse.Namespace) -> list[Any]:
    from ..probes.controls import Overclock, TokenBudget
    from ..probes.directions import Direction

    controls: list[Any] = []
    for policy in given.policy:
        name, _, values = policy.partition(":")
        key, _, value = values.partition("=")
        if name != "budget" or key != "tokens" or not value.isdigit():
            raise ThoughtscopeError(
                f"policy {policy!r} is unknown; there is budget:tokens=N, for example --policy budget:tokens=100"
            )
        controls.append(TokenBudget(int(value)))
    if given.overclock is not None:
        controls.append(Overclock(given.overclock, Direction.load(given.direction) if given.direction else None))
    elif given.direction is not None:
        raise ThoughtscopeError("--direction says along what to push, --overclock ALPHA how hard; give both")
    return controls


def _replay(given: argparse.Namespace) -> int:
    from ..probes.engines import open_engine
    from ..probes.recording import Recording
    from ..probes.run import first_difference, replay

    recording = Recording.load(given.file)
    model = _open(given, given.model or recording.meta["model"]["ref"])
    again = replay(open_engine(model, given.engine or recording.meta["engine"]), recording)
    differs = first_difference(recording, again)
    if given.json:
        _say(json.dumps({"identical": differs is None, "first_difference": differs}))
    elif differs is None:
        _say(f"identical: all {recording.n_tokens} tokens")
    else:
        was, now = ("".join(run.tokens[differs : differs + 8]) for run in (recording, again))
        _say(f"different from token {differs}: was {was!r}, now {now!r}")
    return 0 if differs is None else 1


def _measure(given: argparse.Namespace) -> int:
    from ..analysis import measure
    from ..probes.recording import Recording
    from .tables import as_json, csv_lines, summary_lines

    recording = Recording.load(given.file)
    signals = measure(recording, *([] if given.signals in (["all"], []) else given.signals))
    if given.json:
        _say(json.dumps({name: as_json(signal) for name, signal in signals.items()}))
    else:
        _say("\n".join(csv_lines(recording, signals) if given.csv else summary_lines(recording, signals)))
    return 0


def _app(given: argparse.Namespace) -> int:
    from .dashboard.launch import launch

    return launch(given.model, given.host, given.port)


def _bench(given: argparse.Namespace) -> int:
    from .bench import append_rows, run_bench, table_lines

    rows = run_bench(given.tokens, given.repeats, say=lambda line: _complain(line, label=False))
    if given.output:
        append_rows(rows, given.output)
    _say(json.dumps(rows) if given.json else "\n".join(table_lines(rows)))
    return 0


def _writable(path: Path) -> None:
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ThoughtscopeError(f"cannot write to {folder}: {error.strerror}; choose another place with -o") from error
    if path.is_dir() or not os.access(folder, os.W_OK):
        raise ThoughtscopeError(f"cannot write {path}: choose a file in a folder you may write to with -o")


def _say(text: str, end: str = "\n") -> None:
    sys.stdout.write(text + end)
    sys.stdout.flush()


def _complain(text: str, *, label: bool = True) -> None:
    sys.stderr.write(f"{'thoughtscope: ' if label else ''}{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
