"""The catalogue, masks, live columns against their recomputation, and what importing costs."""

import subprocess
import sys

import numpy as np
import pytest

from thoughtscope.analysis import CATALOGUE, SignalError, available, measure
from thoughtscope.analysis.activations import recompute_activations
from thoughtscope.analysis.information import recompute_information
from thoughtscope.analysis.progress import recompute_progress
from thoughtscope.analysis.trajectory import recompute_trajectory
from thoughtscope.analysis.uncertainty import recompute_uncertainty

NAMES = ("entropy", "progress", "trajectory", "massive_activations", "mutual_information")


def test_catalogue_names_what_it_measures():
    """Five measures in this order, each with unit, reference and what it is not; only MI is an oracle."""
    assert tuple(CATALOGUE) == NAMES
    for entry in CATALOGUE.values():
        assert entry.unit
        assert entry.reference
        assert entry.meaning.startswith("How ")
        assert entry.not_this.startswith("Not ")
        assert entry.alignment == "predict"
    assert [name for name, entry in CATALOGUE.items() if entry.oracle] == ["mutual_information"]


def test_every_signal_has_one_length_a_null_and_a_mask(run):
    """No signal without its null; forced tokens 20 and 41 are undefined in all five, NaN exactly where undefined."""
    found = measure(run)
    assert tuple(found) == NAMES
    for signal in found.values():
        assert signal.values.shape == (run.n_tokens,)
        assert not signal.defined[[20, 41]].any()
        np.testing.assert_array_equal(np.isfinite(signal.values), signal.defined)
        assert np.isfinite(signal.null.low[signal.defined]).all()
        assert (signal.null.low <= signal.null.high)[signal.defined].all()
        assert signal.null.description
        assert len(signal.peaks) <= 20
        assert (signal.values[signal.peaks] > signal.null.high[signal.peaks]).all()


def test_thinking_signals_stop_with_the_thinking(run):
    """The last ten tokens are answer and end: progress and trajectory have no value there, entropy has."""
    found = measure(run, "entropy", "progress", "trajectory")
    assert found["entropy"].defined[-10:].all()
    assert not found["progress"].defined[-10:].any()
    assert not found["trajectory"].defined[-10:].any()


def test_unknown_and_unavailable_names_are_explained(run):
    """An unknown name lists the catalogue; a name whose columns are missing names the columns and what there is."""
    with pytest.raises(SignalError, match=r"no signal 'entrpy'.*massive_activations"):
        measure(run, "entrpy")
    poor = run.without("progress", "states", "dependence")
    assert available(poor) == ["entropy", "trajectory", "massive_activations"]
    with pytest.raises(SignalError, match=r"'progress' needs.*it can give entropy, trajectory"):
        measure(poor, "progress")
    assert list(measure(poor)) == available(poor)


@pytest.mark.parametrize(
    "recompute",
    [
        recompute_trajectory,
        recompute_activations,
        recompute_information,
        lambda run: recompute_progress(run, run.extras["direction"]),
        lambda run: recompute_uncertainty(run, run.extras["unembedding"]),
    ],
    ids=["trajectory", "activations", "information", "progress", "uncertainty"],
)
def test_live_equals_file(run, recompute):
    """Columns filled one token at a time equal their recomputation from the file's raw states: exactly for what is
    float32 arithmetic by row, to 1e-9 where a batched matrix product may round differently, 1e-5 for float32 logits."""
    columns = recompute(run)
    assert columns is not None
    for name, values in columns.items():
        live = run.column(name)
        if name in ("entropy", "logprob", "topk_logit"):
            np.testing.assert_allclose(values, live, atol=1e-5)
        elif name.startswith("dependence") or name == "progress":
            np.testing.assert_allclose(values, live, atol=1e-9)
        else:
            np.testing.assert_array_equal(values, live, err_msg=name)


def test_signals_are_the_same_without_raw_states(run):
    """A file that kept only live columns gives the same five headlines as one with raw states."""
    with_states, without = measure(run), measure(run.without("states"))
    for name in NAMES:
        np.testing.assert_allclose(with_states[name].values, without[name].values, atol=1e-9)
        np.testing.assert_array_equal(with_states[name].peaks, without[name].peaks)


def test_recomputing_without_states_says_none(run):
    """Where raw states are missing there is nothing to recompute from, and the answer is None rather than a guess."""
    bare = run.without("states")
    assert recompute_trajectory(bare) is None
    assert recompute_activations(bare) is None
    assert recompute_information(bare) is None
    assert recompute_progress(bare, run.extras["direction"]) is None
    assert recompute_uncertainty(bare, run.extras["unembedding"]) is None


def test_importing_analysis_is_light():
    """Neither torch nor any other heavy library is in sys.modules of a fresh interpreter."""
    heavy = ("torch", "transformers", "streamlit", "sklearn", "scipy", "pandas", "plotly")
    code = f"import sys, thoughtscope.analysis; print(*(set(sys.modules) & set({heavy!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
