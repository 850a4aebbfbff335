"""What is watched while the bundled model trains, always on development problems.

Teacher-forced accuracy at the tokens that decide (values looked up from facts that are not adjacent, results of sums),
and greedy answers by number of steps: a low loss hides a look-up that fails.
"""

from __future__ import annotations

import json
import random
import re
import sys
from pathlib import Path
from typing import Any

import torch

from ..problems import Problem, problems
from ..vocabulary import build_tokenizer
from .data import Writer


def answer_of(text: str) -> int | None:
    """The number in the answer, or None where there is none."""
    found = re.findall(r"The answer is (\d+)", text)
    return int(found[-1]) if found else None


class Watch:
    """Looks at a model in training and writes a line a look."""

    def __init__(self, model: Any, log: Path, device: str, teacher_forced: int = 64) -> None:
        """Prepare the development traces that every look uses."""
        self.model, self.log, self.device = model, log, device
        self.tokenizer = build_tokenizer()
        self.writer = Writer(self.tokenizer)
        self.traces = []
        for problem in problems("dev", teacher_forced):
            ids, _ = self.writer.trace(problem, random.Random(problem.id))
            self.traces.append((ids, *self._deciding_tokens(problem, ids)))

    def _deciding_tokens(self, problem: Problem, ids: list[int]) -> tuple[list[int], list[int]]:
        """Positions of values looked up from a fact that is not the one before, and of results of sums."""
        words = self.tokenizer.convert_ids_to_tokens(ids)
        order = {fact.name: place for place, fact in enumerate(f for f in problem.facts if f.item == problem.item)}
        look_ups, sums, current = [], [], None
        start = words.index("<think>")
        for at in range(start, len(words) - 1):
            if words[at].startswith("("):
                current = order.get(words[at + 1])
            if words[at] == "=":
                sums.append(at + 1)
            parent = order.get(words[at][:-1]) if words[at].endswith(":") else None
            if current is not None and parent is not None and current - parent > 1:
                look_ups.append(at + 1)
        return look_ups, sums

    @torch.no_grad()
    def _teacher_forced(self) -> tuple[float, float]:
        right = {"look": [], "sum": []}
        for ids, look_ups, sums in self.traces:
            logits = self.model(input_ids=torch.tensor([ids], device=self.device)).logits[0]
            best = logits.argmax(-1).tolist()
            right["look"] += [best[at - 1] == ids[at] for at in look_ups]
            right["sum"] += [best[at - 1] == ids[at] for at in sums]
        look_up, sums = (sum(hits) / max(len(hits), 1) for hits in right.values())
        return look_up, sums

    @torch.no_grad()
    def greedy(self, asked: list[Problem]) -> list[str]:
        """The greedy completions of some problems, as text."""
        prompts = [self.writer.prompt(problem) for problem in asked]
        longest = max(len(prompt) for prompt in prompts)
        ids = torch.tensor(
            [[self.tokenizer.pad_token_id] * (longest - len(p)) + p for p in prompts], device=self.device
        )
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=self.device)
        made = self.model.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=700)
        return self.tokenizer.batch_decode(made[:, longest:], skip_special_tokens=False)

    def look(self, step: int, seen: int, spent: float, loss: float, games: int = 64) -> None:
        """Measure and append one line to the log."""
        self.model.eval()
        look_up, sums = self._teacher_forced()
        asked = problems("dev", games, start=1000)
        by_steps: dict[int, list[bool]] = {}
        for problem, text in zip(asked, self.greedy(asked), strict=True):
            by_steps.setdefault(problem.steps, []).append(answer_of(text) == problem.answer)
        self.model.train()
        hits = [hit for group in by_steps.values() for hit in group]
        row = {
            "step": step,
            "tokens": seen,
            "minutes": round(spent / 60, 1),
            "loss": round(loss, 4),
            "look_up": round(look_up, 4),
            "sums": round(sums, 4),
            "greedy": round(sum(hits) / len(hits), 4),
            "by_steps": {steps: round(sum(group) / len(group), 2) for steps, group in sorted(by_steps.items())},
        }
        with self.log.open("a") as file:
            file.write(json.dumps(row) + "\n")
        sys.stdout.write(f"\n{json.dumps(row)}\n")
        sys.stdout.flush()
