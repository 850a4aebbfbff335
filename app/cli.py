"""The command line: `thoughtscope app`, `record`, `replay`, `measure`, `bench`.

Says which commands and options there are, and turns errors into exit codes: 0 for done, 1 when the work failed, 2 for
wrong input, with what was given, what is allowed and what to do next on stderr. What a command does, `commands` says.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ..probes.errors import ThoughtscopeError, WorkError
from . import commands


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
        commands.complain(str(error))
        return 2
    except WorkError as error:
        commands.complain(str(error))
        return 1
    except KeyboardInterrupt:
        commands.complain("cancelled")
        return 1


def build_parser() -> argparse.ArgumentParser:
    """The whole command line, so that documentation and tests can read it."""
    about = "Watch a reasoning model think, and take the wheel."
    parser = argparse.ArgumentParser(prog="thoughtscope", description=about)
    every = parser.add_subparsers(title="commands", metavar="COMMAND")

    app = every.add_parser("app", help="open the dashboard in the browser")
    app.add_argument("--model", default="sample", help="sample (bundled), a hub id or a folder")
    app.add_argument("--port", type=int, default=8501)
    app.add_argument("--host", default="127.0.0.1", help="127.0.0.1 keeps it on this machine")
    app.set_defaults(command=commands.app)

    record = every.add_parser("record", help="generate once and keep everything")
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
    record.add_argument("--overclock", type=float, metavar="ALPHA", help="push along the model's progress direction")
    record.add_argument("--direction", type=Path, metavar="FILE", help="another direction to push along")
    taps = "everything, everything but raw states, or text only"
    record.add_argument("--taps", choices=("all", "facts", "none"), default="all", help=taps)
    record.add_argument("--gold", metavar="ANSWER", help="the right answer, to judge by")
    record.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to save; the library folder otherwise")
    record.add_argument("--json", action="store_true", help="print one object instead of the text")
    record.set_defaults(command=commands.record)

    replay = every.add_parser("replay", help="run a recording again and compare every token")
    replay.add_argument("file", type=Path)
    _model_options(replay, model=None)
    replay.add_argument("--json", action="store_true")
    replay.set_defaults(command=commands.replay)

    measure = every.add_parser("measure", help="signals of a recording")
    measure.add_argument("file", type=Path)
    measure.add_argument("signals", nargs="*", default=["all"], metavar="SIGNAL", help="names, or all")
    form = measure.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true")
    form.add_argument("--json", action="store_true")
    measure.set_defaults(command=commands.measure)

    bench = every.add_parser("bench", help="what watching costs, measured side by side")
    bench.add_argument("--tokens", type=int, default=160, help="tokens per run")
    bench.add_argument("--repeats", type=int, default=7)
    bench.add_argument("--json", action="store_true")
    bench.add_argument("-o", "--output", type=Path, metavar="CSV", help="append the rows to this file")
    bench.set_defaults(command=commands.bench)
    return parser


def _model_options(parser: argparse.ArgumentParser, model: str | None = "sample") -> None:
    parser.add_argument("--model", default=model, metavar="REF", help="sample (bundled), a hub id or a folder")
    parser.add_argument("--engine", default=None, help="native or transformer_lens")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--raw", action="store_true", help="feed the prompt without a chat template")
    parser.add_argument("--thinking", nargs="+", metavar="MARK", help="OPEN CLOSE, or none")


if __name__ == "__main__":
    sys.exit(main())
