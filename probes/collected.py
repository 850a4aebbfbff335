"""Steps put together into columns: what a row has said so far, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .schema import COLUMNS, THINK, numpy_dtype

if TYPE_CHECKING:
    from .generate import Step


class Collected:
    """The steps of one row, growing."""

    def __init__(self, kept: Sequence[int] = ()) -> None:
        """Start empty; `kept` are the places of the sites whose raw states are kept."""
        self.kept = list(kept)
        self.texts: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.finished: str | None = None
        self._rows: dict[str, list[Any]] = {}

    def __len__(self) -> int:
        """Number of tokens so far."""
        return len(self.texts)

    def add(self, step: Step, seconds: float) -> None:
        """Take one step in, `seconds` after the run began."""
        rows = self._rows
        for name, value in step.facts.items():
            rows.setdefault(name, []).append(value)
        for name, value in (
            ("token_id", step.token_id),
            ("segment", step.segment),
            ("forced", step.forced),
            ("time_s", seconds),
        ):
            rows.setdefault(name, []).append(value)
        if self.kept and step.states is not None:
            rows.setdefault("states", []).append(step.states[self.kept])
        self.events += step.events
        self.finished = step.finished
        self.texts.append(step.text)  # last: its length is what other threads read

    def columns(self, start: int = 0, stop: int | None = None) -> dict[str, np.ndarray]:
        """Columns of the tokens from `start` up to `stop`, at most as many as have arrived whole."""
        stop = len(self) if stop is None else min(stop, len(self))
        return {
            name: np.asarray(values[start:stop], numpy_dtype(COLUMNS[name]))
            for name, values in list(self._rows.items())
        }

    def thinking_tokens(self) -> int:
        """Tokens of the thinking, the closing mark included."""
        return sum(segment == THINK for segment in self._rows.get("segment", ()))

    def answer_text(self) -> str:
        """What was said outside the thinking."""
        segments = self._rows.get("segment", ())
        return "".join(text for text, segment in zip(self.texts, segments, strict=False) if segment != THINK)
