"""Evaluation against closed forms."""

import math

import numpy as np
import pytest

from thoughtscope.analysis.evaluate import auroc, auroc_within, bootstrap_by_problem, paired_r2_difference, r2


def test_auroc_by_hand():
    """Scores 1 2 3 4, labels 0 1 0 1: positives win 3 of 4 pairs; all equal is 1/2; one class only is NaN."""
    assert auroc([1, 2, 3, 4], [0, 1, 0, 1]) == 0.75
    assert auroc([5, 5, 5, 5], [0, 1, 0, 1]) == 0.5
    assert math.isnan(auroc([1, 2], [1, 1]))


def test_auroc_of_shifted_normals():
    """d' = 1: AUROC = Phi(1 / sqrt 2) = 0.7602; 40000 rows are within 0.01."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 40000)
    assert auroc(labels + random.standard_normal(40000), labels) == pytest.approx(0.7602, abs=0.01)


def test_auroc_within_removes_the_difference_between_problems():
    """Scores equal a problem's base rate: pooled AUROC is far above 1/2, within problem exactly 1/2."""
    groups = np.repeat(np.arange(50), 20)
    random = np.random.default_rng(0)
    rate = random.random(50)[groups]
    labels = random.random(1000) < rate
    assert auroc(rate, labels) > 0.75
    assert auroc_within(rate, labels, groups) == pytest.approx(0.5)


def test_bootstrap_resamples_problems():
    """Ten problems of 100 identical rows: the interval is that of 10 values (sd/sqrt 10), not of 1000."""
    values = np.repeat(np.random.default_rng(0).standard_normal(10), 100)
    groups = np.repeat(np.arange(10), 100)
    mean, low, high = bootstrap_by_problem(lambda rows: float(values[rows].mean()), groups, n=1000, seed=0)
    assert mean == pytest.approx(values.mean())
    expected = 2 * 1.96 * values.std() / np.sqrt(10)
    assert high - low == pytest.approx(expected, rel=0.15)
    assert bootstrap_by_problem(lambda rows: float(values[rows].mean()), groups, seed=0) == (mean, low, high)


def test_paired_difference_equals_the_plain_bootstrap():
    """Sums by problem give the same point value as two R2, and an interval like that of resampled rows."""
    random = np.random.default_rng(1)
    groups = np.repeat(np.arange(30), 20)
    y = random.standard_normal(600)
    probe, baseline = y + 0.5 * random.standard_normal(600), y + 0.8 * random.standard_normal(600)
    fast = paired_r2_difference(y, probe, baseline, groups, seed=0)
    assert fast.mean == pytest.approx(r2(y, probe) - r2(y, baseline), abs=1e-12)
    slow = bootstrap_by_problem(lambda i: r2(y[i], probe[i]) - r2(y[i], baseline[i]), groups, n=1000, seed=1)
    assert fast.low == pytest.approx(slow.low, abs=0.02)
    assert fast.high == pytest.approx(slow.high, abs=0.02)


def test_wrong_shapes_are_named():
    """Three targets and two predictions."""
    with pytest.raises(ValueError, match=r"\(3,\).*\(2,\)"):
        r2([1, 2, 3], [1, 2])
