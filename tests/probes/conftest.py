"""Tiny random models with a real tokenizer, for tests that need a model and nothing from the network.

`tiny_folder(family)` writes a checkpoint in Hugging Face form and returns its folder; `tiny_model(family)` loads it.
Both keep what they made for the whole test session. Families: "qwen3", "llama", "gpt_neox".
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")

WORDS = (
    "a has how many apples pears coins Ava Ben 1 2 3 4 5 6 7 8 9 + - = . ? ! wait so the answer is then check".split()
)
SPECIAL = ["<pad>", "<unk>", "<end>", "<user>", "<assistant>", "<think>", "</think>"]
TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'user' %}<user> {% endif %}{{ m.content }} {% endfor %}"
    "{% if add_generation_prompt %}<assistant> <think>{% endif %}"
)


def write_tokenizer(folder: Path, *, template: str | None = TEMPLATE, special: list[str] = SPECIAL) -> int:
    """Save a word-level tokenizer and return the size of its vocabulary."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    marks = [word for word in special if word not in ("<pad>", "<unk>", "<end>")]
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        pad_token="<pad>",
        eos_token="<end>",
        additional_special_tokens=marks,
    )
    fast.chat_template = template
    fast.save_pretrained(folder)
    return len(vocabulary)


def tiny_config(family: str, vocab: int, **changes: Any) -> Any:
    """A config of three layers and width 32 with two key-value heads where the family has them."""
    from transformers import GPTNeoXConfig, LlamaConfig, Qwen3Config

    shape: dict[str, Any] = {
        "vocab_size": vocab,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 256,
        "bos_token_id": None,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "initializer_range": 0.5,
    }
    grouped = {"num_key_value_heads": 2, "head_dim": 8}
    made = {
        "qwen3": lambda: Qwen3Config(**{**shape, **grouped, "tie_word_embeddings": True, **changes}),
        "llama": lambda: LlamaConfig(**{**shape, **grouped, "tie_word_embeddings": False, **changes}),
        "gpt_neox": lambda: GPTNeoXConfig(**{**shape, **changes}),
    }
    return made[family]()


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Function `(family, **config changes) -> folder` of a saved tiny checkpoint with seeded random weights."""
    made: dict[Any, Path] = {}

    def make(family: str = "qwen3", **changes: Any) -> Path:
        import torch
        from transformers import AutoModelForCausalLM

        key = (family, tuple(sorted(changes.items())))
        if key not in made:
            folder = tmp_path_factory.mktemp(family)
            vocab = write_tokenizer(folder)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                model = AutoModelForCausalLM.from_config(tiny_config(family, vocab, **changes))
            model.save_pretrained(folder)
            made[key] = folder
        return made[key]

    return make


@pytest.fixture(scope="session")
def tiny_model(tiny_folder: Callable[..., Path]) -> Callable[..., Any]:
    """Function `(family, **config changes) -> Model` loaded on the CPU in float32; the same object every time."""
    loaded: dict[Path, Any] = {}

    def make(family: str = "qwen3", **changes: Any) -> Any:
        from thoughtscope.probes.models import load

        folder = tiny_folder(family, **changes)
        if folder not in loaded:
            loaded[folder] = load(folder, device="cpu", dtype="float32")
        return loaded[folder]

    return make
