"""Controls: what may act on a running generation, and the arbiter between them."""

from .arbiter import BIAS_CAP, Settled, settle
from .base import Action, Bias, Control, Dial, Force, Stop, View
from .overclock import Overclock
from .stop import StopThinking, TokenBudget

__all__ = [
    "BIAS_CAP",
    "Action",
    "Bias",
    "Control",
    "Dial",
    "Force",
    "Overclock",
    "Settled",
    "Stop",
    "StopThinking",
    "TokenBudget",
    "View",
    "settle",
]
