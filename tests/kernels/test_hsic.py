"""The dependence estimator against closed forms, the dense definition, and its own invariances."""

import numpy as np
import pytest

from thoughtscope.kernels import hsic
from thoughtscope.kernels.hsic import dependence, dependence_dense, gold_bank, gold_factor, median_width, unbiased_hsic


def two_valued(a: float, b: float, phi: float, half: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """x in {+a, -a}, y in {+b, -b}, equal halves, with correlation phi."""
    sign = np.repeat([1.0, -1.0], half)
    other = sign.copy()
    flips = round((1 - phi) / 2 * half)
    other[:flips] *= -1
    other[half : half + flips] *= -1
    return a * sign, b * other


@pytest.mark.parametrize(
    ("a", "b", "phi", "expected"),
    [(1, 1, 1, 0.951796), (1, 3, 0.6, 0.350240), (0.1, 0.1, 1, 0.081632), (1, 1, 0, 0.0)],
)
def test_T1_two_valued_closed_form(a, b, phi, expected):
    """value = r(a) r(b) phi^2 with r = q/(q + eps), q = (1 - exp(-2 a^2 / sigma^2)) / 2 (methods 1.8)."""
    x, y = two_valued(a, b, phi)
    assert float(dependence(x, gold_factor(y))) == pytest.approx(expected, abs=1e-6)


def vectors(kind: str, d: int, seed: int) -> np.ndarray:
    """A vector of one of the shapes that residual streams have."""
    random = np.random.default_rng(seed)
    plain = random.standard_normal(d)
    if kind == "outliers":
        plain[[3, 17, 40]] = [300.0, -120.0, 35.0]
    scale = {"tiny": 1e-3, "unit": 1.0, "tens": 12.0, "hundreds": 100.0}
    return plain * scale.get(kind, 1.0)


@pytest.mark.parametrize("sigma", [50.0, "median"])
@pytest.mark.parametrize("kind_x", ["tiny", "unit", "tens", "hundreds", "outliers"])
@pytest.mark.parametrize("kind_y", ["unit", "hundreds", "outliers"])
def test_T2_low_rank_equals_dense(sigma, kind_x, kind_y):
    """The low-rank form is the definition trace(R_x R_y) to 1e-9 at every scale, massive outliers included."""
    x, y = vectors(kind_x, 200, 0), vectors(kind_y, 200, 1)
    y = y + 0.4 * x * (np.std(y) / np.std(x))
    assert abs(float(dependence(x, gold_factor(y, sigma))) - dependence_dense(x, y, sigma)) < 1e-9


@pytest.mark.parametrize(
    ("scale", "path"), [(30.0, "_taylor"), (150.0, "_fourier"), (3000.0, "_cholesky")], ids=["near", "middle", "far"]
)
def test_T2_every_kind_of_features_is_reached_and_exact(monkeypatch, scale, path):
    """Reach below 2, below 8 and beyond: the path named is the one that runs, and its features reproduce HKH."""
    called = []
    for name in ("_taylor", "_fourier", "_cholesky"):
        original = getattr(hsic, name)
        monkeypatch.setattr(hsic, name, lambda *a, _n=name, _f=original: called.append(_n) or _f(*a))
    v = np.random.default_rng(3).uniform(-scale, scale, 60)
    features = hsic._features(v[None], np.asarray(50.0))[0]
    assert path in called
    kernel = np.exp(-0.5 * ((v[:, None] - v) / 50.0) ** 2)
    centre = np.eye(60) - 1 / 60
    np.testing.assert_allclose(features.T @ features, centre @ kernel @ centre, atol=1e-11)


def test_T2_near_and_far_rows_share_a_batch():
    """One row with massive outliers among plain ones: each row still equals the dense formula to 1e-9."""
    x = np.stack([vectors("unit", 160, 5), vectors("outliers", 160, 6) * 9, vectors("tens", 160, 7)])
    y = vectors("unit", 160, 8)
    expected = [dependence_dense(row, y) for row in x]
    np.testing.assert_allclose(dependence(x, gold_factor(y)), expected, atol=1e-9)


def test_T3_shift_invariance():
    """The kernels see differences only: adding constants to x or y changes nothing, to 1e-12."""
    x, y = vectors("unit", 160, 0), vectors("unit", 160, 1)
    base = float(dependence(x, gold_factor(y)))
    assert float(dependence(x + 7.0, gold_factor(y - 300.0))) == pytest.approx(base, abs=1e-12)


@pytest.mark.parametrize("scale", [0.05, 0.1, 0.2, 0.4, 0.8])
def test_T4_small_scale_law(scale):
    """For |values| well below sigma: rho^2 v_x/(v_x + 0.025) v_y/(v_y + 0.025), eps sigma^2 = 0.025 (methods 1.2)."""
    random = np.random.default_rng(2)
    common = random.standard_normal(2048)
    x = scale * (common + random.standard_normal(2048))
    y = common + random.standard_normal(2048)
    rho = np.corrcoef(x, y)[0, 1]
    law = rho**2 * np.var(x) / (np.var(x) + 0.025) * np.var(y) / (np.var(y) + 0.025)
    assert float(dependence(x, gold_factor(y))) == pytest.approx(law, rel=0.02)


def test_dependence_of_a_vector_on_itself():
    """MI(x, x) = sum (lambda / (lambda + eps m))^2 over the eigenvalues of HKH (methods 1.8)."""
    x = vectors("tens", 120, 4)
    kernel = np.exp(-0.5 * ((x[:, None] - x) / 50.0) ** 2)
    centre = np.eye(120) - 1 / 120
    values = np.clip(np.linalg.eigvalsh(centre @ kernel @ centre), 0, None)
    expected = np.sum((values / (values + 1e-5 * 120)) ** 2)
    assert float(dependence(x, gold_factor(x))) == pytest.approx(expected, abs=1e-9)


def test_a_shared_outlier_looks_like_dependence():
    """Independent Gaussian vectors that share one coordinate of 20 at m = 1024 score about 0.44 (methods 1.7)."""
    values = []
    for seed in range(5):
        random = np.random.default_rng(seed)
        x, y = random.standard_normal((2, 1024))
        x[0] = y[0] = 20.0
        values.append(float(dependence(x, gold_factor(y))))
    assert np.mean(values) == pytest.approx(0.44, abs=0.06)


def test_a_bank_is_its_factors_one_by_one():
    """(n_bank, n_layers, d) gold states, padded to one rank: each entry equals its own factor to 1e-9."""
    random = np.random.default_rng(9)
    x, ys = random.standard_normal((6, 4, 160)), random.standard_normal((9, 4, 160)) * np.arange(1, 10)[:, None, None]
    together = dependence(x, gold_bank(ys))
    assert together.shape == (6, 4, 9)
    for index in range(9):
        np.testing.assert_allclose(together[..., index], dependence(x, gold_factor(ys[index])), atol=1e-9)
    np.testing.assert_allclose(dependence(x[2], gold_bank(ys)), together[2], atol=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_coordinate_that_is_not_a_number_costs_one_value(bad):
    """Symptom: one NaN coordinate ended the run with "zero-size array to reduction operation". Expected: NaN for that
    state alone, or for that gold state alone; all other values as without it, to 1e-12."""
    random = np.random.default_rng(3)
    x, ys = random.standard_normal((6, 4, 160)), random.standard_normal((3, 4, 160))
    sound = dependence(x, gold_bank(ys))
    x[2, 1, 7] = bad
    found = dependence(x, gold_bank(ys))
    assert np.isnan(found[2, 1]).all()
    assert np.isnan(found).sum() == 3
    np.testing.assert_allclose(found[np.isfinite(found)], sound[np.isfinite(found)], atol=1e-12)
    for sigma in (50.0, "median"):
        assert np.isnan(dependence(x[2, 1], gold_factor(ys[0, 1], sigma)))
    ys[1, 3, 0] = bad
    found = dependence(x[:2], gold_bank(ys))
    assert np.isnan(found[:, 3, 1]).all()
    assert np.isnan(found).sum() == 2
    np.testing.assert_allclose(found[np.isfinite(found)], sound[:2][np.isfinite(found)], atol=1e-12)


def test_wrong_sites_are_refused():
    """States of 3 sites against a factor of 4: an error that names both shapes."""
    with pytest.raises(ValueError, match=r"\(3, 160\).*\(4, 160\)"):
        dependence(np.zeros((3, 160)), gold_factor(np.ones((4, 160))))


@pytest.mark.parametrize("d", [7, 160, 1001])
def test_median_width_is_the_median_distance(d):
    """Exact up to 48 coordinates, within 4% of the median over all pairs beyond; a constant vector gets 1."""
    v = np.random.default_rng(d).standard_normal(d)
    exact = np.median(np.abs(v[:, None] - v)[np.triu_indices(d, 1)])
    assert float(median_width(v)) == pytest.approx(exact, rel=1e-12 if d <= 48 else 0.04)
    assert float(median_width(np.full(d, 3.0))) == 1.0


def test_T32_unbiased_hsic_is_zero_under_independence():
    """Mean over 200 independent pairs within 3 standard errors of 0 (false alarm 0.3%), and far above 0 for y = x."""
    random = np.random.default_rng(0)
    values = [
        unbiased_hsic(random.standard_normal((30, 8)), random.standard_normal((30, 8)), 4.0, 4.0) for _ in range(200)
    ]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * error
    x = random.standard_normal((30, 8))
    assert unbiased_hsic(x, x, 4.0, 4.0) > 30 * error


def test_T32_unbiased_hsic_by_hand():
    """With all off-diagonal kernel entries equal (c), the three terms cancel: n=4, c^2 (12 + 12*12/6 - 36) = 0."""
    x = np.eye(4)
    assert unbiased_hsic(x, x, 1.0, 1.0) == pytest.approx(0.0, abs=1e-12)
