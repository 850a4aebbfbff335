"""Nulls and peak rules against closed forms."""

import time

import numpy as np
import pytest

from thoughtscope.analysis import nulls


def test_peak_rules():
    """0..99 and one 1000: the fence at Q3 + 1.5 IQR = 75 + 75 = 150 passes one value; top 3 are the last three."""
    values = np.append(np.arange(100.0), 1000.0)
    assert nulls.fence_peaks(values).tolist() == [100]
    assert nulls.top_peaks(values, 3).tolist() == [98, 99, 100]
    assert nulls.top_peaks(np.array([np.nan, 2.0, 1.0])).tolist() == [1, 2]


def test_displayed_peaks_pass_both_tests_and_are_at_most_twenty():
    """A spike below its null is not a peak; of 30 spikes the 20 largest are shown, in order of place."""
    values = np.zeros(400)
    values[10] = values[20] = 5.0
    upper = np.full(400, 1.0)
    upper[20] = 6.0
    assert nulls.display_peaks(values, upper).tolist() == [10]
    values[100:130] = 10.0 + np.arange(30)
    assert nulls.display_peaks(values, upper).tolist() == list(range(110, 130))


def aligned_changes(n: int, d_model: int, walk: bool, count: int = 600) -> np.ndarray:
    """Aligned change after n steps of `count` random walks, or of as many rows of independent points."""
    random, values = np.random.default_rng(n + d_model), []
    for _ in range(count):
        points = random.standard_normal((n + 1, d_model))
        step = np.diff(np.cumsum(points, axis=0) if walk else points, axis=0)
        whole = step.sum(axis=0)
        values.append(np.mean(step @ whole / np.linalg.norm(step, axis=1)) / np.linalg.norm(whole))
    return np.array(values)


@pytest.mark.parametrize(("n", "d_model"), [(2, 64), (5, 64), (30, 64), (100, 32), (30, 256)])
def test_T19_walk_and_noise_have_closed_forms(n, d_model):
    """600 walks average 1/sqrt(n) and scatter by sqrt((n - 1) / 2d) / n; 600 clouds of independent points average 1/n
    and scatter by sqrt((1 + 3n/4d) / 2d) / n: means within 2.5 % (terms of order 1/d), spreads within 13 % (a spread of
    600 draws has a standard error of 3 %, and n = 2 is 6 % above the form for longer paths)."""
    for walk, law in ((True, nulls.walk_law), (False, nulls.noise_law)):
        values, (mean, sd) = aligned_changes(n, d_model, walk), law(n, d_model)
        assert np.mean(values) == pytest.approx(float(mean), rel=0.025)
        assert np.std(values) == pytest.approx(float(sd), rel=0.13)


@pytest.mark.parametrize(("walk", "n"), [(True, 9), (True, 64), (False, 9), (False, 64)])
def test_noise_without_direction_lies_inside_the_trajectory_band(walk, n):
    """Symptom: independent noise around one mean has an aligned change of 1/n, below a band around 1/sqrt(n): "stands
    out" in 100 % of runs. Expected inside: 97.5 % of noise and of walks, since each misses one edge at 1.96 sd; of 600
    at least 95.5 % (three standard errors)."""
    null = nulls.walk_band([n], 128)
    values = aligned_changes(n, 128, walk)
    inside = (values >= null.low[0]) & (values <= null.high[0])
    assert inside.mean() >= 0.955
    assert "noise" in null.description
    assert "random walk" in null.description


def test_straight_paths_stand_out_of_the_trajectory_band():
    """A drift as large as the noise of each step has aligned 1/sqrt(2) = 0.71 after 30 steps; the edge is at 0.20."""
    null = nulls.walk_band([0, 30], 256)
    assert np.isnan(null.low[0])
    assert null.high[1] == pytest.approx(30**-0.5 + 1.96 * np.sqrt(29 / 512) / 30, rel=1e-9)
    assert null.high[1] < 0.71


def test_past_values_of_the_trajectory_band_do_not_change_as_a_run_goes_on():
    """Symptom: the band at segment 3 was drawn anew, from other random numbers, with each later segment: live values
    moved. Expected: the first 30 values for 30 and for 300 steps are equal exactly; d = 4096 costs less than 20 ms."""
    begun = time.perf_counter()
    short, long = (nulls.walk_band(np.arange(most + 1), 4096) for most in (30, 300))
    assert time.perf_counter() - begun < 0.02
    np.testing.assert_array_equal(short.low, long.low[:31])
    np.testing.assert_array_equal(short.high, long.high[:31])


@pytest.mark.parametrize(("d_model", "ratio"), [(512, 4.7), (4096, 5.7)])
def test_gaussian_ratio_band_holds_the_published_null(d_model, ratio):
    """top-1 / median of one Gaussian token is 4.7 at d = 512 and 5.7 at d = 4096 (methods 5.6), inside the 95% band."""
    null = nulls.gaussian_ratio_band(3, d_model, 1)
    assert null.low[0] < np.log10(ratio) < null.high[0]
    assert null.high[0] - null.low[0] < 0.25


def test_gaussian_band_of_several_layers_is_higher():
    """The largest of 8 layers exceeds one layer's band at both ends."""
    one, eight = nulls.gaussian_ratio_band(1, 160, 1), nulls.gaussian_ratio_band(1, 160, 8)
    assert eight.low[0] > one.low[0]
    assert eight.high[0] > one.high[0]


def test_shuffled_gold_band_is_by_token():
    """79 values 0..78: one of each end left out (k = 80 / 40 = 2), so 1 and 77, at each token by itself."""
    null = nulls.shuffled_gold_band(np.arange(79.0)[None, :] + np.array([[0.0], [100.0]]))
    np.testing.assert_allclose(null.low, [1.0, 101.0])
    np.testing.assert_allclose(null.high, [77.0, 177.0])
    assert "probability 2/80 (2.5%)" in null.description


@pytest.mark.parametrize(("n", "k"), [(8, 1), (19, 1), (39, 1), (79, 2)])
def test_an_unrelated_value_leaves_the_shuffled_gold_band_as_often_as_it_says(n, k):
    """Symptom: with quantiles of 8 others an unrelated value was outside in 26 % of cases under the label 5 %. Expected
    above the band: k / (n + 1) of 20,000 draws (8: 11.1 %, 19: 5 %, 39 and 79: 2.5 %) to 0.7 points, and it says so."""
    draws = np.random.default_rng(n).standard_normal((20_000, n + 1))
    null = nulls.shuffled_gold_band(draws[:, 1:])
    assert np.mean(draws[:, 0] > null.high) == pytest.approx(k / (n + 1), abs=0.007)
    assert np.mean(draws[:, 0] < null.low) == pytest.approx(k / (n + 1), abs=0.007)
    assert f"{n} other problems" in null.description
    assert f"above it with probability {k}/{n + 1}" in null.description


def test_simulations_are_repeatable():
    """Seeded: two calls after clearing the cache give the same band."""
    first = nulls._gaussian_ratio(64, 4)
    nulls._gaussian_ratio.cache_clear()
    assert nulls._gaussian_ratio(64, 4) == first
