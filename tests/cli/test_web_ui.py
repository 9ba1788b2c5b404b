"""Temporal's Web UI alone tells the state of an execution: its page, and lists of them, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser import opened
from tests.command_line import Cli, line_with, stop, wait_for
from tests.support import tasks

pytestmark = pytest.mark.slow
SECONDS = 60


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, temporal_binary: str) -> Iterator[Cli]:
    """One execution that has ended with a part, one that has succeeded, one that waits after many changes."""
    cli = Cli(tmp_path_factory.mktemp("web") / "home", temporal_binary)
    process = cli.popen("up")
    line_with(process, "task queue")
    quick, bad = {"simulate": {"seconds": 0.01}}, {"simulate": {"failAttempts": [1, 2, 3, 4]}}
    rows = tasks({"id": "good", **quick}, {"id": "bad", **bad}, {"id": "later", "dependsOn": ["bad"], **quick})
    cli("run", cli.plan({"tasks": rows, "strategy": "aggressive"}), "--id", "some/part", code=1)
    cli("run", cli.plan({"tasks": rows[:1]}), "--id", "whole")
    asks, slow = {"simulate": {"ask": "which?"}}, {"simulate": {"seconds": 600}}
    rows = tasks({"id": "asks", **asks}, {"id": "hangs", **slow}, {"id": "after", "dependsOn": ["asks"], **quick})
    cli("start", cli.plan({"tasks": rows, "strategy": "aggressive"}), "--id", "steered")
    wait_for(lambda: cli.json("status", "steered")["questions"])
    cli("pause", "steered")
    cli("add", "steered", cli.plan({"tasks": tasks({"id": "more", "dependsOn": ["after"], **quick})}))
    cli("set", "steered", "--budget", "5")
    cli("cancel", "steered", "hangs")
    wait_for(lambda: cli.json("status", "steered")["results"][1]["status"] == "cancelled")
    yield cli
    stop(process)


async def _tab(page: Page, name: str) -> None:
    await page.get_by_role("tab", name=name).click(timeout=SECONDS * 1000)


async def _tells(page: Page, *words: str) -> None:
    """The current details, in a frame of their own, hold these words."""
    await expect(page.get_by_role("heading", name="Current Details")).to_be_visible(timeout=SECONDS * 1000)
    body = page.frame_locator("iframe").last.locator("body")
    for each in words:
        await expect(body).to_contain_text(each, timeout=SECONDS * 1000)


async def test_the_page_of_an_execution_tells_who_waits_for_what_and_what_answers_it(up: Cli, browser: Browser) -> None:
    async with opened(browser, up.json("open", "steered")["url"]) as found:
        page = found.page
        await expect(page.get_by_role("heading", level=1)).to_contain_text("steered", timeout=SECONDS * 1000)
        for each in ("pause", "add_tasks", "set_budget", "cancel_task"):
            sent = page.get_by_role("button", name=f"Event {each}: Completed")
            await expect(sent).to_be_visible(timeout=SECONDS * 1000)
        await expect(page.get_by_text("hangs (agent-2, attempt 1): do hangs")).to_be_visible()
        await _tab(page, "Search Attributes")
        shown = page.get_by_role("main")
        for words in ('"EpwStatus": "paused"', '"EpwWaiting": "question"', '"EpwFailedTasks": 0'):
            await expect(shown).to_contain_text(words, timeout=SECONDS * 1000)
        await _tab(page, "User Metadata")
        await _tells(page, "paused, waits for a person", "Nothing starts until epw resume steered", "0.00 of 5 USD")
        await _tells(page, "after (after asks), more (after after)", "answer with: epw answer steered q1 TEXT")
        await _tells(page, "Steering (4)", "cancel_task taskId=hangs → cancelled", "add_tasks tasks=more → added")
        summary = page.frame_locator("iframe").first.locator("body")
        await expect(summary).to_contain_text("3 tasks, aggressive")
        up("resume", "steered")
        up("answer", "steered", "q1", "this one")
        up("watch", "steered", code=1)
        await page.reload()
        await _tells(page, "partial", "3 of 4 tasks succeeded", "next: epw status steered · epw retry steered")
        await expect(page.get_by_role("status").first).to_have_text("Completed")
        assert found.console == []


async def test_a_part_is_told_from_the_whole_in_the_list(up: Cli, browser: Browser) -> None:
    async with opened(browser, up.json("open", "--status", "partial")["url"]) as found:
        listed = found.page.get_by_role("table", name="Workflows")
        await expect(listed.get_by_role("link", name="some/part")).to_be_visible(timeout=SECONDS * 1000)
        await expect(listed.get_by_role("link", name="whole")).to_have_count(0)
        assert found.console == []
    async with opened(browser, up.json("open")["url"], viewport={"width": 1800, "height": 900}) as found:
        page = found.page
        await page.get_by_role("button", name="Configure Columns").click(timeout=SECONDS * 1000)
        for name in ("EpwStatus", "EpwWaiting"):
            await page.get_by_role("button", name=f"Add {name} column").click()
        await page.get_by_role("button", name="Close Workflows Table configuration").click()
        for name, words in (("some/part", "partial"), ("whole", "succeeded")):
            row = page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))
            await expect(row.get_by_role("cell", name=words, exact=True)).to_be_visible(timeout=SECONDS * 1000)
        assert found.console == []
