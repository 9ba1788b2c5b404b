"""What the view shows, at every width and number of agents: recorded states in, a terminal's screen out."""

from __future__ import annotations

from typing import Any, cast

import pytest

from epw.cli.live.overview import plain_summary
from epw.cli.live.pages import screen
from epw.cli.live.steps import Ui
from epw.cli.live.typed import Typed
from tests.cli.live.states import HUNKS, NOW, question, row, shown, snapshot

_LONG = "the-parser-of-a-module-with-a-very-long-name-in-the-far-north-of-the-repository"
SIZES = [(60, 24), (80, 24), (200, 50), (250, 60)]


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("agents", [1, 10, 100, 200])
def test_every_screen_fits_and_has_what_matters(width: int, height: int, agents: int) -> None:
    lines = screen(snapshot(agents), Ui(), width, height, NOW)
    assert len(lines) == height
    assert max(each.cell_len for each in lines) <= width
    told = shown(lines, width, height)
    text = "\n".join(told)
    for words in (
        "shop-1a2b",
        "running",
        f"of {3 * agents + 4} tasks",
        "38 %",
        "12 min so far",
        "about 20 min left",
    ):
        assert words in text, words
    for words in ("16 min to 27 min", "$4.20 of $5.00 (84 %)", "critical path: ✓ done-000 → ▶ task-000 5 %"):
        assert words in text, words
    for words in ("[1] ask-one asks q1: Which port?", "[2] clash conflict c1: lines", "would not merge", "next: "):
        assert words in text, words
    assert any(each.startswith("▶>task-000") for each in told)
    assert "q leave" in told[-1]
    assert "a answer" in told[-1]


def test_columns_are_left_out_by_rank_and_ids_keep_both_ends() -> None:
    def columns(width: int) -> list[str]:
        made = screen(snapshot(3, prefix=_LONG), Ui(), width, 40, NOW)
        (head,) = [each.plain for each in made if each.plain.startswith("  task")]
        assert any(each.plain.startswith("▶>the-") and "-000" in each.plain for each in made)
        return head.split()

    assert columns(60) == ["task", "state", "done", "left", "now"]
    assert "cost" in columns(90)
    assert {"time", "files", "tokens", "cost", "mem", "cpu", "agent", "now"} <= set(columns(160))


@pytest.mark.parametrize("height", [3, 5, 8, 13])
def test_a_low_terminal_shows_the_whole_and_the_keys(height: int) -> None:
    lines = screen(snapshot(10), Ui(), 80, height, NOW)
    assert len(lines) <= height
    assert "shop-1a2b" in lines[0].plain


def test_the_list_scrolls_to_the_selected_task_and_says_where_it_is() -> None:
    state = snapshot(100)
    last = state.rows[-1]["taskId"]
    told = shown(screen(state, Ui(selected=last), 100, 30, NOW), 100, 30)
    assert any(f">{last}" in each for each in told)
    assert any("/304" in each for each in told if each.startswith("  task"))


def test_every_state_has_a_sign_and_a_word() -> None:
    text = "\n".join(each.plain for each in screen(snapshot(1), Ui(), 200, 40, NOW))
    for words in ("▶>task-000", "running", "? ask-one", "asks: q1", "◷ writes", "files of", "✗ broken", "failed"):
        assert words in text, words
    assert "CommandFailed: exit code 1" in text


def test_time_passes_between_two_looks() -> None:
    text = "\n".join(each.plain for each in screen(snapshot(1), Ui(), 200, 40, NOW + 60_000))
    assert "13 min so far · about 19 min left" in text
    assert "2 min 3 s" in text
    assert "~2 min 5 s" in text


def test_text_of_unknown_origin_moves_nothing() -> None:
    state = snapshot(1)
    state.document["questions"][0]["text"] = "Which\x1b[2J\nport\u202e? [bold]x[/bold]"
    lines = screen(state, Ui(), 200, 40, NOW)
    assert "Which\\x1b[2J port\\x202e? [bold]x[/bold]" in "\n".join(each.plain for each in lines)


def test_wide_characters_take_two_cells() -> None:
    state = snapshot(1, prefix="一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十")
    for width in (60, 80, 200):
        lines = screen(state, Ui(), width, 24, NOW)
        assert max(each.cell_len for each in lines) <= width


def test_a_question_is_shown_whole_with_its_choices_and_what_is_typed() -> None:
    ui = Ui(mode="answer", waiting="q1", typed=Typed("80", 2))
    told = "\n".join(shown(screen(snapshot(1), ui, 80, 24, NOW), 80, 24))
    for words in ("? ask-one question q1", "Which port?", "1  8080", "2  9090", "number or words: 80", "epw answer"):
        assert words in told, words


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_sides_of_a_conflict_stand_beside_each_other(width: int) -> None:
    ui = Ui(mode="answer", waiting="c1")
    lines = screen(snapshot(1), ui, width, 30, NOW, hunks=HUNKS)
    assert max(each.cell_len for each in lines) <= width
    told = shown(lines, width, 30)
    (place,) = [n for n, each in enumerate(told) if "── api/users.py:12" in each]
    assert told[place + 1].split("│")[0].strip() == "landed: done-000"
    assert [each.strip() for each in told[place + 2].split("│")] == ["def get(id):", "def get(uid, all):"]
    assert told[place + 3].split("│")[0].rstrip() == "    return 1"
    text = "\n".join(told)
    for words in ("(nothing)", "The intent of clash", "1  retry", "2  skip", "epw resolve shop-1a2b c1"):
        assert words in text, words


def test_a_long_conflict_scrolls() -> None:
    many = [{"path": "a", "line": n, "ours": [f"line {n}"], "theirs": [f"other {n}"]} for n in range(100)]
    first = screen(snapshot(1), Ui(mode="answer", waiting="c1"), 80, 24, NOW, hunks=many)
    last = screen(snapshot(1), Ui(mode="answer", waiting="c1", scroll=10_000), 80, 24, NOW, hunks=many)
    assert "line 0 " in "\n".join(each.plain for each in first)
    assert "line 99" in "\n".join(each.plain for each in last)
    assert "1  retry" in "\n".join(each.plain for each in last)


def test_an_answer_that_someone_else_gave_leads_back() -> None:
    state = snapshot(1)
    state.document["questions"][0]["answer"] = "8080"
    told = shown(screen(state, Ui(mode="answer", waiting="q1"), 80, 24, NOW), 80, 24)
    assert any("task-000" in each for each in told)


def test_output_shows_its_end_and_scrolls_back() -> None:
    lines = [f"line {n}" for n in range(100)]
    end = shown(screen(snapshot(1), Ui(mode="output"), 80, 24, NOW, output=lines), 80, 24)
    assert end[0] == "output of task-000 · running · editing api/users.py"
    assert end[-2] == "line 99"
    back = shown(screen(snapshot(1), Ui(mode="output", scroll=10**6), 80, 24, NOW, output=lines), 80, 24)
    assert back[1] == "line 0"
    none = shown(screen(snapshot(1), Ui(mode="output"), 80, 24, NOW), 80, 24)
    assert "nothing printed so far" in none[1]


def test_help_names_every_key_and_every_sign() -> None:
    told = "\n".join(shown(screen(snapshot(1), Ui(mode="help"), 120, 40, NOW), 120, 40))
    for words in ("PgUp", "cancel this task", "add a task", "budget", "▶ runs", "✗ failed"):
        assert words in told, words


def test_leaving_asks_and_prompts_show_what_is_typed() -> None:
    leave = shown(screen(snapshot(1), Ui(mode="leave"), 60, 24, NOW), 60, 24)
    assert leave[-1] == "leave? d: leave, it goes on   c: cancel it   Esc: stay"
    own = shown(screen(snapshot(1), Ui(mode="leave", own_worker=True), 60, 24, NOW), 60, 24)
    assert own[-1] == "leave? d: stop, go on later   c: cancel it   Esc: stay"
    prompt = Ui(mode="prompt", prompt="cancel", typed=Typed("y", 1)).says("refused", is_bad=True)
    told = shown(screen(snapshot(1), prompt, 80, 24, NOW), 80, 24)
    assert told[-2:] == ["refused", "cancel task-000 and what depends on it? (y): y"]
    long = Ui(mode="prompt", prompt="task", typed=Typed("word " * 50, 250))
    assert screen(snapshot(1), long, 60, 24, NOW)[-1].cell_len <= 60


def test_without_a_worker_it_says_so_and_many_questions_are_counted() -> None:
    state = snapshot(1, trouble="no worker answers: `epw up` goes on")
    state.document["results"] += cast(Any, [row(f"w{n}", "waiting", waitingFor="question") for n in range(40)])
    state.document["questions"] += [question(f"q{n + 9}", f"w{n}", "Why?") for n in range(40)]  # type: ignore[misc]
    told = "\n".join(shown(screen(state, Ui(), 80, 24, NOW), 80, 24))
    assert "no worker answers" in told
    assert "more wait for you" in told


def test_the_summary_that_stays_names_what_runs_and_what_answers() -> None:
    told = plain_summary(snapshot(2))
    assert "shop-1a2b · running · 3 of 10 tasks" in told[0]
    assert any("▶ task-001: running" in each for each in told)
    assert any("epw answer shop-1a2b q1 CHOICE" in each for each in told)
    assert any("epw resolve shop-1a2b c1 CHOICE" in each for each in told)
