"""Markdown of a report, as a forge would read it: text of agents is text, and its tables stay whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from epw.rendering.markdown import MAX_LENGTH, markdown, title
from epw.rendering.quiet import code, quiet, table
from epw.rendering.text import text as plain
from tests.rendering.reports import made, recorded

FORGE = MarkdownIt("commonmark").enable("table")
HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a | b || c \\| d \\\\| e",
    "`tick` ``two`` ``` three",
    "see @ada, team @org/crew and GH-12, fixes #12, closes org/repo#3, !7 $8 %9 ~label &1 ^2",
    "fixes https://github.com/a/b/issues/1 or www.example.org or 0123456789abcdef0123456789abcdef01234567",
    "/close",
    "# heading\n\n- item\n1. first\n> quote\n| a | b |\n|---|---|\n```\nfence",
    "[link](javascript:alert(1)) ![image](https://example.org/x.png) <https://example.org>",
    "mail ada@example.org :tada: **bold** _it_ ~~gone~~ $x$ &lt; &#64;ada",
    "\u202egnp.exe \x1b[31m \x00 \ud800",
]
_LIVE = re.compile(r"@\w|(?<!&)#\d|GH-\d|://|www\.|!\d|:tada:|\b[0-9a-f]{40}\b")


def cells(text: str) -> list[list[str]]:
    """The cells of each row of each table, as they are shown."""
    found, row = [], list[str]()
    for token in FORGE.parse(text):
        if token.type in ("tr_open",):
            row = []
            found.append(row)
        elif token.type == "inline" and token.level >= 4:
            row.append("".join(child.content for child in token.children or []))
    return found


def outside_of_code(text: str) -> str:
    """What a forge would look at for people, issues and addresses: the text without its code."""
    return " ".join(
        child.content
        for token in FORGE.parse(text)
        if token.type == "inline"
        for child in token.children or []
        if child.type == "text"
    )


@pytest.mark.parametrize("words", HOSTILE)
def test_what_agents_say_is_text(words: str) -> None:
    report = made(words=words, names=[f"a {words}"[:128], "b", "c", "d"])
    text = markdown(report)
    tokens = [child for token in FORGE.parse(text) for child in (token, *(token.children or []))]
    kinds = {token.type for token in tokens}
    assert not kinds & {"link_open", "image", "html_inline", "blockquote_open", "em_open", "s_open"}
    assert [token.content for token in tokens if token.type == "html_block" and "details" not in token.content] == []
    assert _LIVE.findall(outside_of_code(text).replace("epw/made", "")) == []
    assert not re.search(r"(?m)^/\w", text), "a command of GitLab"


@pytest.mark.parametrize("words", HOSTILE)
def test_tables_stay_whole(words: str) -> None:
    rows = cells(markdown(made(7, words=words, names=[f"{n} {words}"[:128] for n in range(7)])))
    tasks = next(number for number, row in enumerate(rows) if row[:2] == ["task", "what it was to do"])
    assert {len(row) for row in rows[tasks : tasks + 8]} == {6}
    assert [row[5] for row in rows[tasks + 1 : tasks + 8]] == ["$0.0200"] * 7


@given(st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_a_cell_shows_the_text_that_went_in(texts: list[str]) -> None:
    shown = cells("\n".join(table(["x"] * len(texts), [list(map(code, texts))])))
    flat = [" ".join(each.split()) for each in texts]
    if all(each.isprintable() for each in flat):
        assert shown[1] == flat


@given(st.text(max_size=60))
def test_quiet_text_is_one_paragraph_of_text(text: str) -> None:
    tokens = FORGE.parse(quiet(text))
    assert {token.type for token in tokens} <= {"paragraph_open", "inline", "paragraph_close"}
    children = [child.type for token in tokens for child in token.children or []]
    assert set(children) <= {"text", "text_special"}


def test_a_long_report_is_cut_at_a_line_and_says_so() -> None:
    text = markdown(made(5000, words="x" * 200))
    assert len(text) <= MAX_LENGTH + 200
    assert text.endswith("`epw report made` has the rest\n")
    many = markdown(made(500))
    assert "and 300 more, all succeeded" in many
    assert many.count("CommandFailed") == 71, "those that failed are all there"


async def test_a_recorded_execution_is_told(tmp_path: Path) -> None:
    report = await recorded("conflict_retried", tmp_path)
    text = markdown(report)
    assert title(report) == "do a and 1 more"
    assert "succeeded**: 2 of 2 tasks landed" in text
    assert "| lines | `b`, `a` |" in text
    assert "retry, decided by the strategy" in text
    delivery = report["result"]["delivery"]
    assert delivery is not None
    base, head = str(delivery["base"]), str(delivery["head"])
    assert f"## To undo\n\n```\ngit revert --no-edit {base[:12]}..{head[:12]}" in text
    assert "Not verified" in text


def test_only_agents_whose_work_is_in_it_are_named_and_each_number_is_said_in_words() -> None:
    report = made(4)
    report["plan"]["tasks"][3]["agent"] = "did-nothing"
    text = markdown(report)
    assert "3 of 4 tasks landed, done by the agent `claude`, in execution `made` of `epw`.\n" in text
    assert "It took 2.0 s, with 1 conflict. Cost: $0.0800." in text


def test_a_verify_that_had_no_result_to_run_on_has_not_failed() -> None:
    report = made(2, status="rolled_back")
    delivery = report["result"]["delivery"]
    assert delivery is not None
    delivery["branch"], delivery["head"] = None, delivery["base"]
    assert "Not verified: no result is left for `do it`." in markdown(report)
    assert "verify: nothing to verify (do it)" in plain(report, 100)


async def test_who_answered_and_what_a_person_changed_is_told(tmp_path: Path) -> None:
    assert "| `asks` | ok? | " in markdown(await recorded("question_answered", tmp_path))
    assert "## Changed while it ran" in markdown(made())
