"""Massive activations over training: `python -m thoughtscope.sample_data.recipe.emergence WORK`.

For each kept checkpoint and block, on one fixed batch of development traces (methods.md 5.1): the largest ratio of
top-1 to median |h| over tokens, at position 0 and elsewhere, and where the largest coordinate sits.
The weights stay in the work folder; these statistics are what the repository keeps.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from ...kernels.moments import state_moments
from ..problems import problems
from ..vocabulary import build_tokenizer
from .data import Writer

TRACES = 16


def block_outputs(model: Any, ids: list[int]) -> np.ndarray:
    """(n_layers, n_tokens, d_model) raw block outputs of one sequence."""
    kept: list[torch.Tensor] = []
    hooks = [block.register_forward_hook(lambda *seen: kept.append(seen[2])) for block in model.model.layers]
    try:
        with torch.no_grad():
            model(input_ids=torch.tensor([ids]), use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(kept)[:, 0].numpy()


def statistics(folder: Path, sequences: list[list[int]]) -> list[dict[str, float | int]]:
    """One row a block of one checkpoint."""
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    moments = [state_moments(block_outputs(model, ids)) for ids in sequences]
    rows = []
    for layer in range(len(model.model.layers)):
        ratio = np.concatenate([m.top3[layer, :, 0] / m.median[layer] for m in moments])
        first = np.array([m.top3[layer, 0, 0] / m.median[layer, 0] for m in moments])
        rest = np.concatenate([m.top3[layer, 1:, 0] / m.median[layer, 1:] for m in moments])
        dims = np.concatenate([m.top3_dim[layer, 1:, 0] for m in moments])
        common = np.bincount(dims).argmax()
        rows.append(
            {
                "layer": layer,
                "ratio_max": round(float(ratio.max()), 2),
                "ratio_position_0": round(float(first.mean()), 2),
                "ratio_max_elsewhere": round(float(rest.max()), 2),
                "ratio_median_elsewhere": round(float(np.median(rest)), 2),
                "top1_max": round(float(max(m.top3[layer, :, 0].max() for m in moments)), 2),
                "dim": int(common),
                "dim_share": round(float((dims == common).mean()), 3),
            }
        )
    return rows


def main() -> None:
    """Read the command line, measure every checkpoint, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path, help="the work folder of `train`")
    parser.add_argument("--target", type=Path, default=Path(__file__).parent.parent / "emergence.json")
    given = parser.parse_args()
    writer = Writer(build_tokenizer())
    sequences = [writer.trace(p, random.Random(p.id))[0] for p in problems("dev", TRACES, start=3000)]
    table = [
        {"step": int(folder.name.removeprefix("step-")), "blocks": statistics(folder, sequences)}
        for folder in sorted(given.work.glob("step-*"))
    ]
    tokens = sum(map(len, sequences))
    given.target.write_text(json.dumps({"traces": TRACES, "tokens": tokens, "checkpoints": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()
