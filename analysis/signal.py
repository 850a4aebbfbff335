"""Signals: named quantities of a recording with unit, alignment, mask, null and peaks, and the catalogue of measures.

A measure is a function from a recording to a Signal; menus, axis labels, tooltips and the method table are made from
the catalogue, so that a new measure touches no page. Nothing here knows a model or computes a formula.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..probes.errors import SignalError

Array = NDArray[np.float64]
THINK = 1
"""Value of the column `segment` for thinking tokens."""


class Run(Protocol):
    """What a measure needs of a recording; `probes.recording.Recording` is one."""

    @property
    def meta(self) -> Mapping[str, Any]:
        """The header."""
        ...

    @property
    def n_tokens(self) -> int:
        """Number of generated tokens."""
        ...

    @property
    def tokens(self) -> tuple[str, ...]:
        """Text of each generated token."""
        ...

    def has(self, name: str) -> bool:
        """Whether a column was kept."""
        ...

    def column(self, name: str) -> np.ndarray:
        """A column by name."""
        ...


@dataclass(frozen=True)
class Null:
    """What a trivial explanation would produce: a band that is drawn beside the signal."""

    kind: str
    """Short name: "own values", "position", "constant", "noise to random walk", "gaussian", "shuffled gold"."""
    low: Array
    """(n_tokens,) lower edge; NaN where the null says nothing."""
    high: Array
    """(n_tokens,) upper edge."""
    description: str
    """One sentence: what was shuffled, simulated or fitted."""


@dataclass(frozen=True)
class Signal:
    """One measured quantity of one recording, a value for each generated token."""

    name: str
    """Key in the catalogue."""
    title: str
    """What a heading says."""
    unit: str
    """Unit of `values`."""
    domain: tuple[float | None, float | None]
    """Smallest and largest possible value; None where there is no bound."""
    alignment: str
    """"predict": row j belongs to the state that chose token j. "read": to the state after token j (methods 0.1)."""
    oracle: bool
    """Whether the gold answer was used."""
    values: Array
    """(n_tokens,) the headline; NaN where there is none."""
    defined: NDArray[np.bool_]
    """(n_tokens,) False on forced tokens and wherever the signal does not apply."""
    null: Null
    """The baseline band."""
    peaks: NDArray[np.intp]
    """Token indices in order: above Q3 + 1.5 IQR and above the null's upper edge, 20 at most."""
    reference: str
    """Where the method comes from."""
    not_this: str
    """What the number is not."""
    by_layer: Array | None = None
    """(n_tokens, n_layers) the same quantity at each layer, if it has layers."""
    parts: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Companions, the first axis being n_tokens."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Settings that were used, and small tables."""
    dims: tuple[str, ...] = ("n_tokens",)
    """Dimension names of `values`."""

    def __post_init__(self) -> None:
        """Check once that everything has one length."""
        shapes = {
            "values": self.values,
            "defined": self.defined,
            "null.low": self.null.low,
            "null.high": self.null.high,
        }
        wrong = {name: array.shape for name, array in shapes.items() if array.shape != self.values.shape[:1]}
        wrong |= {f"parts[{name!r}]": part.shape for name, part in self.parts.items() if len(part) != len(self.values)}
        if wrong:
            raise SignalError(
                f"signal {self.name!r} has {len(self.values)} values, but {wrong}; all must have one length"
            )


@dataclass(frozen=True)
class Measure:
    """An entry of the catalogue: how a signal is called, what it needs, and the function that makes it."""

    name: str
    title: str
    unit: str
    domain: tuple[float | None, float | None]
    oracle: bool
    needs: tuple[str, ...]
    """Columns that must be in the recording."""
    reference: str
    meaning: str
    """What the number is, in one sentence for a newcomer."""
    not_this: str
    function: Callable[..., Signal] = field(repr=False)
    alignment: str = "predict"

    def available(self, run: Run) -> bool:
        """Whether a recording has what this measure needs."""
        return all(run.has(name) for name in self.needs)

    def signal(self, values: Array, defined: NDArray[np.bool_], null: Null, **more: Any) -> Signal:
        """A Signal that carries this measure's labels; values are blanked where undefined and peaks found."""
        from .nulls import display_peaks

        defined = defined & np.isfinite(values)
        values = np.where(defined, values, np.nan)
        labels = ("name", "title", "unit", "domain", "alignment", "oracle", "reference", "not_this")
        return Signal(
            **{label: getattr(self, label) for label in labels},
            values=values,
            defined=defined,
            null=null,
            peaks=display_peaks(values, null.high),
            **more,
        )


CATALOGUE: dict[str, Measure] = {}
"""Every measure by name; filled when `analysis` is imported."""


def register(**labels: Any) -> Callable[[Callable[..., Signal]], Callable[..., Signal]]:
    """Decorator that puts a measure into the catalogue; the keywords are Measure's fields but for `function`."""

    def enter(function: Callable[..., Signal]) -> Callable[..., Signal]:
        CATALOGUE[labels["name"]] = Measure(**labels, function=function)
        return function

    return enter


def available(run: Run) -> list[str]:
    """Names of the measures that a recording can give, in the catalogue's order."""
    return [name for name, entry in CATALOGUE.items() if entry.available(run)]


def measure(run: Run, *names: str) -> dict[str, Signal]:
    """A recording and names from the catalogue -> its signals by name; without names, all that it can give.

    Raises:
        SignalError: for a name that is not in the catalogue, or columns that the recording does not have.
    """
    unknown = [name for name in names if name not in CATALOGUE]
    if unknown:
        raise SignalError(f"no signal {unknown[0]!r}; the catalogue has {', '.join(CATALOGUE)}")
    answer: dict[str, Signal] = {}
    for name in names or available(run):
        entry = CATALOGUE[name]
        missing = [column for column in entry.needs if not run.has(column)]
        if missing:
            raise SignalError(
                f"signal {name!r} needs the columns {', '.join(missing)}, which this recording does not have; "
                f"it can give {', '.join(available(run)) or 'none'}; record again with the taps that make them"
            )
        answer[name] = entry.function(run)
    return answer


def sampled(run: Run) -> NDArray[np.bool_]:
    """(n_tokens,) True where the model chose the token itself; forced tokens are left out of every statistic."""
    return np.asarray(run.column("forced")) == 0 if run.has("forced") else np.ones(run.n_tokens, dtype=bool)


def thinking(run: Run) -> NDArray[np.bool_]:
    """(n_tokens,) True on thinking tokens that the model chose itself."""
    return in_thinking(run) & sampled(run)


def in_thinking(run: Run) -> NDArray[np.bool_]:
    """(n_tokens,) True on all thinking tokens, forced ones included; everywhere where no segments were recorded."""
    return np.asarray(run.column("segment")) == THINK if run.has("segment") else np.ones(run.n_tokens, dtype=bool)


def settings(run: Run, name: str) -> Mapping[str, Any]:
    """What the recording's header says about a live measure: meta["measures"][name], empty if nothing."""
    return (run.meta.get("measures") or {}).get(name) or {}


def states_at(run: Run, sites: Sequence[str]) -> NDArray[np.float32] | None:
    """(n_tokens, n_sites, d_model) raw states at named sites as float32; None where the recording lacks any of them."""
    kept: list[str] = list(run.meta.get("sites") or ())
    if not run.has("states") or not sites or any(site not in kept for site in sites):
        return None
    return np.asarray(run.column("states"))[:, [kept.index(site) for site in sites]].astype(np.float32)


def block_states(run: Run) -> NDArray[np.float32] | None:
    """(n_tokens, n_layers, d_model) raw outputs of all blocks; None unless every block was kept."""
    return states_at(run, [f"blocks.{layer}.hook_out" for layer in range(int(run.meta["model"]["n_layers"]))])
