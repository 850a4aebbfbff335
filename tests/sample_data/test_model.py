"""The bundled model itself: what the card says of it, and that it runs as any other model does."""

import json

import numpy as np
import pytest

from thoughtscope.analysis import measure
from thoughtscope.probes import (
    Generation,
    Overclock,
    Request,
    Sampling,
    Taps,
    first_difference,
    load,
    open_engine,
    record,
    replay,
)
from thoughtscope.probes.prompt import render
from thoughtscope.sample_data import MODEL_FOLDER, find_problem, other_solutions, problems, solution
from thoughtscope.sample_data.recipe.traces import run_problems


@pytest.fixture(scope="module")
def sample():
    """The bundled model in fp32."""
    return load("sample", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def card():
    """What was measured of it."""
    return json.loads((MODEL_FOLDER.parent / "card.json").read_text())


def test_the_card_is_of_this_model(sample, card):
    """Same fingerprint, fewer than 16 MB, and the text on the card is made of the numbers beside it."""
    from thoughtscope.sample_data.recipe.card_text import card_text

    assert card["fingerprint"] == sample.fingerprint
    assert sum(file.stat().st_size for file in MODEL_FOLDER.rglob("*") if file.is_file()) < 16e6
    assert (MODEL_FOLDER.parent / "MODEL_CARD.md").read_text() == card_text(card)
    assert card["held_out_problems"] == 500
    assert {direction.provenance["model"] for direction in sample.directions.values()} == {sample.fingerprint}


def test_it_thinks_and_answers(sample, card):
    """Greedy on 60 development problems: within 4 standard errors of the accuracy on the card, and every run ends."""
    traces = run_problems(open_engine(sample), problems("dev", 60))
    expected = card["accuracy"]["greedy"]["accuracy"]
    slack = 4 * max(expected * (1 - expected), 0.01) ** 0.5 / 60**0.5
    assert np.mean([trace.correct for trace in traces]) > expected - slack
    assert np.mean([trace.ended for trace in traces]) > 0.95


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_batch_of_8_equals_8_singles(sample, temperature):
    """Whole runs, token for token; two scores closer than 1e-5 would be a flip, and none occurs."""
    engine = open_engine(sample)
    asked = problems("dev", 8, start=40)
    requests = [Request(render(sample, p.text), Sampling(temperature, seed=i)) for i, p in enumerate(asked)]
    singles = [[s[0].token_id for s in Generation(engine, [request])] for request in requests]
    batched = [[] for _ in asked]
    for steps in Generation(engine, requests, batch=8, taps=Taps(states=())):
        for step in steps:
            batched[step.row].append(step.token_id)
    assert batched == singles


def test_both_engines_agree_on_a_whole_run(sample):
    """The same tokens, and every state at every site within 1e-5 relative (fp32)."""
    problem = find_problem("dev-2")
    runs = [record(sample, problem.text, engine=name, seed=3) for name in ("native", "transformer_lens")]
    assert first_difference(*runs) is None
    one, two = (run.column("states") for run in runs)
    assert (np.linalg.norm(one - two, axis=-1) / np.linalg.norm(one, axis=-1)).max() < 1e-5


def test_all_four_signals_on_a_bundled_problem(sample):
    """Progress, trajectory, massive activations and dependence on the answer, each with its null, and they replay."""
    problem = find_problem("dev-3")
    run = record(
        sample,
        problem.text,
        seed=1,
        controls=[Overclock(0.0)],
        gold_text=solution(problem),
        null_texts=other_solutions(problem),
        answer=str(problem.answer),
    )
    signals = measure(run)
    assert list(signals) == ["entropy", "progress", "trajectory", "massive_activations", "mutual_information"]
    for signal in signals.values():
        assert signal.defined.sum() > 20
        assert np.isfinite(signal.null.high[signal.defined]).all()
    assert run.meta["correct"] in (True, False)
    assert first_difference(run, replay(open_engine(sample), run)) is None


def test_overclocking_shortens_the_thinking(sample, card):
    """At the strength where the card's table is shortest, 30 greedy runs show at least half of the shortening there."""
    rows = {row["alpha"]: row["thinking_tokens"] for row in card["overclocking"]["table"]}
    alpha = min(rows, key=lambda alpha: rows[alpha])
    claimed = 1 - rows[alpha] / rows[0.0]
    assert alpha > 0
    engine = open_engine(sample)
    asked = problems("dev", 30, start=700)
    plain = [len(trace.thinking) for trace in run_problems(engine, asked)]
    faster = [len(trace.thinking) for trace in run_problems(engine, asked, controls=lambda: [Overclock(alpha)])]
    assert 1 - np.mean(faster) / np.mean(plain) > claimed / 2 > 0.05
