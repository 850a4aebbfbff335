"""Fitting progress: synthetic recovery, baselines, and grouped cross-validation."""

import numpy as np
import pytest

from thoughtscope.analysis.evaluate import mse, r2
from thoughtscope.analysis.progress import (
    evaluate_progress,
    fit_progress,
    fit_tpv,
    position_baseline,
    position_prediction,
    targets,
)


def traces(n: int, d: int, noise: float, seed: int = 0) -> tuple[list[np.ndarray], list[int], np.ndarray, np.ndarray]:
    """f_j = u (j / N) + v + noise with orthogonal unit u, v (methods 2.7); four traces a problem."""
    random = np.random.default_rng(seed)
    u, v = np.linalg.qr(random.standard_normal((d, 2)))[0].T
    lengths = random.integers(60, 240, size=n)
    states = [np.outer(targets(m), u) + v + noise * random.standard_normal((m, d)) for m in lengths]
    return states, [i // 4 for i in range(n)], u, v


def test_T7_constant_predictor_is_one_twelfth():
    """y uniform on (0, 1] and p = 0.5: MSE 1/12 = 0.08333, R2 0."""
    y = np.concatenate([targets(n) for n in (4000, 6000)])
    assert mse(y, np.full(len(y), 0.5)) == pytest.approx(1 / 12, rel=1e-3)
    assert r2(y, np.full(len(y), y.mean())) == pytest.approx(0.0, abs=1e-12)


def test_T8_position_baseline_on_held_out_traces():
    """Log-normal lengths (sigma 0.6): E[y | j] reaches MSE 0.033 and R2 0.61 on other traces (methods 2.6)."""
    random = np.random.default_rng(0)
    train, held = (np.maximum(5, np.exp(5.0 + 0.6 * random.standard_normal(1500))).astype(int) for _ in range(2))
    curve, sd = position_baseline(train.tolist())
    y = np.concatenate([targets(n) for n in held])
    p = np.concatenate([position_prediction(n, curve) for n in held])
    assert mse(y, p) == pytest.approx(0.033, abs=0.003)
    assert r2(y, p) == pytest.approx(0.61, abs=0.04)
    assert sd == pytest.approx(np.sqrt(0.033), abs=0.01)


def test_T8_position_curve_by_hand():
    """Traces of 2 and 4 tokens: E[y | j] = (1/2 + 1/4)/2, (1 + 1/2)/2, 3/4, 1; a fifth token keeps the last value."""
    curve, _ = position_baseline([2, 4])
    np.testing.assert_allclose(curve, [0.375, 0.75, 0.75, 1.0])
    np.testing.assert_allclose(position_prediction(6, curve)[4:], 1.0)


def test_authors_recipe_recovers_the_planted_direction():
    """d = 64, 40 traces, noise 0.01: w.u = 0.9986, w.v = 0.0007, MSE 1.0e-4 (methods 2.7)."""
    states, _, u, v = traces(40, 64, 0.01)
    w = fit_tpv(states)
    y = np.concatenate([targets(len(trace)) for trace in states])
    assert float(w @ u) == pytest.approx(0.9986, abs=0.001)
    assert float(w @ v) == pytest.approx(0.0007, abs=0.001)
    assert mse(y, np.concatenate(states) @ w) == pytest.approx(1.0e-4, rel=0.1)


def test_pure_noise_has_error_one_third_without_intercept():
    """Zero-mean noise says nothing: E[y^2] = 1/3 without an intercept, and 1/12 with one (methods 2.7)."""
    random = np.random.default_rng(0)
    states = [random.standard_normal((400, 16)) for _ in range(20)]
    y = np.concatenate([targets(400)] * 20)
    assert mse(y, np.concatenate(states) @ fit_tpv(states)) == pytest.approx(0.333, abs=0.01)
    fit = fit_progress(states, list(range(20)), "blocks.0.hook_out")
    assert mse(y, fit.predict(np.concatenate(states))) == pytest.approx(1 / 12, abs=0.002)


def test_ridge_recovers_and_beats_the_position_on_held_out_problems():
    """Planted progress: held-out R2 above 0.95, position alone below 0.85, the interval excludes 0."""
    states, groups, *_ = traces(80, 32, 0.05)
    fit = fit_progress(states[:60], groups[:60], "ln_final.hook_out")
    report = evaluate_progress(fit, states[60:], groups[60:], n=300)
    assert report.r2_probe > 0.95
    assert report.r2_position < 0.85
    assert report.difference.low > 0.1
    assert report.difference.low < report.difference.mean < report.difference.high
    assert report.difference.mean == pytest.approx(report.r2_probe - report.r2_position, abs=1e-9)
    assert report.n_problems == 5


def test_ridge_equals_its_normal_equations():
    """With token weights it solves (Z'Z/n + lambda I) b = Z'(y - mean)/n on standardised Z."""
    states, groups, *_ = traces(12, 8, 0.3)
    fit = fit_progress(states, groups, "s", ridges=[0.01], weigh="token")
    features, y = np.concatenate(states), np.concatenate([targets(len(trace)) for trace in states])
    z = (features - features.mean(axis=0)) / features.std(axis=0)
    direct = np.linalg.solve(z.T @ z / len(z) + 0.01 * np.eye(8), z.T @ (y - y.mean()) / len(z))
    np.testing.assert_allclose(fit.weight, direct, rtol=1e-8)
    np.testing.assert_allclose(fit.predict(features), z @ direct + y.mean(), rtol=1e-8)


def test_cross_validation_error_is_the_error_on_the_held_out_fold():
    """The error computed from moments equals the one from predictions, two problems and two folds, to 1e-10."""
    states, _, *_ = traces(2, 6, 0.5, seed=3)
    fit = fit_progress(states, [0, 1], "s", ridges=[0.1], n_folds=2, weigh="token")
    total = 0.0
    for held in (0, 1):
        features, y = states[1 - held], targets(len(states[1 - held]))
        scale = features.std(axis=0)
        z = (features - features.mean(axis=0)) / scale
        b = np.linalg.solve(z.T @ z / len(z) + 0.1 * np.eye(6), z.T @ (y - y.mean()) / len(z))
        p = (states[held] - features.mean(axis=0)) / scale @ b + y.mean()
        total += float(np.sum((targets(len(p)) - p) ** 2))
    assert fit.provenance["cv_mse"][0] == pytest.approx(total / sum(map(len, states)), rel=1e-10)


def test_the_penalty_grows_with_noise_and_folds_keep_problems_together():
    """Far fewer traces than features and heavy noise: a larger penalty wins than on clean data."""
    clean, groups, *_ = traces(24, 16, 0.01)
    noisy, _, *_ = traces(24, 16, 3.0)
    few = [trace[::20] for trace in noisy]
    assert fit_progress(few, groups, "s").ridge > fit_progress(clean, groups, "s").ridge
    with pytest.raises(ValueError, match="at least two problems"):
        fit_progress(clean, [0] * 24, "s")
