"""Streaming arithmetic against closed forms and against its batch form."""

from dataclasses import dataclass

import numpy as np
import pytest

from thoughtscope.analysis.trajectory import change_of_means
from thoughtscope.probes.streaming import (
    Ema,
    ProgressReader,
    RobustZ,
    RollingPeaks,
    Segmenter,
    Trajectory,
    is_sentence_end,
    remaining_tokens,
)


def walk(points: np.ndarray, tokens: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Feed segment means, each as `tokens` equal tokens, and get what the last token gives."""
    path = Trajectory()
    found = (np.array(np.nan), np.array(np.nan), np.array(np.nan))
    for point in points:
        for index in range(tokens):
            found = path.update(point, index == tokens - 1)
    return found


def test_T19_straight_line():
    """n steps of length s: net = cumulative = n s, aligned 1 (methods 11.8)."""
    net, cumulative, aligned = walk(np.outer(np.arange(11), [3.0, 4.0]))
    assert (float(net), float(cumulative), float(aligned)) == pytest.approx((50.0, 50.0, 1.0), abs=1e-12)


def test_T19_half_circle():
    """Radius 1, fine steps: net 2, cumulative pi, aligned 2/pi = 0.63662."""
    angle = np.linspace(0, np.pi, 20001)
    net, cumulative, aligned = walk(np.stack([np.cos(angle), np.sin(angle)], axis=1))
    assert (float(net), float(cumulative), float(aligned)) == pytest.approx((2.0, np.pi, 0.63662), abs=1e-5)


def test_T19_closed_circle_has_no_direction():
    """Net 0 (to rounding), so aligned is undefined and NaN rather than a ratio of two rounding errors."""
    angle = np.linspace(0, 2 * np.pi, 401)
    net, cumulative, aligned = walk(np.stack([np.cos(angle), np.sin(angle)], axis=1))
    assert float(net) < 1e-12
    assert float(cumulative) == pytest.approx(2 * np.pi, rel=1e-4)
    assert np.isnan(aligned)


@pytest.mark.parametrize("steps", [25, 100])
def test_T19_random_walk_is_one_over_root_n(steps):
    """Mean aligned change of Gaussian walks is 1/sqrt(n): 0.2 and 0.1; 40 walks in 512 dimensions are within 3%."""
    random = np.random.default_rng(steps)
    points = np.cumsum(random.standard_normal((steps + 1, 40, 512)), axis=0)
    aligned = walk(points)[2]
    assert aligned.mean() == pytest.approx(steps**-0.5, rel=0.03)


def test_T19_streaming_equals_batch():
    """Token sums, layers, uneven segments: streaming values equal the batch formula to 1e-12 after every segment."""
    random = np.random.default_rng(0)
    ends = np.cumsum(random.integers(1, 9, size=30))
    states = np.cumsum(random.standard_normal((ends[-1], 5, 64)), axis=0).astype(np.float32)
    starts = np.concatenate([[0], ends[:-1]])
    means = np.stack([states[a:b].astype(np.float64).mean(axis=0) for a, b in zip(starts, ends, strict=True)])
    path, closed = Trajectory(), 0
    for token, state in enumerate(states):
        found = path.update(state, bool(token + 1 in ends))
        closed += token + 1 in ends
        if closed < 2:
            assert np.isnan(found).all()
        elif token + 1 in ends:
            np.testing.assert_allclose(found, change_of_means(means[:closed]), rtol=1e-12)


def test_values_hold_between_segments():
    """Tokens inside an open segment do not move net, cumulative and aligned."""
    path = Trajectory()
    for point in ([0.0, 0.0], [1.0, 0.0]):
        before = path.update(np.array(point), True)
    for _ in range(3):
        assert path.update(np.array([50.0, 50.0]), False) == before


def test_rows_of_a_batch_are_independent():
    """Three rows with their own sentence ends and pauses give what each gives alone."""
    random = np.random.default_rng(4)
    states = random.standard_normal((40, 3, 2, 16))
    closes, active = random.random((40, 3)) < 0.3, random.random((40, 3)) < 0.8
    together = Trajectory()
    alone = [Trajectory() for _ in range(3)]
    found = (np.empty(3), np.empty(3), np.empty(3))
    for token in range(40):
        found = together.update(states[token], closes[token], active[token])
        for row in range(3):
            single = alone[row].update(states[token, row], bool(closes[token, row]), bool(active[token, row]))
            np.testing.assert_allclose([part[row] for part in found], single, rtol=1e-12)
    assert np.isfinite(found[0]).all()


def test_ema_half_life_and_first_value():
    """Bias correction: the first read-out is the first value; a step is half passed after 6.6 updates at beta 0.1."""
    average = Ema(0.1)
    assert average.update(5.0) == pytest.approx(5.0)
    step = Ema(0.1)
    for _ in range(2000):
        step.update(0.0)
    values = [step.update(1.0) for _ in range(7)]
    assert values[5] < 0.5 < values[6]
    assert step.update(float("nan")) == values[6]


def test_robust_z_and_rolling_peaks_flag_a_spike():
    """Normal noise with sd 1, then 8: z about 8, a peak by both rules; the noise before it has z near its own value."""
    random = np.random.default_rng(0)
    scores, peaks = RobustZ(), RollingPeaks()
    values = [scores.update(x) for x in random.standard_normal(256)]
    for x in np.random.default_rng(0).standard_normal(256):
        peaks.update(float(x))
    assert np.isnan(values[:8]).all()
    assert scores.update(8.0) == pytest.approx(8.0, rel=0.15)
    assert scores.is_peak(8.0)
    assert peaks.update(8.0)
    assert not peaks.update(0.0)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        (".", True),
        (" ?", True),
        ("done!\n", True),
        ('."', True),
        ("\n\n", True),
        ("3", False),
        (" so", False),
        ("", False),
    ],
)
def test_sentence_ends(text, ends):
    """A token ends a sentence by its last mark, quotes aside, or by a newline anywhere in it."""
    assert is_sentence_end(text) is ends


def test_segmenter_counts_tokens():
    """Rule 3 closes at tokens 3, 6, ...; an unknown rule is refused by name."""
    segmenter = Segmenter(3)
    assert [segmenter.closes("a") for _ in range(7)] == [False, False, True, False, False, True, False]
    with pytest.raises(ValueError, match="paragraphs"):
        Segmenter("paragraphs")


def test_progress_reader_is_the_formula():
    """p = weight . (h - mean) / scale + intercept, by hand: (1*(3-1)/2 + 2*(0-4)/4) + 0.5 = -0.5."""

    @dataclass
    class Direction:
        weight = np.array([1.0, 2.0])
        intercept = 0.5
        mean = np.array([1.0, 4.0])
        scale = np.array([2.0, 4.0])

    reader = ProgressReader(Direction())
    assert reader.read([3.0, 0.0]) == pytest.approx(-0.5)
    np.testing.assert_allclose(reader.read([[3.0, 0.0], [1.0, 4.0]]), [-0.5, 0.5])


def test_remaining_tokens():
    """Rising by 0.005 a token from 0: after 100 tokens p = 0.5, so 100 remain; flat says nothing; p = 1 is 0."""
    rising = 0.005 * np.arange(1, 101)
    assert remaining_tokens(rising) == pytest.approx(100.0)
    assert np.isnan(remaining_tokens(np.full(50, 0.4)))
    assert np.isnan(remaining_tokens(rising[:5]))
    assert remaining_tokens(np.linspace(0.5, 1.0, 20)) == 0.0
