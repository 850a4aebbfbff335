"""From what a user types to the tokens a model starts from, and how a model marks its thinking.

A thinking format is two strings, an opening and a closing mark. It is detected from the tokenizer's vocabulary and the
chat template (Qwen3, R1 and relatives; Magistral; Seed; Kimi; gpt-oss channels) or given by hand. This module does not
know whether a model will think; it knows the marks, and whether a prompt ends inside an open thought.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from . import plugins
from .errors import PromptError, ThoughtscopeError

if TYPE_CHECKING:
    from .models import Model

KNOWN_FORMATS: tuple[tuple[str, str], ...] = (
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("◁think▷", "◁/think▷"),
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
)
WAYS_OUT = "give the two marks with `--thinking OPEN CLOSE`, or `--thinking none` for a model that does not think"


@dataclass(frozen=True)
class ThinkingFormat:
    """The marks around a model's thinking."""

    open_text: str
    """Opening mark; empty when thinking begins with the first generated token."""
    close_text: str
    open_ids: tuple[int, ...]
    close_ids: tuple[int, ...]
    """Tokens that end the thinking, forced in this order by a control that stops it."""
    opened_by: Literal["template", "model", "none"]
    """Who writes the opening mark: the chat template, the model, or nobody (there is none)."""


@dataclass(frozen=True)
class Prompt:
    """A prompt as the model reads it."""

    text: str
    """What the user typed."""
    rendered: str
    """After chat template (or as typed, when raw)."""
    ids: tuple[int, ...]
    """(n_prompt_tokens,) what the model is fed."""
    thinking: bool
    """True when the first generated token is already inside a thought."""
    system: str | None = None


def thinking_format(tokenizer: Any, open_text: str, close_text: str) -> ThinkingFormat:
    """The format with these two marks, `open_text` may be empty; an error names a mark the tokenizer cannot write."""
    if not close_text:
        raise PromptError(f"the closing mark of the thinking is empty; {WAYS_OUT}")
    ids = {mark: tuple(tokenizer.encode(mark, add_special_tokens=False)) for mark in (open_text, close_text)}
    for mark, tokens in ids.items():
        unknown = tokenizer.unk_token_id is not None and tokenizer.unk_token_id in tokens
        if mark and (unknown or not tokens):
            raise PromptError(f"the thinking mark {mark!r} has no tokens in this model's vocabulary; {WAYS_OUT}")
    opened_by: Literal["template", "model", "none"] = "none"
    if open_text:
        opened_by = "template" if _template_opens(tokenizer, open_text, close_text) else "model"
    return ThinkingFormat(open_text, close_text, ids[open_text], ids[close_text], opened_by)


def detect(tokenizer: Any) -> ThinkingFormat:
    """The thinking format that tokenizer and chat template show; an error names the two ways out when neither does.

    A known pair counts when both marks are tokens of the vocabulary or, failing that, when the chat template writes
    both (for the channels of gpt-oss, the parts of the marks).
    """
    vocabulary = tokenizer.get_vocab()
    template = template_text(tokenizer)
    for open_text, close_text in KNOWN_FORMATS:
        if open_text in vocabulary and close_text in vocabulary:
            return thinking_format(tokenizer, open_text, close_text)
    for open_text, close_text in KNOWN_FORMATS:
        close_part = "<|channel|>final<|message|>" if open_text.startswith("<|channel|>") else close_text
        if open_text in template and close_part in template:
            return thinking_format(tokenizer, open_text, close_text)
    pairs = ", ".join(f"{a} {b}" for a, b in KNOWN_FORMATS[:3])
    raise PromptError(f"no known thinking marks ({pairs}, ...) in tokenizer or chat template; {WAYS_OUT}")


def render(model: Model, text: str, *, system: str | None = None, raw: bool | None = None) -> Prompt:
    """What the model is fed for `text`.

    Args:
        model: its tokenizer, chat template, thinking format and normaliser are used.
        text: what the user typed.
        system: a system message, for the chat template.
        raw: feed the text as it is, without template and normaliser; None takes what the model was loaded with.
    """
    raw = model.raw if raw is None else raw
    if not text.strip():
        raise PromptError("the prompt is empty; type a question or a problem")
    tokenizer = model.tokenizer
    if raw:
        if system:
            raise PromptError("a system message needs the chat template; leave out --system, or leave out --raw")
        rendered, ids = text, tokenizer(text)["input_ids"]
    else:
        rendered = chat(tokenizer, normalised(model, text), system)
        ids = tokenizer(rendered, add_special_tokens=False)["input_ids"]
    limit = model.max_positions
    if limit is not None and len(ids) >= limit:
        raise PromptError(f"the prompt has {len(ids)} tokens and {model.name} reads {limit}; shorten the prompt")
    return Prompt(text, rendered, tuple(ids), inside_thought(model.thinking, ids), system)


def normalised(model: Model, text: str) -> str:
    """`text` in the words of a model whose folder names a normaliser in `thoughtscope.json`; otherwise unchanged."""
    settings = model.path / "thoughtscope.json" if model.path else None
    if settings is None or not settings.is_file():
        return text
    name = json.loads(settings.read_text(encoding="utf-8")).get("normaliser")
    if name is None:
        return text
    normalise = plugins.find(plugins.NORMALISERS, name)
    if normalise is None:
        known = ", ".join(plugins.names(plugins.NORMALISERS)) or "none"
        raise PromptError(f"{settings} names the normaliser {name!r}; installed: {known}; or prompt with --raw")
    try:
        return normalise(text)
    except ThoughtscopeError:
        raise
    except ValueError as error:
        raise PromptError(str(error)) from error


def chat(tokenizer: Any, text: str, system: str | None = None) -> str:
    """The chat template filled with one user message, up to where the model begins to write."""
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": text})
    if not template_text(tokenizer):
        raise PromptError("this tokenizer has no chat template; use --raw to feed the prompt as it is")
    try:
        return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    except Exception as error:  # templates are programs of their authors and raise what they like
        role = " with a system message" if system else ""
        raise PromptError(f"the chat template failed{role}: {error}; try --raw, or leave out --system") from error


def template_text(tokenizer: Any) -> str:
    """The chat template as text, all of them joined when there are several; empty when there is none."""
    template = getattr(tokenizer, "chat_template", None)
    return "\n".join(template.values()) if isinstance(template, dict) else template or ""


def inside_thought(thinking: ThinkingFormat | None, ids: Sequence[int]) -> bool:
    """Whether a text of these tokens ends in an open thought: the last opening comes after the last closing."""
    if thinking is None:
        return False
    if not thinking.open_ids:
        return True
    return _last(ids, thinking.open_ids) > _last(ids, thinking.close_ids)


def _last(ids: Sequence[int], part: Sequence[int]) -> int:
    """Where `part` last begins in `ids`, -1 where it does not."""
    ids, part = tuple(ids), tuple(part)
    return next((i for i in range(len(ids) - len(part), -1, -1) if ids[i : i + len(part)] == part), -1)


def _template_opens(tokenizer: Any, open_text: str, close_text: str) -> bool:
    """Whether the chat template itself writes the opening mark after a user message."""
    if open_text not in template_text(tokenizer):
        return False
    try:
        rendered = chat(tokenizer, "a")
    except PromptError:
        return False
    return rendered.rfind(open_text) > rendered.rfind(close_text)


__all__ = ["KNOWN_FORMATS", "Prompt", "ThinkingFormat", "chat", "detect", "inside_thought", "render", "thinking_format"]
