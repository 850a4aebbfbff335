"""Finding the answer in a text, and judging it.

The rule that judged is stored with the verdict: every figure about correctness depends on it (methods.md 0.4 EQUIV).
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

RULE = "boxed, else after 'answer is', else the last number; compared as numbers, else as text"
_NUMBER = r"[-+]?\d[\d,]*(?:\.\d+)?(?:/\d+)?"


def extract(text: str) -> str | None:
    """The answer that a text states, or None: a boxed one, one after "answer is", else the last number."""
    boxed = re.findall(r"\\boxed\{([^{}]*)\}", text)
    if boxed:
        return boxed[-1].strip()
    stated = re.findall(rf"answer is:?\s*\$?({_NUMBER})", text, re.IGNORECASE)
    found = stated or re.findall(_NUMBER, text)
    return found[-1] if found else None


def gold_answer(text: str) -> str:
    """The answer in a problem file's `answer` field: what follows `####` (GSM8K), else the whole field."""
    return text.rsplit("####", 1)[-1].strip()


def equivalent(given: str | None, gold: str | None) -> bool | None:
    """Whether two answers are the same; None where there is no gold answer, False where none was given."""
    if gold is None:
        return None
    if given is None:
        return False
    numbers = [_number(given), _number(gold)]
    if None not in numbers:
        return numbers[0] == numbers[1]
    return given.strip().casefold() == gold.strip().casefold()


def _number(text: str) -> Decimal | None:
    cleaned = text.strip().replace(",", "").lstrip("$").rstrip(".%")
    try:
        if "/" in cleaned:
            over, under = cleaned.split("/", 1)
            return Decimal(over) / Decimal(under)
        return Decimal(cleaned)
    except (InvalidOperation, ZeroDivisionError):
        return None
