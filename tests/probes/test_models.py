"""Loading says in one message what is wrong with a model, and a loaded model knows itself."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from thoughtscope.probes import checkpoints  # noqa: E402
from thoughtscope.probes.errors import ModelError, PromptError  # noqa: E402
from thoughtscope.probes.models import load  # noqa: E402
from thoughtscope.probes.prompt import ThinkingFormat  # noqa: E402


@pytest.fixture
def folder(tiny_folder, tmp_path):
    """A copy of the tiny Qwen3 checkpoint that a test may damage."""
    return shutil.copytree(tiny_folder("qwen3"), tmp_path / "tiny")


def edit_json(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_what_a_model_knows(tiny_model):
    """The numbers of the config it was made from; <end> has id 2; nothing asks for gradients."""
    model = tiny_model("qwen3")
    assert (model.n_layers, model.d_model, model.vocab_size, model.max_positions) == (3, 32, 38, 256)
    assert model.end_ids == {2}
    assert model.unembed.shape == (38, 32)
    assert not model.hf.training
    assert not any(weight.requires_grad for weight in model.hf.parameters())
    assert model.hf.config._attn_implementation == "sdpa"
    assert model.thinking.open_ids == (5,)


def test_fingerprint(tiny_folder, tiny_model):
    """Equal for two loads and for bfloat16, different for other weights and for another config."""
    model = tiny_model("qwen3")
    path = tiny_folder("qwen3")
    assert len(model.fingerprint) == 16
    assert load(path, device="cpu").fingerprint == model.fingerprint
    assert load(path, device="cpu", dtype="bfloat16").fingerprint == model.fingerprint
    changed = load(path, device="cpu")
    changed.hf.model.layers[1].mlp.up_proj.weight[0, 0] += 1
    assert changed.fingerprint != model.fingerprint
    assert tiny_model("qwen3", rope_theta=1e5).fingerprint != model.fingerprint


def test_dtypes(tiny_folder, folder):
    """Auto takes the checkpoint's precision, except that float16 becomes float32 on a CPU."""
    assert load(folder, device="cpu", dtype="bfloat16").dtype == torch.bfloat16
    for stored, loaded in (("bfloat16", torch.bfloat16), ("float16", torch.float32), ("float32", torch.float32)):
        edit_json(folder / "config.json", dtype=stored)
        model = load(folder, device="cpu")
        assert model.dtype == model.unembed.dtype == loaded


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, {"temperature": 0.0, "top_p": 1.0, "top_k": 0}),
        ({"do_sample": True}, {"temperature": 1.0, "top_p": 1.0, "top_k": 50}),
        (
            {"do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 20},
            {"temperature": 0.6, "top_p": 0.95, "top_k": 20},
        ),
    ],
)
def test_sampling_defaults(folder, config, expected):
    """What `generate` would do: greedy unless the config asks for sampling; transformers' own top_k is 50."""
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 3], **config}))
    model = load(folder, device="cpu")
    assert model.sampling_defaults() == expected
    assert model.end_ids == {2, 3}


def test_token_texts_of_words(tiny_model):
    """Joined, the texts of the tokens are the decoded text; a word carries the space before it."""
    model = tiny_model("qwen3")
    assert model.token_text(14) == " Ava"
    assert "".join(model.token_texts((14, 8, 18))) == " " + model.tokenizer.decode([14, 8, 18])


def test_token_texts_of_bytes(tiny_model):
    """An emoji is four bytes and here four tokens: the last carries it; only a text cut inside one shows U+FFFD."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE({byte: i for i, byte in enumerate(alphabet)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=core)
    model = dataclasses.replace(tiny_model("qwen3"), tokenizer=tokenizer)
    ids = tokenizer.encode("x🤔 é")
    assert len(ids) == 8
    assert model.token_texts(ids) == ("x", "", "", "", "🤔", " ", "", "é")
    assert model.token_texts(ids[:3])[-1] == "\ufffd"
    assert model.token_text(ids[5]) == " "


def test_folder_does_not_exist():
    """A path is recognised as one and not looked up on the hub."""
    with pytest.raises(ModelError, match=r"folder ./no/such/model does not exist"):
        load("./no/such/model")


def test_unknown_hub_id(monkeypatch):
    """Offline, an id that is not in the cache: one sentence with the ways out."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match=r"no-such-author/no-such-model: no such model .* or give a folder"):
        load("no-such-author/no-such-model")


def test_a_file_is_not_a_folder(folder):
    """The weights' file itself was given."""
    with pytest.raises(ModelError, match="is a file; give the folder"):
        load(folder / "model.safetensors")


def test_config_only(folder):
    """A folder whose weights were never downloaded, and one without anything."""
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="has a config but no weights"):
        load(folder)
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"has no config\.json"):
        load(folder)


@pytest.mark.parametrize("keep", [4, 100, -40])
def test_cut_off_weights(folder, keep):
    """A download that stopped: in the length, in the header, in the last tensor. Said before torch reads anything."""
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ModelError, match="cut off"):
        load(folder)


def test_weights_without_a_head(folder):
    """A checkpoint of the bare decoder would get a random head; transformers only warns, we refuse."""
    edit_json(folder / "config.json", tie_word_embeddings=False)
    with pytest.raises(ModelError, match=r"lacks 1 weights .*lm_head.weight"):
        load(folder)


@pytest.mark.parametrize("kind", ["BertForMaskedLM", "BertLMHeadModel"])
def test_encoder(tmp_path, folder, kind):
    """BERT is refused by what its config says it is, and when it claims to be a language model, by how it behaves."""
    config = transformers.BertConfig(
        vocab_size=38, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64
    )
    getattr(transformers, kind)(config).save_pretrained(folder)
    with pytest.raises(ModelError, match=r"not a causal language model|is not causal"):
        load(folder, device="cpu")


def test_no_tokenizer(folder):
    """Weights and config alone are not enough to read a prompt."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    with pytest.raises(ModelError, match="no usable tokenizer"):
        load(folder)


def test_no_chat_template(folder):
    """Without a template the prompt cannot be rendered: --raw is the way out and works."""
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match=r"no chat template.*--raw"):
        load(folder)
    assert load(folder, raw=True, device="cpu").raw


def test_thinking_can_be_given(folder):
    """No format for "none", a pair of the model's words, and an error for a word that it does not have."""
    assert load(folder, thinking="none", device="cpu").thinking is None
    given = load(folder, thinking=("wait", "then"), device="cpu").thinking
    assert given == ThinkingFormat("wait", "then", (31,), (36,), "model")
    with pytest.raises(PromptError, match="'basta'"):
        load(folder, thinking=("wait", "basta"))


def test_too_little_memory(folder, monkeypatch):
    """The message has both sizes; weights are not read. 38 x 32 embeddings alone are 4864 bytes in float32."""
    monkeypatch.setattr(checkpoints.Checkpoint, "weights", lambda *_: pytest.fail("weights were read"))
    with pytest.raises(ModelError, match=r"needs .* GiB for its weights in float32 and cpu has 0\.0 GiB free"):
        load(folder, device="cpu", available_bytes=lambda _: 1000)


def test_size_of_weights(folder, tiny_model):
    """Header and config agree with the parameters that are loaded: 4 bytes each, half of that in bfloat16."""
    n = sum(weight.numel() for weight in tiny_model("qwen3").hf.parameters())
    found = checkpoints.find(str(folder))
    assert found.weight_bytes(torch.float32) == 4 * n
    assert found.weight_bytes(torch.bfloat16) == 2 * n
    assert dataclasses.replace(found, path=None, ref=str(folder)).weight_bytes(torch.float32) == 4 * n


@pytest.mark.parametrize(("option", "given"), [("device", "tpu9"), ("device", "abc:"), ("dtype", "int8")])
def test_unknown_device_and_dtype(folder, option, given):
    """The message names what was given."""
    with pytest.raises(ModelError, match=f"'{given}'"):
        load(folder, **{option: given})


def test_remote_code_needs_a_flag(folder):
    """A config that points to its own Python code is not run; the message names the flag."""
    edit_json(folder / "config.json", model_type="own", auto_map={"AutoConfig": "own.Config"})
    (folder / "own.py").write_text("raise SystemExit('this code ran')")
    with pytest.raises(ModelError, match="--trust-remote-code"):
        load(folder)


def test_trusting_code_is_said(folder):
    """The flag is followed by a warning, and the hub's telemetry is off after any load."""
    import huggingface_hub

    with pytest.warns(UserWarning, match="authors are trusted"):
        load(folder, device="cpu", trust_remote_code=True)
    assert huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY is True


def test_no_network(monkeypatch):
    """Without offline mode and without a network the same error comes after one try, not after five (20 s and more)."""
    import time

    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(
        huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/{filename}"
    )
    began = time.monotonic()
    with pytest.raises(ModelError, match="check the spelling and the network"):
        load("no-such-author/no-such-model")
    assert time.monotonic() - began < 5
