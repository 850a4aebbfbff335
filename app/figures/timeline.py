"""The signals of one run over its tokens: one strip a signal, one shared axis.

A strip shows the value, its null band, its peaks and the events; a signal that uses the gold answer is dashed and says
so in its title. The figure does not know how a signal was computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..events import shown
from ..theme import LIGHT, Theme, apply

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from ...analysis.signal import Signal
    from ...probes import Recording

STRIP_HEIGHT = 120
"""Pixels a strip."""


def timeline(run: Recording, *signals: Signal, theme: Theme = LIGHT) -> go.Figure:
    """Strips of signals over the generated tokens of `run`, in the order given.

    Each strip draws, in this order: null band (two lines, filled between), value, peaks. Undefined tokens are gaps.

    Raises:
        ValueError: without a signal, or when a signal is not as long as the run.
    """
    from plotly.subplots import make_subplots

    if not signals:
        raise ValueError("timeline needs at least one signal; measure(run) gives those that the recording allows")
    for signal in signals:
        if len(signal.values) != run.n_tokens:
            raise ValueError(f"{signal.name} has {len(signal.values)} values; the run has {run.n_tokens} tokens")
    titles = [_heading(signal) for signal in signals]
    spacing = 0.28 / len(signals)
    figure = make_subplots(rows=len(signals), shared_xaxes=True, vertical_spacing=spacing, subplot_titles=titles)
    words = [token.replace("\n", "↵") for token in run.tokens]
    for row, signal in enumerate(signals, 1):
        for trace in _strip(signal, words, theme.signal(signal.name, row - 1), theme):
            figure.add_trace(trace, row=row, col=1)
    figure.update_annotations(x=0, xanchor="left", font_size=13)
    for position, event in enumerate(shown(run.events)):
        figure.add_vline(x=event["token"] - 0.5, line={"color": theme.forced, "width": 1, "dash": "dot"})
        figure.add_annotation(
            x=event["token"] - 0.5, y=1, yref="paper", yshift=24 + 13 * (position % 2), text=_escaped(event["label"]),
            showarrow=False, xanchor="left", font={"color": theme.forced, "size": 11},
        )  # fmt: skip
    figure.update_xaxes(title_text="token", row=len(signals), col=1)
    figure.update_layout(
        height=70 + STRIP_HEIGHT * len(signals),
        margin={"l": 70, "r": 20, "t": 64, "b": 44},
        showlegend=False,
        hovermode="x unified",
    )
    return apply(figure, theme)


def _heading(signal: Signal) -> str:
    kind = "oracle, " if signal.oracle else ""
    return f"<b>{_escaped(signal.title)}</b> ({kind}{_escaped(signal.unit)})"


def _strip(signal: Signal, words: list[str], colour: str, theme: Theme) -> Iterator[go.Scatter]:
    import plotly.graph_objects as go

    tokens = np.arange(len(signal.values))
    if signal.null is not None:
        # One closed band a stretch: Plotly would fill straight across a gap.
        for stretch in _stretches(np.isfinite(signal.null.low) & np.isfinite(signal.null.high)):
            outline = np.concatenate([tokens[stretch], tokens[stretch][::-1]])
            edges = np.concatenate([signal.null.high[stretch], signal.null.low[stretch][::-1]])
            yield go.Scatter(
                x=outline, y=edges, name=f"{signal.title}: null band", fill="toself", mode="lines",
                fillcolor=theme.null_band, line={"width": 0}, hoverinfo="skip",
            )  # fmt: skip
    yield go.Scatter(
        x=tokens,
        y=np.where(signal.defined, signal.values, np.nan),
        name=signal.title,
        mode="lines",
        connectgaps=False,
        line={"color": colour, "width": 1.6, "dash": "dash" if signal.oracle else "solid"},
        customdata=[_escaped(word) for word in words],
        hovertemplate=f"%{{y:.3g}} {_escaped(signal.unit)} · “%{{customdata}}”<extra>{_escaped(signal.title)}</extra>",
    )
    if len(signal.peaks):
        yield go.Scatter(
            x=signal.peaks, y=signal.values[signal.peaks], name=f"{signal.title}: peaks",
            mode="markers", hoverinfo="skip",
            marker={"symbol": "circle-open", "size": 9, "color": colour, "line": {"width": 1.6}},
        )  # fmt: skip


def _stretches(mask: np.ndarray) -> list[slice]:
    """Runs of True as slices."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [slice(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _escaped(text: str) -> str:
    """Plotly reads a subset of HTML in labels; model text must not."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
