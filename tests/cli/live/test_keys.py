"""Keys and what they do: bytes of a terminal in, updates out."""

from __future__ import annotations

from typing import Any

import pytest

from epw.cli.live.keys import KeyDecoder
from epw.cli.live.snapshot import Snapshot
from epw.cli.live.steps import CancelExecution, Leave, Redraw, Send, Suspend, Ui, after_key
from epw.cli.live.typed import Typed
from tests.cli.live.states import snapshot


def decoded(*parts: bytes) -> list[str]:
    decoder = KeyDecoder()
    found = [key for part in parts for key in decoder.feed(part)]
    return [*found, *(decoder.flush() if decoder.is_within else [])]


@pytest.mark.parametrize(
    ("parts", "keys"),
    [
        ([b"aB1"], ["a", "B", "1"]),
        ([b"\x1b[A\x1b[B\x1bOC"], ["up", "down", "right"]),
        ([b"\x1b[5~\x1b[6~"], ["page-up", "page-down"]),
        ([b"\x1b"], ["escape"]),
        ([b"\x1b", b"[A"], ["up"]),
        ([b"\x1b\x1b[A"], ["escape", "up"]),
        ([b"\x03\r\n\x7f"], ["ctrl-c", "enter", "enter", "backspace"]),
        (["é".encode()[:1], "é".encode()[1:]], ["é"]),
        ([b"\x1b[200~a\nb\x1b[201~c"], ["paste:a\nb", "c"]),
        ([b"\x1b[200~a", b"b\x1b[201~"], ["paste:ab"]),
        ([b"\x1b[1;5A\x00"], []),
        ([b"\xff"], ["\ufffd"]),
    ],
)
def test_bytes_become_keys(parts: list[bytes], keys: list[str]) -> None:
    assert decoded(*parts) == keys


def test_a_line_is_typed_and_changed() -> None:
    line = Typed()
    for key in ["h", "e", "o", "left", "l", "home", "X", "delete", "end", " ", "w", "ctrl-w", "paste:a\nb\x1b", "up"]:
        line = line.after(key)
    assert line.text == "Xelo a b"
    assert line.after("backspace").text == "Xelo a "
    assert line.after("ctrl-u") == Typed()


def pressed(state: Snapshot, *keys: str, ui: Ui | None = None) -> tuple[Ui, list[Any]]:
    ui, actions = ui or Ui(), []
    for key in keys:
        ui, action = after_key(ui, key, state)
        actions += [action] if action is not None else []
    return ui, actions


def typed(text: str) -> list[str]:
    return [*text, "enter"]


def test_a_question_is_answered_by_words_or_the_number_of_a_choice() -> None:
    state = snapshot(2)
    assert pressed(state, "1", *typed("2"))[1] == [Send("answer", {"questionId": "q1", "text": "9090"})]
    assert pressed(state, "1", *typed("7070"))[1] == [Send("answer", {"questionId": "q1", "text": "7070"})]
    ui, actions = pressed(state, "a", "enter")
    assert (ui.mode, ui.is_bad, actions) == ("answer", True, [])


def test_a_conflict_is_resolved_by_its_choices_alone() -> None:
    state = snapshot(2)
    assert pressed(state, "2", *typed("1"))[1] == [Send("resolve_conflict", {"conflictId": "c1", "choice": "retry"})]
    assert pressed(state, "2", *typed("skip"))[1] == [Send("resolve_conflict", {"conflictId": "c1", "choice": "skip"})]
    ui, actions = pressed(state, "2", *typed("never"))
    assert (ui.mode, ui.said, actions) == ("answer", "type the number of a choice", [])
    asked = pressed(state, "a", ui=Ui(selected="clash"))[0]
    assert asked.waiting == "c1"


def test_an_answer_can_be_left() -> None:
    ui, actions = pressed(snapshot(1), "1", "x", "escape")
    assert (ui.mode, ui.typed, actions) == ("tasks", Typed(), [])
    gone = snapshot(1)
    gone.document["questions"].clear()
    assert pressed(gone, "x", ui=Ui(mode="answer", waiting="q1"))[0].mode == "tasks"
    assert pressed(gone, "a")[0].said == "nothing waits for an answer"


def test_the_selected_task_is_cancelled_only_after_a_yes() -> None:
    state = snapshot(3)
    assert pressed(state, "down", "c", *typed("y"))[1] == [Send("cancel_task", {"taskId": "task-001"})]
    assert pressed(state, "down", "c", *typed("n"))[1] == []
    assert pressed(state, "down", "c", "escape")[0].mode == "tasks"


def test_a_task_is_added_by_what_it_is_to_do_and_what_it_follows() -> None:
    (added,) = pressed(snapshot(1), "n", *typed("Write the docs"), *typed("task-000, writes"))[1]
    row = {"id": "write-the-docs", "description": "Write the docs", "dependsOn": ["task-000", "writes"]}
    assert added == Send("add_tasks", {"tasks": [row]})
    (command,) = pressed(snapshot(1), "n", *typed("$ make docs"), "enter")[1]
    assert command.request["tasks"] == [
        {"id": "make-docs", "description": "make docs", "agent": "command", "run": "make docs"}
    ]
    ui, actions = pressed(snapshot(1), "n", *typed("x"), *typed("tusk-000"))
    assert (ui.is_bad, actions) == (True, [])
    assert "did you mean task-000" in ui.said
    assert pressed(snapshot(1), "n", "enter")[0].mode == "tasks"


@pytest.mark.parametrize(
    ("keys", "update", "request_"),
    [
        (["p"], "pause", {}),
        (["r", *typed("y")], "retry_task", {"taskId": "task-000"}),
        (["+"], "set_max_agents", {"maxAgents": 5}),
        (["-"], "set_max_agents", {"maxAgents": 3}),
        (["m", *typed("use tabs")], "message", {"taskId": "task-000", "text": "use tabs"}),
        (["P", *typed("7")], "set_priority", {"taskId": "task-000", "priority": 7}),
        (["b", *typed("12.50")], "set_budget", {"maxCostUSD": 12.5}),
        (["b", *typed("200000 tokens")], "set_budget", {"maxTokens": 200_000}),
    ],
)
def test_each_key_sends_its_update(keys: list[str], update: str, request_: dict[str, Any]) -> None:
    assert pressed(snapshot(4), *keys)[1] == [Send(update, request_)]


@pytest.mark.parametrize("keys", [["P", *typed("high")], ["b", *typed("much")]])
def test_what_cannot_be_sent_is_said(keys: list[str]) -> None:
    ui, actions = pressed(snapshot(1), *keys)
    assert (ui.mode, ui.is_bad, actions) == ("prompt", True, [])


def test_what_is_empty_is_not_sent() -> None:
    for key in "mPb":
        assert pressed(snapshot(1), key, "enter") == (Ui(prompt=pressed(snapshot(1), key)[0].prompt), [])


def test_a_paused_execution_goes_on() -> None:
    state = snapshot(1)
    state.document["status"] = "paused"
    assert pressed(state, "p")[1] == [Send("resume", {})]


def test_the_number_of_agents_must_be_known_and_stays_above_none() -> None:
    assert pressed(snapshot(1, max_agents=1), "-")[1] == [Send("set_max_agents", {"maxAgents": 1})]
    assert pressed(snapshot(1, max_agents=None), "+")[0].is_bad


def test_ctrl_c_asks_once_and_leaves_at_the_second() -> None:
    state = snapshot(1)
    assert pressed(state, "ctrl-c") == (Ui(mode="leave"), [])
    assert pressed(state, "ctrl-c", "ctrl-c")[1] == [Leave()]
    assert pressed(state, "ctrl-c", "d")[1] == [Leave()]
    assert pressed(state, "ctrl-c", "c") == (Ui(), [CancelExecution()])
    assert pressed(state, "ctrl-c", "escape") == (Ui(), [])
    for ui in (Ui(mode="answer", waiting="q1"), Ui(mode="prompt", prompt="task"), Ui(mode="output"), Ui(mode="help")):
        assert pressed(state, "ctrl-c", ui=ui)[0].mode == "leave"


def test_the_selection_stays_with_its_task_and_within_the_list() -> None:
    state = snapshot(3)
    ui = pressed(state, "end", "down")[0]
    assert ui.task(state) == state.rows[-1]["taskId"]
    assert pressed(state, "home", "up", ui=ui)[0].task(state) == state.rows[0]["taskId"]
    assert pressed(state, "page-down")[0].task(state) == state.rows[10]["taskId"]
    assert Ui(selected="gone").task(state) == state.rows[0]["taskId"]


def test_output_help_and_the_rest() -> None:
    state = snapshot(2)
    ui = pressed(state, "down", "enter")[0]
    assert (ui.mode, ui.task(state)) == ("output", "task-001")
    assert pressed(state, "up", "page-up", ui=ui)[0].scroll == 11
    assert pressed(state, "up", "end", ui=ui)[0].scroll == 0
    assert pressed(state, "escape", ui=ui)[0].mode == "tasks"
    assert pressed(state, "?", "x")[0].mode == "tasks"
    assert pressed(state, "ctrl-z", "ctrl-l", "ö")[1] == [Suspend(), Redraw()]
