"""What an engine is: how named sites become values of one forward pass.

An engine runs one forward step of a model and hands back the logits and the tapped states of the last position. It
does not sample, does not know about prompts or thinking, and leaves the model as it found it. A fake for tests
needs `name`, `model`, `tapping` and `forward`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import ModelError

if TYPE_CHECKING:
    import torch

    from ..models import Model

ENGINES = ("native", "transformer_lens")
"""The engines that `open_engine` can open."""


@dataclass(slots=True)
class Forward:
    """Logits and tapped states at the last position of one forward pass."""

    logits: torch.Tensor
    """(batch, vocab) float32, untouched by any sampling rule."""
    states: torch.Tensor
    """(n_sites, batch, d_model) in model dtype, in the order of the tapped sites; (0, batch, d_model) when none is."""


class Engine(Protocol):
    """Runs a model one forward pass at a time. See `NativeEngine` for the shortest implementation."""

    name: str
    model: Model

    def tapping(self, sites: Sequence[str]) -> AbstractContextManager[None]:
        """Tap `sites` while the context is open. One at a time: nested use raises RuntimeError."""
        ...

    def forward(
        self,
        ids: torch.Tensor,
        *,
        cache: Any,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
    ) -> Forward:
        """One forward pass that appends `ids` to `cache`.

        Args:
            ids: (batch, n_tokens) int64, the tokens to append.
            cache: a transformers cache, changed in place (keys and values of `ids` are appended).
            attention_mask: (batch, n_cached + n_tokens) 1 for real tokens, 0 for padding; None when nothing is padded.
            position_ids: (batch, n_tokens) absolute positions; None counts on from the cache.
        """
        ...


def open_engine(model: Model, name: str = "native") -> Engine:
    """The engine `name` on `model`: "native" (fast, live) or "transformer_lens" (bridge)."""
    if name == "native":
        from .native import NativeEngine

        return NativeEngine(model)
    if name == "transformer_lens":
        from .transformer_lens import TransformerLensEngine

        return TransformerLensEngine(model)
    why = "is not there yet" if name == "nnsight" else "is unknown"
    raise ModelError(f"engine {name!r} {why}; allowed: {', '.join(ENGINES)}; choose one with --engine")


__all__ = ["ENGINES", "Engine", "Forward", "open_engine"]
