"""Overclocking: pushing the model along its own progress direction (methods.md 2.4).

Adding alpha * w to the final-normed state equals adding alpha * W_U w to the logits, as long as nothing but the head
follows: nothing enters the cache, nothing persists. So the control is a logit bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ControlError
from ..sites import FINAL_NORM
from .base import Action, Bias, Dial, View

if TYPE_CHECKING:
    from ..directions import Direction
    from ..models import Model


class Overclock:
    """Bias the logits by alpha times the push of a direction; above 0 speeds the thinking up, below 0 slows it down."""

    name = "overclock"

    def __init__(self, alpha: float = 0.0, direction: Direction | None = None) -> None:
        """Start at a strength.

        Args:
            alpha: strength at the start.
            direction: a vector at the final norm; the one that comes with the model where None.
        """
        self.direction = direction
        self.push: np.ndarray | None = None
        """(vocab,) W_U w, in logits for alpha = 1; known once the control is bound to a model."""
        self.dials = {"alpha": Dial(alpha, _checked)}

    def bind(self, model: Model) -> None:
        """Take the model's own direction if none was given, and compute what it pushes.

        Raises:
            ControlError: when there is no direction, it is for another place or width, or the model caps its logits.
        """
        direction = self.direction or model.directions.get("overclock")
        if direction is None:
            raise ControlError(
                f"{model.name} has no fitted overclock direction; fit one to its recorded final states "
                "(analysis.progress.fit_tpv) and give it with --direction FILE"
            )
        if direction.site != FINAL_NORM or direction.weight.shape != (model.d_model,):
            raise ControlError(
                f"direction {direction.name!r} is for {direction.site} and {direction.weight.shape[0]} coordinates; "
                f"a logit bias on {model.name} needs {FINAL_NORM} and {model.d_model}"
            )
        if model.soft_cap is not None:
            raise ControlError(
                f"{model.name} caps its logits, so pushing its state is no logit bias: it cannot be overclocked this "
                "way; choose a model without a soft cap"
            )
        if model.thinking is None:
            raise ControlError(
                f"{model.name} does not think, so there is no thinking to hurry; leave the overclock out"
            )
        unembed = model.unembed.detach().float().cpu().numpy()
        self.direction = direction
        self.push = (unembed @ (direction.weight / direction.scale).astype(np.float32)) * np.float32(
            model.structure.logit_scale
        )

    def propose(self, view: View) -> Sequence[Action]:
        """A bias while the row thinks."""
        alpha = self.dials["alpha"].value
        if alpha == 0 or not view.is_thinking:
            return ()
        if self.push is None:
            raise ControlError("this overclock is not bound to a model; bind(model) first")
        return (Bias(self.name, np.float32(alpha) * self.push, alpha),)

    def settings(self) -> dict[str, Any]:
        """Strength and direction."""
        name = self.direction.name if self.direction else None
        return {"name": self.name, "alpha": self.dials["alpha"].value, "direction": name}


def _checked(alpha: Any) -> float:
    if not isinstance(alpha, int | float) or not np.isfinite(alpha):
        raise ControlError(f"alpha {alpha!r} is not possible; allowed is any finite number, 0 for none")
    return float(alpha)
