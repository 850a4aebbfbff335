"""What watching costs: tokens per second of the loop against plain `generate`, interleaved in one run.

Every arm decodes the same prompts greedily to the same length, and its tokens are checked to be the same. Machines are
shared and noisy, so what counts is the ratio within one run; a row carries device, versions, date, median and spread.
"""

from __future__ import annotations

import csv
import datetime
import platform
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..probes.errors import WorkError

if TYPE_CHECKING:
    from ..probes.engines.base import Engine
    from ..probes.models import Model

COLUMNS = (
    "task", "arm", "engine", "batch", "tokens_per_second", "low", "high", "ratio", "against", "repeats", "tokens",
    "model", "device", "torch", "transformers", "date",
)  # fmt: skip
BATCH = 16


def run_bench(tokens: int, repeats: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Measure every arm `repeats` times in turn; one row an arm.

    Raises:
        WorkError: when two arms did not give the same tokens.
    """
    from ..probes.baseline import plain_generate
    from ..probes.engines import ENGINES, open_engine
    from ..probes.models import load

    model = load("sample", dtype="float32")
    engines = {name: open_engine(model, name) for name in ENGINES}
    prompts = _long_prompts(model, engines["native"], tokens)
    arms: dict[tuple[str, str, int], Callable[[], list[list[int]]]] = {}
    for batch in (1, BATCH):
        asked = prompts[:batch]
        arms["generate", "transformers", batch] = partial(plain_generate, model, asked, tokens)
        for name, engine in engines.items():
            arms["loop without taps", name, batch] = partial(_ours, engine, asked, tokens, live=False)
            arms["loop with live set", name, batch] = partial(_ours, engine, asked, tokens, live=True)
    seconds: dict[tuple[str, str, int], list[float]] = {arm: [] for arm in arms}
    expected: dict[int, list[list[int]]] = {}
    for repeat in range(repeats + 1):
        say(f"round {repeat} of {repeats}{' (warm-up)' if repeat == 0 else ''}")
        for (arm, engine, batch), decode in arms.items():
            began = time.perf_counter()
            made = decode()
            spent = time.perf_counter() - began
            if made != expected.setdefault(batch, made):
                raise WorkError(
                    f"{arm} on {engine}, batch {batch}, gave other tokens than plain generate: nothing is comparable"
                )
            if repeat:
                seconds[arm, engine, batch].append(spent)
    return _rows(seconds, tokens, repeats, model)


def _long_prompts(model: Model, engine: Engine, tokens: int) -> list[Any]:
    """Bundled problems about which the model thinks for at least `tokens` tokens, so that no arm ends early."""
    from ..probes.generate import Generation, Request
    from ..probes.prompt import render
    from ..probes.sampling import Sampling
    from ..sample_data import problems

    tried = [render(model, p.text) for p in problems("dev", 200, start=4_000) if p.steps >= 6]
    asked = [Request(prompt, Sampling(0, max_tokens=tokens)) for prompt in tried]
    long = {step.row for steps in Generation(engine, asked, batch=BATCH) for step in steps if step.token == tokens - 1}
    if len(long) < BATCH:
        raise WorkError(
            f"only {len(long)} bundled problems make the model think for {tokens} tokens; use a smaller --tokens"
        )
    return [tried[row] for row in sorted(long)[:BATCH]]


def _ours(engine: Engine, prompts: Sequence[Any], tokens: int, *, live: bool) -> list[list[int]]:
    from ..probes.generate import Generation, Request
    from ..probes.live import NO_TAPS, Taps
    from ..probes.sampling import Sampling

    gold = _gold(engine) if live else None
    requests = [Request(prompt, Sampling(0, max_tokens=tokens), gold=gold) for prompt in prompts]
    progress = engine.model.directions.get("progress") if live else None
    made: list[list[int]] = [[] for _ in prompts]
    taps = Taps(states=()) if live else NO_TAPS
    for steps in Generation(engine, requests, batch=len(prompts), taps=taps, progress=progress):
        for step in steps:
            made[step.row].append(step.token_id)
    return made


_GOLD: dict[str, Any] = {}


def _gold(engine: Engine) -> Any:
    from ..probes.gold import gold_states
    from ..sample_data import other_solutions, problem, solution

    if engine.name not in _GOLD:
        asked = problem("dev", 0)
        _GOLD[engine.name] = gold_states(engine, solution(asked), other_solutions(asked))
    return _GOLD[engine.name]


def _rows(
    seconds: dict[tuple[str, str, int], list[float]], tokens: int, repeats: int, model: Model
) -> list[dict[str, Any]]:
    rates = {arm: arm[2] * tokens / np.array(spent) for arm, spent in seconds.items()}
    rows = []
    for (arm, engine, batch), rate in rates.items():
        plain = rates["generate", "transformers", batch]
        rows.append(
            {
                "task": "decode",
                "arm": arm,
                "engine": engine,
                "batch": batch,
                "tokens_per_second": round(float(np.median(rate)), 1),
                "low": round(float(rate.min()), 1),
                "high": round(float(rate.max()), 1),
                "ratio": round(float(np.median(rate / plain)), 3),
                "against": f"generate, batch {batch}",
                "repeats": repeats,
                "tokens": tokens,
                "model": f"{model.name} {model.fingerprint}",
                "device": f"{model.device} ({platform.machine()})",
                "torch": version("torch"),
                "transformers": version("transformers"),
                "date": datetime.date.today().isoformat(),
            }
        )
    return rows


def table_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The rows for people; ratios are medians of per-round ratios."""
    lines = [
        f"{'arm':<22}{'engine':<18}{'batch':>6}{'tokens/s':>11}{'low':>9}{'high':>9}"
        f"{'x generate':>12}{'x own single':>14}"
    ]
    single = {(row["arm"], row["engine"]): row["tokens_per_second"] for row in rows if row["batch"] == 1}
    for row in rows:
        own = row["tokens_per_second"] / single[row["arm"], row["engine"]]
        lines.append(
            f"{row['arm']:<22}{row['engine']:<18}{row['batch']:>6}{row['tokens_per_second']:>11.1f}{row['low']:>9.1f}"
            f"{row['high']:>9.1f}{row['ratio']:>12.2f}{own:>14.2f}"
        )
    return lines


def append_rows(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Append the rows to a CSV file, with a header when it is new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer: csv.DictWriter[str] = csv.DictWriter(file, COLUMNS)
        if new:
            writer.writeheader()
        writer.writerows(rows)
