"""Ending the thinking: by hand, or after a number of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ControlError
from .base import Action, Dial, Stop, View

if TYPE_CHECKING:
    from ..models import Model


class StopThinking:
    """Close the thinking as soon as the user says so."""

    name = "stop"

    def __init__(self) -> None:
        """Nothing is stopped yet; `dials["stop"].turn(True)` stops."""
        self.dials = {"stop": Dial(False)}

    def bind(self, model: Model) -> None:
        """Any model will do."""

    def propose(self, view: View) -> Sequence[Action]:
        """A stop at the first token of the thinking after the dial was turned."""
        dial = self.dials["stop"]
        if not dial.value:
            return ()
        dial.value = False
        return (Stop(self.name, rank=1, value=True),)

    def settings(self) -> dict[str, Any]:
        """Nothing beside the name."""
        return {"name": self.name}


class TokenBudget:
    """Close the thinking once it has this many tokens; None for no limit."""

    name = "budget"

    def __init__(self, tokens: int | None = None) -> None:
        """A budget of 0 closes the thinking before its first token."""
        if tokens is not None and tokens < 0:
            raise ControlError(f"a thinking budget of {tokens} tokens is not possible; allowed is 0 or more, or none")
        self.dials = {"tokens": Dial(tokens)}

    def bind(self, model: Model) -> None:
        """Any model will do."""

    def propose(self, view: View) -> Sequence[Action]:
        """A stop when the thinking is as long as the budget allows."""
        tokens = self.dials["tokens"].value
        if tokens is None or not view.is_thinking or view.thinking_tokens < tokens:
            return ()
        return (Stop(self.name, rank=1, value=tokens),)

    def settings(self) -> dict[str, Any]:
        """The budget as it stands."""
        return {"name": self.name, "tokens": self.dials["tokens"].value}
