"""Train the bundled model from scratch: `python -m thoughtscope.sample_data.recipe.train`.

Seeded, runs on the CPU or any torch device, resumes where it was stopped, prints one progress line. Checkpoints on a
log-spaced schedule stay in the work folder; their massive-activation statistics are what the repository keeps.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, Qwen3Config, Qwen3ForCausalLM

from ..vocabulary import VOCABULARY, build_tokenizer
from .data import Example, Writer, batches
from .watch import Watch

CHECKPOINTS = (0, 10, 30, 60, 120, 250, 500, 800, 1200, 1800, 2500)
"""Steps whose weights are kept; the last step is kept as well, which makes twelve."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what the model becomes."""

    arch: str = "qwen3"
    steps: int = 3800
    seed: int = 0
    layers: int = 5
    width: int = 160
    heads: int = 5
    feed_forward: int = 448
    head_width: int = 32
    looking_back: int = 2
    batch_tokens: int = 3072
    muon_rate: float = 0.012
    adam_rate: float = 3e-3
    warm_up: int = 100
    grow_at: tuple[float, float] = (0.08, 0.20)
    drills: tuple[tuple[int, float, float], ...] = ((0, 0.95, 0.8), (250, 0.45, 0.3), (800, 0.45, 0.1))
    """From which step on, share of drills among examples, share of look-ups (the rest are sums) among drills."""

    def most_steps(self, step: int) -> int:
        """Problems grow from 4 to 6 to 8 steps."""
        return 4 if step < self.grow_at[0] * self.steps else 6 if step < self.grow_at[1] * self.steps else 8

    def drilling(self, step: int) -> tuple[float, float]:
        """Share of drills, and of look-ups among them: nearly all at first, until look-ups are learned; then few."""
        return next((drills, look_ups) for start, drills, look_ups in reversed(self.drills) if step >= start)

    def rate(self, step: int) -> float:
        """Learning rate as a share of its peak: linear warm-up, linear decay to zero."""
        return min((step + 1) / self.warm_up, 1 - step / self.steps)


def build_model(recipe: Recipe) -> PreTrainedModel:
    """A fresh model; `qwen3` normalises queries and keys, `llama` does not."""
    torch.manual_seed(recipe.seed)
    tokenizer = build_tokenizer()
    shape = {
        "vocab_size": len(VOCABULARY),
        "hidden_size": recipe.width,
        "num_hidden_layers": recipe.layers,
        "num_attention_heads": recipe.heads,
        "num_key_value_heads": recipe.heads,
        "head_dim": recipe.head_width,
        "intermediate_size": recipe.feed_forward,
        "max_position_embeddings": 1024,
        "attention_bias": True,
        "tie_word_embeddings": True,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    model = Qwen3ForCausalLM(Qwen3Config(**shape)) if recipe.arch == "qwen3" else LlamaForCausalLM(LlamaConfig(**shape))
    for layer in range(recipe.looking_back):
        look_back(model.get_submodule(f"model.layers.{layer}.self_attn"), recipe)
    return model


@torch.no_grad()
def look_back(attention: Any, recipe: Recipe, strength: float = 4.0, frequencies: int = 4) -> None:
    """Start two heads looking at the token before, by biases on the fastest rotary pairs of queries and keys.

    Reading a record back needs a head that knows "the token before this value was `Ava:`". Left to itself such a head
    took longer to appear than two cores have patience for (none after 2.8 M tokens); started this way it is there at
    once, and training is free to move it. With angles theta_i a pair scores cos(theta_i (distance - 1)): highest at 1.
    """
    half = recipe.head_width // 2
    angles = 10_000.0 ** (-torch.arange(frequencies) / half)
    for head in range(2):
        start = head * recipe.head_width
        first, second = start + torch.arange(frequencies), start + half + torch.arange(frequencies)
        attention.k_proj.bias[first] = strength
        attention.q_proj.bias[first] = strength * torch.cos(angles)
        attention.q_proj.bias[second] = -strength * torch.sin(angles)
    for name in ("q_norm", "k_norm"):
        if hasattr(attention, name):
            weight = getattr(attention, name).weight
            weight[:frequencies] = weight[half : half + frequencies] = 1.5


def build_optimizers(model: PreTrainedModel, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for embeddings, head and norms."""
    blocks = model.get_submodule("model.layers")
    matrices = [weight for weight in blocks.parameters() if weight.ndim == 2]
    inside = {id(weight) for weight in matrices}
    rest = [weight for weight in model.parameters() if id(weight) not in inside]
    return [
        torch.optim.Muon(matrices, lr=recipe.muon_rate, weight_decay=0.01),
        torch.optim.AdamW(rest, lr=recipe.adam_rate, weight_decay=0.0, betas=(0.9, 0.98)),
    ]


def loss_of(model: PreTrainedModel, batch: list[Example], device: str) -> torch.Tensor:
    """Mean negative log-likelihood in nats over the tokens that count; padding is on the right and needs no mask."""
    length = max(len(ids) for ids, _ in batch)
    ids = torch.zeros(len(batch), length, dtype=torch.long)
    counts = torch.zeros(len(batch), length, dtype=torch.bool)
    for row, (tokens, counted) in enumerate(batch):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        counts[row, : len(tokens)] = torch.tensor(counted)
    ids, counts = ids.to(device), counts.to(device)
    states = model.get_submodule("model")(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    logits = model.get_submodule("lm_head")(states[counts[:, 1:]])
    return torch.nn.functional.cross_entropy(logits.float(), ids[:, 1:][counts[:, 1:]])


def save_model(model: PreTrainedModel, folder: Path) -> None:
    """Weights, configuration, tokenizer and generation defaults, in Hugging Face form."""
    model.generation_config.update(do_sample=True, temperature=0.6, top_p=0.95, top_k=0)
    model.save_pretrained(folder)
    build_tokenizer().save_pretrained(folder)
    (folder / "thoughtscope.json").write_text(json.dumps({"normaliser": "word_problems"}) + "\n")


def train(recipe: Recipe, work: Path, device: str) -> None:
    """Run the recipe to its end, or go on from the newest state in `work`."""
    work.mkdir(parents=True, exist_ok=True)
    model: Any = build_model(recipe)
    model.to(device)
    optimizers = build_optimizers(model, recipe)
    peaks = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    start, seen, spent = 0, 0, 0.0
    state_file = work / "state.pt"
    if state_file.exists():
        state = torch.load(state_file, map_location=device, weights_only=True)
        if state["recipe"] != json.dumps(asdict(recipe)):
            raise SystemExit(f"{state_file} was made by another recipe: choose another --work, or delete it")
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        start, seen, spent = state["step"], state["seen"], state["spent"]
    watch = Watch(model, work / "log.jsonl", device)
    began = time.perf_counter() - spent
    stream: Iterator[list[Example]] = iter(())
    stage = None
    for step in range(start, recipe.steps + 1):
        if step in CHECKPOINTS or step == recipe.steps:
            model.save_pretrained(work / f"step-{step:05d}")
        if step == recipe.steps:
            break
        if stage != (recipe.most_steps(step), *recipe.drilling(step)) or step == start:
            stage = (recipe.most_steps(step), *recipe.drilling(step))
            writer = Writer(build_tokenizer())
            seed = random.Random(f"{recipe.seed}-{step}").randrange(2**31)
            stream = batches(writer, seed, *stage, recipe.batch_tokens)
        batch = next(stream)
        peak = iter(peaks)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = next(peak) * recipe.rate(step)
        loss = loss_of(model, batch, device)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        seen += sum(len(ids) for ids, _ in batch)
        spent = time.perf_counter() - began
        if step % 20 == 0:
            left = spent / (step + 1) * (recipe.steps - step)
            rate = f"{seen / spent:,.0f} tokens/s  {left / 60:.0f} min left"
            sys.stdout.write(f"\rstep {step}/{recipe.steps}  loss {loss.item():.4f}  {rate}   ")
            sys.stdout.flush()
        if step % 250 == 249:
            watch.look(step + 1, seen, spent, loss.item())
            torch.save(
                {
                    "recipe": json.dumps(asdict(recipe)),
                    "model": model.state_dict(),
                    "optimizers": [optimizer.state_dict() for optimizer in optimizers],
                    "step": step + 1,
                    "seen": seen,
                    "spent": spent,
                },
                work / "state.tmp",
            )
            (work / "state.tmp").replace(state_file)
    watch.look(recipe.steps, seen, spent, float("nan"), games=256)
    save_model(model, work / "model")
    (work / "recipe.json").write_text(
        json.dumps({**asdict(recipe), "tokens": seen, "seconds": round(spent), "device": device})
    )


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("runs/sample_model"), help="folder for checkpoints and log")
    parser.add_argument("--arch", choices=("qwen3", "llama"), default=Recipe.arch)
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    if given.device == "cpu":
        torch.set_num_threads(2)
    train(Recipe(arch=given.arch, steps=given.steps, seed=given.seed), given.work, given.device)


if __name__ == "__main__":
    main()
