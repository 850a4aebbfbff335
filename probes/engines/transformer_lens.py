"""The TransformerLens engine: the same weights behind a TransformerBridge, which also names the places inside a block.

A bridge replaces the submodules of the model it wraps and switches it to eager attention, so it gets a second tree of
modules over the same tensors: native runs stay as they are and no weight is held twice (fused projections, as in
GPT-NeoX, are held once more, split). Slower per token than `native`. It taps every hook of the bridge whose values
are (batch, n_tokens, d_model); attention patterns and per-head values are not served.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch

from ..errors import ModelError
from .base import Forward
from .native import gathered

if TYPE_CHECKING:
    from ..models import Model

_bridges: WeakKeyDictionary[Model, Any] = WeakKeyDictionary()


class TransformerLensEngine:
    """Forward passes of the model's bridge, which is made once per model."""

    name = "transformer_lens"

    def __init__(self, model: Model) -> None:
        self.model = model
        self.bridge = bridge(model)
        self._taken: list[Any] | None = None

    @contextmanager
    def tapping(self, sites: Sequence[str]) -> Iterator[None]:
        """Tap `sites` while the context is open; the hooks are gone afterwards, error or not."""
        if self._taken is not None:
            raise RuntimeError("this engine is tapping already; close the first context before opening another")
        for site in sites:
            if site not in self.bridge.hook_dict:
                raise ModelError(
                    f"no site {site!r} in the bridge of {self.model.name}; it has names such as blocks.0.hook_out and "
                    "blocks.0.attn.hook_out; `thoughtscope sites MODEL` lists those that every engine has"
                )
        taken: list[Any] = [None] * len(sites)
        hooks = [(site, _keep_last(taken, i, self.model.d_model)) for i, site in enumerate(sites)]
        with self.bridge.hooks(fwd_hooks=hooks):
            self._taken = taken
            try:
                yield
            finally:
                self._taken = None

    def forward(
        self,
        ids: torch.Tensor,
        *,
        cache: Any,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
    ) -> Forward:
        """One forward pass that appends `ids` (batch, n_tokens) to `cache`; see `Engine.forward`."""
        if attention_mask is not None and position_ids is None:
            # The bridge would derive positions from the mask where transformers counts on from the cache.
            position_ids = torch.arange(ids.shape[1], device=ids.device)[None] + cache.get_seq_length()
        given = {} if position_ids is None else {"position_ids": position_ids.expand_as(ids)}
        with torch.inference_mode():
            logits = self.bridge(
                ids, past_key_values=cache, attention_mask=attention_mask, use_cache=True, logits_to_keep=1, **given
            )
        return gathered(logits, self._taken, self.model.d_model)


def bridge(model: Model) -> Any:
    """The TransformerBridge of a model, made at the first call: raw weights, shared with the model."""
    if model not in _bridges:
        boot = _boot()
        shared = {id(tensor): tensor for tensor in (*model.hf.parameters(), *model.hf.buffers())}
        twin = copy.deepcopy(model.hf, shared)
        try:
            _bridges[model] = boot(
                str(model.path or model.ref),
                hf_model=twin,
                tokenizer=copy.deepcopy(model.tokenizer),
                device=model.device,
                dtype=model.dtype,
            )
        except Exception as error:  # one adapter per architecture, each failing in its own way
            raise ModelError(
                f"TransformerLens cannot wrap {type(model.hf).__name__} ({error}); use --engine native"
            ) from error
    return _bridges[model]


def _boot() -> Callable[..., Any]:
    """`TransformerBridge.boot_transformers`; the log level and warning filters that its import sets are undone."""
    logger = logging.getLogger("transformers")
    level = logger.level
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from transformer_lens.model_bridge import TransformerBridge
    except ImportError as error:
        raise ModelError(
            "TransformerLens is needed for the engine transformer_lens: pip install 'thoughtscope[models]'; or use "
            "--engine native"
        ) from error
    finally:
        logger.setLevel(level)
    return TransformerBridge.boot_transformers


def _keep_last(taken: list[Any], i: int, d_model: int) -> Callable[..., None]:
    """A bridge hook that keeps the last position, (batch, 1, d_model), of a value in `taken[i]`."""

    def keep(value: torch.Tensor, hook: Any) -> None:
        if value.ndim != 3 or value.shape[-1] != d_model:
            raise ModelError(
                f"{hook.name} has shape {tuple(value.shape)}; a tapped site has (batch, n_tokens, {d_model}); "
                "choose such a site"
            )
        taken[i] = value if value.shape[1] == 1 else value[:, -1:].clone()

    return keep


__all__ = ["TransformerLensEngine", "bridge"]
