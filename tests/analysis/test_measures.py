"""The five measures against numbers known on paper."""

import numpy as np
import pytest

from thoughtscope.analysis import measure
from thoughtscope.analysis.activations import dims_table, is_massive, massive_coordinates
from thoughtscope.analysis.information import pearson, small_scale_law
from thoughtscope.analysis.trajectory import change_of_means
from thoughtscope.kernels.hsic import dependence, gold_factor


def planted(scale: float) -> np.ndarray:
    """A [16, 512] Gaussian matrix of std 0.2 with one coordinate of 300, all scaled (methods 4.7)."""
    states = 0.2 * np.random.default_rng(0).standard_normal((16, 512))
    states[5, 77] = 300.0
    return scale * states


@pytest.mark.parametrize("per_sequence", [True, False])
def test_T11_one_planted_activation_is_flagged(per_sequence):
    """300 in std 0.2: exactly one flag, at (5, 77), by the token's median and by the sequence's."""
    found = massive_coordinates(planted(1.0), per_sequence=per_sequence)
    assert np.argwhere(found).tolist() == [[5, 77]]


def test_T11_planted_ratio_is_2224():
    """max / median = 300 / (0.2 * 0.6745) = 2224, to 2% over the whole matrix."""
    size = np.abs(planted(1.0))
    assert size.max() / np.median(size) == pytest.approx(2224, rel=0.02)


def test_T11_scaled_by_a_tenth_there_is_none():
    """30 < 100: no flag, although the ratio is unchanged; with magnitude 10 the flag is back, so both numbers count."""
    assert not massive_coordinates(planted(0.1)).any()
    assert massive_coordinates(planted(0.1), magnitude=10.0).sum() == 1
    assert not is_massive(300.0, 0.135, ratio=3000.0)


def test_dims_table_counts_by_layer():
    """Layer 0: dim 4 is largest on 3 of 4 tokens, all 3 massive, so it has every hit; layer 1 has no hit at all."""
    rows = dims_table([[4, 1], [4, 1], [4, 2], [9, 1]], [[1, 0], [1, 0], [1, 0], [0, 0]])
    assert rows[0] == {"layer": 0, "dim": 4, "share": 0.75, "hits": 3, "massive": True}
    assert rows[2] == {"layer": 1, "dim": 1, "share": 0.75, "hits": 0, "massive": False}


def test_massive_headline_is_the_largest_layer(run):
    """log10(top1 / median), the maximum over layers; parts and table are there."""
    signal = measure(run, "massive_activations")["massive_activations"]
    expected = np.log10(run.column("top3")[..., 0] / run.column("median"))
    np.testing.assert_allclose(signal.values[signal.defined], expected.max(axis=1)[signal.defined], rtol=1e-6)
    assert signal.parts["flag"].shape == expected.shape
    assert {row["layer"] for row in signal.parameters["dims"]} == {0, 1, 2}


def test_position_zero_is_left_out(make_run):
    """With a prompt of one token, the state that chose the first token is that of position 0, a sink: undefined."""
    run = make_run(30)
    alone = type(run)({**run.meta, "prompt": {"ids": [1]}}, run.columns, run.tokens)
    assert measure(run, "massive_activations")["massive_activations"].defined[0]
    assert not measure(alone, "massive_activations")["massive_activations"].defined[0]


def test_entropy_is_the_column(run):
    """The headline is the recorded entropy in nats; its band holds 95% of the trace's own values."""
    signal = measure(run, "entropy")["entropy"]
    np.testing.assert_allclose(signal.values[signal.defined], run.column("entropy")[signal.defined])
    inside = (signal.values >= signal.null.low) & (signal.values <= signal.null.high)
    assert inside[signal.defined].mean() == pytest.approx(0.95, abs=0.03)
    assert "shuffled" in signal.null.description


def test_progress_is_smoothed_in_time_order_and_clipped(make_run):
    """Bias-corrected EMA(0.1) of the raw read-out: the first value is the first raw one, then (0.9 a + b) / 1.9."""
    measures = {"progress": {"position_curve": [0.1, 0.2, 0.3], "position_sd": 0.05}}
    run = make_run(60, measures=measures)
    raw = run.column("progress").copy()
    raw[:4] = [0.2, 0.6, 7.0, 7.0]
    signal = measure(type(run)(run.meta, {**run.columns, "progress": raw}, run.tokens), "progress")["progress"]
    assert signal.values[0] == pytest.approx(0.2)
    assert signal.values[1] == pytest.approx((0.9 * 0.2 + 0.6) / 1.9)
    assert signal.values[3] == 1.0
    assert signal.parts["smooth"][3] > 1.0
    assert signal.parts["raw"][2] == 7.0


def with_progress(run, raw, **columns):
    """The run with another progress column."""
    return type(run)(run.meta, {**run.columns, "progress": np.asarray(raw), **columns}, run.tokens)


def test_a_read_out_that_knows_only_the_position_stays_in_the_middle_of_its_band(make_run):
    """Symptom: the line is an average that lags by 9 tokens, the band was not: a read-out equal to the position's own
    prediction, rising by 0.02 a token, left a band of +-0.05 from below. Expected: line = middle to 1e-12, and edges
    1.96 * 0.02 = 0.0392 away, the 95 % that the description claims."""
    curve = 0.02 * np.arange(1, 51)
    run = make_run(60, measures={"progress": {"position_curve": curve.tolist(), "position_sd": 0.02}})
    signal = measure(with_progress(run, np.append(curve, np.ones(10))), "progress")["progress"]
    inner = signal.defined & (signal.null.low > 0) & (signal.null.high < 1)
    assert inner.sum() > 30
    np.testing.assert_allclose(signal.values[inner] - signal.null.low[inner], 0.0392, rtol=1e-9)
    np.testing.assert_allclose(signal.null.high[inner] - signal.values[inner], 0.0392, rtol=1e-9)
    assert "95%" in signal.null.description and "1.96" in signal.null.description


def test_the_position_is_that_of_the_thinking_token(make_run):
    """Symptom: a model that says five words before its opening mark was compared with the curve five tokens on.
    Expected: the first thinking token, generated token 5, has the curve's first value 0.1; NaN before it. A forced
    token has no value but counts as a place: after forced token 6, token 7 has place 2 (0.5), so EMA (0.9 a + b) / 1.9.
    """
    run = make_run(40, measures={"progress": {"position_curve": [0.1, 0.3, 0.5], "position_sd": 0.01}})
    segment, forced = run.column("segment").copy(), np.zeros(40, dtype=np.uint8)
    segment[:5], forced[6] = 2, 1
    signal = measure(with_progress(run, run.column("progress"), segment=segment, forced=forced), "progress")["progress"]
    middle = 0.5 * (signal.null.low + signal.null.high)
    assert np.isnan(middle[:5]).all()
    assert middle[5] == pytest.approx(0.1)
    assert middle[7] == pytest.approx((0.9 * 0.1 + 0.5) / 1.9)


def test_progress_predicts_what_remains(make_run):
    """A read-out that rises by 0.01 a token is at 0.5 after 50 tokens: 50 remain, without the lag of the smoothing."""
    run = make_run(70)
    rising = 0.01 * np.arange(1, 71)
    forced = np.zeros(70, dtype=np.uint8)
    columns = {**run.columns, "progress": rising, "forced": forced}
    signal = measure(type(run)(run.meta, columns, run.tokens), "progress")["progress"]
    assert signal.parts["remaining"][49] == pytest.approx(50.0)


def test_progress_without_a_curve_gets_the_constant_null(run):
    """No position curve in the header: the null is a constant 0.5, and 95 % of uniform progress is 0.025 to 0.975."""
    null = measure(run, "progress")["progress"].null
    assert null.kind == "constant"
    assert (null.low[0], null.high[0]) == (0.025, 0.975)


def test_trajectory_headline_is_the_mean_over_layers(run):
    """Aligned change averaged over layers; NaN before two segments; straightness is net over cumulative."""
    signal = measure(run, "trajectory")["trajectory"]
    ends = np.flatnonzero(run.column("segment_end"))
    assert not signal.defined[: ends[1]].any()
    last = np.flatnonzero(signal.defined)[-1]
    assert signal.values[last] == pytest.approx(run.column("aligned")[last].mean())
    straight = run.column("net")[last] / run.column("cumulative")[last]
    np.testing.assert_allclose(signal.parts["straightness"][last], straight)
    assert signal.parts["steps"][last] == len(ends) - 1


def test_T19_batch_formulas():
    """Equal steps: straightness net / cumulative equals aligned exactly (methods 11.2)."""
    random = np.random.default_rng(0)
    steps = random.standard_normal((20, 3, 8))
    points = np.cumsum(steps / np.linalg.norm(steps, axis=-1, keepdims=True), axis=0)
    net, cumulative, aligned = change_of_means(points)
    np.testing.assert_allclose(aligned, net / cumulative, rtol=1e-12)


def test_mutual_information_headline_and_companions(run):
    """The last followed block at sigma 50; median width, null values, squared correlation and norm stand beside it."""
    signal = measure(run, "mutual_information")["mutual_information"]
    assert signal.oracle
    np.testing.assert_allclose(signal.values[signal.defined], run.column("dependence")[signal.defined, -1])
    np.testing.assert_allclose(signal.parts["median_width"], run.column("dependence_median"), atol=1e-9)
    assert signal.parts["null"].shape == (run.n_tokens, 8)
    states, gold = run.column("states")[:, 2], run.column("gold_state")[1]
    expected = [np.corrcoef(state, gold)[0, 1] ** 2 for state in states]
    np.testing.assert_allclose(signal.parts["squared_correlation"], expected, rtol=1e-5)


def test_mutual_information_without_a_null_bank_says_so(run):
    """Without other problems' gold states the band is the trace's own, and the description says what is missing."""
    signal = measure(run.without("dependence_null", "null_bank", "states"), "mutual_information")["mutual_information"]
    assert signal.null.kind == "own values"
    assert "no gold states" in signal.null.description


def test_T4_small_scale_law_function():
    """The companion formula and the estimator agree to 1% for vectors of std 0.3."""
    random = np.random.default_rng(1)
    x, y = 0.3 * random.standard_normal((2, 4096)) + 0.2 * random.standard_normal(4096)
    assert float(dependence(x, gold_factor(y))) == pytest.approx(float(small_scale_law(x, y)), rel=0.01)
    assert float(pearson(x, y)) == pytest.approx(np.corrcoef(x, y)[0, 1])
