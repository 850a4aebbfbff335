"""Blocks, norm and head are found whatever they are called, and refused where they do not fit."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from thoughtscope.probes.errors import ModelError  # noqa: E402
from thoughtscope.probes.sites import FINAL_NORM, block_site, find_structure  # noqa: E402

SHAPE = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": None,
}
GPT2 = {"vocab_size": 50, "n_embd": 32, "n_layer": 3, "n_head": 4, "bos_token_id": None, "eos_token_id": None}


def build(kind: str, config: dict):
    """A seeded random model with weights large enough that a missed soft cap or norm would show."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(getattr(transformers, kind)(**config)).eval()
    for weight in model.requires_grad_(False).parameters():
        if weight.ndim > 1:
            weight.mul_(10)
    return model


@pytest.mark.parametrize(
    ("kind", "config", "paths"),
    [
        ("Qwen3Config", {**SHAPE, "num_key_value_heads": 2, "head_dim": 8}, ("model.layers", "model.norm", "lm_head")),
        ("GPTNeoXConfig", SHAPE, ("gpt_neox.layers", "gpt_neox.final_layer_norm", "lm_head")),
        ("GPT2Config", GPT2, ("transformer.h", "transformer.ln_f", "lm_head")),
        (
            "OPTConfig",
            {**SHAPE, "ffn_dim": 64, "word_embed_proj_dim": 32},
            ("model.decoder.layers", "model.decoder.final_layer_norm", "lm_head"),
        ),
    ],
)
def test_found_by_structure(kind, config, paths):
    """Four families with four sets of names, none of which is written in the code."""
    found = find_structure(build(kind, config))
    assert (found.block_path, found.norm_path, found.head_path) == paths
    assert len(found.blocks) == 3
    assert found.soft_cap is None
    assert found.logit_scale == 1.0


def test_soft_cap():
    """Gemma 2 caps its logits: the config's 30 is believed because 30 tanh(head(f) / 30) equals the model's logits."""
    config = {**SHAPE, "num_key_value_heads": 2, "head_dim": 8, "final_logit_softcapping": 30.0}
    model = build("Gemma2Config", config)
    found = find_structure(model)
    assert found.soft_cap == 30.0
    f = 50 * torch.randn(5, 32)
    assert torch.allclose(found.logits(f), 30 * torch.tanh(model.lm_head(f) / 30), atol=1e-5)
    assert float((model.lm_head(f)).abs().max()) > 30  # so that the cap does something here


def test_logit_scale():
    """Cohere multiplies by logit_scale = 0.0625: measured from the logits, not read from a config field."""
    found = find_structure(build("CohereConfig", {**SHAPE, "num_key_value_heads": 2}))
    assert found.logit_scale == pytest.approx(0.0625, rel=1e-5)


def test_an_encoder_is_not_causal():
    """BERT with a language model head generates nothing sensible: its first logits change with the last token."""
    with pytest.raises(ModelError, match="BertLMHeadModel is not causal"):
        find_structure(build("BertConfig", SHAPE))


def test_a_projection_between_norm_and_head_is_refused():
    """OPT-350m's shape projects the normed state to the embedding width: head(norm(h)) cannot be its logits."""
    model = build("OPTConfig", {**SHAPE, "ffn_dim": 64, "word_embed_proj_dim": 16})
    with pytest.raises(ModelError, match=r"final_layer_norm .not what the head reads"):
        find_structure(model)


def test_verification_leaves_no_hooks():
    """The two hooks of the check are removed again."""
    model = build("GPT2Config", GPT2)
    find_structure(model)
    assert sum(len(module._forward_hooks) for module in model.modules()) == 0


def test_sites_of_a_model(tiny_model):
    """Three blocks and the final norm, each 32 wide, and the module of each name is the block itself."""
    model = tiny_model("qwen3")
    sites = model.sites()
    assert [site.name for site in sites] == [block_site(0), block_site(1), block_site(2), FINAL_NORM]
    assert [site.layer for site in sites] == [0, 1, 2, None]
    assert {site.width for site in sites} == {32}
    assert model.structure.module("blocks.1.hook_out") is model.hf.model.layers[1]
    assert model.structure.module("ln_final.hook_out") is model.hf.model.norm
