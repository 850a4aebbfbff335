"""The Live and Recordings pages in a real browser, against the real server and the bundled model."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

LONG = 60_000
"""Milliseconds that anything may take on a slow, busy machine."""


@pytest.fixture
def live(page: Page, server: Any) -> Iterator[Page]:
    """The Live page with a loaded model; afterwards: no console errors, and nothing asked of another machine."""
    from playwright.sync_api import expect

    expect.set_options(timeout=LONG)
    page.set_default_timeout(LONG)
    page.set_viewport_size({"width": 1280, "height": 800})
    errors: list[str] = []
    hosts: set[str | None] = set()
    page.on("console", lambda message: errors.append(message.text) if _is_ours(message) else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    page.on("websocket", lambda socket: hosts.add(urlsplit(socket.url).hostname))
    page.goto(server.url)
    expect(page.get_by_text("tokens/s measured").first).to_be_visible()
    yield page
    assert errors == []
    assert hosts <= {"127.0.0.1", None}  # None: data: and blob: addresses


def _is_ours(message: Any) -> bool:
    """Errors; not Streamlit's search for its server under a page's address, which it then finds one level up."""
    return message.type == "error" and "/recordings/_stcore/" not in message.location["url"]


def eventually(page: Page, question: Callable[[], bool], what: str) -> None:
    """Wait until `question` says yes."""
    for _ in range(LONG // 100):
        if question():
            return
        page.wait_for_timeout(100)
    pytest.fail(f"waited {LONG / 1000:.0f} s in vain for: {what}")


def count(page: Page) -> int:
    return int(page.get_by_test_id("traceview").get_attribute("data-count") or 0)


def seen(page: Page, tokens: int) -> None:
    eventually(page, lambda: count(page) >= tokens, f"{tokens} tokens on screen")


def finish(page: Page) -> None:
    """Stop the thinking and let the answer end at full speed."""
    from playwright.sync_api import expect

    page.get_by_role("button", name="Stop thinking").click()
    page.get_by_text("Full", exact=True).click()
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    eventually(page, lambda: state(page) == "finished", "the end on screen")


def state(page: Page) -> str | None:
    return page.get_by_test_id("traceview").get_attribute("data-state")


def test_a_run_is_watched_steered_stopped_saved_and_opened_again(
    live: Page, record_property: Callable[[str, object], None]
) -> None:
    """Start, tokens stream; overclock, and the event is drawn; pause, and nothing comes; stop, and it answers with a
    verdict; save; the second page opens the same number of tokens. The latency is reported, not asserted."""
    from playwright.sync_api import expect

    live.get_by_role("button", name="Start").click()
    seen(live, 10)
    rows = live.locator("[data-lane]")
    eventually(live, lambda: rows.count() >= 4, "the strips")

    slider = live.get_by_role("slider")
    slider.focus()
    slider.press("ArrowRight")
    expect(live.locator("[data-event=alpha]").first).to_be_attached()
    before = count(live)
    seen(live, before + 10)

    live.get_by_role("button", name="Pause").click()
    expect(live.get_by_role("button", name="Resume")).to_be_visible()
    eventually(live, lambda: state(live) == "paused", "the pause on screen")
    live.wait_for_timeout(500)
    held = count(live)
    live.wait_for_timeout(1000)
    assert count(live) == held
    live.get_by_role("button", name="Resume").click()
    seen(live, held + 3)

    live.get_by_test_id("colour-by").select_option(
        "progress" if live.locator("[data-lane=progress]").count() else "entropy"
    )
    latency = sorted(live.evaluate("window.__thoughtscope_latency"))
    median, worst = latency[len(latency) // 2], latency[int(0.95 * len(latency))]
    record_property("latency_ms", {"tokens": len(latency), "median": median, "p95": worst})
    sys.stdout.write(
        f"\ntoken on screen after {median:.0f} ms (median), {worst:.0f} ms (95 %), {len(latency)} tokens\n"
    )

    finish(live)
    assert live.get_by_test_id("answer").inner_text().strip()
    assert live.locator("[data-by=stop]").count() >= 1
    expect(live.get_by_test_id("verdict")).to_be_visible()

    tokens = count(live)
    live.get_by_role("button", name="Save").click()
    expect(live.get_by_role("button", name="Saved")).to_be_visible()
    live.get_by_role("link", name="Recordings").click()
    expect(live.get_by_text("What have I recorded?")).to_be_visible()
    live.get_by_role("button", name="dev-1").first.click()
    expect(live.get_by_role("button", name="All recordings")).to_be_visible()
    eventually(live, lambda: count(live) == tokens, f"{tokens} tokens of the recording")
    assert state(live) == "finished"
    expect(live.locator("[data-event=alpha]").first).to_be_attached()


def test_a_reload_does_not_lose_a_running_generation(live: Page) -> None:
    """After a reload the same run is on screen, with no fewer tokens than before, and it goes on."""
    live.get_by_role("button", name="Start").click()
    seen(live, 8)
    run = live.get_by_test_id("traceview").get_attribute("data-run")
    before = count(live)
    live.reload()
    eventually(live, lambda: live.get_by_test_id("traceview").count() == 1 and count(live) >= before, "the run again")
    assert live.get_by_test_id("traceview").get_attribute("data-run") == run
    seen(live, before + 8)
    finish(live)


def test_both_engines_drive_a_run_and_show_their_speed(live: Page) -> None:
    """Native is measured when the page opens, TransformerLens once it is chosen; a run with it ends and says so."""
    from playwright.sync_api import expect

    live.get_by_text("transformer_lens", exact=True).click()
    expect(live.get_by_text("tokens/s measured")).to_have_count(2)
    live.get_by_text("Full", exact=True).click()
    live.get_by_role("button", name="Start").click()
    seen(live, 5)
    expect(live.get_by_role("button", name="Start")).to_be_visible()
    live.get_by_role("link", name="Recordings").click()
    expect(live.get_by_text("transformer_lens").first).to_be_visible()


def test_an_unknown_word_is_named_and_the_form_is_kept(live: Page) -> None:
    """The message names the word; what was typed is still there."""
    from playwright.sync_api import expect

    live.get_by_text("Your own", exact=True).click()
    box = live.get_by_placeholder("Ava has 3 apples")
    box.fill("Ava has 3 zeppelins. How many zeppelins does Ava have?")
    box.press("Control+Enter")
    live.get_by_role("button", name="Start").click()
    expect(live.get_by_text("zeppelins'").first).to_be_visible()
    expect(box).to_have_value("Ava has 3 zeppelins. How many zeppelins does Ava have?")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_reader_s_light_or_dark(live: Page, scheme: Any) -> None:
    """The page's background is white or #0f1116, and the view has the same theme."""
    live.emulate_media(color_scheme=scheme)
    live.reload()
    view = live.get_by_test_id("traceview")
    eventually(live, lambda: view.count() == 1 and view.get_attribute("data-theme") == scheme, f"a {scheme} view")
    background = live.locator(".stApp").evaluate("element => getComputedStyle(element).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(15, 17, 22)"}[scheme]


def test_a_recording_outside_the_library_is_refused(live: Page, server: Any) -> None:
    """An address that points out of the folder gets the library's message."""
    from playwright.sync_api import expect

    live.goto(f"{server.url}/recordings?recording=..%2Fmodel%2Fmodel.safetensors")
    expect(live.get_by_text("no recording").first).to_be_visible()
