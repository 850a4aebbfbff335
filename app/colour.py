"""Colour arithmetic: hex strings in, hex strings and contrast ratios out.

It knows WCAG contrast and OKLab mixing. It does not know what a colour is for: roles live in `theme.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["contrast", "ink", "luminance", "mix", "ramp"]


def _channels(colour: str) -> tuple[float, float, float]:
    """Red, green and blue of "#rrggbb" as linear light in [0, 1]."""
    if len(colour) != 7 or not colour.startswith("#"):
        raise ValueError(f"colour {colour!r} is not of the form '#rrggbb'; write it with six hexadecimal digits")
    encoded = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in encoded)
    return red, green, blue


def _encode(linear: Sequence[float]) -> str:
    """Linear light back to "#rrggbb", clipped to what a screen can show."""
    clipped = [min(1.0, max(0.0, c)) for c in linear]
    encoded = [12.92 * c if c <= 0.0031308 else 1.055 * c ** (1 / 2.4) - 0.055 for c in clipped]
    return "#" + "".join(f"{round(255 * c):02x}" for c in encoded)


def luminance(colour: str) -> float:
    """Relative luminance in [0, 1] (WCAG 2.2): 0 for black, 1 for white."""
    red, green, blue = _channels(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    """Contrast ratio in [1, 21] (WCAG 2.2); text is readable from 4.5."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def ink(background: str, preferred: str, at_least: float = 4.5) -> str:
    """Text colour for a background: the preferred one where it is readable, else the better of black and white.

    Black or white always reaches 4.58, so `at_least` up to 4.5 is always met.
    """
    if contrast(background, preferred) >= at_least:
        return preferred
    return max(("#000000", "#ffffff"), key=lambda candidate: contrast(background, candidate))


def _to_oklab(colour: str) -> tuple[float, float, float]:
    red, green, blue = _channels(colour)
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    medium = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def _from_oklab(lightness: float, a: float, b: float) -> str:
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return _encode(
        (
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        )
    )


def mix(first: str, second: str, amount: float) -> str:
    """Perceptual mixture in OKLab (Ottosson 2020): `first` at amount 0, `second` at amount 1."""
    start, end = _to_oklab(first), _to_oklab(second)
    lightness, a, b = ((1 - amount) * u + amount * v for u, v in zip(start, end, strict=True))
    return _from_oklab(lightness, a, b)


def ramp(anchors: Sequence[str], levels: int) -> tuple[str, ...]:
    """`levels` colours through the anchors, evenly spaced along the list, mixed in OKLab."""
    if len(anchors) < 2 or levels < 2:
        raise ValueError(f"a ramp needs two anchors and two levels or more, not {len(anchors)} and {levels}")
    colours = []
    for level in range(levels):
        position = level / (levels - 1) * (len(anchors) - 1)
        left = min(int(position), len(anchors) - 2)
        colours.append(mix(anchors[left], anchors[left + 1], position - left))
    return tuple(colours)
