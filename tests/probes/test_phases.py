"""Where a generation stands, and what its answer is."""

import pytest

from thoughtscope.probes.answers import equivalent, extract, gold_answer
from thoughtscope.probes.phases import Phase
from thoughtscope.probes.prompt import ThinkingFormat

ONE = ThinkingFormat("<think>", "</think>", (5,), (6,), "template")
LONG = ThinkingFormat("<|open|>", "<|end|>final", (20, 21), (7, 8, 9), "model")
END = frozenset({2})


def segments(thinking, opened, ids):
    """Segments of a sequence, and the thinking tokens counted."""
    phase = Phase(thinking, END, opened)
    return [phase.read(i) for i in ids], phase.thinking_tokens


@pytest.mark.parametrize(
    ("thinking", "opened", "ids", "expected"),
    [
        (ONE, True, [10, 11, 6, 12, 2], [1, 1, 1, 2, 3]),  # the mark still belongs to the thinking
        (ONE, True, [6, 12, 2], [1, 2, 3]),  # thinks nothing
        (ONE, True, [10, 2], [1, 3]),  # ends in mid-thought
        (ONE, True, [10, 6, 5, 10], [1, 1, 2, 2]),  # a second opening does not reopen
        (LONG, False, [20, 21, 10, 7, 8, 9, 11], [2, 2, 1, 1, 1, 1, 2]),  # opened by the model, marks of several tokens
        (LONG, True, [7, 8, 10, 7, 8, 9, 11], [1, 1, 1, 1, 1, 1, 2]),  # half a mark closes nothing
        (None, False, [5, 6, 10, 2], [2, 2, 2, 3]),  # a model that does not think
    ],
)
def test_segments(thinking, opened, ids, expected):
    """Marks are found as token ids in order; 1 think, 2 answer, 3 end."""
    found, count = segments(thinking, opened, ids)
    assert found == expected
    assert count == expected.count(1)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is 7 apples.", "7"),
        (r"so \boxed{42} it is 3", "42"),
        ("3 + 4 = 7", "7"),
        ("it is $1,250.50 in all", "1,250.50"),
        ("no idea", None),
        ("The answer is Tom.", "Tom"),
        ("So the answer is **Tom Bell**. He has 5.", "Tom Bell"),
        ("The answer is 7. I am sure the answer is correct.", "7"),
        ("The answer is 3 + 4 = 7.", "7"),
        ("The answer is about $1,250.50 in all", "1,250.50"),
        (r"\boxed{\frac{1}{2}} of 8", "1/2"),
        (r"\boxed{-\dfrac{3}{4}}", "-3/4"),
        (r"\boxed{\text{Tom}}", "Tom"),
        (r"\boxed{7} or \boxed{unfinished", "7"),
        ("take 5-3", "3"),
        ("it is -3", "-3"),
        ("it is .5", ".5"),
        ("7, and then 8, so", "8"),
    ],
)
def test_answers_are_found(text, answer):
    """Symptom: "The answer is Tom." gave nothing (judged wrong), a boxed half gave 2, and 5-3 gave -3. Expected: boxed
    with its braces matched, \\frac as a/b; then what follows "answer is", words where no number does; then the last
    number, with a sign only where no digit stands before it."""
    assert extract(text) == answer


@pytest.mark.parametrize(
    ("given", "gold", "same"),
    [
        ("18", "18.0", True),
        ("1,250", "1250", True),
        ("1/2", "0.5", True),
        ("7", "8", False),
        ("Yes", "yes", True),
        ("7", "seven", False),
        (None, "7", False),
        ("7", None, None),
        ("1/0", "1", False),
        ("Tom", "Tom", True),
        ("**Tom.**", "tom", True),
        (None, "Tom", None),
        ("snan", "snan", True),
        ("snan", "7", False),
        ("7", "nan", False),
        ("Infinity", "inf", False),
        (r"\frac{1}{2}", "0.5", True),
        ("1/2", r"\frac12", True),
        ("18 apples", "18", True),
        ("3 PM", "3 AM", False),
        ("x+1", "1", False),
    ],
)
def test_answers_are_judged(given, gold, same):
    """Symptom: "snan" ended the run with InvalidOperation, and an answer in words that was not found counted as wrong.
    Expected: as numbers where the gold answer is a finite one, else as text; no verdict without a gold answer, nor
    where nothing was found and the gold answer is in words."""
    assert equivalent(given, gold) is same


def test_gsm8k_gold():
    """What follows the four hashes; a plain answer is taken whole."""
    assert gold_answer("9 * 2 = <<9*2=18>>18\n#### 18") == "18"
    assert gold_answer(" 18 ") == "18"
