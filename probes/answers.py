"""Finding the answer in a text, and judging it.

The rule that judged is stored with the verdict: every figure about correctness depends on it (methods.md 0.4 EQUIV).
It reads plain numbers, fractions and words; it does no algebra.
"""

from __future__ import annotations

import re
from decimal import Decimal

RULE = (
    "the last boxed, else the last number stated after 'answer is' (behind '=' if there is one), else the words stated "
    "there, else the last number; compared as numbers where the right answer is one, else as text; "
    "a unit counts only where both have one; not judged where nothing was found and the right answer is no number"
)
_NUMBER = r"(?:(?<![\w)])[-+])?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?<!\d)\.\d+)(?:/\d+)?"
_STATED = re.compile(r"answer is:?\s*(.*?)(?=[.?!](?:\W|$)|\n|$)", re.IGNORECASE)
_WITH_UNIT = re.compile(rf"(?:[A-Za-z]\w*\s*=)?\s*\$?({_NUMBER})(\s+[A-Za-z][A-Za-z .]*|\s*%)?")
_MARKS = " \t*_`$\"'“”‘’.,:;()"


def extract(text: str) -> str | None:
    """The answer that a text states, or None: a boxed one, one after "answer is", else the last number.

    \\frac{a}{b} reads as a/b. Where no number was ever stated after "answer is", the words up to the sentence's end are
    the answer: "The answer is Tom." gives "Tom".
    """
    text = _plain(text)
    boxed = _boxed(text)
    if boxed:
        return boxed
    stated = [phrase for phrase in _STATED.findall(text) if phrase.strip(_MARKS)]
    for phrase in reversed(stated):
        numbers = re.findall(_NUMBER, phrase.rsplit("=", 1)[-1]) or re.findall(_NUMBER, phrase)
        if numbers:
            return numbers[0]
    if stated:
        return stated[-1].strip(_MARKS)
    found = re.findall(_NUMBER, text)
    return found[-1] if found else None


def gold_answer(text: str) -> str:
    """The answer in a problem file's `answer` field: what follows `####` (GSM8K), else the whole field."""
    return text.rsplit("####", 1)[-1].strip()


def equivalent(given: str | None, gold: str | None) -> bool | None:
    """Whether two answers are the same.

    None ("not judged") where there is no gold answer, or where nothing was found and the gold answer is no number: an
    answer in words may have been given in a form that `extract` does not see. False where a number was due and none
    was given.
    """
    if gold is None:
        return None
    right, found = _number(gold), _number(given or "")
    if given is None:
        return None if right is None else False
    if right is None or (found is not None and found[1] and right[1]):
        return _words(given) == _words(gold)
    return found is not None and found[0] == right[0]


def _boxed(text: str) -> str | None:
    r"""What the last \boxed{...} with matching braces holds."""
    for start in reversed([found.end() for found in re.finditer(r"\\boxed\s*\{", text)]):
        depth = 1
        for at in range(start, len(text)):
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            if depth == 0:
                return text[start:at].strip()
    return None


def _plain(text: str) -> str:
    """Typesetting undone as far as numbers need it: fractions as a/b, text without its braces, one minus sign."""
    text = text.replace("−", "-").replace("\\$", "$").replace("\\%", "%").replace("{,}", ",")
    text = re.sub(r"\\(?:text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}", r" \1 ", text)
    text = re.sub(r"(?<=\d)\s*(?=\\[dt]?frac)", " ", text)
    text = re.sub(r"\\[dt]?frac\s*(\d)\s*(\d)", r"\1/\2", text)
    return re.sub(r"\\[dt]?frac\s*\{\s*([^{}]*?)\s*\}\s*\{\s*([^{}]*?)\s*\}", r"\1/\2", text)


def _number(text: str) -> tuple[Decimal, str] | None:
    """The finite number that an answer is and its unit, "" if none ("18 apples", "x = 5"); None for anything else."""
    found = _WITH_UNIT.fullmatch(_plain(text).strip().rstrip("."))
    if found is None:
        return None
    over, _, under = found[1].replace(",", "").partition("/")
    try:
        return Decimal(over) / Decimal(under or 1), (found[2] or "").strip()
    except ArithmeticError:
        return None


def _words(text: str) -> str:
    """An answer as text, without case and outer marks."""
    return " ".join((_plain(text).strip(_MARKS) or text).casefold().split())
