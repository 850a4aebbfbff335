"""Fit the bundled model's directions: `python -m thoughtscope.sample_data.recipe.directions`.

Progress read-out and overclock direction are fitted on development problems; the strength range is chosen there as
well. Held-out problems are opened for the table of `card` only. Writes `model/directions/*.safetensors`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from ...analysis.evaluate import r2
from ...analysis.progress import SMOOTHING, ProgressFit, evaluate_progress, fit_progress, fit_tpv
from ...probes.controls import Overclock
from ...probes.directions import Direction
from ...probes.engines import Engine, open_engine
from ...probes.models import load
from ...probes.sites import FINAL_NORM
from ..problems import problems
from ..vocabulary import MODEL_FOLDER
from .traces import Trace, run_problems, summary

FIT_PROBLEMS = (2000, 150)
"""First number and count of the development problems that directions are fitted on."""
CHECK_PROBLEMS = (2300, 60)
"""Those on which layer and strength are chosen."""


def collect(engine: Engine, first: int, count: int, sites: list[str], samples: int = 2) -> list[Trace]:
    """Sampled traces (T = 0.6, two a problem) with states of their thinking; those that did not end are left out."""
    traces = run_problems(
        engine,
        problems("dev", count, first),
        samples=samples,
        temperature=0.6,
        sites=sites,
        say=f"collecting {count} problems",
    )
    return [trace for trace in traces if trace.ended]


def states_at(traces: list[Trace], place: int) -> list[np.ndarray]:
    """Per trace (n_thinking, d_model) states at one site."""
    return [np.stack(trace.states)[:, place] for trace in traces]


def smoothed(states: list[np.ndarray]) -> list[np.ndarray]:
    """Exponential means of the states over each trace, with the weight that the progress signal is smoothed with.

    A read-out is linear, so reading the mean state is the same as smoothing the read-out, which is what is shown
    (methods.md 2.2). Fitted on single states it explained less than the position does.
    """
    smooth = []
    for trace in states:
        total, weight, means = np.zeros(trace.shape[1]), 0.0, []
        for state in trace:
            total += SMOOTHING * (state - total)
            weight += SMOOTHING * (1 - weight)
            means.append(total / weight)
        smooth.append(np.array(means))
    return smooth


def choose_layer(fit_on: list[Trace], check_on: list[Trace], sites: list[str]) -> tuple[ProgressFit, dict[str, float]]:
    """A smoothed read-out at every site, judged on other problems; the best one and the table of R2 by site."""
    groups = [trace.problem.id for trace in fit_on]
    fits, scores = {}, {}
    for place, site in enumerate(sites):
        fits[site] = fit_progress(smoothed(states_at(fit_on, place)), groups, site)
        report = evaluate_progress(
            fits[site], smoothed(states_at(check_on, place)), [t.problem.id for t in check_on], n=1
        )
        scores[site] = round(report.r2_probe, 4)
    return fits[max(scores, key=lambda site: scores[site])], scores


def as_direction(fit: ProgressFit, name: str, provenance: dict[str, Any]) -> Direction:
    """A fit as a file-ready direction."""
    return Direction(
        name,
        fit.site,
        fit.weight.astype(np.float32),
        fit.mean.astype(np.float32),
        fit.scale.astype(np.float32),
        fit.intercept,
        fit.position_curve.astype(np.float32),
        fit.position_sd,
        {**fit.provenance, **provenance, "ridge": fit.ridge, "n_traces": fit.n_traces},
    )


def overclock_direction(traces: list[Trace], place: int, fingerprint: str) -> Direction:
    """The authors' vector w at the final norm (methods.md 2.2), for the logit bias alpha W_U w."""
    weight = fit_tpv(states_at(traces, place))
    return Direction.bare(
        "overclock", FINAL_NORM, weight, {"model": fingerprint, "fitted_on": "dev", "n_traces": len(traces)}
    )


def alpha_grid(engine: Engine, direction: Direction) -> list[float]:
    """Strengths whose largest logit bias is 1 to 18, below the cap of 20, one that slows down, and none."""
    control = Overclock(1.0, direction)
    control.bind(engine.model)
    assert control.push is not None
    unit = float(np.abs(control.push).max())
    return [round(bias / unit, 3) for bias in (-4, 0, 1, 2, 4, 6, 9, 13, 18)]


def fit(model_ref: str, target: Path, only: str | None = None) -> None:
    """Collect, fit, choose, save; `only` one of the two where the other is to stay."""
    model = load(model_ref)
    engine = open_engine(model)
    sites = [site.name for site in model.sites()]
    fit_on = collect(engine, *FIT_PROBLEMS, sites)
    check_on = collect(engine, *CHECK_PROBLEMS, sites)
    if only != "overclock":
        best, scores = choose_layer(fit_on, check_on, sites)
        facts = {"model": model.fingerprint, "fitted_on": f"dev {FIT_PROBLEMS}", "r2_by_site": scores}
        as_direction(best, "progress", {**facts, "smoothing": SMOOTHING}).save(target / "progress.safetensors")
    if only == "progress":
        return
    push = overclock_direction(fit_on, len(sites) - 1, model.fingerprint)
    table = {}
    for alpha in alpha_grid(engine, push):
        traces = run_problems(engine, problems("dev", 60, 2500), controls=lambda alpha=alpha: [Overclock(alpha, push)])
        table[alpha] = summary(traces)
    fine = [alpha for alpha, row in table.items() if row["ended"] >= 0.9]
    slow, fast = min([a for a in fine if a <= 0], default=0.0), max([a for a in fine if a >= 0], default=0.0)
    provenance = {
        **push.provenance,
        "alpha_range": [slow, fast],
        "development_table": {str(a): r for a, r in table.items()},
    }
    Direction.bare("overclock", FINAL_NORM, push.weight, provenance).save(target / "overclock.safetensors")


def position_and_size(fit_on: list[Trace], check_on: list[Trace]) -> float:
    """R2 of E[y | token index, number of facts], the strong trivial read-out, on traces it was not fitted on."""
    sums: dict[tuple[int, int], list[float]] = {}
    for trace in fit_on:
        n = len(trace.thinking)
        for j in range(n):
            sums.setdefault((j, len(trace.problem.facts)), []).append((j + 1) / n)
    means = {key: float(np.mean(values)) for key, values in sums.items()}
    truth, guess = [], []
    for trace in check_on:
        n, facts = len(trace.thinking), len(trace.problem.facts)
        last = 0.5
        for j in range(n):
            last = means.get((j, facts), last)
            truth.append((j + 1) / n)
            guess.append(last)
    return round(float(r2(np.array(truth), np.array(guess))), 4)


def main() -> None:
    """Read the command line and fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="sample")
    parser.add_argument("--target", type=Path, default=MODEL_FOLDER / "directions")
    parser.add_argument("--only", choices=("progress", "overclock"))
    given = parser.parse_args()
    fit(given.model, given.target, given.only)


if __name__ == "__main__":
    main()
