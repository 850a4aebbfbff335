"""How the frame around the views looks: name, headings, chips, and what Streamlit's theme has no word for.

Colours are roles of `app/theme.py`. Whatever comes from a model or a file is escaped here.
"""

from __future__ import annotations

import html
import re

import streamlit as st

from ..theme import DARK, LIGHT

__all__ = ["ICON", "chip", "dress", "heading", "mark", "plain", "verdict", "without_sidebar", "wordmark"]

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#1a5fb4"/>'
    '<path d="M5 20 L11 20 L14 9 L18 24 L21 16 L27 16" fill="none" stroke="#fff" stroke-width="2.6" '
    'stroke-linecap="round" stroke-linejoin="round"/></svg>'
)


def _role(name: str) -> str:
    return f"light-dark({getattr(LIGHT, name)}, {getattr(DARK, name)})"


CSS = f"""
.stApp {{ --chip-right: {_role("answer")}; --chip-wrong: {_role("forced")}; --chip-plain: {_role("muted")};
  --chip-line: {_role("line")}; }}
.stMainBlockContainer {{ padding: 3.9rem 2rem 2rem; max-width: 1320px; }}
.stMainBlockContainer > .stVerticalBlock {{ gap: 0.7rem; }}
[data-testid="stSidebarContent"] .stVerticalBlock {{ gap: 0.65rem; }}
[data-testid="stSidebarHeader"] {{ padding-bottom: 0; height: 2.4rem; min-height: 0; margin: 0; }}
[data-testid="stSidebarUserContent"] {{ padding-top: 0; }}
.stSlider {{ padding-bottom: 0; }}
.ts-wordmark b {{ font-size: 1.15rem; letter-spacing: -0.01em; }}
.ts-wordmark p {{ margin: 0; color: var(--chip-plain); font-size: 0.83rem; }}
.ts-heading {{ display: flex; flex-wrap: wrap; gap: 0.4rem 1rem; align-items: center; min-height: 2rem; }}
.ts-heading h1 {{ font-size: 1.3rem; font-weight: 600; letter-spacing: -0.01em; margin: 0; padding: 0; flex: 1; }}
.ts-chip {{ font-size: 0.9rem; font-weight: 600; padding: 0.15rem 0.7rem; border-radius: 1rem;
  border: 1px solid currentColor;
  color: var(--chip-plain); white-space: nowrap; max-width: 26rem; overflow: hidden; text-overflow: ellipsis; }}
.ts-chip[data-verdict="right"] {{ color: var(--chip-right); }}
.ts-chip[data-verdict="wrong"] {{ color: var(--chip-wrong); }}
.ts-fine {{ color: var(--chip-plain); font-size: 0.85rem; margin: 0; }}
.ts-facts {{ color: var(--chip-plain); font-size: 0.88rem; margin: 0; text-align: right; white-space: nowrap; }}
.ts-facts .ts-chip {{ font-size: 0.78rem; padding: 0 0.5rem; margin-right: 0.4rem; }}
.ts-asked {{ margin: 0; font-size: 0.92rem; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }}
[class*="st-key-row"] {{ border-bottom: 1px solid var(--chip-line); padding-bottom: 0.35rem; flex-wrap: nowrap; }}
@media (max-height: 860px) {{ .stApp {{ --ts-text-height: 170px; }} }}
[class*="st-key-open"] button, [class*="st-key-open"] button > div {{ justify-content: flex-start; }}
[class*="st-key-open"] button {{ color: {_role("accent")}; font-weight: 600; }}
.ts-expect {{ color: var(--chip-plain); font-size: 0.87rem; max-width: 104ch; }}
.ts-expect p {{ margin: 0 0 0.5rem; }}
.ts-expect ul {{ margin: 0; padding: 0; list-style: none; }}
.ts-expect li {{ padding: 0.34rem 0; border-top: 1px solid var(--chip-line); display: flex; gap: 1rem; }}
.ts-expect b {{ font-weight: 600; flex: 0 0 15rem; }}
.ts-expect small {{ font-size: 0.8rem; opacity: 0.85; }}
.st-key-transport {{ border-bottom: 1px solid var(--chip-line); padding-bottom: 0.7rem; }}
"""


def plain(text: str) -> str:
    """Text from outside for labels and messages, which Streamlit reads as Markdown: one line, shown as it is written.

    All ASCII punctuation is escaped (CommonMark 2.4), so that no image, link, formula or `:directive:` comes about.
    """
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(text.split()))


def dress() -> None:
    """Put the rules on the page."""
    st.html(f"<style>{CSS}</style>")


def without_sidebar() -> None:
    """For pages with nothing to set: Streamlit may leave the last page's sidebar standing, empty."""
    st.html('<style>[data-testid="stSidebar"] { display: none; }</style>')


def wordmark(model: str) -> None:
    """Name and one line."""
    st.html(
        '<div class="ts-wordmark"><b>Thoughtscope</b>'
        f"<p>Watch a model think, and take the wheel. Model: {html.escape(model)}</p></div>"
    )


def heading(question: str, chip_html: str = "") -> None:
    """The page's question, and a chip beside it."""
    st.html(f'<header class="ts-heading"><h1>{html.escape(question)}</h1>{chip_html}</header>')


def chip(words: str, kind: str = "") -> str:
    """A small label as HTML; `kind` is "right", "wrong" or nothing."""
    return f'<span class="ts-chip" data-testid="verdict" data-verdict="{html.escape(kind)}">{html.escape(words)}</span>'


def verdict(answer: str | None, gold: str | None, correct: bool | None) -> str:
    """The answer, and whether it is right where that is known, as a chip."""
    said = "no answer" if answer is None else f"answer {answer}"
    if correct is None:
        return chip(said, "")
    return chip(f"Right: {said}", "right") if correct else chip(f"Wrong: {said}, right is {gold}", "wrong")


def mark(correct: bool | None) -> str:
    """Right or wrong in one word, as a chip; nothing where it is not known."""
    return "" if correct is None else chip("right", "right") if correct else chip("wrong", "wrong")
