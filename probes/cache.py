"""Surgery on key-value caches: joining rows, taking rows out, going back, copying.

Rows of a batch end at the same column: a shorter row is padded on the left, and the attention mask says where it
begins. Works on transformers' `DynamicCache` with full-attention layers, (rows, heads, tokens, width) each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from transformers import DynamicCache


def empty() -> DynamicCache:
    """A cache that holds nothing and grows with room to spare."""
    from transformers import DynamicCache

    cache = DynamicCache()
    cache.layer_class_to_replicate = _roomy_layer()
    return cache


@lru_cache(maxsize=1)
def _roomy_layer() -> Any:
    """`DynamicLayer` that writes new columns into spare room; transformers' own copies everything for each token.

    With 32 rows of 300 tokens that copying took longer than the model. What `keys` and `values` show is a view of the
    first columns of a larger buffer; whoever replaces them (cropping, selecting rows) need not know of the buffer: one
    that no longer starts where the view does is given up.
    """
    from transformers.cache_utils import DynamicLayer

    class RoomyLayer(DynamicLayer):
        def update(self, key_states: Any, value_states: Any, *_args: Any, **_kwargs: Any) -> tuple[Any, Any]:
            if not self.is_initialized or self.get_seq_length() == 0:
                self.lazy_initialization(key_states, value_states)
                self.keys, self.values = key_states, value_states
                return self.keys, self.values
            have = self.get_seq_length()
            need = have + key_states.shape[-2]
            self.keys = self._grown("key_room", self.keys, key_states, have, need)
            self.values = self._grown("value_room", self.values, value_states, have, need)
            return self.keys, self.values

        def _grown(self, name: str, kept: Any, new: Any, have: int, need: int) -> Any:
            room = getattr(self, name, kept)
            fits = room.data_ptr() == kept.data_ptr() and room.shape[0] == kept.shape[0]
            if not fits or room.shape[-2] < need:
                room = kept.new_empty((*kept.shape[:2], need + need // 2 + 32, kept.shape[-1]))
                room[:, :, :have] = kept
                setattr(self, name, room)
            room[:, :, have:need] = new
            return room[:, :, :need]

    return RoomyLayer


def length(cache: DynamicCache) -> int:
    """Number of token columns in the cache."""
    return int(cache.get_seq_length())


def _layers(cache: DynamicCache) -> list[Any]:
    """The cache's layers; transformers types them as any of its kinds, here they all have full attention."""
    return cache.layers


def _change(cache: DynamicCache, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    for layer in _layers(cache):
        if layer.is_initialized:
            layer.keys, layer.values = change(layer.keys), change(layer.values)


def crop(cache: DynamicCache, tokens: int) -> None:
    """Keep the first `tokens` columns."""
    _change(cache, lambda kept: kept[:, :, :tokens])


def trim_left(cache: DynamicCache, tokens: int) -> None:
    """Drop the first `tokens` columns, which no row needs any more."""
    if tokens:
        _change(cache, lambda kept: kept[:, :, tokens:])


def select(cache: DynamicCache, rows: Sequence[int]) -> None:
    """Keep only these rows, in this order."""
    _change(cache, lambda kept: kept[list(rows)])


def copy(cache: DynamicCache, row: int | None = None) -> DynamicCache:
    """An independent cache with the same contents, or with those of one row."""
    other = empty()
    for index, layer in enumerate(_layers(cache)):
        if layer.is_initialized:
            rows = slice(None) if row is None else slice(row, row + 1)
            other.update(layer.keys[rows].clone(), layer.values[rows].clone(), index)
    return other


def join(first: DynamicCache, second: DynamicCache) -> DynamicCache:
    """One cache with the rows of both, the shorter padded with zeros on the left."""
    columns = max(length(first), length(second))

    def padded(kept: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad(kept, (0, 0, columns - kept.shape[2], 0))

    joined = empty()
    for index, (one, two) in enumerate(zip(_layers(first), _layers(second), strict=True)):
        keys = torch.cat([padded(one.keys), padded(two.keys)])
        values = torch.cat([padded(one.values), padded(two.values)])
        joined.update(keys, values, index)
    return joined
