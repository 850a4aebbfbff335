"""Prompts are rendered as the model was taught, and the marks of its thinking are found or asked for."""

from __future__ import annotations

import dataclasses

import pytest

transformers = pytest.importorskip("transformers")
from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: E402

from thoughtscope.probes.errors import PromptError  # noqa: E402
from thoughtscope.probes.prompt import ThinkingFormat, detect, inside_thought, render, thinking_format  # noqa: E402

HARMONY = ["<|channel|>", "<|message|>", "<|start|>", "<|end|>", "analysis", "final", "assistant"]
BARE = "{% for m in messages %}{{ m.content }} {% endfor %}{% if add_generation_prompt %}go {% endif %}"


def tokenizer(words: list[str], template: str | None):
    """A tokenizer of exactly these words, the marks among them special."""
    vocabulary = {word: i for i, word in enumerate(["<unk>", *words])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    marks = [word for word in words if word[0] in "<[◁"]
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token="<unk>", additional_special_tokens=marks
    )
    fast.chat_template = template
    return fast


@pytest.mark.parametrize("pair", [("<think>", "</think>"), ("[THINK]", "[/THINK]"), ("◁think▷", "◁/think▷")])
def test_marks_in_the_vocabulary(pair):
    """Ids 1 and 2 are the marks; a template that does not write the opening leaves it to the model."""
    assert detect(tokenizer([*pair, "a", "go"], BARE)) == ThinkingFormat(pair[0], pair[1], (1,), (2,), "model")


def test_the_template_opens():
    """R1's template ends in the opening mark: the first generated token is already a thought."""
    assert detect(tokenizer(["<think>", "</think>", "a", "go"], BARE + "<think>")).opened_by == "template"


def test_a_template_that_closes_again_does_not_open():
    """A template that writes an empty thought leaves the model outside of one."""
    assert detect(tokenizer(["<think>", "</think>", "a", "go"], BARE + "<think> </think>")).opened_by == "model"


def test_channels_of_gpt_oss():
    """Harmony's marks are several tokens: 3 to open a thought, 6 to leave it for the final channel."""
    template = BARE + "{# <|channel|>analysis<|message|> and <|channel|>final<|message|> #}"
    found = detect(tokenizer([*HARMONY, "a", "go"], template))
    assert found.open_ids == (1, 5, 2)
    assert found.close_ids == (4, 3, 7, 1, 6, 2)


def test_no_marks_names_both_ways_out():
    """A model without marks: the message names the pair option and `none`."""
    with pytest.raises(PromptError, match=r"--thinking OPEN CLOSE.*--thinking none"):
        detect(tokenizer(["a", "go"], BARE))


def test_custom_marks():
    """The vocabulary's words are accepted, others named; without an opening mark thinking starts at once."""
    words = tokenizer(["hmm", "done", "a", "go"], BARE)
    assert thinking_format(words, "hmm", "done") == ThinkingFormat("hmm", "done", (1,), (2,), "model")
    assert thinking_format(words, "", "done").opened_by == "none"
    with pytest.raises(PromptError, match="'basta' has no tokens"):
        thinking_format(words, "hmm", "basta")
    with pytest.raises(PromptError, match="closing mark"):
        thinking_format(words, "hmm", "")


def test_inside_a_thought():
    """The last mark decides; without an opening mark every text is inside; without a format none is."""
    marks = ThinkingFormat("<think>", "</think>", (5,), (6,), "model")
    texts = ([1, 5, 2], [5, 2, 6], [1, 2], [5, 6, 5])
    assert [inside_thought(marks, ids) for ids in texts] == [True, False, False, True]
    assert inside_thought(ThinkingFormat("", "x", (), (6,), "none"), [1])
    assert not inside_thought(None, [5])
    assert inside_thought(ThinkingFormat("ab", "cd", (1, 2), (3, 4), "model"), [3, 4, 1, 2, 9])


def test_render(tiny_model):
    """The template's text word by word; the prompt ends in <think> (id 5), so thinking is open."""
    prompt = render(tiny_model("qwen3"), "Ava has 3 apples .")
    assert prompt.rendered == "<user> Ava has 3 apples . <assistant> <think>"
    assert prompt.ids == (3, 14, 8, 18, 11, 28, 4, 5)
    assert prompt.thinking
    assert prompt.text == "Ava has 3 apples ."


def test_system_message(tiny_model):
    """The system message comes before the user's."""
    assert render(tiny_model("qwen3"), "a", system="check").rendered == "check <user> a <assistant> <think>"


def test_raw(tiny_model):
    """Raw text goes in as it is and no thought is open; a system message has nowhere to go."""
    model = tiny_model("qwen3")
    prompt = render(model, "a has", raw=True)
    assert (prompt.rendered, prompt.ids, prompt.thinking) == ("a has", (7, 8), False)
    with pytest.raises(PromptError, match="--system"):
        render(model, "a has", raw=True, system="check")


@pytest.mark.parametrize("text", ["", "  \n"])
def test_empty_prompt(tiny_model, text):
    """An empty prompt is wrong input."""
    with pytest.raises(PromptError, match="empty"):
        render(tiny_model("qwen3"), text)


def test_too_long(tiny_model):
    """256 positions: a prompt of 300 words and 3 template tokens has 303 tokens."""
    with pytest.raises(PromptError, match=r"303 tokens and .* reads 256"):
        render(tiny_model("qwen3"), "a " * 300)


def test_a_failing_template(tiny_model):
    """What a template raises (here: no system messages, as in Gemma) is said with the way out."""
    model = tiny_model("llama")
    words = tokenizer(["a"], "{{ raise_exception('no system role') }}")
    with pytest.raises(PromptError, match=r"no system role.*--system"):
        render(dataclasses.replace(model, tokenizer=words), "a", system="a")


def test_normaliser(tiny_model, tmp_path):
    """A folder may name the bundled normaliser, which refuses other words; an unknown normaliser is named."""
    (tmp_path / "thoughtscope.json").write_text('{"normaliser": "word_problems"}')
    model = dataclasses.replace(tiny_model("qwen3"), path=tmp_path)
    with pytest.raises(PromptError, match="xylophone"):
        render(model, "Ava has 3 xylophone .")
    (tmp_path / "thoughtscope.json").write_text('{"normaliser": "other"}')
    with pytest.raises(PromptError, match="'other'"):
        render(model, "Ava has 3 apples .")
    assert render(model, "Ava has 3 xylophone .", raw=True).text == "Ava has 3 xylophone ."
