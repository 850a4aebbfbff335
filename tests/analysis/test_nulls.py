"""Nulls and peak rules against closed forms."""

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


def test_T19_walk_band_is_one_over_root_n():
    """The band's middle is 1/sqrt(n), and 95% of fresh walks lie in -+ 2 sd: 92% to 98% of 500."""
    steps = np.arange(0, 101)
    null = nulls.walk_band(steps, 128)
    assert np.isnan(null.low[0])
    np.testing.assert_allclose(0.5 * (null.low + null.high)[25:], 1 / np.sqrt(steps[25:]), rtol=1e-9)
    inside = []
    for seed in range(500):
        step = np.random.default_rng(1000 + seed).standard_normal((64, 128))
        whole = step.sum(axis=0)
        aligned = np.mean(step @ whole / np.linalg.norm(step, axis=1)) / np.linalg.norm(whole)
        inside.append(null.low[64] <= aligned <= null.high[64])
    assert 0.92 <= np.mean(inside) <= 0.98


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
    """Quantiles 2.5% and 97.5% of 41 values 0..40 are 1 and 39, at each token by itself."""
    null = nulls.shuffled_gold_band(np.arange(41.0)[None, :] + np.array([[0.0], [100.0]]))
    np.testing.assert_allclose(null.low, [1.0, 101.0])
    np.testing.assert_allclose(null.high, [39.0, 139.0])


def test_simulations_are_repeatable():
    """Seeded: two calls after clearing the cache give the same band."""
    first = nulls._gaussian_ratio(64, 4)
    nulls._gaussian_ratio.cache_clear()
    assert nulls._gaussian_ratio(64, 4) == first
