"""From what a person types to the small vocabulary of the bundled model.

Punctuation is set apart, facts get their labels, words the model knows under another form are replaced, and a word that
it does not know is named together with words that it does.
"""

from __future__ import annotations

import difflib
import re

from .vocabulary import ITEMS, LABELS, NAMES, NUMBERS, SPECIAL, TOKEN_PATTERN, VOCABULARY

SAME = {"less": "fewer", "got": "has", "owns": "has", "double": "twice", "many": "many"}
NUMBER_WORDS = tuple("zero one two three four five six seven eight nine ten eleven twelve".split())
_KNOWN = {word.lower(): word for word in VOCABULARY if word not in SPECIAL}


class UnknownWordError(ValueError):
    """A word outside the vocabulary of the bundled model."""

    def __init__(self, word: str) -> None:
        """Name the word, and what may be written in its place."""
        if word.isdecimal() or re.fullmatch(r"\(\d+\)", word):
            advice = f"it reads whole numbers from 0 to {NUMBERS[-1]} and at most {len(LABELS)} facts"
        else:
            close = difflib.get_close_matches(word.lower(), list(_KNOWN), n=3, cutoff=0.6)
            near = f"did you mean {' or '.join(_KNOWN[match] for match in close)}? " if close else ""
            advice = (
                f"{near}It knows names ({', '.join(NAMES[:6])}, ...), things ({', '.join(ITEMS[:6])}, ...), "
                "has, more, fewer, than, twice, half, times"
            )
        super().__init__(
            f"the bundled model does not know {word!r}: {advice}. Rephrase, or load a larger model with --model"
        )


def normalise(text: str) -> str:
    """Rewrite a typed problem in the bundled model's words.

    Raises:
        UnknownWordError: on the first word that the model has no token for.
    """
    words = []
    typed: list[str] = re.findall(TOKEN_PATTERN, text)
    for piece in typed:
        piece = SAME.get(piece.lower(), piece)
        if piece.lower() in NUMBER_WORDS:
            piece = str(NUMBER_WORDS.index(piece.lower()))
        if piece.isdecimal():
            piece = str(int(piece))
        if piece == "\n":
            continue
        if piece.lower() not in _KNOWN:
            raise UnknownWordError(piece)
        words.append(piece if piece in VOCABULARY else _KNOWN[piece.lower()])
    joined = re.sub(r" ([.,?])", r"\1", " ".join(words))
    if "(1)" in words:
        return joined
    sentences = re.findall(r"[^.?]+[.?]?", joined)
    label, labelled = 0, []
    for sentence in (sentence.strip() for sentence in sentences):
        if sentence.endswith("?") or not sentence:
            labelled.append(sentence)
            continue
        label += 1
        if label > len(LABELS):
            raise UnknownWordError(f"({label})")
        labelled.append(f"({label}) {sentence if sentence.endswith('.') else sentence + '.'}")
    return " ".join(labelled).strip()
