"""Loading a causal language model, once, with everything a run needs to know about it.

A model is the bundled sample, a folder in Hugging Face form, or a hub id; it is loaded with transformers in evaluation
mode without gradients. What cannot work is said before weights are read where that is possible: no weights, an encoder,
too little memory, no tokenizer, no chat template. This module does not generate and does not tap.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from . import directions
from . import prompt as prompts
from .directions import Direction
from .errors import ModelError
from .sites import FINAL_NORM, Site, Structure, block_site, find_structure

if TYPE_CHECKING:
    import torch

SAMPLED_WEIGHTS = 256
"""Numbers per tensor that enter the fingerprint."""


@dataclass(eq=False)
class Model:
    """A loaded model. `load` makes it; nothing changes it afterwards."""

    ref: str
    """What the user asked for."""
    name: str
    """Short name for titles: "sample", a hub id, or the folder's name."""
    path: Path | None
    """Folder the files were read from; None for a hub id."""
    hf: Any
    """The transformers module: eval, no gradients."""
    tokenizer: Any
    thinking: prompts.ThinkingFormat | None
    structure: Structure
    device: torch.device
    dtype: torch.dtype
    raw: bool = False
    """Prompts are fed as they are, without chat template."""

    @property
    def config(self) -> Any:
        """The transformers config of the language model."""
        return self.hf.config.get_text_config()

    @property
    def n_layers(self) -> int:
        """Number of decoder blocks."""
        return len(self.structure.blocks)

    @cached_property
    def d_model(self) -> int:
        """Numbers per token in the residual stream."""
        return int(self.unembed.shape[1])

    @cached_property
    def vocab_size(self) -> int:
        """Width of the logits, which may exceed the number of tokens the tokenizer knows."""
        return int(self.unembed.shape[0])

    @property
    def unembed(self) -> torch.Tensor:
        """(vocab, d_model) weight of the head, W_U."""
        return self.structure.head.weight  # type: ignore[return-value]

    @property
    def soft_cap(self) -> float | None:
        """c when logits are c tanh(W_U f / c), as in Gemma 2; otherwise None."""
        return self.structure.soft_cap

    @property
    def max_positions(self) -> int | None:
        """Longest text in tokens that the model was made for, None where the config does not say."""
        return getattr(self.config, "max_position_embeddings", None)

    @cached_property
    def end_ids(self) -> frozenset[int]:
        """Tokens that end a generation: the generation config's, and the tokenizer's end token."""
        given = self.hf.generation_config.eos_token_id
        ids = set(given if isinstance(given, (list, tuple)) else [given]) | {self.tokenizer.eos_token_id}
        return frozenset(i for i in ids if i is not None and 0 <= i < self.vocab_size)

    @cached_property
    def directions(self) -> dict[str, Direction]:
        """Directions that come with the model, by name: the files in its folder's `directions`."""
        return directions.beside(self.path)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that name config and weights, the same whether loaded in float32 or bfloat16."""
        import torch

        config = {k: v for k, v in self.hf.config.to_dict().items() if k not in _NOT_THE_MODEL}
        digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
        for name, weight in sorted(self.hf.named_parameters()):
            step = max(1, weight.numel() // SAMPLED_WEIGHTS)
            sample = weight.detach().flatten()[::step].to("cpu", torch.bfloat16)
            digest.update(f"{name}{tuple(weight.shape)}".encode() + sample.view(torch.int16).numpy().tobytes())
        return digest.hexdigest()[:16]

    def sites(self) -> tuple[Site, ...]:
        """Everything that can be tapped: each block's output, then the final norm."""
        blocks = tuple(Site(block_site(i), "block", i, self.d_model) for i in range(self.n_layers))
        return (*blocks, Site(FINAL_NORM, "final_norm", None, self.d_model))

    def single_tokens(self, words: Sequence[str]) -> dict[str, int]:
        """Those of the words that are one token in the middle of a text, with their ids."""
        found = {word: self.tokenizer.encode(f" {word}", add_special_tokens=False) for word in words}
        unknown = self.tokenizer.unk_token_id
        return {word: ids[0] for word, ids in found.items() if len(ids) == 1 and ids[0] != unknown}

    def sampling_defaults(self) -> dict[str, Any]:
        """`Sampling`'s temperature, top_p (floats) and top_k (int) as the generation config has them.

        What `generate` would do: a config that does not ask for sampling is greedy.
        """
        config = self.hf.generation_config
        if not config.do_sample:
            return {"temperature": 0.0, "top_p": 1.0, "top_k": 0}
        temperature, top_p, top_k = config.temperature, config.top_p, config.top_k
        return {
            "temperature": 1.0 if temperature is None else float(temperature),
            "top_p": 1.0 if top_p is None else float(top_p),
            "top_k": 50 if top_k is None else int(top_k),
        }

    def token_text(self, token_id: int) -> str:
        """Text that the token adds in the middle of a text: its leading space included, special tokens shown."""
        if token_id not in self._texts:
            self._texts[token_id] = self._added_text([token_id])
        return self._texts[token_id]

    def token_texts(self, ids: Sequence[int]) -> tuple[str, ...]:
        """One text per token; joined they give the decoded whole.

        A character that is spread over several tokens is given to the last of them, the others are empty.
        """
        pending: list[int] = []
        last = len(ids) - 1
        return tuple(self.next_text(pending, int(token), at == last) for at, token in enumerate(ids))

    def next_text(self, pending: list[int], token_id: int, is_last: bool) -> str:
        """What one more token adds to the text, told once the character it belongs to is whole.

        Args:
            pending: tokens before it whose character is not whole yet; changed in place, empty at the start.
            token_id: the token.
            is_last: nothing will follow, so half a character is told as it is.
        """
        pending.append(token_id)
        text = self.token_text(token_id) if len(pending) == 1 else self._added_text(pending)
        if text.endswith("\ufffd") and len(pending) < 4 and not is_last:  # no character has more than four bytes
            return ""
        pending.clear()
        return text

    def _added_text(self, ids: Sequence[int]) -> str:
        """What `ids` add to the text of an ordinary token before them."""
        anchor, anchor_text = self._anchor
        text = self._decode([*anchor, *ids])
        return text[len(anchor_text) :] if text.startswith(anchor_text) else self._decode(list(ids))

    def _decode(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)

    @cached_property
    def _anchor(self) -> tuple[list[int], str]:
        anchor = self.tokenizer.encode("a", add_special_tokens=False)[-1:]
        return anchor, self._decode(anchor)

    @cached_property
    def _texts(self) -> dict[int, str]:
        return {}


_NOT_THE_MODEL = {"transformers_version", "_name_or_path", "dtype", "torch_dtype", "use_cache", "attn_implementation"}


def load(
    ref: str | Path = "sample",
    *,
    device: str = "auto",
    dtype: str = "auto",
    thinking: tuple[str, str] | Literal["none"] | None = None,
    raw: bool = False,
    trust_remote_code: bool = False,
    available_bytes: Callable[[torch.device], int] | None = None,
) -> Model:
    """Load a causal language model.

    Args:
        ref: "sample" (the bundled model), a folder in Hugging Face form, or a hub id such as "Qwen/Qwen3-0.6B".
        device: "auto" (an NVIDIA GPU, an Apple GPU, else the CPU), or torch's name for one.
        dtype: "auto" (the checkpoint's; float16 becomes float32 on a CPU), "float32", "bfloat16" or "float16".
        thinking: opening and closing mark, "none" for a model that does not think, None to detect them.
        raw: feed prompts without a chat template; needed where the tokenizer has none.
        trust_remote_code: run Python code that comes with the checkpoint. Only for authors you trust.
        available_bytes: free memory of a device; asked of the machine where None.
    """
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    try:
        import huggingface_hub.constants
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise ModelError(
            f"torch and transformers are needed to run a model ({error}): pip install 'thoughtscope[models]'"
        ) from error
    from . import checkpoints

    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True  # it was read already where the hub was imported before
    if trust_remote_code:
        warnings.warn(f"Python code that comes with {ref} may run: its authors are trusted", stacklevel=2)
    place = _device(device)
    checkpoint = checkpoints.find(str(ref), trust_remote_code)
    precision = _dtype(dtype, checkpoint.config, place)
    free = (available_bytes or checkpoints.free_bytes)(place)
    checkpoint.check_memory(precision, place, free)
    tokenizer = checkpoint.tokenizer()
    if not raw and not prompts.template_text(tokenizer):
        raise ModelError(f"{checkpoint.name} has no chat template; add --raw (raw=True) to feed prompts as they are")
    if thinking == "none":
        marks = None
    elif thinking is None:
        marks = prompts.detect(tokenizer)
    else:
        marks = prompts.thinking_format(tokenizer, *thinking)
    hf = checkpoint.weights(precision).to(place).eval().requires_grad_(False)
    structure = find_structure(hf)
    return Model(str(ref), checkpoint.name, checkpoint.path, hf, tokenizer, marks, structure, place, precision, raw)


def _device(name: str) -> torch.device:
    import torch

    if name == "auto":
        gpu = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(gpu)
    try:
        place = torch.device(name)
    except RuntimeError as error:
        raise ModelError(f"device {name!r} is unknown; allowed: auto, cpu, cuda, cuda:N, mps") from error
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present.get(place.type, False):
        there = ", ".join(kind for kind, here in present.items() if here)
        raise ModelError(f"device {name!r} is not on this machine; there is: {there}; or leave --device at auto")
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        last = torch.cuda.device_count() - 1
        raise ModelError(f"device {name!r} is not on this machine; it has cuda:0 to cuda:{last}")
    return place


def _dtype(name: str, config: Any, place: torch.device) -> torch.dtype:
    import torch

    allowed = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if name in allowed:
        return allowed[name]
    if name != "auto":
        raise ModelError(f"dtype {name!r} is unknown; allowed: auto, {', '.join(allowed)}")
    stored = getattr(config.get_text_config(), "dtype", None) or getattr(config, "dtype", None) or torch.float32
    stored = allowed.get(stored, torch.float32) if isinstance(stored, str) else stored
    return torch.float32 if stored is torch.float16 and place.type == "cpu" else stored


__all__ = ["Model", "load"]
