"""Word problems: people, how many things each has, and how the numbers depend on one another.

A problem is a list of labelled facts in an order in which they can be worked out, a few of them about other things
(distractors), and a question about one person. Every problem is a function of (split, index): the three splits use
three seeds, so nothing that was trained on, tuned on, or reported on is ever mixed up.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from .vocabulary import ITEMS, NAMES

SPLITS = {"train": 1_000_003, "dev": 2_000_003, "held": 3_000_017}
"""Seed of each split: train to learn from, dev to watch and tune on, held (held-out) for final tables only."""

MOST_STEPS = 8
LARGEST = 99
LARGEST_AMOUNT = 9
RELATIONS = {"more": 0.30, "fewer": 0.20, "twice": 0.20, "times": 0.10, "half": 0.20}


@dataclass(frozen=True)
class Fact:
    """One labelled sentence: `name` has `value` of `item`, worked out from `parent` unless it is given outright."""

    name: str
    item: str
    value: int
    relation: str = "given"
    amount: int = 0
    parent: str = ""
    parent_value: int = 0

    @property
    def phrase(self) -> str:
        """What follows "has" when the item is left out, for example `3 more than Tom`."""
        return {
            "given": f"{self.value}",
            "more": f"{self.amount} more than {self.parent}",
            "fewer": f"{self.amount} fewer than {self.parent}",
            "twice": f"twice as many as {self.parent}",
            "times": f"{self.amount} times as many as {self.parent}",
            "half": f"half as many as {self.parent}",
        }[self.relation]

    @property
    def sentence(self) -> str:
        """The fact as the problem states it, without its label."""
        words = self.phrase.split()
        place = {"given": 1, "more": 2, "fewer": 2, "twice": 3, "times": 4, "half": 3}[self.relation]
        return " ".join([self.name, "has", *words[:place], self.item, *words[place:]]) + "."

    @property
    def computation(self) -> tuple[int, str, int, int]:
        """Left operand, sign, right operand and result."""
        sign = {"more": "+", "fewer": "-", "twice": "×", "times": "×", "half": "÷"}[self.relation]
        return self.parent_value, sign, self.amount, self.value


@dataclass(frozen=True)
class Problem:
    """A word problem with its answer."""

    id: str
    facts: tuple[Fact, ...]
    target: str
    item: str

    @property
    def answer(self) -> int:
        """The value asked for."""
        return next(fact.value for fact in self.facts if fact.name == self.target)

    @property
    def steps(self) -> int:
        """How many facts about the item asked for there are; each is one step of the thinking."""
        return sum(fact.item == self.item for fact in self.facts)

    @property
    def depth(self) -> int:
        """Length of the chain of facts that the answer depends on."""
        parents = {fact.name: fact.parent for fact in self.facts}
        name, depth = self.target, 0
        while name:
            name, depth = parents[name], depth + 1
        return depth

    @property
    def text(self) -> str:
        """The problem as it is asked."""
        facts = " ".join(f"({label}) {fact.sentence}" for label, fact in enumerate(self.facts, 1))
        return f"{facts} How many {self.item} does {self.target} have?"


def _relate(rng: random.Random, name: str, item: str, parent: Fact) -> Fact:
    """A fact about `name` that is worked out from `parent` and stays between 1 and 99."""
    while True:
        relation = rng.choices(list(RELATIONS), list(RELATIONS.values()))[0]
        amount = {
            "more": rng.randint(1, LARGEST_AMOUNT),
            "fewer": rng.randint(1, LARGEST_AMOUNT),
            "times": rng.randint(3, 4),
        }.get(relation, 2)
        value = {
            "more": parent.value + amount,
            "fewer": parent.value - amount,
            "half": parent.value // 2 if parent.value % 2 == 0 else 0,
        }.get(relation, parent.value * amount)
        if 1 <= value <= LARGEST:
            return Fact(name, item, value, relation, amount, parent.name, parent.value)


def make_problem(
    rng: random.Random, problem_id: str, most_steps: int = MOST_STEPS, steps: int | None = None
) -> Problem:
    """Draw a problem of 2 to `most_steps` steps (or exactly `steps`), with at most two distractors.

    The parent of a fact is drawn uniformly from all earlier facts, so "take the latest value" is no short cut.
    """
    steps = steps or rng.randint(2, most_steps)
    distractors = rng.choices([0, 1, 2], [0.45, 0.35, 0.20])[0]
    names = rng.sample(NAMES, steps + distractors)
    item, *others = rng.sample(ITEMS, 1 + distractors)
    facts = [Fact(names[0], item, rng.randint(2, 30))]
    for name in names[1:steps]:
        facts.append(_relate(rng, name, item, rng.choice(facts)))
    target = facts[-1] if rng.random() < 0.8 else rng.choice(facts[1:])
    for name, other in zip(names[steps:], others, strict=True):
        facts.insert(rng.randint(1, len(facts)), Fact(name, other, rng.randint(2, 30)))
    return Problem(problem_id, tuple(facts), target.name, item)


def problem(split: str, index: int, most_steps: int = MOST_STEPS) -> Problem:
    """Problem number `index` of a split; ids read `dev-17`."""
    if split not in SPLITS or index < 0:
        raise ValueError(f"no problem {split}-{index}: splits are {', '.join(SPLITS)}, numbers start at 0")
    return make_problem(random.Random(SPLITS[split] * 10_000_019 + index), f"{split}-{index}", most_steps)


def problems(split: str, count: int, start: int = 0) -> list[Problem]:
    """Problems `start` to `start + count - 1` of a split."""
    return [problem(split, index) for index in range(start, start + count)]


def find_problem(problem_id: str) -> Problem:
    """The problem with an id such as `dev-17`.

    Raises:
        ValueError: when the id is not of that form, naming the splits.
    """
    split, _, number = problem_id.rpartition("-")
    if split not in SPLITS or not number.isdecimal():
        raise ValueError(
            f"no bundled problem {problem_id!r}: ids are SPLIT-NUMBER with SPLIT one of {', '.join(SPLITS)}, "
            "for example dev-0"
        )
    return problem(split, int(number))
