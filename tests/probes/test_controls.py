"""Controls propose, the arbiter settles; overclocking by logits is overclocking by states."""

import numpy as np
import pytest
import torch

from thoughtscope.probes import Direction, Generation, Overclock, Request, Sampling, StopThinking, Taps, open_engine
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
        Prompt("", "", ids, False), Sampling(0.9, seed=1, max_tokens=24), [stop], turns={3: [("stop", "stop", True)]}
    )
    steps = [steps[0] for steps in Generation(open_engine(model), [request])]
    assert (len(steps), steps[-1].forced, steps[-1].finished) == (4, True, "end")
    assert [event["kind"] for event in steps[-1].events] == ["set", "force"]
