"""The page of a report: hostile text is text in it, it loads nothing, and Chromium and axe-core find nothing wrong."""

from __future__ import annotations

import re
import time
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from epw.rendering.diff_markup import diff_markup
from epw.rendering.graph_picture import graph_picture
from epw.rendering.page import page
from tests.browser import address_of, opened
from tests.rendering.reports import made, recorded
from tests.rendering.test_markdown import HOSTILE


class Elements(HTMLParser):
    """The kinds of elements of a page, each with its attributes, as a browser reads them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.kinds: set[tuple[str, ...]] = set()
        self.links: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.kinds.add((tag, *(name for name, _ in attrs)))
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_text_adds_no_element_and_no_attribute(words: str) -> None:
    names = [f"{number}{words}"[:128] for number in range(8)]
    text = page(made(8, words=words, names=names))
    assert Elements(text).kinds <= Elements(page(made(8))).kinds
    assert "\u202e" not in text


def test_nothing_is_loaded_and_no_script_may_run() -> None:
    text = page(made())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert "default-src &#39;none&#39;" in policy[1]
    assert "unsafe" not in policy[1]
    assert "script-src" not in policy[1]
    assert {link for link in Elements(text).links if not link.startswith("#")} == {"data:,"}
    assert not {kind for kind, *_ in Elements(text).kinds} & {"script", "iframe", "img", "form", "object"}


def test_a_diff_is_told_by_signs_and_elements() -> None:
    patch = "diff --git a/f b/f\nindex 1..2 100644\n--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n same\n-<old>\n+new\n+--- more"
    shown = diff_markup(patch)
    assert "<b>f</b>" in shown
    assert "<del>-&lt;old&gt;</del>" in shown
    assert "<ins>+new\n+--- more</ins>" in shown
    assert "index 1..2" not in shown


CODE = """diff --git a/api.py b/api.py
--- a/api.py
+++ b/api.py
@@ -1,3 +1,3 @@
 import os  # <first>
-x = "old"
+def f(x): return "<new>"
"""
HOSTILE_LINES = ["'''", '"unclosed', "\t\ttab", "", " ", "# <c>", "\\", "${x`", "é\u2028", "{{", "0x", "/* "]
LANGUAGES = ("py", "js", "ts", "java", "go", "rs", "c", "rb", "sh", "json", "yaml", "toml")


def text_of(markup: str) -> str:
    return unescape(re.sub("<[^>]*>", "", markup))


def test_code_is_coloured_and_its_text_stays() -> None:
    shown = diff_markup(CODE)
    for words in (
        "<span> <kbd>import</kbd> os  <cite># &lt;first&gt;</cite>",
        "<ins>+<kbd>def</kbd> f(x): <kbd>return</kbd> <samp>&#34;</samp><samp>&lt;new&gt;</samp>",
    ):
        assert words in shown, shown
    plain = diff_markup(CODE, has_colours=False)
    assert "<kbd>" not in plain
    assert text_of(shown) == text_of(plain)
    for path, line in (("notes.txt", "import os"), ("long.py", f"import {'x' * 400}")):
        assert "<kbd>" not in diff_markup(f"diff --git a/{path} b/{path}\n+{line}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_lost_whatever_a_line_holds(language: str) -> None:
    lines = (f"{sign}{each}" for sign in "+- " for each in HOSTILE_LINES)
    text = "\n".join([f"diff --git a/a.{language} b/a.{language}", *lines])
    assert text_of(diff_markup(text)) == text_of(diff_markup(text, has_colours=False))


def test_the_rest_of_a_long_diff_is_named_with_the_command_that_shows_it() -> None:
    report = made(2)
    report["diffs"][0] |= {"lines": 2316, "shown": 6}
    assert "… 2,310 lines more: <code>epw diff made task-0</code>" in page(report)


def test_columns_of_the_graph_are_levels_and_the_critical_path_is_drawn_last() -> None:
    report = made(6)
    picture = graph_picture(report, {})
    assert picture is not None
    x = {node.told.split(":")[0]: node.x for node in picture.nodes}
    for each in report["plan"]["tasks"]:
        assert all(x[before] < x[each["taskId"]] for before in each["dependsOn"])
    assert [edge.is_critical for edge in picture.edges] == sorted(edge.is_critical for edge in picture.edges)
    assert any(edge.is_critical for edge in picture.edges)


async def test_a_report_opens_in_a_browser_without_an_error_or_a_request(browser: Browser, tmp_path: Path) -> None:
    text = page(made(12, words="words of <b>an agent</b> | @ada"))
    async with opened(browser, address_of(tmp_path / "report.html", text)) as found:
        shown = found.page
        await expect(shown).to_have_title(re.compile("words of <b>an agent"))
        await expect(shown.get_by_role("heading", level=1)).to_have_text("words of <b>an agent</b> | @ada")
        for name in ("What to do next", "Timeline", "Graph", "Tasks", "Conflicts", "Speed", "Cost and tokens"):
            await expect(shown.get_by_role("heading", name=name, exact=True)).to_be_visible()
        await expect(shown.get_by_role("navigation", name="Sections").get_by_role("link")).to_have_count(11)
        await expect(shown.get_by_text("retry, decided by the strategy")).to_be_visible()
        # A change is folded until it is wanted; the keyboard opens it.
        first = shown.locator("#task-1")
        await expect(first.locator("ins").first).to_be_hidden()
        await first.locator("summary").focus()
        await shown.keyboard.press("Enter")
        await expect(first.locator("ins").first).to_be_visible()
        # A status is chosen without a script.
        await shown.get_by_label("2 failed").check()
        await expect(first).to_be_hidden()
        await expect(shown.locator("#task-4")).to_be_visible()
        # The picture has a table beside it.
        await shown.get_by_text("Timeline as a table").click()
        await expect(shown.get_by_role("row", name="task-3 agent-1 1 failed")).to_be_visible()
        assert (found.console, [each for each in found.requests if not each.startswith(("file:", "data:"))]) == ([], [])


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1600, "light")])
async def test_axe_finds_nothing_wrong(browser: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    report = made(12, words="Add <the> page")
    report["diffs"][0] |= {"text": CODE, "lines": 8, "shown": 8}
    address = address_of(tmp_path / "report.html", page(report))
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    async with opened(browser, address, **options) as found:
        # Also of what is folded.
        await found.page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
        await expect(found.page.locator("pre.diff kbd").first).to_have_text("import")
        assert await found.violations() == []
        wide = await found.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, "the page scrolls sideways"


async def test_a_running_execution_says_so(browser: Browser, tmp_path: Path) -> None:
    report = await recorded("paused_and_resized", tmp_path)
    report["endedAt"], report["result"]["status"] = None, "running"
    async with opened(browser, address_of(tmp_path / "report.html", page(report))) as found:
        await expect(found.page.get_by_text("so far, as of")).to_be_visible()
        assert await found.violations() == []


def test_a_thousand_tasks_are_one_small_page() -> None:
    began = time.process_time()
    text = page(made(1000, lines=40, agents=40))
    assert len(text) < 6_000_000
    assert text.count("<tbody id=") == 1000
    print(f"{len(text):,} bytes, {time.process_time() - began:.2f} s of CPU")
