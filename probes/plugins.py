"""Things that other packages offer under a name: bundled models, normalisers of prompts.

They are found by entry point, so this folder needs not know who offers them, and nothing is ever imported because a
model's own files ask for it.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

MODELS = "thoughtscope.models"
"""Entry points that are folders in Hugging Face form: `sample` is one."""
NORMALISERS = "thoughtscope.normalisers"
"""Entry points that are functions from typed text to a model's own words."""


def names(group: str) -> list[str]:
    """What is on offer in a group."""
    return sorted({point.name for point in entry_points(group=group)})


def find(group: str, name: str) -> Any:
    """The thing on offer under a name, or None."""
    return next((point.load() for point in entry_points(group=group) if point.name == name), None)
