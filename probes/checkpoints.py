"""Checkpoints on disk or on the hub: found, checked and read, with one clear error for each way this can fail.

The checks that need no weights come first. Memory is estimated from the sizes in the safetensors headers, or from the
config where the files are not here yet; activations and the cache of a run are not counted.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import plugins
from .errors import ModelError

if TYPE_CHECKING:
    import torch

HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
NOT_GENERATORS = ("MaskedLM", "Classification", "QuestionAnswering", "MultipleChoice", "PreTraining", "Encoder")
ATTENTION = frozenset({"full_attention", "sliding_attention", "chunked_attention"})
"""Kinds of layers whose cache is keys and values."""
HEADROOM = 1.05
"""Weights times this must fit into free memory."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that exists and looks like a causal language model."""

    ref: str
    name: str
    path: Path | None
    """The folder; None for a hub id."""
    config: Any
    trust_remote_code: bool

    @property
    def source(self) -> str:
        """What transformers is asked to open."""
        return str(self.path or self.ref)

    def tokenizer(self) -> Any:
        """The tokenizer, which must know at least one token."""
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(self.source, trust_remote_code=self.trust_remote_code)
        except Exception as error:
            raise ModelError(_no_tokenizer(self.name, _first_line(error))) from error
        if len(tokenizer.get_vocab()) <= len(tokenizer.all_special_tokens):
            raise ModelError(_no_tokenizer(self.name, "its vocabulary is empty"))
        return tokenizer

    def weights(self, dtype: torch.dtype) -> Any:
        """The transformers module with every weight read from the checkpoint."""
        from transformers import AutoModelForCausalLM

        with _explained(self.ref), _quiet():
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                self.source, dtype=dtype, trust_remote_code=self.trust_remote_code, output_loading_info=True
            )
        model, notes = loaded
        if "past_key_values" not in inspect.signature(model.forward).parameters:
            raise ModelError(f"{self.name} ({type(model).__name__}) keeps no keys and values; choose a transformer")
        missing = sorted(notes["missing_keys"])
        if missing:
            raise ModelError(
                f"{self.name} lacks {len(missing)} weights of a causal language model ({missing[0]}, ...); "
                "choose a checkpoint with its language model head"
            )
        return model

    def check_memory(self, dtype: torch.dtype, device: torch.device, free: int) -> None:
        """Refuse a model whose weights do not fit into `free` bytes."""
        needed = self.weight_bytes(dtype)
        if needed * HEADROOM > free:
            raise ModelError(
                f"{self.name} needs {needed / 2**30:.1f} GiB for its weights in {str(dtype).removeprefix('torch.')} "
                f"and {device} has {free / 2**30:.1f} GiB free; choose a smaller model, another --device, or "
                "--dtype bfloat16"
            )

    def weight_bytes(self, dtype: torch.dtype) -> int:
        """Bytes of the weights in `dtype`, from the safetensors headers or, without such files, from the config."""
        sizes = _sizes_in_headers(self.path, dtype) if self.path else None
        return sizes or self._size_from_config(dtype)

    def _size_from_config(self, dtype: torch.dtype) -> int:
        import torch
        from transformers import AutoModelForCausalLM

        with torch.device("meta"), _explained(self.ref):
            empty = AutoModelForCausalLM.from_config(self.config, trust_remote_code=self.trust_remote_code)
        return sum(p.numel() for p in empty.parameters()) * dtype.itemsize


def find(ref: str, trust_remote_code: bool = False) -> Checkpoint:
    """The checkpoint that `ref` names: "sample", a folder, or a hub id."""
    from transformers import AutoConfig

    path = plugins.find(plugins.MODELS, ref) or Path(ref).expanduser()
    folder = path if path.is_dir() else None
    if folder is None:
        _must_be_hub_id(ref, path)
    elif not (folder / "config.json").is_file():
        raise ModelError(f"{folder} has no config.json; give a folder with config, weights and tokenizer")
    elif not any(next(folder.glob(pattern), None) for pattern in WEIGHTS):
        raise ModelError(f"{folder} has a config but no weights ({', '.join(WEIGHTS)}); download it fully")
    with _explained(ref):
        if folder is None:
            _ask_the_hub_once(ref)
        config = AutoConfig.from_pretrained(str(folder or ref), trust_remote_code=trust_remote_code)
    name = ref if folder is None or ref == "sample" else folder.resolve().name
    _must_generate(name, config)
    return Checkpoint(ref, name, folder, config, trust_remote_code)


def free_bytes(device: torch.device) -> int:
    """Bytes that are free on a device: of a GPU its own memory, else what the operating system can give."""
    import torch

    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")  # not Linux: all there is, for want of better


def _must_be_hub_id(ref: str, path: Path) -> None:
    if ref == "sample":
        raise ModelError(f"the bundled model is not at {path}; install thoughtscope again, or give another model")
    if path.exists():
        raise ModelError(f"{ref} is a file; give the folder that holds config, weights and tokenizer")
    if not HUB_ID.fullmatch(ref) or ref.startswith("."):
        raise ModelError(f"the folder {ref} does not exist; give a folder, a hub id (Qwen/Qwen3-0.6B) or 'sample'")


def _ask_the_hub_once(ref: str) -> None:
    """Raise at once where a model is neither cached nor reachable; transformers would try for half a minute."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache

    if not isinstance(try_to_load_from_cache(ref, "config.json"), str):
        get_hf_file_metadata(hf_hub_url(ref, "config.json"), timeout=10)


def _must_generate(name: str, config: Any) -> None:
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    kinds = getattr(config, "architectures", None) or []
    wrong = bool(kinds) and all(any(word in kind for word in NOT_GENERATORS) for kind in kinds)
    has_own_code = "AutoModelForCausalLM" in (getattr(config, "auto_map", None) or {})
    known = has_own_code or type(config) in MODEL_FOR_CAUSAL_LM_MAPPING
    if wrong or getattr(config, "is_encoder_decoder", False) or not known:
        what = kinds[0] if kinds else type(config).__name__
        raise ModelError(f"{name} is a {what}, not a causal language model; choose one (Qwen, Llama, ...)")
    layers = set(getattr(config.get_text_config(), "layer_types", None) or ()) - ATTENTION
    if layers:
        raise ModelError(
            f"{name} has {', '.join(sorted(layers))} layers, whose state cannot be forked or batched here; "
            f"choose a model of {', '.join(sorted(ATTENTION))} only"
        )


def _sizes_in_headers(folder: Path, dtype: torch.dtype) -> int | None:
    """Bytes of all tensors once floating point ones are `dtype`; None without safetensors files."""
    files = sorted(folder.glob("*.safetensors"))
    total = 0
    for file in files:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= file.stat().st_size - 8:
                raise ModelError(f"{file} is damaged: its header is cut off; download or save the model again")
            try:
                header = json.loads(stream.read(length))
            except ValueError as error:
                raise ModelError(f"{file} is damaged: its header is no JSON; download the model again") from error
        for key, tensor in header.items():
            if key == "__metadata__":
                continue
            start, end = tensor["data_offsets"]
            if end > file.stat().st_size - 8 - length:
                raise ModelError(f"{file} is cut off: tensor {key} is not all there; download or save the model again")
            stored = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}.get(tensor["dtype"])
            total += (end - start) * dtype.itemsize // stored if stored else end - start
    return total if files else None


@contextlib.contextmanager
def _explained(ref: str) -> Iterator[None]:
    """Turn what transformers and the hub raise into one clear error."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        reason = _first_line(error)
        text = str(error)
        if "trust_remote_code" in text:
            hint = "it brings its own Python code; add --trust-remote-code if you trust its authors"
        elif Path(ref).expanduser().is_dir() or ref == "sample":
            hint = "check the folder; it may be damaged or made for another version of transformers"
        else:
            hint = (
                "no such model is on this disk or could be fetched from the hub; check the spelling and the network, "
                "log in for a gated model, or give a folder"
            )
        raise ModelError(f"{ref}: {hint} ({reason})") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars while weights are read, as before afterwards."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _no_tokenizer(name: str, why: str) -> str:
    return f"{name} has no usable tokenizer ({why}); put tokenizer.json and tokenizer_config.json beside the weights"


__all__ = ["Checkpoint", "find", "free_bytes"]
