"""Gumbel-max with noise keyed by (seed, step)."""

import numpy as np
import pytest

from thoughtscope.probes.errors import ThoughtscopeError
from thoughtscope.probes.sampling import Sampler, Sampling


def test_noise_belongs_to_seed_and_step_alone():
    """Asked in any order, on both sides of a block of 64, the noise of a step is the same; other seeds differ."""
    one, other = Sampler(Sampling(seed=3), 50), Sampler(Sampling(seed=3), 50)
    forwards = {step: one.noise(step).copy() for step in (0, 5, 63, 64, 200)}
    for step in (200, 64, 63, 5, 0):
        np.testing.assert_array_equal(other.noise(step), forwards[step])
    assert not np.array_equal(forwards[0], forwards[5])
    assert not np.array_equal(Sampler(Sampling(seed=4), 50).noise(0), forwards[0])


def test_tokens_come_with_their_softmax_probability():
    """p = (0.7, 0.2, 0.1) at T = 1, 4,000 steps: frequencies within 4 standard errors (0.03); a correct program fails
    once in 5,000 seeds, and this seed is fixed."""
    sampler = Sampler(Sampling(1.0, seed=1), 3)
    logits = np.log(np.array([0.7, 0.2, 0.1], np.float32))
    counts = np.bincount([sampler.choose(logits, step) for step in range(4000)], minlength=3) / 4000
    np.testing.assert_allclose(counts, [0.7, 0.2, 0.1], atol=4 * 0.5 / 4000**0.5)


def test_temperature_sharpens():
    """At T = 0.5 odds of 7 : 2 become 49 : 4, so the first of two has probability 0.9245; 4 standard errors: 0.017."""
    sampler = Sampler(Sampling(0.5, seed=2), 2)
    logits = np.log(np.array([0.7, 0.2], np.float32))
    share = np.mean([sampler.choose(logits, step) == 0 for step in range(4000)])
    assert share == pytest.approx(49 / 53, abs=0.017)


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [
        ({"top_k": 2}, {0, 1}),
        ({"top_p": 0.6}, {0, 1}),  # 0.5 alone is not enough
        ({"top_p": 0.5}, {0}),  # 0.5 alone is
        ({"top_p": 0.79, "top_k": 3}, {0, 1}),
        ({"temperature": 0.0}, {0}),
    ],
)
def test_what_is_cut_is_never_drawn(settings, allowed):
    """p = (0.5, 0.3, 0.15, 0.05), 2,000 draws at T = 1: exactly the allowed tokens occur."""
    sampler = Sampler(Sampling(**{"temperature": 1.0, "seed": 7, **settings}), 4)
    logits = np.log(np.array([0.5, 0.3, 0.15, 0.05], np.float32))
    assert {sampler.choose(logits.copy(), step) for step in range(2000)} == allowed


@pytest.mark.parametrize("wrong", [{"temperature": -1}, {"top_p": 0}, {"top_k": -1}, {"max_tokens": 0}, {"seed": -1}])
def test_what_cannot_be_meant_is_refused(wrong):
    """The message names the setting, the value and what is allowed."""
    ((name, value),) = wrong.items()
    with pytest.raises(ThoughtscopeError, match=rf"{name} {value} .*allowed"):
        Sampling(**wrong)


def test_a_temperature_next_to_nothing_is_greedy():
    """1e-38 used to overflow and pick another token than the most likely."""
    logits = np.array([3.0, 9.0, 8.9], np.float32)
    assert {Sampler(Sampling(1e-38, seed=s), 3).choose(logits.copy(), 0) for s in range(20)} == {1}
