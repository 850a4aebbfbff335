"""Statistics of states against NumPy's own."""

import numpy as np
import pytest

from thoughtscope.kernels.moments import cosine, state_moments


@pytest.mark.parametrize("shape", [(160,), (5, 160), (3, 5, 161), (2, 3)])
def test_moments_equal_the_plain_formulas(shape):
    """Norm, mean, median of |h| and the three largest |h| equal NumPy's, for even and odd widths, any leading axes."""
    h = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    found, size = state_moments(h), np.abs(h)
    np.testing.assert_allclose(found.norm, np.linalg.norm(h, axis=-1), rtol=1e-6)
    np.testing.assert_allclose(found.mean, h.mean(axis=-1), rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(found.median, np.median(size, axis=-1))
    np.testing.assert_array_equal(found.top3, np.sort(size, axis=-1)[..., :-4:-1])
    np.testing.assert_array_equal(np.take_along_axis(size, found.top3_dim, axis=-1), found.top3)


def test_rows_do_not_depend_on_their_batch():
    """The live loop feeds (n_layers, d), the file (n_tokens, n_layers, d): the numbers are bit for bit the same."""
    h = np.random.default_rng(1).standard_normal((4, 5, 160)).astype(np.float32)
    whole = state_moments(h)
    for token in range(4):
        for one, many in zip(state_moments(h[token]), whole, strict=True):
            np.testing.assert_array_equal(one, many[token])


def test_too_narrow_states_are_refused():
    """Two coordinates have no top 3."""
    with pytest.raises(ValueError, match="at least 3"):
        state_moments(np.zeros((4, 2)))


def test_cosine():
    """Parallel 1, opposite -1, orthogonal 0, and no number where a vector is zero."""
    a = np.array([[1.0, 0], [1, 0], [1, 0], [0, 0]])
    b = np.array([[2.0, 0], [-3, 0], [0, 5], [1, 1]])
    np.testing.assert_array_equal(cosine(a, b), np.array([1, -1, 0, np.nan], dtype=np.float32))
    assert np.isnan(cosine([0.0, 0.0], [1.0, 0.0]))
    assert float(cosine([3.0, 4.0], [3.0, 4.0])) == pytest.approx(1.0)
