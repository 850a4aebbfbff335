"""What touches a model: loading, sites and taps, the generation loop, controls, forks, recordings on disk.

Names are looked up when they are first used, so opening a recording imports neither torch nor transformers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .controls import Overclock, StopThinking, TokenBudget
    from .directions import Direction
    from .engines import open_engine
    from .generate import Generation, Request, Step
    from .live import NO_TAPS, Gold, Taps
    from .models import Model, load
    from .recording import Recording
    from .rerun import first_difference, replay
    from .run import Run, record
    from .sampling import Sampling

_PLACES = {
    "Direction": "directions",
    "Generation": "generate",
    "Gold": "live",
    "Model": "models",
    "NO_TAPS": "live",
    "Overclock": "controls",
    "Recording": "recording",
    "Request": "generate",
    "Run": "run",
    "Sampling": "sampling",
    "Step": "generate",
    "StopThinking": "controls",
    "Taps": "live",
    "TokenBudget": "controls",
    "first_difference": "rerun",
    "load": "models",
    "open_engine": "engines",
    "record": "run",
    "replay": "rerun",
}

__all__ = [
    "NO_TAPS",
    "Direction",
    "Generation",
    "Gold",
    "Model",
    "Overclock",
    "Recording",
    "Request",
    "Run",
    "Sampling",
    "Step",
    "StopThinking",
    "Taps",
    "TokenBudget",
    "first_difference",
    "load",
    "open_engine",
    "record",
    "replay",
]


def __getattr__(name: str) -> Any:
    """Import the module that a public name lives in, the first time it is asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f".{_PLACES[name]}", __name__), name)
    globals()[name] = found
    return found
