"""What the right answer looks like inside the model: the gold states of methods.md 1.1, and those of other problems.

The gold text alone (no question, no chat template) is read by the model; its state is that of its last token. The text
is the worked solution where there is one, else the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from . import cache as caches
from .errors import PromptError
from .live import Gold, dependence_layers
from .sites import block_site

if TYPE_CHECKING:
    from .engines.base import Engine


def last_states(engine: Engine, text: str, sites: Sequence[str]) -> np.ndarray:
    """(n_sites, d_model) float32 states of the last token of a text read on its own."""
    ids = engine.model.tokenizer(text)["input_ids"]
    if not ids:
        raise PromptError("the gold text is empty; give the worked solution or the answer, or leave it out")
    with engine.tapping(sites), torch.inference_mode():
        out = engine.forward(torch.tensor([ids], device=engine.model.device), cache=caches.empty())
    return out.states[:, 0].float().cpu().numpy()


def gold_states(engine: Engine, text: str, others: Sequence[str]) -> Gold:
    """The gold state of `text` and, as its null, those of `others`, at four blocks spread over the depth."""
    sites = tuple(block_site(layer) for layer in dependence_layers(engine.model.n_layers))
    bank = np.stack([last_states(engine, other, sites) for other in others])
    return Gold(sites, last_states(engine, text, sites), bank)
