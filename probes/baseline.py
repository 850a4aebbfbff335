"""Plain `generate` of transformers: what everything else is compared with. Nothing is watched and nothing is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from .models import Model
    from .prompt import Prompt


def plain_generate(model: Model, prompts: Sequence[Prompt], tokens: int) -> list[list[int]]:
    """Greedy tokens of `model.hf.generate`, at most `tokens` for each prompt, rows padded on the left."""
    longest = max(len(prompt.ids) for prompt in prompts)
    pads = [longest - len(prompt.ids) for prompt in prompts]
    filler = model.tokenizer.pad_token_id or 0
    ids = torch.tensor(
        [[filler] * pad + list(p.ids) for pad, p in zip(pads, prompts, strict=True)], device=model.device
    )
    mask = (torch.arange(longest)[None] >= torch.tensor(pads)[:, None]).long().to(model.device)
    made = model.hf.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=tokens, pad_token_id=filler)
    return made[:, longest:].tolist()
