"""Colours and type by role, for the screen (light, dark) and for paper.

One `Theme` serves the Plotly figures (`apply`), TraceView (`css_variables`) and the report. Every text role reaches a
contrast of 4.5 on the background and on the surface, and so does the ink on every level of the sequential ramp; the
tests measure it. The ramp's lightness is monotonic and its hues run along yellow and blue, so it survives the common
colour-vision deficiencies and a grey print. This module does not know what is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from .colour import contrast, ink, ramp

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["DARK", "LEVELS", "LIGHT", "PRINT", "Theme", "apply", "contrast", "css_variables"]

LEVELS = 25
"""Number of steps of the sequential ramp; a token's colour is one of them."""

FONT = "-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
MONO = "ui-monospace, 'SF Mono', 'Cascadia Mono', 'DejaVu Sans Mono', Menlo, Consolas, monospace"


@dataclass(frozen=True)
class Theme:
    """A set of roles. All colours are "#rrggbb"."""

    name: str
    background: str
    """Behind everything."""
    surface: str
    """Cards and the plot area."""
    text: str
    muted: str
    """Labels, units, axis numbers."""
    line: str
    """Hairlines and borders; decoration, never the only carrier of meaning."""
    accent: str
    """What the reader selected."""
    think: str
    answer: str
    forced: str
    """Tokens that a control wrote, and events."""
    oracle: str
    """Signals that use the gold answer."""
    null_band: str
    """Fill of the band that a trivial explanation would produce."""
    signals: Mapping[str, str]
    """Colour of a signal by its name in the catalogue."""
    series: tuple[str, ...]
    """Colours for signals without one of their own, in order."""
    anchors: tuple[str, ...]
    """From low to high, the colours the sequential ramp passes through."""
    font: str = FONT
    mono: str = MONO

    def __post_init__(self) -> None:
        object.__setattr__(self, "signals", MappingProxyType(dict(self.signals)))

    @property
    def levels(self) -> tuple[str, ...]:
        """The sequential ramp, `LEVELS` colours from low to high."""
        return ramp(self.anchors, LEVELS)

    @property
    def inks(self) -> tuple[str, ...]:
        """Text colour on each level of the ramp."""
        return tuple(ink(level, self.text) for level in self.levels)

    def signal(self, name: str, position: int = 0) -> str:
        """Colour of the signal `name`; a name without one gets the series colour at `position`."""
        return self.signals.get(name, self.series[position % len(self.series)])


LIGHT = Theme(
    name="light",
    background="#ffffff",
    surface="#f8f8f6",
    text="#1d1f24",
    muted="#60656f",
    line="#e2e3df",
    accent="#1a5fb4",
    think="#4f5b87",
    answer="#12705a",
    forced="#a04400",
    oracle="#86318a",
    null_band="#dcdeda",
    signals={
        "entropy": "#1c68a8",
        "progress": "#0f7a5c",
        "trajectory": "#6650a8",
        "massive_activations": "#a84a10",
        "mutual_information": "#95308a",
        "logprob": "#4a6278",
        "alpha": "#a04400",
    },
    series=("#1c68a8", "#0f7a5c", "#6650a8", "#a84a10", "#95308a", "#4a6278"),
    anchors=("#fbfaf2", "#f5ecb4", "#bde0ab", "#79c6bd", "#5aa4dc"),
)

DARK = Theme(
    name="dark",
    background="#0f1116",
    surface="#161920",
    text="#e8eaee",
    muted="#9ca3b0",
    line="#2b303a",
    accent="#7db4ff",
    think="#a3b0dc",
    answer="#5fc9a8",
    forced="#f0a05a",
    oracle="#dc92dc",
    null_band="#323844",
    signals={
        "entropy": "#6fb4ec",
        "progress": "#5fc9a0",
        "trajectory": "#b0a0f0",
        "massive_activations": "#f0a060",
        "mutual_information": "#e08ad4",
        "logprob": "#9fb4c8",
        "alpha": "#f0a05a",
    },
    series=("#6fb4ec", "#5fc9a0", "#b0a0f0", "#f0a060", "#e08ad4", "#9fb4c8"),
    anchors=("#191c25", "#243a68", "#256b86", "#3fa08a", "#9cc45e", "#f5d860"),
)

PRINT = Theme(
    name="print",
    background="#ffffff",
    surface="#ffffff",
    text="#000000",
    muted="#4a4d55",
    line="#c8cac6",
    accent="#0b4a99",
    think="#3c4775",
    answer="#0b5c49",
    forced="#8a3a00",
    oracle="#742578",
    null_band="#e0e1de",
    signals=LIGHT.signals,
    series=LIGHT.series,
    anchors=LIGHT.anchors,
)


def css_variables(theme: Theme) -> str:
    """The theme as CSS custom properties (`--ts-text`, `--ts-signal-entropy`, `--ts-ramp-0`, `--ts-ink-0`, ...)."""
    roles = {
        role: getattr(theme, role)
        for role in "background surface text muted line accent think answer forced oracle font mono".split()
    }
    roles["null-band"] = theme.null_band
    roles |= {f"signal-{name}": colour for name, colour in theme.signals.items()}
    roles |= {f"series-{k}": colour for k, colour in enumerate(theme.series)}
    roles |= {f"ramp-{k}": colour for k, colour in enumerate(theme.levels)}
    roles |= {f"ink-{k}": colour for k, colour in enumerate(theme.inks)}
    return " ".join(f"--ts-{name}: {value};" for name, value in roles.items())


def apply(figure: go.Figure, theme: Theme) -> go.Figure:
    """Set the theme on this figure, and return it; Plotly's global default (which Streamlit changes) is not touched."""
    import plotly.graph_objects as go

    axis = {
        "gridcolor": theme.line,
        "linecolor": theme.line,
        "zerolinecolor": theme.line,
        "tickfont": {"color": theme.muted, "size": 11},
        "title": {"font": {"color": theme.muted, "size": 12}},
    }
    layout = go.Layout(
        paper_bgcolor=theme.background,
        plot_bgcolor=theme.surface,
        font={"family": theme.font, "color": theme.text, "size": 13},
        colorway=list(theme.series),
        colorscale={"sequential": [[k / (LEVELS - 1), colour] for k, colour in enumerate(theme.levels)]},
        hoverlabel={"bgcolor": theme.surface, "bordercolor": theme.line, "font": {"color": theme.text}},
        legend={"font": {"color": theme.muted}},
        xaxis=axis,
        yaxis=axis,
    )
    return figure.update_layout(template=go.layout.Template(layout=layout))
