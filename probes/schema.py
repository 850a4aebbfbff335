"""The one table of columns: what a recording keeps for each generated token.

Row j belongs to the state and the logits that chose generated token j (PREDICT alignment, methods.md 0.1). The
documentation of the file format is generated from this table; the store checks files against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

THINK, ANSWER, END = 1, 2, 3
"""Values of the column `segment`."""

TOP_K = 20


@dataclass(frozen=True)
class Column:
    """One named array of a recording."""

    name: str
    dims: tuple[str, ...]
    dtype: str
    unit: str
    needs: str
    meaning: str

    @property
    def per_token(self) -> bool:
        """Whether the column grows by one row with each token."""
        return self.dims[0] == "n_tokens"


def _token(name: str, dtype: str, unit: str, needs: str, meaning: str, *more: str) -> Column:
    return Column(name, ("n_tokens", *more), dtype, unit, needs, meaning)


_LAYERS = "n_layers"
COLUMNS: dict[str, Column] = {
    column.name: column
    for column in (
        _token("token_id", "int32", "id", "loop", "the token that was chosen or forced"),
        _token(
            "segment", "uint8", "1 think, 2 answer, 3 end", "loop", "part of the generation that the token belongs to"
        ),
        _token("forced", "uint8", "0 or 1", "loop", "1 where a control chose the token; events say which"),
        _token("time_s", "float32", "s", "loop", "seconds since the run began, pauses included"),
        _token("alpha", "float32", "1", "loop", "overclock strength in force"),
        _token("entropy", "float32", "nats", "logits", "entropy of the untouched logits at temperature 1"),
        _token("logprob", "float32", "nats", "logits", "log-probability of the token under the untouched logits"),
        _token("rank", "int32", "0 = most likely", "logits", "rank of the token under the untouched logits"),
        _token("p_end", "float32", "probability", "logits", "probability of the first token that closes the thinking"),
        _token("p_marker", "float32", "probability", "logits", "probability of each thinking word", "n_markers"),
        _token("topk_id", "int32", "id", "logits", "the most likely tokens, best first", "k"),
        _token("topk_logit", "float32", "logit", "logits", "their untouched logits", "k"),
        _token("norm", "float32", "1", "blocks", "Euclidean norm of the block output", _LAYERS),
        _token("mean", "float32", "1", "blocks", "mean of the block output over coordinates", _LAYERS),
        _token("median", "float32", "1", "blocks", "median of the absolute coordinates", _LAYERS),
        _token("top3", "float32", "1", "blocks", "three largest absolute coordinates, largest first", _LAYERS, "3"),
        _token("top3_dim", "int32", "coordinate", "blocks", "where they are", _LAYERS, "3"),
        _token("cos_prev", "float32", "cosine", "blocks", "cosine with the state one token earlier", _LAYERS),
        _token("segment_end", "uint8", "0 or 1", "blocks", "1 where a segment of the latent trajectory closed"),
        _token("net", "float64", "1", "blocks", "distance between the first and the newest segment mean", _LAYERS),
        _token("cumulative", "float64", "1", "blocks", "length of the path through the segment means", _LAYERS),
        _token("aligned", "float64", "cosine", "blocks", "mean cosine of the steps with the net change", _LAYERS),
        _token(
            "progress", "float64", "share of the thinking", "progress", "read-out of the progress direction, unclipped"
        ),
        _token("projection", "float64", "1", "blocks", "read-out of the model's other directions", "n_directions"),
        _token("dependence", "float64", "1", "gold", "dependence on the gold state, kernel width 50", "n_mi_layers"),
        _token(
            "dependence_median", "float64", "1", "gold", "the same at the last of these blocks, median-distance width"
        ),
        _token(
            "dependence_null",
            "float64",
            "1",
            "gold",
            "dependence on other problems' gold states",
            "n_mi_layers",
            "n_null",
        ),
        _token("states", "model", "1", "states", "raw states at the sites in meta['sites']", "n_sites", "d_model"),
        Column("overclock_weight", ("d_model",), "float32", "1", "loop", "direction that alpha pushes along"),
        Column("gold_state", ("n_mi_layers", "d_model"), "float32", "1", "gold", "state at the end of the gold text"),
        Column(
            "null_bank", ("n_null", "n_mi_layers", "d_model"), "float32", "1", "gold", "the same for other problems"
        ),
    )
}


def numpy_dtype(column: Column) -> Any:
    """The numpy dtype of a column; raw states take the model's dtype when the file is written, float32 in memory."""
    return np.float32 if column.dtype == "model" else np.dtype(column.dtype)
