"""What the header of a recording says about model, prompt, measures, answer and libraries: JSON all through.

Each function describes one thing. Which entries a header has, and what the run itself adds, `run.Run.header` says.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from . import answers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .live import Gold, LiveSet
    from .models import Model
    from .prompt import Prompt, ThinkingFormat

LIBRARIES = ("thoughtscope", "torch", "transformers", "transformer-lens", "numpy")


def of_model(model: Model) -> dict[str, Any]:
    """Which model it was, and where it ran."""
    return {
        "ref": model.ref,
        "name": model.name,
        "fingerprint": model.fingerprint,
        "n_layers": model.n_layers,
        "d_model": model.d_model,
        "vocab": model.vocab_size,
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": str(model.device),
        "raw": model.raw,
    }


def of_prompt(prompt: Prompt) -> dict[str, Any]:
    """What was asked, as typed and as the model read it."""
    return {
        "text": prompt.text,
        "rendered": prompt.rendered,
        "ids": list(prompt.ids),
        "thinking": prompt.thinking,
        "system": prompt.system,
    }


def of_thinking(marks: ThinkingFormat | None) -> dict[str, Any] | None:
    """The marks around the thinking, as text and tokens; None for a model that does not think."""
    if marks is None:
        return None
    texts = {"open": marks.open_text, "close": marks.close_text}
    return {**texts, "open_ids": list(marks.open_ids), "close_ids": list(marks.close_ids)}


def of_measures(live: LiveSet, gold: Gold | None, markers: Sequence[str]) -> dict[str, Any]:
    """Parameters of the live signals that have any: what `analysis` needs to draw them with their null."""
    progress = live.progress
    measures: dict[str, Any] = {"markers": list(markers), "projection": [one.name for one in live.bank]}
    if progress is not None:
        measures["progress"] = {
            "site": progress.site,
            "position_curve": np.round(progress.curve.astype(float), 4).tolist(),
            "position_sd": progress.curve_sd,
            "provenance": dict(progress.provenance),
        }
    if gold is not None:
        measures["dependence"] = {"sites": list(gold.sites), "sigma": 50.0}
    return measures


def of_answer(said: str, right: str | None) -> dict[str, Any]:
    """The answer stated in what was said outside the thinking, and the verdict, with the rule that judged."""
    stated = answers.extract(said)
    return {
        "answer": stated,
        "gold": right,
        "correct": answers.equivalent(stated, right),
        "judged_by": answers.RULE,
    }


def versions() -> dict[str, str]:
    """Versions of the libraries that a replay depends on, of those that are installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
