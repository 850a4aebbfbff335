"""One generation under a user's hand: steered from outside, recorded, replayed."""

import threading

import numpy as np
import pytest

from thoughtscope.analysis import measure
from thoughtscope.analysis.activations import recompute_activations
from thoughtscope.analysis.information import recompute_information
from thoughtscope.analysis.progress import recompute_progress
from thoughtscope.analysis.trajectory import recompute_trajectory
from thoughtscope.probes import (
    Direction,
    Overclock,
    Recording,
    Run,
    Sampling,
    Taps,
    TokenBudget,
    first_difference,
    open_engine,
    record,
    replay,
)
from thoughtscope.probes.errors import ModelError, RecordingError

TEXT = "Ava has 1 + 2 coins . so how many coins has Ava ?"


def settings(model, **more):
    """A run with everything on: overclock, budget, progress, gold states."""
    random = np.random.default_rng(0)
    push = Direction.bare("overclock", "ln_final.hook_out", 0.3 * random.standard_normal(model.d_model), {})
    read = Direction(
        "progress", "blocks.1.hook_out", random.standard_normal(32).astype(np.float32), np.zeros(32, np.float32),
        np.ones(32, np.float32), 0.1, np.linspace(0, 1, 20), 0.2,
    )  # fmt: skip
    return {
        "sampling": Sampling(0.9, seed=8, max_tokens=60),
        "controls": [TokenBudget(), Overclock(0.0, push)],
        "progress": read,
        "gold_text": "Ava has 3 coins .",
        "null_texts": [f"Ben has {n} pears ." for n in range(1, 9)],
        "answer": "3",
        **more,
    }


@pytest.fixture
def steered(tiny_model, tmp_path):
    """A run with three changes in mid-run (alpha up, alpha down, stop) and a pause, saved and read back."""
    model = tiny_model("qwen3")
    run = Run(model, TEXT, **settings(model))
    for step in run:
        if step.token == 5:
            run.turn("overclock", "alpha", 1.5)
        if step.token == 11:
            run.turn("overclock", "alpha", -1.0)
            run.pause()
            threading.Timer(0.05, run.resume).start()
        if step.token == 17:
            run.stop()
    run.save(tmp_path / "run.safetensors")
    return Recording.load(tmp_path / "run.safetensors")


@pytest.mark.parametrize("engine", ["native", "transformer_lens"])
def test_replay_of_a_run_with_three_mid_run_changes_is_identical(tiny_model, steered, engine):
    """All tokens, and every live column to the last bit on the engine that recorded it (1e-4 relative on the other)."""
    model = tiny_model("qwen3")
    changes = [(e["token"], e["dial"], e["value"]) for e in steered.events if e["kind"] == "set"]
    assert changes == [(6, "alpha", 1.5), (12, "alpha", -1.0), (18, "stop", "thinking")]
    np.testing.assert_array_equal(steered.column("alpha")[:19], [0] * 6 + [1.5] * 6 + [-1.0] * 6 + [0])
    again = replay(open_engine(model, engine), steered, progress=settings(model)["progress"])
    assert first_difference(steered, again) is None
    for name, values in steered.columns.items():
        if name == "time_s":
            continue
        if engine == "native":
            np.testing.assert_array_equal(again.column(name), values, err_msg=name)
        elif values.dtype.kind == "f" and not name.startswith("dependence"):
            np.testing.assert_allclose(again.column(name), values, rtol=1e-4, atol=1e-4, err_msg=name)


def test_without_the_changes_the_tokens_differ(tiny_model, steered):
    """The same seed left alone parts from the steered run, not before the first change acts."""
    model = tiny_model("qwen3")
    alone = record(model, TEXT, **settings(model))
    differs = first_difference(steered, alone)
    assert differs is not None
    assert differs >= 6


def test_replay_refuses_another_model(tiny_model, steered):
    """Both fingerprints and the way out are in the message."""
    with pytest.raises(ModelError, match=r"was made by.*--model"):
        replay(open_engine(tiny_model("llama")), steered)


def test_live_equals_file(tiny_model, steered):
    """Every live column is computed again from the raw states in the file: exactly, and to 1e-9 for matrix products."""
    exact = recompute_trajectory(steered) | recompute_activations(steered)
    for name, values in exact.items():
        np.testing.assert_array_equal(values, steered.column(name), err_msg=name)
    for name, values in recompute_information(steered).items():
        np.testing.assert_allclose(values, steered.column(name), rtol=1e-7, atol=1e-9, err_msg=name)
    read = settings(tiny_model("qwen3"))["progress"]
    values = recompute_progress(steered, read)["progress"]
    np.testing.assert_allclose(values, steered.column("progress"), atol=1e-9)
    assert set(measure(steered)) == {"entropy", "progress", "trajectory", "massive_activations", "mutual_information"}


def test_a_stop_from_another_thread_ends_a_paused_run(tiny_model):
    """Paused at token 5, stopped from outside: the mark is forced at token 6 and the events say so in order."""
    model = tiny_model("qwen3")
    run = Run(model, TEXT, **settings(model))
    for step in run:
        if step.token == 5:
            run.pause()
            threading.Timer(0.05, run.stop).start()
    kinds = [(event["kind"], event["token"]) for event in run.recording().events]
    assert kinds[:4] == [("pause", 6), ("resume", 6), ("set", 6), ("force", 6)] or kinds[:4] == [
        ("set", 6), ("force", 6), ("pause", 6), ("resume", 6)
    ]  # fmt: skip
    assert run.recording().column("forced")[6] == 1


def test_cancel_keeps_what_was_said(tiny_model):
    """Ended at once: five tokens are kept and the reason is written."""
    model = tiny_model("qwen3")
    run = Run(model, TEXT, **settings(model))
    for step in run:
        if step.token == 4:
            run.cancel()
    kept = run.recording()
    assert (kept.n_tokens, kept.meta["stop_reason"]) == (5, "cancelled")


def test_a_byte_budget_keeps_fewer_sites_and_says_so(tiny_model):
    """60 tokens x 4 sites x 32 numbers x 4 bytes = 30,720 bytes; a budget of half keeps 2 sites, the progress site
    first."""
    model = tiny_model("qwen3")
    run = record(model, TEXT, **settings(model, taps=Taps(state_budget=15_360)))
    assert run.column("states").shape[1:] == (2, 32)
    assert run.meta["sites"] == ["blocks.1.hook_out", "ln_final.hook_out"]
    assert run.meta["sites_dropped"] == 2


@pytest.mark.parametrize("tokens", [3, 16])
def test_a_finished_journal_is_the_recording(tiny_model, tmp_path, tokens):
    """Ended with 3 tokens in the last frame or, at a multiple of 8, with none: both open and say what the run says."""
    model = tiny_model("qwen3")
    run = Run(model, TEXT, **settings(model, sampling=Sampling(0.9, seed=8, max_tokens=tokens)), journal=tmp_path / "j")
    for _ in run:
        pass
    found, made = Recording.load(tmp_path / "j"), run.recording()
    assert found.n_tokens == tokens
    assert {**found.meta, "recovered": None, "created": None} == {**made.meta, "recovered": None, "created": None}
    for name, values in made.columns.items():
        np.testing.assert_array_equal(found.column(name), values, err_msg=name)


def test_a_journal_begins_with_the_run(tiny_model, tmp_path, monkeypatch):
    """No file while the run is prepared, none when its first pass fails, and an error before it where none can be."""
    model = tiny_model("qwen3")
    run = Run(model, TEXT, **settings(model), journal=tmp_path / "j")
    assert not (tmp_path / "j").exists()
    monkeypatch.setattr(run.engine, "forward", lambda *_args, **_more: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        next(iter(run))
    assert not (tmp_path / "j").exists()
    with pytest.raises(RecordingError, match=r"cannot write .*choose another place with -o"):
        next(iter(Run(model, TEXT, **settings(model), journal=tmp_path)))


def test_a_run_runs_once(tiny_model):
    """A second loop over it would begin the journal anew; it is refused."""
    model = tiny_model("qwen3")
    run = Run(model, TEXT, **settings(model, sampling=Sampling(0, max_tokens=1)))
    assert len(list(run)) == 1
    with pytest.raises(RuntimeError, match="make another Run"):
        next(iter(run))


def test_replay_of_a_cancelled_run_ends_where_it_did(tiny_model):
    """Cancelled after five tokens: the replay says the same five and no more."""
    model = tiny_model("qwen3")
    run = Run(model, TEXT, **settings(model))
    for step in run:
        if step.token == 4:
            run.cancel()
    assert first_difference(run.recording(), replay(open_engine(model), run.recording())) is None


def test_the_consumer_is_not_in_inference_mode(tiny_model):
    """Code between two tokens used to run in inference mode, and two closed runs left it on for good."""
    import torch

    model = tiny_model("qwen3")
    runs = [iter(Run(model, TEXT, **settings(model))) for _ in range(2)]
    for run in runs:
        next(run)
        assert not torch.is_inference_mode_enabled()
    for run in runs:
        run.close()
    assert not torch.is_inference_mode_enabled()


def test_replay_asks_for_the_same_precision_and_marks(tiny_model, steered):
    """A run in another precision, or with other marks around the thinking, used to differ from some token on."""
    import dataclasses

    import torch

    model = tiny_model("qwen3")
    with pytest.raises(ModelError, match=r"made in float32.*--dtype float32"):
        replay(open_engine(dataclasses.replace(model, dtype=torch.bfloat16)), steered)
    with pytest.raises(ModelError, match="--thinking"):
        replay(open_engine(dataclasses.replace(model, thinking=None)), steered)


def test_only_sites_that_were_asked_for_count_as_dropped(tiny_model):
    """One site asked for and kept: none dropped (it used to say 3)."""
    model = tiny_model("qwen3")
    run = record(model, TEXT, **settings(model, taps=Taps(states=("ln_final.hook_out",))))
    assert (run.meta["sites"], run.meta["sites_dropped"]) == (["ln_final.hook_out"], 0)
