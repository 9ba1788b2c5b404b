"""A real Chromium without a window, for what is shown in one."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = "needs Chromium (Debian: apt-get install chromium)"


def chromium() -> str | None:
    """Path of the browser; None where this machine has none."""
    return next(filter(None, map(shutil.which, _PROGRAMS)), None)


@asynccontextmanager
async def started(program: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program)
        yield browser
        await browser.close()


@dataclass
class Opened:
    """A page in the browser, what its console said, and what it asked for beside itself."""

    page: Page
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    async def violations(self) -> list[str]:
        """What axe-core finds wrong for people who do not see, point or tell colours apart."""
        found: Any = await Axe().run(self.page)
        return [f"{each['id']}: {[node['target'] for node in each['nodes']]}" for each in found.response["violations"]]


@asynccontextmanager
async def opened(browser: Browser, address: str, **options: Any) -> AsyncIterator[Opened]:
    """The page at an address, in a context of its own; `options`: of that context."""
    context = await browser.new_context(**options)
    page = await context.new_page()
    found = Opened(page)
    page.on("console", lambda message: found.console.append(message.text))
    page.on("pageerror", lambda error: found.console.append(str(error)))
    page.on("request", lambda request: found.requests.append(request.url))
    await page.goto(address)
    yield found
    await context.close()


def address_of(path: Path, text: str) -> str:
    """Address of a file with this text."""
    path.write_text(text)
    return path.as_uri()
