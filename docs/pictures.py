"""Make the pictures of the README and the docs: `.venv/bin/python docs/pictures.py`.

Starts the real dashboard on a free port with an empty library, drives it in a real Chromium as a user would, and writes
`docs/*.png`, light and dark. Look at them before committing them.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
WAIT = 60_000


def start(home: Path) -> tuple[subprocess.Popen[bytes], str]:
    """The dashboard in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    call = [sys.executable, "-m", "thoughtscope.app.cli", "app", "--port", str(port)]
    environment = {**os.environ, "THOUGHTSCOPE_HOME": str(home)}
    process = subprocess.Popen(call, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=1).close()
            return process, url
        except OSError:
            time.sleep(0.2)
    process.terminate()
    raise SystemExit("the dashboard did not start")


def until(page: Page, tokens: int) -> None:
    """Wait for so many tokens on screen, or for the end of the run."""
    view = page.get_by_test_id("traceview")
    for _ in range(WAIT // 100):
        if int(view.get_attribute("data-count") or 0) >= tokens or view.get_attribute("data-state") == "finished":
            return
        page.wait_for_timeout(100)
    raise SystemExit(f"no {tokens} tokens after {WAIT / 1000:.0f} s")


def tour(page: Page, url: str, scheme: str) -> None:
    """Start, watch, overclock, stop, save, open again; a picture of each."""

    def picture(name: str) -> None:
        page.wait_for_timeout(400)
        page.screenshot(path=HERE / f"{name}-{scheme}.png")

    page.goto(url)
    page.get_by_text("tokens/s measured").first.wait_for(timeout=WAIT)
    page.get_by_role("button", name="Start").click()
    page.get_by_text("Brisk", exact=True).click()
    until(page, 40)
    slider = page.get_by_role("slider")
    slider.focus()
    for _ in range(2):
        slider.press("PageUp")
    until(page, 66)
    page.get_by_test_id("colour-by").select_option("mutual_information")
    page.get_by_text("Reading", exact=True).click()
    picture("live")
    page.get_by_role("button", name="Stop thinking").click()
    page.get_by_text("Full", exact=True).click()
    page.get_by_role("button", name="Start").wait_for(timeout=WAIT)
    until(page, 10_000)
    picture("finished")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Saved").wait_for(timeout=WAIT)
    page.get_by_role("link", name="Recordings").click()
    page.get_by_text("What have I recorded?").wait_for(timeout=WAIT)
    page.get_by_role("button", name="dev-").first.click()
    page.get_by_role("button", name="All recordings").wait_for(timeout=WAIT)
    until(page, 10_000)
    picture("recording")


def main() -> None:
    """Both schemes, one server each."""
    for scheme in ("light", "dark"):
        with tempfile.TemporaryDirectory() as home:
            process, url = start(Path(home))
            try:
                with sync_playwright() as playwright:
                    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
                    browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
                    size: Any = {"width": 1280, "height": 960}
                    tour(browser.new_page(viewport=size, color_scheme=scheme), url, scheme)
                    browser.close()
            finally:
                process.terminate()
                process.wait(timeout=20)


if __name__ == "__main__":
    main()
