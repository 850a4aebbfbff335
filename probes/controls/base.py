"""What a control is: something that looks at a running row before each token and proposes actions.

Actions are data. A control never touches the model, the cache or another control; the arbiter settles what happens.
A value that the user may change while the row runs lives in a `Dial`: any thread may turn it, the loop takes the new
value at the next token that is not yet computed and writes an event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from ..models import Model


@dataclass(frozen=True)
class Stop:
    """Close the thinking; in the answer, or where a model does not think, end the run."""

    control: str
    rank: int
    """1 for the user and hard budgets, 2 for a policy's decision (methods.md 33)."""
    value: Any = None


@dataclass(frozen=True)
class Force:
    """Emit these tokens next."""

    control: str
    ids: tuple[int, ...]
    value: Any = None


@dataclass(frozen=True, eq=False)
class Bias:
    """Add this to the logits of the next token."""

    control: str
    logits: np.ndarray
    """(vocab,) float32, in logits."""
    value: Any = None


Action = Stop | Force | Bias


@dataclass(frozen=True)
class View:
    """What a control may know of its row before a token is chosen."""

    token: int
    """Index of the token about to be chosen."""
    thinking_tokens: int
    is_thinking: bool
    may_still_think: bool
    """Whether the thinking goes on or is still to begin."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The untouched logits' facts of this token and the live signals of the ones before."""


class Control(Protocol):
    """A control; `settings` rebuild it for a replay."""

    @property
    def name(self) -> str:
        """What the control is called in events and in the interface."""
        ...

    @property
    def dials(self) -> Mapping[str, Dial]:
        """The values that may be changed while a run goes on, by name."""
        ...

    def bind(self, model: Model) -> None:
        """Called once before a run; raises ControlError where the control cannot work on this model."""
        ...

    def propose(self, view: View) -> Sequence[Action]:
        """The actions wanted at this token."""
        ...

    def settings(self) -> dict[str, Any]:
        """What is needed to make the control again, as JSON."""
        ...


class Dial:
    """One value that any thread may change during a run."""

    def __init__(self, value: Any, check: Callable[[Any], Any] = lambda value: value) -> None:
        """Start at `value`; `check` returns a value as it will be used, or raises ControlError."""
        self.value = check(value)
        self._check = check
        self._asked: deque[Any] = deque()

    def turn(self, value: Any) -> None:
        """Ask for a new value; it acts at the next token that is not yet computed."""
        self._asked.append(self._check(value))

    def take(self) -> bool:
        """Called by the loop once a token: take the newest value asked for; True when the value changed."""
        before = self.value
        while self._asked:
            self.value = self._asked.popleft()
        return self.value != before
