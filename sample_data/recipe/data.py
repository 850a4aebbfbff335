"""Training examples: whole traces with the loss on the completion, and short drills of looking up and computing.

An example is a pair of lists, token ids and whether the loss counts there.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from transformers import PreTrainedTokenizerFast

from ..problems import LARGEST, Problem, make_problem
from ..thinking import answer_text, think
from ..vocabulary import NAMES

Example = tuple[list[int], list[bool]]

CUT_OFF = 0.15
"""Share of traces whose thinking is cut off at a random token."""


class Writer:
    """Turns problems into examples, with one tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        """Keep the tokenizer; examples are made by `trace`, `look_up_drill` and `sum_drill`."""
        self.tokenizer = tokenizer

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False).input_ids

    def prompt(self, problem: Problem) -> list[int]:
        """The ids of the chat prompt, up to and with `<think>` and the line break after it."""
        rendered = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": problem.text}], add_generation_prompt=True, tokenize=False
        )
        return self._ids(str(rendered))

    def trace(self, problem: Problem, rng: random.Random) -> Example:
        """Prompt, thinking and answer; the loss counts from the first token of the thinking.

        Some thinking is cut off anywhere, so that the model can answer when it is stopped; that it was cut there is
        nothing to learn, so the loss leaves that closing mark out.
        """
        prompt, thought = self.prompt(problem), self._ids(think(problem, rng))
        closing = self._ids(f"</think>\n{answer_text(problem)}<eos>")
        cut = rng.random() < CUT_OFF
        if cut:
            thought = thought[: rng.randrange(len(thought))]
        counts = [False] * len(prompt) + [True] * len(thought) + [not cut] + [True] * (len(closing) - 1)
        return prompt + thought + closing, counts

    def look_up_drill(self, rng: random.Random, most_names: int = 10) -> Example:
        """Records of several names, then the names again in any order; the loss counts on the values read back."""
        names = rng.sample(NAMES, rng.randint(2, most_names))
        values = {name: rng.randint(0, LARGEST) for name in names}
        ids, counts = self._ids("<bos>"), [False]
        for name in names + rng.choices(names, k=48 - len(names)):
            record = self._ids(f"{name}: {values[name]}")
            counts += [False, record[0] in ids]
            ids += record
        return ids, counts

    def sum_drill(self, rng: random.Random) -> Example:
        """Sums as they occur in problems, additions and subtractions above all; the loss counts on the results."""
        ids, counts = self._ids("<bos>"), [False]
        while len(ids) < 100:
            for fact in make_problem(rng, "drill").facts:
                often = 1.0 if fact.relation in ("more", "fewer") else 0.2
                if fact.relation != "given" and rng.random() < often:
                    left, sign, right, result = fact.computation
                    ids += self._ids(f"{left} {sign} {right} = {result}.")
                    counts += [False] * 4 + [True, False]
        return ids, counts


def batches(
    writer: Writer, seed: int, most_steps: int, drills: float, look_ups: float, tokens: int
) -> Iterator[list[Example]]:
    """Batches of at most `tokens` padded tokens, bucketed by length, without end."""
    rng = random.Random(seed)
    while True:
        pool: list[Example] = []
        for _ in range(512):
            draw = rng.random()
            if draw < drills * look_ups:
                pool.append(writer.look_up_drill(rng, most_steps + 2))
            elif draw < drills:
                pool.append(writer.sum_drill(rng))
            else:
                pool.append(writer.trace(make_problem(rng, "train", most_steps), rng))
        pool.sort(key=lambda example: len(example[0]))
        grouped: list[list[Example]] = [[]]
        for example in pool:
            if len(example[0]) * (len(grouped[-1]) + 1) > tokens:
                grouped.append([])
            grouped[-1].append(example)
        rng.shuffle(grouped)
        yield from (group for group in grouped if group)
