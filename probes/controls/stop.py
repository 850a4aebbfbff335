"""Ending the thinking: by hand, or after a number of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ControlError
from .base import Action, Dial, Stop, View

if TYPE_CHECKING:
    from ..models import Model


THINKING, ANSWER = "thinking", "answer"
"""What a user may want to stop. A stop is for what was on screen: one for the thinking never cuts the answer off."""


class StopThinking:
    """Close the thinking, or end the answer, as soon as the user says so."""

    name = "stop"

    def __init__(self) -> None:
        """Nothing is stopped yet; `dials["stop"].turn("thinking")` or `turn("answer")` stops."""
        self.dials = {"stop": Dial(None, _known)}

    def bind(self, model: Model) -> None:
        """Any model will do."""

    def propose(self, view: View) -> Sequence[Action]:
        """A stop of what was asked for; one for the thinking waits for it to begin, and lapses once it is over."""
        dial, asked = self.dials["stop"], self.dials["stop"].value
        if asked is None or (asked == THINKING and view.may_still_think and not view.is_thinking):
            return ()
        dial.value = None
        return (Stop(self.name, rank=1, value=asked),) if view.is_thinking == (asked == THINKING) else ()

    def settings(self) -> dict[str, Any]:
        """Nothing beside the name."""
        return {"name": self.name}


class TokenBudget:
    """Close the thinking once it has this many tokens; None for no limit."""

    name = "budget"

    def __init__(self, tokens: int | None = None) -> None:
        """A budget of 0 closes the thinking before its first token."""
        self.dials = {"tokens": Dial(tokens, _possible)}

    def bind(self, model: Model) -> None:
        """A limit needs a model that thinks."""
        if model.thinking is None and self.dials["tokens"].value is not None:
            raise ControlError(f"{model.name} does not think, so its thinking cannot be limited; leave the budget out")

    def propose(self, view: View) -> Sequence[Action]:
        """A stop when the thinking is as long as the budget allows."""
        tokens = self.dials["tokens"].value
        if tokens is None or not view.is_thinking or view.thinking_tokens < tokens:
            return ()
        return (Stop(self.name, rank=1, value=tokens),)

    def settings(self) -> dict[str, Any]:
        """The budget as it stands."""
        return {"name": self.name, "tokens": self.dials["tokens"].value}


def _known(asked: Any) -> Any:
    if asked not in (None, THINKING, ANSWER):
        raise ControlError(f"{asked!r} cannot be stopped; there is {THINKING!r} and {ANSWER!r}")
    return asked


def _possible(tokens: Any) -> int | None:
    if tokens is None or (isinstance(tokens, int) and tokens >= 0):
        return tokens
    raise ControlError(f"a thinking budget of {tokens!r} tokens is not possible; allowed is 0 or more, or none")
