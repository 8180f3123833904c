"""Takes the pictures of the dashboard that our pages show: real pages in a real browser.

Each state that a page can be in: much data in light and in dark, on a phone, a table of rows,
nothing recorded yet, a question that cannot be read, and a server that is gone.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect, sync_playwright

INTO = Path(__file__).parent / "pictures"
WIDE: Any = {"width": 1100, "height": 820}
PHONE: Any = {"width": 390, "height": 780}
_QUALITY = 55  # JPEG: some 60 kB each, and letters are still sharp


def main() -> int:
    """Take every picture; ``SBHOOKS_HOME`` may name what an earlier ``sbhooks demo`` recorded."""
    INTO.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sbhooks-pictures-") as scratch, _browser() as browser:
        home = os.environ.get("SBHOOKS_HOME")
        if home is None:
            home = str(Path(scratch, "demo"))
            _sbhooks(home, "demo", "--home", home).communicate()
        with _served(home) as (url, _):
            _take(browser, f"{url}/?days=1", "page-light")
            _take(browser, f"{url}/?days=1#health", "health-dark", color_scheme="dark")
            _take(browser, f"{url}/?days=1", "page-phone", viewport=PHONE)
            _take(browser, f"{url}/rows?days=1", "rows", viewport={"width": 1100, "height": 600})
            _take(browser, f"{url}/?days=never", "error")
        with _served(str(Path(scratch, "empty"))) as (url, _):
            _take(browser, url, "empty")
        with _served(home) as (url, server):
            _take(browser, f"{url}/?days=1", "stale", gone=server)
    return 0


@contextmanager
def _browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def _served(home: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    server = _sbhooks(home, "serve", "--port", "0")
    if server.stdout is None:
        raise RuntimeError("the server says nothing")
    try:
        yield server.stdout.readline().split()[1], server
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate()


def _sbhooks(home: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "sbhooks", *arguments], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "SBHOOKS_HOME": home},
    )  # fmt: skip


def _take(
    browser: Browser,
    url: str,
    name: str,
    *,
    gone: subprocess.Popen[str] | None = None,
    **settings: Any,
) -> None:
    context = browser.new_context(**{"viewport": WIDE, **settings})
    page = context.new_page()
    page.goto(url)
    if gone is not None:
        expect(page.locator("#badge")).to_have_class("live")
        gone.kill()
        expect(page.locator("#badge")).to_contain_text("stale since")
    elif page.locator("#badge").count():
        expect(page.locator("#badge")).to_have_class("live")
    page.screenshot(path=INTO / f"{name}.jpg", type="jpeg", quality=_QUALITY)
    context.close()
    print(f"took {name}")


if __name__ == "__main__":
    raise SystemExit(main())
