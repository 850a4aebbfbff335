"""The native engine: the plain transformers module with one forward hook per tapped site.

The fast path of live decoding. Hooks go in once for a run and out in `finally`; each keeps the last position and
nothing else. It sees block outputs and the final norm only; places inside a block belong to `transformer_lens`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from .base import Forward

if TYPE_CHECKING:
    from ..models import Model


class NativeEngine:
    """Forward passes of `model.hf` itself.

    The pass runs in inference mode, which saves about a tenth of a small model's step. What it hands back are ordinary
    tensors; those in the cache are inference tensors, which may be cut, copied and joined but not written into.
    """

    name = "native"

    def __init__(self, model: Model) -> None:
        self.model = model
        self._taken: list[Any] | None = None
        takes = inspect.signature(model.hf.forward).parameters
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}

    @contextmanager
    def tapping(self, sites: Sequence[str]) -> Iterator[None]:
        """Tap `sites` while the context is open; the hooks are gone afterwards, error or not."""
        if self._taken is not None:
            raise RuntimeError("this engine is tapping already; close the first context before opening another")
        modules = [self.model.structure.module(site) for site in sites]
        taken: list[Any] = [None] * len(modules)
        handles = [module.register_forward_hook(keep_last(taken, i)) for i, module in enumerate(modules)]
        self._taken = taken
        try:
            yield
        finally:
            self._taken = None
            for handle in handles:
                handle.remove()

    def forward(
        self,
        ids: torch.Tensor,
        *,
        cache: Any,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
    ) -> Forward:
        """One forward pass that appends `ids` (batch, n_tokens) to `cache`; see `Engine.forward`."""
        with torch.inference_mode():
            logits = self.model.hf(
                input_ids=ids,
                attention_mask=attention_mask,
                position_ids=position_ids,
                past_key_values=cache,
                use_cache=True,
                **self._last_only,
            ).logits
        return gathered(logits, self._taken, self.model.d_model)


def keep_last(taken: list[Any], i: int) -> Callable[[Any, Any, Any], None]:
    """A forward hook that keeps the last position, (batch, 1, d_model), of a module's output in `taken[i]`."""

    def hook(_module: Any, _args: Any, output: Any) -> None:
        hidden = output[0] if isinstance(output, tuple) else output
        # A view of a long prompt would keep every layer's whole output alive, hence the copy.
        taken[i] = hidden if hidden.shape[1] == 1 else hidden[:, -1:].clone()

    return hook


def gathered(logits: torch.Tensor, taken: list[Any] | None, d_model: int) -> Forward:
    """The result of a pass, in ordinary tensors: made outside inference mode, they may be changed in place."""
    states = torch.stack(taken)[:, :, 0] if taken else logits.new_empty((0, len(logits), d_model))
    return Forward(logits[:, -1].to(torch.float32, copy=True), states)


__all__ = ["NativeEngine"]
