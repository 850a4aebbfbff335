"""The bundled reasoning model: its word problems, its vocabulary, and the recipe that made it.

This package knows words, numbers and problems. It does not know how a model is run (`thoughtscope.probes`) or what
a signal is (`thoughtscope.analysis`); only the scripts in `recipe/` put the three together.
"""

from .normalise import UnknownWordError, normalise
from .problems import SPLITS, Fact, Problem, find_problem, problem, problems
from .thinking import other_solutions, solution
from .vocabulary import MODEL_FOLDER

__all__ = [
    "MODEL_FOLDER",
    "SPLITS",
    "Fact",
    "Problem",
    "UnknownWordError",
    "find_problem",
    "normalise",
    "other_solutions",
    "problem",
    "problems",
    "solution",
]
