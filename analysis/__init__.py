"""Numbers from recordings; never sees a model. Importing it fills the catalogue of measures."""

# The order of these imports is the order of the catalogue.
from . import uncertainty, progress, trajectory, activations, information  # noqa: F401, I001
from .evaluate import Interval, auroc, auroc_within, bootstrap_by_problem, paired_r2_difference
from .progress import ProgressFit, evaluate_progress, fit_progress, fit_tpv
from .signal import CATALOGUE, Measure, Null, Signal, SignalError, available, measure

__all__ = [
    "CATALOGUE",
    "Interval",
    "Measure",
    "Null",
    "ProgressFit",
    "Signal",
    "SignalError",
    "auroc",
    "auroc_within",
    "available",
    "bootstrap_by_problem",
    "evaluate_progress",
    "fit_progress",
    "fit_tpv",
    "measure",
    "paired_r2_difference",
]
