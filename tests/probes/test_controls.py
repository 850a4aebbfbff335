"""Controls propose, the arbiter settles; overclocking by logits is overclocking by states."""

import dataclasses

import numpy as np
import pytest
import torch

from thoughtscope.probes import (
    Direction,
    Generation,
    Overclock,
    Request,
    Sampling,
    StopThinking,
    Taps,
    TokenBudget,
    open_engine,
)
from thoughtscope.probes import cache as caches
from thoughtscope.probes.controls import Bias, Force, Stop, settle
from thoughtscope.probes.errors import ControlError
from thoughtscope.probes.prompt import Prompt

TEXT = "Ava has 1 + 2 coins . so how many coins has Ava ?"


def direction_for(model, seed=0):
    """A random direction at the final norm."""
    weight = np.random.default_rng(seed).standard_normal(model.d_model).astype(np.float32)
    return Direction.bare("overclock", "ln_final.hook_out", weight, {})


def tokens_with(model, control, engine="native", **sampling):
    """Tokens and states of one run under a control."""
    ids = tuple(model.tokenizer(f"<user> {TEXT} <assistant> <think>", add_special_tokens=False)["input_ids"])
    controls = [] if control is None else [control]
    for each in controls:
        each.bind(model)
    request = Request(
        Prompt(TEXT, TEXT, ids, True), Sampling(**{"temperature": 0.9, "max_tokens": 24, **sampling}), controls
    )
    steps = [steps[0] for steps in Generation(open_engine(model, engine), [request], taps=Taps(), bias_cap=None)]
    return [step.token_id for step in steps], np.stack([step.states for step in steps])


@pytest.mark.parametrize("family", ["qwen3", "llama", "gpt_neox"])
def test_T5_pushing_the_final_state_is_a_logit_bias(tiny_model, family):
    """f + alpha w through the head = logits + alpha W_U w, within 1e-5 of the largest logit; the cache is untouched."""
    model = tiny_model(family)
    control = Overclock(3.0, direction_for(model))
    control.bind(model)
    weight = torch.from_numpy(control.direction.weight)
    ids = torch.tensor([[9, 10, 11, 12, 13]])
    engine = open_engine(model)
    made = {}
    for name in ("bias", "hook"):
        cache = caches.empty()
        handle = None
        if name == "hook":
            push = lambda _module, _args, out: torch.cat([out[:, :-1], out[:, -1:] + 3.0 * weight], dim=1)  # noqa: E731
            handle = model.structure.final_norm.register_forward_hook(push)
        try:
            logits = engine.forward(ids, cache=cache).logits[0].numpy()
        finally:
            if handle:
                handle.remove()
        made[name] = logits + 3.0 * control.push if name == "bias" else logits, cache
    largest = np.abs(made["hook"][0]).max()
    np.testing.assert_allclose(made["bias"][0], made["hook"][0], atol=1e-5 * largest, rtol=0)
    for one, other in zip(made["bias"][1].layers, made["hook"][1].layers, strict=True):
        assert torch.equal(one.keys, other.keys)
        assert torch.equal(one.values, other.values)


def test_T6_alpha_0_is_the_identity(tiny_model):
    """alpha = 0 gives the tokens and the states of the run without the control, bit for bit; alpha = 3 does not."""
    model = tiny_model("qwen3")
    plain, states = tokens_with(model, None)
    same, same_states = tokens_with(model, Overclock(0.0, direction_for(model)))
    assert same == plain
    np.testing.assert_array_equal(same_states, states)
    assert tokens_with(model, Overclock(3.0, direction_for(model)))[0] != plain


def test_overclock_is_the_same_on_both_engines(tiny_model):
    """The bias is added outside the engine, so the engines' tokens stay equal under it."""
    model = tiny_model("llama")
    made = [
        tokens_with(model, Overclock(2.0, direction_for(model)), engine)[0] for engine in ("native", "transformer_lens")
    ]
    assert made[0] == made[1]


def test_a_model_without_a_direction_says_how_to_get_one(tiny_model):
    """What is missing, and the two ways out."""
    with pytest.raises(ControlError, match=r"no fitted overclock direction.*fit_tpv.*--direction"):
        Overclock(1.0).bind(tiny_model("qwen3"))
    wrong = Direction.bare("w", "blocks.0.hook_out", np.zeros(32), {})
    with pytest.raises(ControlError, match=r"blocks\.0\.hook_out"):
        Overclock(1.0, wrong).bind(tiny_model("qwen3"))


def test_arbitration_pairwise():
    """methods.md 33: user stop > policy stop > forced tokens > biases, whatever the order of proposals."""
    bias = Bias("overclock", np.ones(3, np.float32))
    ladder = [Stop("stop", rank=1), Stop("policy", rank=2), Force("insert", (1,)), bias]
    for high, winner in enumerate(ladder):
        for loser in ladder[high + 1 :]:
            for proposals in ((winner, loser), (loser, winner)):
                settled = settle(proposals)
                won = settled.stop or settled.force
                assert won is winner
                assert settled.bias is None
    np.testing.assert_array_equal(settle((bias, bias)).bias, [2, 2, 2])


def test_the_cap_holds_each_bias():
    """Two biases of 30 with a cap of 20 sum to 40; without a cap to 60."""
    bias = Bias("x", np.array([30.0, -30.0, 1.0], np.float32))
    np.testing.assert_array_equal(settle((bias, bias), 20.0).bias, [40, -40, 2])
    np.testing.assert_array_equal(settle((bias, bias), None).bias, [60, -60, 2])


def test_a_stop_outside_the_thinking_ends_the_run(tiny_model):
    """In the answer a stop forces the end token, and the run is over."""
    model = tiny_model("qwen3")
    ids = tuple(model.tokenizer("<user> wait . <assistant>", add_special_tokens=False)["input_ids"])
    stop = StopThinking()
    request = Request(
        Prompt("", "", ids, False),
        Sampling(0.9, seed=1, max_tokens=24),
        [stop],
        turns={3: [("stop", "stop", "answer")]},
    )
    steps = [steps[0] for steps in Generation(open_engine(model), [request])]
    assert (len(steps), steps[-1].forced, steps[-1].finished) == (4, True, "end")
    assert [event["kind"] for event in steps[-1].events] == ["set", "force"]


def stopped(model, asked, at, opened=True, thinking=()):
    """Segments and forced tokens of a run in which `asked` is to be stopped at token `at`."""
    ids = tuple(model.tokenizer("<user> wait . <assistant> <think>", add_special_tokens=False)["input_ids"])
    request = Request(
        Prompt("", "", ids[: None if opened else -1], opened),
        Sampling(0.9, seed=8, max_tokens=24),
        [StopThinking()],
        turns={at: [("stop", "stop", asked)], **dict(thinking)},
    )
    steps = [steps[0] for steps in Generation(open_engine(model), [request])]
    return [step.segment for step in steps], [step.token for step in steps if step.forced]


def test_a_late_stop_of_the_thinking_leaves_the_answer_alone(tiny_model):
    """A second click, or one that came as the thought closed, used to end the run without an answer. Stops of the
    thinking at tokens 5 and 6: the mark is forced at 5, and the answer goes on past token 6."""
    model = tiny_model("qwen3")
    segments, forced = stopped(model, "thinking", 5, thinking={6: [("stop", "stop", "thinking")]})
    assert forced == [5]
    assert segments[:7] == [1] * 6 + [2]
    assert len(segments) > 8


def test_a_stop_before_the_model_has_opened_its_thought_waits_for_it(tiny_model):
    """It used to force the end token at once, and the run was empty. Without an open thought nothing is forced."""
    segments, forced = stopped(tiny_model("qwen3"), "thinking", 0, opened=False)
    assert len(segments) > 3
    assert all(segments[at - 1] == 1 or segments[at] == 1 for at in forced)


def test_a_clipped_push_says_so(tiny_model):
    """The alpha in the record is not what acted when the cap cuts: an event at the token where that begins."""
    model = tiny_model("qwen3")
    control = Overclock(1.0, direction_for(model))
    control.bind(model)
    ids = tuple(model.tokenizer(f"<user> {TEXT} <assistant> <think>", add_special_tokens=False)["input_ids"])
    request = Request(Prompt(TEXT, TEXT, ids, True), Sampling(0.9, seed=8, max_tokens=6), [control])
    for cap, expected in ((0.5, [(0, "clip", 0.5)]), (1e6, [])):
        steps = [steps[0] for steps in Generation(open_engine(model), [request], bias_cap=cap)]
        assert [(e["token"], e["kind"], e["value"]) for step in steps for e in step.events] == expected


def test_a_scaled_direction_pushes_along_weight_over_scale(tiny_model):
    """A read-out of standardised features used to be pushed along its weight alone. p = w . h / s, so W_U (w / s)."""
    model = tiny_model("qwen3")
    bare = direction_for(model)
    scale = np.linspace(0.5, 2, model.d_model).astype(np.float32)
    scaled = Direction("scaled", bare.site, bare.weight * scale, np.zeros_like(scale), scale)
    pushes = []
    for direction in (bare, scaled):
        control = Overclock(1.0, direction)
        control.bind(model)
        pushes.append(control.push)
    np.testing.assert_allclose(pushes[0], pushes[1], rtol=1e-5, atol=1e-5)


def test_controls_of_the_thinking_are_refused_where_there_is_none(tiny_model):
    """They used to do nothing, without a word."""
    model = dataclasses.replace(tiny_model("qwen3"), thinking=None)
    for control in (Overclock(1.0, direction_for(model)), TokenBudget(5)):
        with pytest.raises(ControlError, match="does not think"):
            control.bind(model)


@pytest.mark.parametrize(
    ("dial", "value"), [("alpha", float("inf")), ("alpha", "much"), ("tokens", "10"), ("tokens", -1)]
)
def test_a_dial_refuses_what_cannot_be_meant(dial, value):
    """Asked for in mid-run, a wrong value is refused where it is asked for and the run goes on."""
    control = Overclock() if dial == "alpha" else TokenBudget()
    with pytest.raises(ControlError, match="not possible"):
        control.dials[dial].turn(value)
    assert not control.dials[dial].take()
