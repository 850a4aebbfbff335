"""A run of six tokens with two signals, small enough to check by eye; shared by the tests of figures and TraceView."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

TEXTS = ["<think>", " Wait", ",\n\n", "7", "</think>", " 42"]


@dataclass(frozen=True)
class Signal:
    """What a figure reads of a signal."""

    name: str
    title: str
    unit: str
    values: np.ndarray
    defined: np.ndarray
    domain: tuple[float, float | None] = (0.0, None)
    oracle: bool = False
    null: Any = None
    peaks: np.ndarray = field(default_factory=lambda: np.array([], dtype=int))
    not_this: str = "not a probability"


def signals() -> dict[str, Signal]:
    """Entropy, undefined at the forced token 4, and an oracle signal with a null band over the first three tokens."""
    nan = np.nan
    defined = np.array([1, 1, 1, 1, 0, 1], dtype=bool)
    values = np.array([0.1, 2.0, 0.3, 0.4, 9.0, 0.5])
    entropy = Signal("entropy", "Entropy", "nats", values, defined, peaks=np.array([1]))
    low = np.array([1.0, 1.0, 1.0, nan, nan, nan])
    null = SimpleNamespace(low=low, high=low + 1.0, description="other answers")
    values = np.array([1.5, 3.0, 1.5, 1.0, nan, nan])
    title = "Dependence on the answer"
    dependence = Signal("mutual_information", title, "HSIC", values, np.isfinite(values), oracle=True, null=null)
    return {"entropy": entropy, "mutual_information": dependence}


def columns() -> dict[str, np.ndarray]:
    """Per-token columns; the fifth token was forced."""
    return {
        "id": np.arange(6) + 100,
        "segment": np.array([1, 1, 1, 1, 1, 2]),
        "forced": np.array([0, 0, 0, 0, 1, 0]),
        "p": np.full(6, 0.5),
        "rank": np.zeros(6),
    }


EVENTS = (
    {"token": 2, "control": "overclock", "kind": "set", "value": 25.0, "dial": "alpha"},
    {"token": 4, "control": "stop", "kind": "set", "value": True, "dial": "stop"},
    {"token": 4, "control": "stop", "kind": "force", "value": True, "tokens": 1},
    {"token": 5, "control": "loop", "kind": "pause", "value": None},
)


def recording() -> Any:
    """The run as a figure reads it."""
    return SimpleNamespace(n_tokens=6, tokens=tuple(TEXTS), events=EVENTS)
