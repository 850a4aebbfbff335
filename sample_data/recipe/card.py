"""Measure the bundled model and write its card: `python -m thoughtscope.sample_data.recipe.card`.

Held-out problems are opened here and nowhere else. Every number of the card comes from this run and is kept in
`card.json`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...analysis.evaluate import bootstrap_by_problem
from ...analysis.progress import ProgressFit, evaluate_progress
from ...probes.answers import equivalent
from ...probes.controls import Overclock
from ...probes.directions import Direction
from ...probes.engines import Engine, open_engine
from ...probes.generate import Generation, Request
from ...probes.models import Model, load
from ...probes.prompt import render
from ...probes.sampling import Sampling
from ...probes.schema import THINK
from ...probes.sites import FINAL_NORM
from ..problems import SPLITS, problems
from .card_text import card_text
from .directions import FIT_PROBLEMS, alpha_grid, collect, position_and_size, smoothed, states_at
from .traces import Trace, mean, run_problems, summary

HELD = 500
RANDOM_DRAWS = 20
CLOSING_BIASES = (0.0, 3.0, 6.0, 9.0)
CONTROLLED = 50
"""Held-out problems that each random direction is tried on."""


def accuracy(engine: Engine) -> dict[str, Any]:
    """Greedy and sampled accuracy on the held-out problems, by number of steps; length, convergence, redundancy."""
    asked = problems("held", HELD)
    began = time.perf_counter()
    greedy = run_problems(engine, asked, say="greedy")
    seconds = time.perf_counter() - began
    sampled = run_problems(engine, asked, samples=4, temperature=0.6, say="T = 0.6")
    by_steps = {}
    for steps in sorted({problem.steps for problem in asked}):
        own = {
            name: [t for t in traces if t.problem.steps == steps] for name, traces in (("g", greedy), ("s", sampled))
        }
        by_steps[steps] = {
            "problems": len(own["g"]),
            "greedy": mean([t.correct for t in own["g"]]),
            "sampled": mean([t.correct for t in own["s"]]),
            "thinking_tokens": mean([len(t.thinking) for t in own["g"]]),
        }
    groups = np.array([trace.problem.id for trace in greedy])
    right = np.array([trace.correct for trace in greedy], float)
    interval = bootstrap_by_problem(lambda rows: float(right[rows].mean()), groups)
    return {
        "greedy": {
            **summary(greedy),
            "interval": [round(interval.low, 4), round(interval.high, 4)],
            **overthinking(greedy),
        },
        "sampled": {**summary(sampled), **overthinking(sampled)},
        "by_steps": by_steps,
        "batch_tokens_per_second": round(sum(len(t.ids) for t in greedy) / seconds, 1),
        "length_quantiles": [
            int(q) for q in np.quantile([len(t.thinking) for t in greedy], (0.05, 0.25, 0.5, 0.75, 0.95))
        ],
    }


def overthinking(traces: list[Trace]) -> dict[str, float]:
    """What comes after convergence, first-statement definition, over traces that state their answer in the thinking."""
    stating = [(trace, at) for trace in traces if trace.ended and (at := trace.converged_at()) is not None]
    return {
        "states_its_answer": mean([1.0] * len(stating) + [0.0] * (len(traces) - len(stating))),
        "after_convergence": mean([1 - (at + 1) / len(trace.thinking) for trace, at in stating]),
        "redundant_checking": mean([trace.redundant_tokens() / len(trace.thinking) for trace, _ in stating]),
    }


def forced_convergence(engine: Engine, count: int = 100) -> dict[str, float]:
    """Convergence by forced answers (methods.md 8.2): thinking is closed at every line end and the answer read.

    tau is the first line end from which every forced answer equals the final one.
    """
    model = engine.model
    assert model.thinking is not None
    cue = [*model.thinking.close_ids, *model.tokenizer("\nThe answer is", add_special_tokens=False)["input_ids"]]
    asked = problems("held", count)
    requests = [Request(render(model, p.text), Sampling(0, max_tokens=700)) for p in asked]
    generation = Generation(engine, requests, batch=16)
    forced: list[list[tuple[int, str]]] = [[] for _ in asked]
    traces = [Trace(problem, 0) for problem in asked]
    for steps in generation:
        for step in steps:
            trace = traces[step.row]
            trace.texts.append(step.text)
            trace.segments.append(step.segment)
            if step.segment == THINK and "\n" in step.text and step.finished is None:
                said = model.token_text(generation.fork(step.row, cue, 1).ids[0]).strip()
                forced[step.row].append((step.token, said))
    shares, mismatches = [], []
    for trace, answers in zip(traces, forced, strict=True):
        if not answers or trace.answer is None:
            continue
        mismatches.append(not equivalent(answers[-1][1], trace.answer))
        at = len(trace.thinking)
        for token, said in reversed(answers):
            if not equivalent(said, trace.answer):
                break
            at = token + 1
        shares.append(1 - at / len(trace.thinking))
    return {"problems": len(shares), "after_convergence": mean(shares), "mismatch_at_the_end": mean(mismatches)}


def progress(engine: Engine, count: int = 150) -> dict[str, Any]:
    """The read-out on held-out problems against E[y | position] and E[y | position, number of facts]."""
    model, direction = engine.model, engine.model.directions["progress"]
    fit = ProgressFit(
        direction.weight.astype(float), direction.intercept, direction.mean.astype(float),
        direction.scale.astype(float), direction.site, 0.0, direction.curve.astype(float), direction.curve_sd, 0, {},
    )  # fmt: skip
    traces = run_problems(
        engine, problems("held", count), samples=2, temperature=0.6, sites=[direction.site], say="progress, held-out"
    )
    traces = [trace for trace in traces if trace.ended]
    report = evaluate_progress(fit, smoothed(states_at(traces, 0)), [trace.problem.id for trace in traces])
    fit_on = collect(engine, *FIT_PROBLEMS, [], samples=1)
    return {
        "site": direction.site,
        "problems": report.n_problems,
        "traces": len(traces),
        "r2": round(report.r2_probe, 4),
        "r2_position": round(report.r2_position, 4),
        "r2_position_and_facts": position_and_size(fit_on, traces),
        "difference": [
            round(value, 4) for value in (report.difference.mean, report.difference.low, report.difference.high)
        ],
        "mse": round(report.mse_probe, 5),
        "mse_without_last_5_percent": round(report.mse_body, 5),
        "r2_by_site_development": direction.provenance["r2_by_site"],
        "model": model.fingerprint,
    }


def overclocking(engine: Engine, count: int = 200) -> dict[str, Any]:
    """Strength against length and accuracy on held-out problems, greedy; random directions of equal norm beside it."""
    direction = engine.model.directions["overclock"]
    asked = problems("held", count)
    rows = {}
    for alpha in alpha_grid(engine, direction):
        rows[alpha] = summary(run_problems(engine, asked, controls=lambda a=alpha: [Overclock(a, direction)]))
    plain = rows[0.0]
    good = [a for a, r in rows.items() if a > 0 and r["accuracy"] >= plain["accuracy"] - 0.02]
    chosen = min(good, key=lambda a: rows[a]["thinking_tokens"], default=0.0)
    random_rows = []
    generator = np.random.default_rng(0)
    for _ in range(RANDOM_DRAWS if chosen else 0):
        vector = generator.standard_normal(len(direction.weight))
        vector *= np.linalg.norm(direction.weight) / np.linalg.norm(vector)
        drawn = Direction.bare("random", FINAL_NORM, vector, {})
        random_rows.append(
            summary(run_problems(engine, asked[:CONTROLLED], controls=lambda d=drawn: [Overclock(chosen, d)]))
        )
    base = summary(run_problems(engine, asked[:CONTROLLED]))
    return {
        "problems": count,
        "table": [{"alpha": alpha, **row} for alpha, row in rows.items()],
        "chosen_alpha": chosen,
        "shortening": round(1 - rows[chosen]["thinking_tokens"] / plain["thinking_tokens"], 4),
        "accuracy_change": round(rows[chosen]["accuracy"] - plain["accuracy"], 4),
        "pushed": pushed_tokens(engine.model, direction),
        "random": {"draws": random_rows, "plain": base, "problems": CONTROLLED},
    }


def closing_push(engine: Engine, count: int = 200) -> dict[str, Any]:
    """Another direction at the same place: the closing mark's row of the unembedding, less the mean row.

    Strength is the largest logit bias. The progress direction has to raise the closing mark over "Wait" where the model
    decides whether to check, and changes numbers elsewhere; this one is made to raise the mark.
    """
    model = engine.model
    assert model.thinking is not None
    unembed = model.unembed.float().numpy()
    row = unembed[model.thinking.close_ids[0]] - unembed.mean(axis=0)
    direction = Direction.bare("closing mark", FINAL_NORM, row / np.abs(unembed @ row).max(), {})
    asked = problems("held", count)
    rows = [
        {"bias": bias, **summary(run_problems(engine, asked, controls=lambda b=bias: [Overclock(b, direction)]))}
        for bias in CLOSING_BIASES
    ]
    return {"problems": count, "table": rows}


def pushed_tokens(model: Model, direction: Direction, count: int = 8) -> dict[str, list[str]]:
    """The tokens that W_U w pushes up and down most."""
    control = Overclock(1.0, direction)
    control.bind(model)
    assert control.push is not None
    order = np.argsort(control.push)
    return {
        "up": [model.token_text(int(token)).strip() or "line break" for token in order[::-1][:count]],
        "down": [model.token_text(int(token)).strip() or "line break" for token in order[:count]],
    }


def speed(engine: Engine, tokens: int = 400) -> float:
    """Tokens per second of one row with nothing watched."""
    request = Request(render(engine.model, problems("dev", 1, 5000)[0].text), Sampling(0.6, max_tokens=tokens))
    made, began = 0, time.perf_counter()
    for _ in Generation(engine, [request]):
        made += 1
    return round(made / (time.perf_counter() - began), 1)


SECTIONS: dict[str, Callable[[Engine], Any]] = {
    "accuracy": accuracy,
    "forced_convergence": forced_convergence,
    "progress": progress,
    "overclocking": overclocking,
    "closing_push": closing_push,
    "single_tokens_per_second": speed,
}


def main() -> None:
    """Measure the sections that are not measured yet; with all of them there, write `card.json` and `MODEL_CARD.md`."""
    here = Path(__file__).parent.parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="sample")
    parser.add_argument("--work", type=Path, required=True, help="the work folder of `train`")
    parser.add_argument(
        "--only", choices=SECTIONS, nargs="+", default=list(SECTIONS), help="measure these sections only"
    )
    given = parser.parse_args()
    model = load(given.model)
    engine = open_engine(model)
    folder = given.work / f"card-{model.fingerprint}"
    folder.mkdir(exist_ok=True)
    for name in given.only:
        if not (folder / name).exists():
            found = json.dumps(SECTIONS[name](engine))
            (folder / name).write_text(found)
    if missing := [name for name in SECTIONS if not (folder / name).exists()]:
        sys.stderr.write(f"still to be measured: {', '.join(missing)}\n")
        return
    card = {
        "fingerprint": model.fingerprint,
        "recipe": json.loads((given.work / "recipe.json").read_text()),
        "parameters": sum(weight.numel() for weight in model.hf.parameters()),
        "seeds": SPLITS,
        "held_out_problems": HELD,
        **{name: json.loads((folder / name).read_text()) for name in SECTIONS},
        "emergence": json.loads((here / "emergence.json").read_text()),
    }
    (here / "card.json").write_text(json.dumps(card, indent=1) + "\n")
    (here / "MODEL_CARD.md").write_text(card_text(card))


if __name__ == "__main__":
    main()
