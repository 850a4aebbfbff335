"""The loop: rows do not feel their batch, both engines agree, and a fork leaves no trace."""

import numpy as np
import pytest
import torch

from thoughtscope.probes import NO_TAPS, Generation, Request, Sampling, Taps, TokenBudget, open_engine
from thoughtscope.probes import cache as caches
from thoughtscope.probes.prompt import Prompt

PROMPTS = [
    "Ava has 3 apples .",
    "Ben has 4 pears . how many ?",
    "Ava has 1 + 2 coins . so how many coins has Ava ?",
    "wait .",
    "then check the answer .",
    "Ben has 9 - 5 apples .",
    "how many ?",
    "Ava has 7 . Ben has 8 . so ?",
]


def ask(model, text, **sampling):
    """A request for raw words, inside the thinking from its first token on."""
    ids = tuple(model.tokenizer(f"<user> {text} <assistant> <think>", add_special_tokens=False)["input_ids"])
    return Request(Prompt(text, text, ids, True), Sampling(**{"max_tokens": 24, **sampling}))


def tokens_of(generation):
    """Token ids by row, and how often each batch size occurred."""
    made, sizes = {}, []
    for steps in generation:
        sizes.append(len(steps))
        for step in steps:
            made.setdefault(step.row, []).append(step.token_id)
    return made, sizes


@pytest.mark.parametrize("engine_name", ["native", "transformer_lens"])
@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_a_batch_of_8_equals_8_singles(tiny_model, engine_name, temperature):
    """Prompts of 4 to 16 tokens and limits of 10 to 31: token for token the same alone, in eights, and in threes with
    refilling. The noise is keyed by (seed, step), and fp32 logits of the two ways differ by about 1e-6."""
    model = tiny_model("qwen3")
    engine = open_engine(model, engine_name)
    requests = lambda: [  # noqa: E731
        ask(model, text, temperature=temperature, seed=i, max_tokens=10 + 3 * i) for i, text in enumerate(PROMPTS)
    ]
    singles = [tokens_of(Generation(engine, [request]))[0][0] for request in requests()]
    for batch in (8, 3):
        made, sizes = tokens_of(Generation(engine, requests(), batch=batch, taps=Taps(states=())))
        assert [made[row] for row in range(8)] == singles
        assert max(sizes) == batch
    assert len({token for row in singles for token in row}) >= 8  # random weights, yet not one word over and over


def test_both_engines_give_the_same_tokens_and_states(tiny_model):
    """fp32: the same ids, and at every site and token a state within 1e-5 relative."""
    model = tiny_model("llama")
    kept = {}
    for name in ("native", "transformer_lens"):
        steps = [
            s[0] for s in Generation(open_engine(model, name), [ask(model, PROMPTS[2], temperature=0.8)], taps=Taps())
        ]
        kept[name] = [s.token_id for s in steps], np.stack([s.states for s in steps])
    assert kept["native"][0] == kept["transformer_lens"][0]
    one, two = kept["native"][1], kept["transformer_lens"][1]
    error = np.linalg.norm(one - two, axis=-1) / np.linalg.norm(one, axis=-1)
    assert error.max() < 1e-5


@pytest.mark.parametrize("batch", [1, 3])
def test_T13_fork_leaves_no_trace(tiny_model, batch):
    """Greedy continuation with a fork after every token = without, token for token; the cache has its length again."""
    model = tiny_model("qwen3")
    engine = open_engine(model)
    requests = lambda: [ask(model, text, temperature=0) for text in PROMPTS[:batch]]  # noqa: E731
    plain, _ = tokens_of(Generation(engine, requests(), batch=batch))
    forked, lengths = {}, []
    generation = Generation(engine, requests(), batch=batch)
    for steps in generation:
        for step in steps:
            forked.setdefault(step.row, []).append(step.token_id)
            if step.finished is None:
                before = caches.length(generation._cache)
                trial = generation.fork(step.row, model.thinking.close_ids, 4)
                lengths.append((before, caches.length(generation._cache)))
                assert 1 <= len(trial.ids) <= 4
                assert all(0 < p <= 1 for p in trial.probabilities)
    assert forked == plain
    assert lengths
    assert all(before == after for before, after in lengths)


def test_a_fork_says_what_the_run_would_say(tiny_model):
    """A fork without a suffix continues exactly as the greedy run does."""
    model = tiny_model("qwen3")
    generation = Generation(open_engine(model), [ask(model, PROMPTS[1], temperature=0)])
    said, trials = [], []
    for (step,) in generation:
        said.append(step.token_id)
        trials.append(generation.fork(0, (), 3).ids if step.finished is None else ())
    for at, trial in enumerate(trials[:-4]):
        assert list(trial) == said[at + 1 : at + 4]


def test_T13_a_second_call_without_crop_differs(tiny_model):
    """Why a fork must crop: the same cache given the same token twice holds it twice, and the logits move."""
    model = tiny_model("qwen3")
    engine = open_engine(model)
    ids = torch.tensor([ask(model, PROMPTS[0]).prompt.ids])
    cache = caches.empty()
    engine.forward(ids[:, :-1], cache=cache)
    kept = caches.length(cache)
    first = engine.forward(ids[:, -1:], cache=cache).logits.clone()
    second = engine.forward(ids[:, -1:], cache=cache).logits.clone()
    assert caches.length(cache) == kept + 2
    assert (first - second).abs().max() > 1e-3
    caches.crop(cache, kept)
    third = engine.forward(ids[:, -1:], cache=cache).logits
    torch.testing.assert_close(third, first, atol=1e-5, rtol=0)


def test_hooks_are_gone_after_an_abandoned_run(tiny_model):
    """One hook a block while the loop runs, none of them after leaving it early (transformers keeps its own)."""
    model = tiny_model("qwen3")
    hooks = lambda: [len(block._forward_hooks) for block in model.structure.blocks]  # noqa: E731
    before = hooks()
    steps = iter(Generation(open_engine(model), [ask(model, PROMPTS[0])], taps=Taps()))
    next(steps)
    assert hooks() == [count + 1 for count in before]
    steps.close()
    assert hooks() == before


@pytest.mark.parametrize("budget", [0, 1, 7])
def test_a_budget_closes_the_thinking_at_exactly_its_token(tiny_model, budget):
    """Budget n: n sampled thinking tokens, then the forced mark, then the model is free again; 0 thinks nothing."""
    model = tiny_model("qwen3")
    request = ask(model, PROMPTS[0], temperature=0.9, seed=5)
    free, _ = tokens_of(Generation(open_engine(model), [request]))
    assert model.thinking.close_ids[0] not in free[0][:7]  # the budget, not the model, closes it
    request.controls = [TokenBudget(budget)]
    steps = [s[0] for s in Generation(open_engine(model), [request], taps=NO_TAPS)]
    assert [s.forced for s in steps[: budget + 2]] == [False] * budget + [True, False]
    assert steps[budget].token_id == model.thinking.close_ids[0]
    assert [s.segment for s in steps[: budget + 2]] == [1] * (budget + 1) + [2]
    (event,) = steps[budget].events
    assert (event["control"], event["kind"], event["token"], event["value"]) == ("budget", "force", budget, budget)
