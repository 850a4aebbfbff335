"""Colours by role: measured contrast, a ramp that is monotonic in lightness, and no global template touched."""

from itertools import pairwise

import plotly.graph_objects as go
import plotly.io
import pytest

from thoughtscope.app.colour import contrast, ink, luminance, mix, ramp
from thoughtscope.app.theme import DARK, LEVELS, LIGHT, PRINT, Theme, apply, css_variables

THEMES = [LIGHT, DARK, PRINT]
TEXT_ROLES = ("text", "muted", "accent", "think", "answer", "forced", "oracle")


def test_contrast_of_known_pairs() -> None:
    """Black on white is 21 by definition; #767676 on white is the well-known grey that just passes, 4.54."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#ffffff", "#767676") == pytest.approx(4.54, abs=0.005)
    assert luminance("#ff0000") == pytest.approx(0.2126)


def test_ink_reaches_the_limit_on_every_grey() -> None:
    """The worst grey for black and white alike has contrast sqrt(21) = 4.58 with the better one."""
    worst = min(contrast(grey, ink(grey, "#888888")) for grey in (f"#{v:02x}{v:02x}{v:02x}" for v in range(256)))
    assert 4.5 <= worst < 4.65


def test_mixing_ends_at_the_ends_and_is_perceptual_between() -> None:
    """Half of black and white in OKLab is linear light 0.125, #636363; plain averaging gives #808080."""
    assert mix("#123456", "#fedcba", 0.0) == "#123456"
    assert mix("#123456", "#fedcba", 1.0) == "#fedcba"
    assert mix("#000000", "#ffffff", 0.5) == "#636363"
    assert ramp(("#000000", "#ffffff"), 3) == ("#000000", "#636363", "#ffffff")


def test_a_colour_that_is_none_is_named() -> None:
    """The error repeats what was given and says the form that is allowed."""
    with pytest.raises(ValueError, match=r"'red'.*#rrggbb"):
        luminance("red")


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_every_text_role_is_readable(theme: Theme) -> None:
    """WCAG AA for text is 4.5, on the background and on the surface, for roles and for the number of each signal."""
    colours = {role: getattr(theme, role) for role in TEXT_ROLES} | dict(theme.signals) | dict(enumerate(theme.series))
    for name, colour in colours.items():
        assert min(contrast(colour, theme.background), contrast(colour, theme.surface)) >= 4.5, name


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_the_ramp_is_readable_and_monotonic(theme: Theme) -> None:
    """Text on each of the 25 levels reaches 4.5, and luminance goes one way, so order survives a grey print."""
    levels, inks = theme.levels, theme.inks
    assert len(levels) == len(inks) == LEVELS == 25
    assert min(contrast(level, text) for level, text in zip(levels, inks, strict=True)) >= 4.5
    steps = [luminance(b) - luminance(a) for a, b in pairwise(levels)]
    assert all(step > 0 for step in steps) or all(step < 0 for step in steps)


def test_a_signal_keeps_its_colour_and_a_stranger_gets_a_series_colour() -> None:
    """Known by name; otherwise by position, round and round."""
    assert LIGHT.signal("entropy", 3) == LIGHT.signals["entropy"]
    assert LIGHT.signal("unheard", 7) == LIGHT.series[1]


def test_css_carries_every_role_and_level() -> None:
    """One declaration for each of the roles used by the style sheet, and 25 levels with their ink."""
    css = css_variables(DARK)
    assert f"--ts-text: {DARK.text};" in css
    assert f"--ts-signal-entropy: {DARK.signals['entropy']};" in css
    assert css.count("--ts-ramp-") == css.count("--ts-ink-") == LEVELS


def test_apply_sets_this_figure_only() -> None:
    """The figure carries the theme; Plotly's default template is the same object name as before."""
    before = plotly.io.templates.default
    figure = apply(go.Figure(), DARK)
    assert figure.layout.template.layout.paper_bgcolor == DARK.background
    assert plotly.io.templates.default == before
