"""Everything kept of one generation: columns of numbers and a header that says how they came about.

A recording knows arrays and text. It knows no model: opening and reading one needs neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from .errors import RecordingError
from .schema import COLUMNS

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Recording:
    """One generation, row j for generated token j (PREDICT alignment, methods.md 0.1).

    Attributes:
        meta: the header, JSON all through: model, engine, prompt, sampling, thinking, controls, events, measures,
            sites, token_texts, answer, gold, correct, stop_reason, thinking_tokens, tokens_per_second, versions.
        columns: arrays by name, as `schema.COLUMNS` describes them.
        tokens: (n_tokens,) text of each generated token; joined they are the generated text.
    """

    meta: Mapping[str, Any]
    columns: Mapping[str, np.ndarray]
    tokens: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check once that the columns are known, of the right rank, and of one length."""
        object.__setattr__(self, "tokens", tuple(self.meta.get("token_texts", ())))
        count = len(self.columns["token_id"]) if "token_id" in self.columns else -1
        if count != len(self.tokens):
            raise RecordingError(f"a recording needs one text a token: {count} token ids, {len(self.tokens)} texts")
        for name, values in self.columns.items():
            column = COLUMNS.get(name)
            if column is None:
                continue  # a newer writer may keep more than we know
            if values.ndim != len(column.dims) or (column.per_token and len(values) != count):
                raise RecordingError(
                    f"column {name!r} has shape {values.shape}, expected ({', '.join(column.dims)}) with {count} tokens"
                )

    @property
    def n_tokens(self) -> int:
        """Number of generated tokens, the end token included."""
        return len(self.columns["token_id"])

    @property
    def n_layers(self) -> int:
        """Number of decoder blocks of the model."""
        return int(self.meta["model"]["n_layers"])

    @property
    def text(self) -> str:
        """The generated text."""
        return "".join(self.tokens)

    @property
    def events(self) -> tuple[Mapping[str, Any], ...]:
        """What the controls did, in order."""
        return tuple(self.meta["events"])

    def has(self, name: str) -> bool:
        """Whether the recording keeps a column."""
        return name in self.columns

    def column(self, name: str) -> np.ndarray:
        """A column by name.

        Raises:
            RecordingError: when it was not recorded; the message names those that were.
        """
        if name not in self.columns:
            advice = (
                f"it needs the tap {COLUMNS[name].needs!r}: record again with it"
                if name in COLUMNS
                else "see the file format in docs/"
            )
            raise RecordingError(f"no column {name!r}; this recording has {', '.join(sorted(self.columns))}; {advice}")
        return self.columns[name]

    def with_meta(self, **changes: Any) -> Recording:
        """A copy with some entries of the header replaced."""
        return replace(self, meta={**self.meta, **changes})

    def save(self, path: str | Path) -> Path:
        """Write the recording beside `path` and rename it into place; returns the path."""
        from .store import save

        return save(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Recording:
        """Read a recording, or recover one from the journal of a run that was killed.

        Raises:
            RecordingError: one line that says whether the file is missing, damaged, truncated, too new or not ours.
        """
        from .store import load

        return load(Path(path))
