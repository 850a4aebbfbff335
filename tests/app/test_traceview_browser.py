"""TraceView in a real browser: text stays text, hover is linked, nothing is asked of the network."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from thoughtscope.app.traceview import pack, to_html


@pytest.fixture
def opened(runs: ModuleType, tmp_path: Path, page: Any) -> Any:
    """The small run as a static page, with a token that would run a script if it were parsed."""
    texts = ["<img src=x onerror='window.owned=1'>", *runs.TEXTS[1:]]
    said = {"events": runs.EVENTS, "prompt": "<b>How many?</b>", "theme": "light"}
    payload = pack(texts, runs.signals(), run="a", columns=runs.columns(), **said)
    path = tmp_path / "trace.html"
    path.write_text(to_html(payload), encoding="utf-8")
    page.problems, page.asked = [], []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("[data-testid=traceview][data-count='6']")
    return page


def test_what_is_shown(opened: Any) -> None:
    """Six tokens, the answer in its own card, a lane a signal with its number of defined points (5 and 4)."""
    assert opened.locator("[data-i]").count() == 6
    assert opened.get_by_test_id("answer").text_content() == " 42"
    lanes = opened.locator("[data-lane]").all()
    points = {lane.get_attribute("data-lane"): lane.get_attribute("data-n") for lane in lanes}
    assert points == {"entropy": "5", "mutual_information": "4"}
    assert opened.locator("[data-event]").all_inner_texts() == ["α = 25", "forced by stop", "pause"]
    assert opened.locator("[data-i='4']").get_attribute("data-by") == "stop"
    assert opened.locator("[data-i='4']").get_attribute("data-q") is None
    assert "oracle" in opened.locator("[data-lane=mutual_information]").inner_text()


def test_model_text_is_never_markup(opened: Any) -> None:
    """The token and the question stand there letter by letter; no element, no script, no request came of it."""
    assert opened.locator("[data-i='0']").text_content() == "<img src=x onerror='window.owned=1'>"
    assert opened.get_by_test_id("question").text_content() == "<b>How many?</b>"
    assert opened.locator("img").count() == 0 and opened.evaluate("window.owned") is None
    assert opened.problems == [] and [url for url in opened.asked if not url.startswith("file:")] == []


def test_hover_is_linked_both_ways(opened: Any) -> None:
    """A hovered token shows its facts and its value in every lane; a hovered lane marks the token."""
    opened.locator("[data-i='1']").hover()
    assert "token 1 · id 101 · thinking" in opened.get_by_test_id("tooltip").inner_text()
    opened.wait_for_function("document.querySelector('[data-lane=entropy] output').textContent === '2.00'")
    box = opened.locator("[data-lane=entropy] canvas").bounding_box()
    opened.mouse.move(box["x"] + 40 + (box["width"] - 48) * 3.5 / 6, box["y"] + 20)
    opened.wait_for_selector("[data-i='3'].ts-hover")


def test_pins_move_by_keyboard(opened: Any) -> None:
    """A click pins, arrows move by one, P goes to the peak at token 1, Escape lets go."""
    root, words = opened.get_by_test_id("traceview"), opened.locator(".ts-words")
    opened.locator("[data-i='3']").click()
    assert root.get_attribute("data-pin") == "3"
    words.press("ArrowLeft")
    assert root.get_attribute("data-pin") == "2"
    words.press("Shift+P")
    assert root.get_attribute("data-pin") == "1"
    words.press("Escape")
    assert root.get_attribute("data-pin") is None


def test_colour_follows_the_choice(opened: Any) -> None:
    """Entropy is largest at token 1 (level 24); the oracle signal is undefined at token 5, which then has no colour."""
    assert opened.locator("[data-i='1']").get_attribute("data-q") == "24"
    opened.get_by_test_id("colour-by").select_option("mutual_information")
    assert opened.locator("[data-i='5']").get_attribute("data-q") is None
    assert "HSIC" in opened.get_by_test_id("legend").inner_text()
