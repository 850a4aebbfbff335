"""Where a generation stands: thinking, answering, or at its end.

Marks are token ids found in order, never pieces of text: a closing mark of several tokens is complete at its last one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .schema import ANSWER, END, THINK

if TYPE_CHECKING:
    from .prompt import ThinkingFormat


class Phase:
    """Follows one row token by token; the closing mark itself still counts as thinking."""

    def __init__(self, thinking: ThinkingFormat | None, end_ids: frozenset[int], opened: bool) -> None:
        """Begin inside the thinking when the prompt opened it; else it begins with the opening mark, if one comes."""
        self.thinking, self.end_ids = thinking, end_ids
        self.segment = THINK if thinking is not None and opened else ANSWER
        self.thinking_tokens = 0
        self._recent: list[int] = []
        self._closed = thinking is None

    @property
    def is_thinking(self) -> bool:
        """Whether the next token belongs to the thinking."""
        return self.segment == THINK

    @property
    def may_still_think(self) -> bool:
        """Whether the thinking has not begun yet, or goes on: it has not been closed."""
        return not self._closed

    def read(self, token_id: int) -> int:
        """Take one token in and return the segment that it belongs to."""
        if token_id in self.end_ids:
            self.segment = END
            return END
        belongs = self.segment
        if self.thinking is None:
            return belongs
        self._recent = [*self._recent, token_id][-max(len(self.thinking.open_ids), len(self.thinking.close_ids)) :]
        if belongs == THINK:
            self.thinking_tokens += 1
            if self._just_read(self.thinking.close_ids):
                self.segment, self._closed = ANSWER, True
        elif not self._closed and self._just_read(self.thinking.open_ids):
            self.segment = THINK
        return belongs

    def _just_read(self, mark: Sequence[int]) -> bool:
        return len(mark) > 0 and tuple(self._recent[-len(mark) :]) == tuple(mark)
