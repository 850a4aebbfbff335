"""How the bundled model was taught to think: a problem's reasoning, written out.

A trace walks the labels in order, restates each fact, looks the parent's value up, computes, records; it states the
answer, then checks. What it contains besides plain steps, and when:

- distractors are noticed and skipped ("Hmm, those are pens, not apples. Skip.");
- a half that follows a multiplication is usually begun as a multiplication and mended ("Wait, half as many."): a wrong
  turn that can be foreseen from the problem;
- now and then a sum comes out wrong and is mended ("Wait, no."): a wrong turn that cannot be foreseen;
- after the answer is stated, multiplications, halves and large results are nearly always checked again, other facts
  sometimes, and where there are distractors a second round of checks is likely. So how long the thinking goes on is
  partly in the problem and partly luck: there is something to foresee, and something to cut.
"""

from __future__ import annotations

import random

from .problems import Fact, Problem, problems

SLIP = 0.04
PRIMED_SLIP = 0.85
LARGE_RESULT = 40


def _connective(rng: random.Random) -> str:
    return rng.choices(["So", "Therefore", "Then", "Now"], [0.64, 0.16, 0.10, 0.10])[0]


def _sum(fact: Fact) -> str:
    left, sign, right, result = fact.computation
    return f"{left} {sign} {right} = {result}."


def _slipped_sum(rng: random.Random, fact: Fact) -> str:
    left, sign, right, result = fact.computation
    wrong = [value for value in (result - 10, result - 1, result + 1, result + 10) if 0 <= value <= 99]
    return f"{left} {sign} {right} = {rng.choice(wrong)}. Wait, no. {_sum(fact)}"


def _work_out(rng: random.Random, label: int, fact: Fact, primed: bool) -> str:
    """One step: restate, look up, compute, record."""
    said = f"({label}) {fact.name} has {fact.phrase}."
    record = f"{_connective(rng)} {fact.name}: {fact.value}."
    if fact.relation == "given":
        return f"{said} {record}\n"
    doubled = fact.parent_value * 2
    if fact.relation == "half" and primed and doubled <= 99 and rng.random() < PRIMED_SLIP:
        computed = f"{fact.parent_value} × 2 = {doubled}. Wait, half as many. {_sum(fact)}"
    else:
        computed = _slipped_sum(rng, fact) if rng.random() < SLIP else _sum(fact)
    return f"{said} {fact.parent}: {fact.parent_value}. {computed} {record}\n"


def worth_checking(fact: Fact) -> bool:
    """Whether a fact is one of those that are nearly always checked again."""
    return fact.relation in ("twice", "times", "half") or (fact.relation != "given" and fact.value >= LARGE_RESULT)


def _check(label: int, fact: Fact) -> str:
    return f"({label}) {fact.name} has {fact.phrase}. {fact.parent}: {fact.parent_value}. {_sum(fact)} Yes.\n"


def _round_of_checks(rng: random.Random, problem: Problem, keen: float, idle: float) -> str:
    lines = [
        _check(label, fact)
        for label, fact in enumerate(problem.facts, 1)
        if fact.relation != "given" and rng.random() < (keen if worth_checking(fact) else idle)
    ]
    return "".join(lines)


def conclusion(problem: Problem, connective: str) -> str:
    """The target's record looked up once more, and the answer; else "the latest value" would be a short cut."""
    return f"{problem.target}: {problem.answer}. {connective} the answer is {problem.answer}.\n"


def think(problem: Problem, rng: random.Random) -> str:
    """The thinking about a problem, from the line after `<think>` to the last line before `</think>`."""
    text, primed = f"I need the {problem.item} of {problem.target}.\n", False
    for label, fact in enumerate(problem.facts, 1):
        if fact.item != problem.item:
            said = f"({label}) {fact.name} has {fact.value} {fact.item}."
            text += f"{said} Hmm, those are {fact.item}, not {problem.item}. Skip.\n"
            continue
        text += _work_out(rng, label, fact, primed)
        primed = fact.relation in ("twice", "times")
    text += conclusion(problem, "So")
    worthy = any(worth_checking(fact) for fact in problem.facts)
    if rng.random() < (0.96 if worthy else 0.35):
        checks = _round_of_checks(rng, problem, keen=0.94, idle=0.25)
        if checks:
            opener = rng.choices(["Wait, let me check.", "Hmm, let me check."], [0.85, 0.15])[0]
            text += f"{opener}\n{checks}{conclusion(problem, 'Therefore')}"
            distracted = any(fact.item != problem.item for fact in problem.facts)
            if rng.random() < (0.85 if distracted else 0.12):
                again = _round_of_checks(rng, problem, keen=0.90, idle=0.10)
                if again:
                    text += f"Let me check again.\n{again}{conclusion(problem, 'So')}"
    return text


def answer_text(problem: Problem) -> str:
    """What is said after the thinking."""
    return f"The answer is {problem.answer} {problem.item}."


def solution(problem: Problem) -> str:
    """The worked solution: the plain steps and the answer, without detours or checks. The gold text of a problem."""
    steps = ""
    for label, fact in enumerate(problem.facts, 1):
        if fact.item == problem.item:
            shown = "" if fact.relation == "given" else f"{fact.parent}: {fact.parent_value}. {_sum(fact)} "
            steps += f"({label}) {fact.name} has {fact.phrase}. {shown}So {fact.name}: {fact.value}.\n"
    return f"{steps}{answer_text(problem)}"


def other_solutions(problem: Problem, count: int = 12) -> list[str]:
    """Distinct worked solutions of development problems with other answers: the null of a dependence on this answer.

    An unrelated value lies above all 12 with probability 1/13; more would cost live time on every token.
    """
    others: dict[str, None] = {}
    number = 9_000
    while len(others) < count:
        (other,) = problems("dev", 1, start=number)
        if other.answer != problem.answer:
            others[solution(other)] = None
        number += 1
    return list(others)
