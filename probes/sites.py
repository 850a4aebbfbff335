"""Named places in a network, and how to find them in any decoder.

A site carries TransformerLens' name for it: `blocks.{l}.hook_out` is the residual stream after block l, before the
final norm; `ln_final.hook_out` is the final-normed state that the head reads. Modules are found by structure, not
by model family: the longest list of blocks, a norm beside it, the output embedding. `verify` then runs four tokens and
accepts what was found only if block output -> norm -> head gives the model's own logits and no logit depends on
a later token. It knows nothing of places inside a block; those belong to the `transformer_lens` engine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from .errors import ModelError

if TYPE_CHECKING:
    import torch
    from torch import nn

FINAL_NORM = "ln_final.hook_out"


def block_site(layer: int) -> str:
    """Name of the site after block `layer` (counted from 0)."""
    return f"blocks.{layer}.hook_out"


@dataclass(frozen=True)
class Site:
    """One place that can be tapped."""

    name: str
    kind: Literal["block", "final_norm"]
    layer: int | None
    """Block number from 0; None for the final norm."""
    width: int
    """d_model: numbers per token at this site."""


@dataclass(frozen=True)
class Structure:
    """Where the blocks, the final norm and the head of a model are."""

    blocks: nn.ModuleList
    final_norm: nn.Module
    head: nn.Module
    block_path: str
    norm_path: str
    head_path: str
    soft_cap: float | None = None
    """c in logits = c tanh(head(f) / c), or None."""
    logit_scale: float = 1.0
    """Constant between head(f) and the logits (Cohere, Granite)."""

    def logits(self, normed: torch.Tensor) -> torch.Tensor:
        """(..., vocab) logits of final-normed states (..., d_model), scale and soft cap included."""
        out = self.head(normed)
        if self.logit_scale != 1.0:
            out = out * self.logit_scale
        if self.soft_cap is not None:
            out = (out / self.soft_cap).tanh() * self.soft_cap
        return out

    def module(self, site: str) -> nn.Module:
        """The module whose output is the site."""
        if site == FINAL_NORM:
            return self.final_norm
        names = [block_site(layer) for layer in range(len(self.blocks))]
        if site not in names:
            raise ModelError(
                f"no site {site!r} in this model; there are {names[0]} to {names[-1]} and {FINAL_NORM}; "
                "`thoughtscope sites MODEL` lists them"
            )
        return self.blocks[names.index(site)]


def find_structure(hf_model: nn.Module) -> Structure:
    """Blocks, final norm and head of a causal language model, found by structure and verified by running it."""
    from torch import nn

    name = type(hf_model).__name__
    head = hf_model.get_output_embeddings()  # type: ignore[operator]
    paths = {id(module): path for path, module in hf_model.named_modules()}
    decoder = hf_model.get_decoder() if hasattr(hf_model, "get_decoder") else hf_model  # type: ignore[operator]
    lists = [m for m in decoder.modules() if isinstance(m, nn.ModuleList) and len(m) > 0]
    if head is None or not lists:
        missing = "output head" if head is None else "list of blocks"
        raise ModelError(f"{name} has no {missing}; a causal language model is needed (Qwen, Llama, GPT-NeoX, ...)")
    blocks = max(lists, key=len)  # modules() goes outside in, so the outermost of equals wins
    _check_causal(hf_model, head)
    owner = next(m for m in decoder.modules() if any(child is blocks for child in m.children()))
    children = list(owner.children())
    after = next(i for i, child in enumerate(children) if child is blocks)
    norms = [m for m in children[after + 1 :] + children[:after] if _is_norm(m, _head_width(head))]
    tried: list[str] = []
    for norm in norms:
        found = Structure(blocks, norm, head, paths[id(blocks)], paths[id(norm)], paths[id(head)])
        verified, why = _verify(hf_model, found)
        if verified is not None:
            return verified
        tried.append(f"{found.norm_path} ({why})")
    raise ModelError(
        f"{name}: the states before the head could not be identified; tried "
        f"{'; '.join(tried) or 'no norm, there is none beside ' + paths[id(blocks)]}. Thoughtscope reads causal "
        "decoders whose logits are head(norm(last block)); choose such a model"
    )


def _head_width(head: Any) -> int:
    return int(head.in_features if hasattr(head, "in_features") else head.weight.shape[-1])


def _is_norm(module: nn.Module, width: int) -> bool:
    """A module with no children and only vectors of the model's width, or named as a norm."""
    own = list(module.parameters())
    vectors = bool(own) and all(p.ndim == 1 and p.shape[0] == width for p in own)
    return not list(module.children()) and (vectors or "norm" in type(module).__name__.lower())


def _check_causal(hf_model: Any, head: Any) -> None:
    """Refuse a model whose logits at the first tokens change with the last one."""
    ids = _four_tokens(head).repeat(2, 1)
    ids[1, -1] = (ids[1, -1] + 1) % head.weight.shape[0]
    logits = _logits(hf_model, ids)
    if not _close(logits[1, :3], logits[0, :3], head.weight.dtype):
        raise ModelError(
            f"{type(hf_model).__name__} is not causal: its logits depend on later tokens, as in an encoder such as "
            "BERT; choose a causal language model"
        )


def _verify(hf_model: Any, found: Structure) -> tuple[Structure | None, str]:
    """`found` completed by its soft cap and logit scale, or None and the reason why it is not the way to the logits."""
    import torch

    seen: dict[str, torch.Tensor] = {}

    def keep(key: str) -> Any:
        return lambda _module, _args, output: seen.__setitem__(key, plain(output))

    places = {"block": found.blocks[-1], "norm": found.final_norm}
    hooks = [module.register_forward_hook(keep(key)) for key, module in places.items()]
    try:
        logits = _logits(hf_model, _four_tokens(found.head))
    finally:
        for hook in hooks:
            hook.remove()
    if len(seen) < 2 or seen["norm"].shape[-1] != _head_width(found.head):
        return None, "not what the head reads"
    head: Any = found.head
    dtype = head.weight.dtype
    with torch.no_grad():
        if not _close(found.final_norm(seen["block"]), seen["norm"], dtype):
            return None, "does not read the last block's output"
        raw = head(seen["norm"]).float()
        scale = float((raw * logits).sum() / (raw * raw).sum().clamp_min(1e-30))
        cap = getattr(hf_model.config.get_text_config(), "final_logit_softcapping", None)
        capped = [replace(found, soft_cap=float(cap))] if cap else []
        candidates = [
            *capped,
            found,
            replace(found, logit_scale=scale),
        ]  # a declared cap first: small logits hardly show it
        for candidate in candidates:
            if _close(candidate.logits(seen["norm"]), logits, dtype):
                return candidate, ""
    return None, "norm and head do not give the model's logits"


def _four_tokens(head: Any) -> torch.Tensor:
    import torch

    return torch.arange(4, device=head.weight.device).remainder(head.weight.shape[0])[None]


def _logits(hf_model: Any, ids: torch.Tensor) -> torch.Tensor:
    import torch

    with torch.no_grad():
        return hf_model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits.float()


def _close(ours: torch.Tensor, theirs: torch.Tensor, dtype: torch.dtype) -> bool:
    """Equal to rounding of `dtype`, relative to the largest number."""
    import torch

    tolerance = max(8 * torch.finfo(dtype).eps, 1e-5)
    return bool((ours.float() - theirs.float()).abs().max() <= tolerance * theirs.float().abs().max().clamp_min(1e-6))


def plain(output: Any) -> torch.Tensor:
    """The tensor of a block's output: a plain tensor in transformers 5, a tuple in older releases (methods.md 0.2)."""
    return output[0] if isinstance(output, (tuple, list)) else output


__all__ = ["FINAL_NORM", "Site", "Structure", "block_site", "find_structure", "plain"]
