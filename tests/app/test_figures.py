"""The timeline by content: which marks there are, where, and what they say."""

from types import ModuleType

import numpy as np
import pytest

from thoughtscope.app.figures import timeline
from thoughtscope.app.theme import DARK, LIGHT


def test_one_strip_a_signal_with_band_value_and_peaks(runs: ModuleType) -> None:
    """Entropy has a value and peaks, the oracle signal a band and a value: four traces on two y axes, one shared x."""
    figure = timeline(runs.recording(), *runs.signals().values())
    names = [trace.name for trace in figure.data]
    assert names == ["Entropy", "Entropy: peaks", "Dependence on the answer: null band", "Dependence on the answer"]
    assert [trace.yaxis for trace in figure.data] == ["y", "y", "y2", "y2"]
    assert figure.layout.xaxis.matches == "x2"
    assert figure.layout.annotations[0].text == "<b>Entropy</b> (nats)"


def test_undefined_tokens_are_gaps(runs: ModuleType) -> None:
    """Token 4 was forced: its stored 9.0 is not drawn, and no line bridges it."""
    figure = timeline(runs.recording(), runs.signals()["entropy"])
    assert np.isnan(figure.data[0].y[4]) and figure.data[0].y[1] == 2.0
    assert figure.data[0].connectgaps is False
    assert list(figure.data[1].x) == [1] and list(figure.data[1].y) == [2.0]


def test_an_oracle_signal_looks_different_and_says_so(runs: ModuleType) -> None:
    """Dashed where a deployable signal is solid, with the word in its title."""
    figure = timeline(runs.recording(), *runs.signals().values())
    lines = {trace.name: trace.line.dash for trace in figure.data if trace.mode == "lines" and trace.fill is None}
    assert lines == {"Entropy": "solid", "Dependence on the answer": "dash"}
    assert figure.layout.annotations[1].text == "<b>Dependence on the answer</b> (oracle, HSIC)"


def test_the_null_band_is_the_band(runs: ModuleType) -> None:
    """Around tokens 0, 1, 2 and back: the high edge is 2, the low edge 1, and nothing where it is undefined."""
    figure = timeline(runs.recording(), runs.signals()["mutual_information"])
    band = figure.data[0]
    assert band.fill == "toself" and band.fillcolor == LIGHT.null_band
    assert list(band.x) == [0, 1, 2, 2, 1, 0] and list(band.y) == [2, 2, 2, 1, 1, 1]


def test_events_are_rules_before_their_token(runs: ModuleType) -> None:
    """An event at token 2 acts on it, so its rule stands at 1.5, on both strips; the request for a stop is left out."""
    figure = timeline(runs.recording(), *runs.signals().values())
    assert [shape.x0 for shape in figure.layout.shapes] == [1.5, 1.5, 3.5, 3.5, 4.5, 4.5]
    assert {"α = 25", "forced by stop", "pause"} <= {note.text for note in figure.layout.annotations}


def test_model_text_is_escaped_in_hover(runs: ModuleType) -> None:
    """Plotly interprets tags in labels; the token <think> must arrive as text."""
    figure = timeline(runs.recording(), runs.signals()["entropy"])
    assert figure.data[0].customdata[0] == "&lt;think&gt;"
    assert figure.data[0].customdata[2] == ",↵↵"


def test_the_theme_is_on_the_figure(runs: ModuleType) -> None:
    """Data first, theme last: the same data in the dark has the dark theme's surface and signal colour."""
    figure = timeline(runs.recording(), runs.signals()["entropy"], theme=DARK)
    assert figure.layout.template.layout.plot_bgcolor == DARK.surface
    assert figure.data[0].line.color == DARK.signals["entropy"]


def test_what_cannot_be_drawn_is_said(runs: ModuleType) -> None:
    """No signal, and a signal of another run, are errors with the numbers in them."""
    with pytest.raises(ValueError, match="at least one signal"):
        timeline(runs.recording())
    longer = runs.Signal("entropy", "Entropy", "nats", np.zeros(7), np.ones(7, bool))
    with pytest.raises(ValueError, match=r"7 values.*6 tokens"):
        timeline(runs.recording(), longer)
