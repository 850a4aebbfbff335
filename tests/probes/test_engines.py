"""Engines give transformers' own numbers, all of them the same, and leave the model as they found it."""

from __future__ import annotations

import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from thoughtscope.probes.engines import ENGINES, open_engine  # noqa: E402
from thoughtscope.probes.engines.transformer_lens import TransformerLensEngine  # noqa: E402
from thoughtscope.probes.errors import ModelError  # noqa: E402

FAMILIES = ["qwen3", "llama", "gpt_neox"]
PROMPT = [[3, 14, 8, 18, 11, 28, 9]]


def error(ours, theirs) -> float:
    """Largest difference relative to the largest true number."""
    return float((ours - theirs).abs().max() / theirs.abs().max())


def reference(model, ids, mask=None, positions=None):
    """Last logits and states of a pass without cache: block outputs by hook, f from transformers itself."""
    kept = []
    hooks = [block.register_forward_hook(lambda _m, _a, out: kept.append(out)) for block in model.structure.blocks]
    with torch.no_grad():
        out = model.hf(input_ids=ids, attention_mask=mask, position_ids=positions, output_hidden_states=True)
    for hook in hooks:
        hook.remove()
    return out.logits[:, -1], torch.stack([*kept, out.hidden_states[-1]])[:, :, -1]


def n_hooks(model) -> int:
    return sum(len(module._forward_hooks) for module in model.hf.modules())


@pytest.mark.parametrize("engine_name", ENGINES)
@pytest.mark.parametrize("family", FAMILIES)
def test_cached_steps_equal_a_pass_over_the_whole_text(tiny_model, family, engine_name):
    """A prompt and two cached tokens give what uncached passes give: relative error below 1e-5, fp32 rounding."""
    model = tiny_model(family)
    engine = open_engine(model, engine_name)
    cache = transformers.DynamicCache(config=model.config)
    text = torch.tensor(PROMPT)
    with engine.tapping([site.name for site in model.sites()]):
        step = engine.forward(text, cache=cache)
        for token in (6, 20):
            logits, states = reference(model, text)
            assert step.logits.dtype == torch.float32 and step.states.shape == (4, 1, 32)
            assert error(step.logits, logits) < 1e-5
            assert all(error(ours, theirs) < 1e-5 for ours, theirs in zip(step.states, states, strict=True))
            new = torch.tensor([[token]])
            text = torch.cat([text, new], dim=1)
            step = engine.forward(new, cache=cache)
    assert error(step.logits, reference(model, text)[0]) < 1e-5
    assert cache.get_seq_length() == 9


@pytest.mark.parametrize("engine_name", ENGINES)
@pytest.mark.parametrize("family", FAMILIES)
def test_left_padding_changes_nothing(tiny_model, family, engine_name):
    """Three tokens padded to the seven beside them give what they give alone, then and one step later (< 1e-5)."""
    model = tiny_model(family)
    engine = open_engine(model, engine_name)
    short, long = torch.tensor([[3, 20, 9]]), torch.tensor(PROMPT)
    ids = torch.cat([torch.nn.functional.pad(short, (4, 0)), long])
    mask = torch.tensor([[0] * 4 + [1] * 3, [1] * 7])
    cache = transformers.DynamicCache(config=model.config)
    positions = (mask.cumsum(-1) - 1).clamp_min(0)
    with engine.tapping([site.name for site in model.sites()]):
        first = engine.forward(ids, cache=cache, attention_mask=mask, position_ids=positions)
        mask = torch.nn.functional.pad(mask, (0, 1), value=1)
        new = torch.tensor([[21], [22]])
        second = engine.forward(new, cache=cache, attention_mask=mask, position_ids=mask.sum(-1, keepdim=True) - 1)
    for row, text in enumerate((short, long)):
        for step, whole in ((first, text), (second, torch.cat([text, new[row : row + 1]], dim=1))):
            logits, states = reference(model, whole)
            assert error(step.logits[row : row + 1], logits) < 1e-5
            assert error(step.states[:, row : row + 1], states) < 1e-5


@pytest.mark.parametrize("engine_name", ENGINES)
def test_a_mask_without_positions_means_the_same_to_both_engines(tiny_model, engine_name):
    """Without positions transformers counts from the cache, padding included; a bridge alone counts real tokens."""
    model = tiny_model("qwen3")
    ids, mask = torch.tensor([[0, 0, 3, 20, 9]]), torch.tensor([[0, 0, 1, 1, 1]])
    cache = transformers.DynamicCache(config=model.config)
    ours = open_engine(model, engine_name).forward(ids, cache=cache, attention_mask=mask)
    theirs = reference(model, ids, mask)[0]
    assert error(ours.logits, theirs) < 1e-5


def test_the_last_block_is_tapped_before_the_final_norm(tiny_model):
    """blocks.2.hook_out is raw: its RMS is far from the norm's 1, and norm(raw) is ln_final.hook_out to rounding."""
    model = tiny_model("qwen3")
    engine = open_engine(model)
    with engine.tapping(["blocks.2.hook_out", "ln_final.hook_out"]):
        raw, normed = engine.forward(torch.tensor(PROMPT), cache=transformers.DynamicCache(config=model.config)).states
    assert abs(float(normed.pow(2).mean().sqrt()) - 1) < 1e-3
    assert float(raw.pow(2).mean().sqrt()) > 2
    assert error(model.structure.final_norm(raw), normed) < 1e-6


@pytest.mark.parametrize("engine_name", ENGINES)
def test_order_of_taps_and_no_taps(tiny_model, engine_name):
    """States come in the order asked for; without a tap there are none: shape (0, 1, 32)."""
    model = tiny_model("llama")
    engine = open_engine(model, engine_name)
    names = ["blocks.2.hook_out", "blocks.0.hook_out"]

    def run():
        return engine.forward(torch.tensor(PROMPT), cache=transformers.DynamicCache(config=model.config)).states

    with engine.tapping(names):
        both = run()
    with engine.tapping(names[::-1]):
        assert torch.equal(run(), both.flip(0))
    assert run().shape == (0, 1, 32)


@pytest.mark.parametrize("engine_name", ENGINES)
def test_taps_leave_after_an_error_and_do_not_nest(tiny_model, engine_name):
    """Nested use raises; after an error inside the context no hook is left and the engine taps again."""
    model = tiny_model("qwen3")
    engine = open_engine(model, engine_name)
    before = n_hooks(model)
    with pytest.raises(ZeroDivisionError), engine.tapping(["blocks.0.hook_out"]):
        with pytest.raises(RuntimeError, match="tapping already"), engine.tapping(["blocks.1.hook_out"]):
            pass
        raise ZeroDivisionError
    assert n_hooks(model) == before
    with engine.tapping(["blocks.0.hook_out"]):
        pass


@pytest.mark.parametrize("family", FAMILIES)
def test_the_bridge_leaves_the_model_alone(tiny_model, family):
    """After a bridge ran, native logits are the same bits, attention is sdpa, modules are the same, weights shared."""
    model = tiny_model(family)
    ids = torch.tensor(PROMPT)
    with torch.no_grad():
        before = model.hf(ids).logits
    modules, fingerprint = [type(module) for module in model.hf.modules()], model.fingerprint
    engine = TransformerLensEngine(model)
    with engine.tapping(["blocks.1.hook_out"]):
        engine.forward(ids, cache=transformers.DynamicCache(config=model.config))
    with torch.no_grad():
        assert torch.equal(model.hf(ids).logits, before)
    assert [type(module) for module in model.hf.modules()] == modules
    assert model.hf.config._attn_implementation == "sdpa"
    del model.fingerprint
    assert model.fingerprint == fingerprint
    assert engine.bridge.original_model.get_input_embeddings().weight is model.hf.get_input_embeddings().weight
    assert TransformerLensEngine(model).bridge is engine.bridge


def test_inside_a_block(tiny_model):
    """The bridge taps inside a block, and its parts add up: block input + attention + MLP = block output."""
    model = tiny_model("qwen3")
    engine = open_engine(model, "transformer_lens")
    names = ["blocks.0.hook_out", "blocks.1.attn.hook_out", "blocks.1.mlp.hook_out", "blocks.1.hook_out"]
    with engine.tapping(names):
        before, attention, mlp, after = engine.forward(
            torch.tensor(PROMPT), cache=transformers.DynamicCache(config=model.config)
        ).states
    assert error(before + attention + mlp, after) < 1e-5
    with engine.tapping(["blocks.1.attn.hook_pattern"]), pytest.raises(ModelError, match="has shape"):
        engine.forward(torch.tensor(PROMPT), cache=transformers.DynamicCache(config=model.config))


def test_results_may_be_changed_in_place(tiny_model):
    """A bias is added to logits in place outside inference mode: that raised for tensors made inside it."""
    model = tiny_model("qwen3")
    engine = open_engine(model)
    with engine.tapping(["blocks.0.hook_out"]):
        step = engine.forward(torch.tensor(PROMPT), cache=transformers.DynamicCache(config=model.config))
    step.logits += 1
    step.states *= 2


@pytest.mark.parametrize("engine_name", ENGINES)
def test_the_cache_can_be_cropped_copied_and_used_again(tiny_model, engine_name):
    """Crop one token and run it again: the same logits to the bit (methods 0.2 saw 0.11 without the crop)."""
    import copy

    model = tiny_model("qwen3")
    engine = open_engine(model, engine_name)
    cache = transformers.DynamicCache(config=model.config)
    engine.forward(torch.tensor(PROMPT), cache=cache)
    token = torch.tensor([[20]])
    aside = copy.deepcopy(cache)
    first = engine.forward(token, cache=cache).logits
    cache.crop(-1)
    assert torch.equal(engine.forward(token, cache=cache).logits, first)
    assert torch.equal(engine.forward(token, cache=aside).logits, first)


@pytest.mark.parametrize(("name", "why"), [("nnsight", "not there yet"), ("vllm", "unknown")])
def test_engines_that_do_not_exist(tiny_model, name, why):
    """The message names what was given and the two engines that exist."""
    with pytest.raises(ModelError, match=f"'{name}'.*{why}.*native, transformer_lens"):
        open_engine(tiny_model("qwen3"), name)


@pytest.mark.parametrize("engine_name", ENGINES)
def test_unknown_site(tiny_model, engine_name):
    """A model of three blocks has no block 3."""
    with (
        pytest.raises(ModelError, match=r"blocks\.3\.hook_out"),
        open_engine(tiny_model("qwen3"), engine_name).tapping(["blocks.3.hook_out"]),
    ):
        pass


def test_light_modules_need_no_torch():
    """These modules import neither torch nor transformers: a fresh interpreter's sys.modules shows it."""
    code = (
        "import sys, thoughtscope.probes.errors, thoughtscope.probes.sites, thoughtscope.probes.prompt, "
        "thoughtscope.probes.engines, thoughtscope.probes.models, thoughtscope.probes.checkpoints\n"
        "assert not {'torch', 'transformers', 'transformer_lens'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
