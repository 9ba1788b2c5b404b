"""What keys do: a state of the view and a key in, the next state and what is to be done out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from epw.cli.live.prompts import PROMPTS
from epw.cli.live.snapshot import Snapshot, Waiting
from epw.cli.live.typed import Typed
from epw.core.errors import InvalidRequest

_PAGE = 10


@dataclass(frozen=True)
class Send:
    """Send an update of this name."""

    update: str
    request: dict[str, Any]


@dataclass(frozen=True)
class Leave:
    """Leave the view; the execution goes on where it has a worker."""


@dataclass(frozen=True)
class CancelExecution:
    """Ask the execution to stop in order."""


@dataclass(frozen=True)
class Suspend:
    """Stop this process until the shell continues it."""


@dataclass(frozen=True)
class Redraw:
    """Draw everything anew."""


Action = Send | Leave | CancelExecution | Suspend | Redraw


@dataclass(frozen=True)
class Ui:
    """State of the view; what it shows of the execution is its snapshot's."""

    own_worker: bool = False
    """Whether the execution's worker ends with the view."""
    mode: str = "tasks"
    """`tasks`, `output` of a task, `answer`, `prompt`, `leave` or `help`."""
    selected: str | None = None
    """Id of a task; None: the first one."""
    typed: Typed = field(default_factory=Typed)
    prompt: str = ""
    """Name of what is asked for, of `PROMPTS`."""
    first: str = ""
    """What was answered to the first part of a prompt of two."""
    waiting: str = ""
    """Id of the question or conflict that is answered."""
    scroll: int = 0
    """Lines from the top of a conflict, from the end of an output."""
    said: str = ""
    """What has come of the last action."""
    is_bad: bool = False
    """Whether `said` tells of an error."""

    def task(self, snapshot: Snapshot) -> str | None:
        """Id of the selected task."""
        if self.selected in snapshot.by_id:
            return self.selected
        return snapshot.rows[0]["taskId"] if snapshot.rows else None

    def answered(self, snapshot: Snapshot) -> Waiting | None:
        """The question or conflict that is being answered, while it waits."""
        return next((each for each in snapshot.waiting if each.id == self.waiting), None)

    def says(self, text: str, *, is_bad: bool = False) -> Ui:
        return replace(self, said=text, is_bad=is_bad)


Step = tuple[Ui, Action | None]


def after_key(ui: Ui, key: str, snapshot: Snapshot) -> Step:
    """The state after a key, and what is to be done."""
    if key == "ctrl-c":
        return (ui, Leave()) if ui.mode == "leave" else (replace(ui, mode="leave"), None)
    if key == "ctrl-z":
        return ui, Suspend()
    if key == "ctrl-l":
        return ui, Redraw()
    return _MODES[ui.mode](ui, key, snapshot)


def _in_tasks(ui: Ui, key: str, snapshot: Snapshot) -> Step:
    if (moved := _moved(ui, key, snapshot)) is not None:
        return moved, None
    command = COMMANDS.get({"enter": "o", "=": "+", "q": "q"}.get(key, key))
    ui = replace(ui, said="", is_bad=False)
    if command is not None:
        return command.run(ui, snapshot)
    if key.isdecimal() and 0 < int(key) <= len(snapshot.waiting):
        return _answering(ui, snapshot.waiting[int(key) - 1]), None
    return ui, None


def _moved(ui: Ui, key: str, snapshot: Snapshot) -> Ui | None:
    steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page-up": -_PAGE, "page-down": _PAGE}
    ids = [row["taskId"] for row in snapshot.rows]
    if not ids or (key not in steps and key not in ("home", "end")):
        return None
    at = ids.index(ui.task(snapshot) or ids[0])
    place = {"home": 0, "end": len(ids) - 1}.get(key, at + steps.get(key, 0))
    return replace(ui, selected=ids[max(0, min(len(ids) - 1, place))])


def _in_output(ui: Ui, key: str, snapshot: Snapshot) -> Step:
    if key in ("escape", "q", "o"):
        return replace(ui, mode="tasks", scroll=0), None
    by = {"up": 1, "k": 1, "down": -1, "j": -1, "page-up": _PAGE, "page-down": -_PAGE}
    if key in by:
        return replace(ui, scroll=max(0, ui.scroll + by[key])), None
    return replace(ui, scroll={"end": 0, "home": 10**6}.get(key, ui.scroll)), None


def _in_answer(ui: Ui, key: str, snapshot: Snapshot) -> Step:
    waiting = ui.answered(snapshot)
    if key == "escape" or waiting is None:
        return replace(ui, mode="tasks", typed=Typed(), scroll=0), None
    by = {"up": -1, "down": 1, "page-up": -_PAGE, "page-down": _PAGE}
    if key in by:
        return replace(ui, scroll=max(0, ui.scroll + by[key])), None
    if key != "enter":
        return replace(ui, typed=ui.typed.after(key), said="", is_bad=False), None
    answer = waiting.answer_of(ui.typed.text.strip())
    if answer is None:
        return ui.says("type an answer" if waiting.takes_text else "type the number of a choice", is_bad=True), None
    return replace(ui, mode="tasks", typed=Typed(), scroll=0), Send(*waiting.update(answer))


def _in_prompt(ui: Ui, key: str, snapshot: Snapshot) -> Step:
    prompt = PROMPTS[ui.prompt]
    if key == "escape":
        return replace(ui, mode="tasks", typed=Typed(), first=""), None
    if key != "enter":
        return replace(ui, typed=ui.typed.after(key), said="", is_bad=False), None
    text = ui.typed.text.strip()
    if prompt.then and not ui.first:
        return (replace(ui, first=text, typed=Typed()), None) if text else (replace(ui, mode="tasks"), None)
    try:
        found = prompt.update(snapshot, ui.task(snapshot) or "", ui.first or text, text if ui.first else "")
    except InvalidRequest as error:
        return ui.says(str(error), is_bad=True), None
    done = replace(ui, mode="tasks", typed=Typed(), first="")
    return done, None if found is None else Send(*found)


def _in_leave(ui: Ui, key: str, snapshot: Snapshot) -> Step:
    back = replace(ui, mode="tasks")
    if key in ("d", "l", "q"):
        return back, Leave()
    if key == "c":
        return back, CancelExecution()
    return back, None


def _in_help(ui: Ui, key: str, snapshot: Snapshot) -> Step:
    return replace(ui, mode="tasks"), None


_MODES: dict[str, Callable[[Ui, str, Snapshot], Step]] = {
    "tasks": _in_tasks,
    "output": _in_output,
    "answer": _in_answer,
    "prompt": _in_prompt,
    "leave": _in_leave,
    "help": _in_help,
}


@dataclass(frozen=True)
class Command:
    """A key in the list of tasks."""

    words: str
    """For the line of keys."""
    help: str
    run: Callable[[Ui, Snapshot], Step]


def _answering(ui: Ui, waiting: Waiting) -> Ui:
    return replace(ui, mode="answer", waiting=waiting.id, typed=Typed(), scroll=0)


def _answer(ui: Ui, snapshot: Snapshot) -> Step:
    """Of the selected task where it asks, else the oldest."""
    if not snapshot.waiting:
        return ui.says("nothing waits for an answer"), None
    own = [each for each in snapshot.waiting if each.task_id == ui.task(snapshot)]
    return _answering(ui, (own or snapshot.waiting)[0]), None


def _output(ui: Ui, snapshot: Snapshot) -> Step:
    return (replace(ui, mode="output", scroll=0), None) if ui.task(snapshot) else (ui, None)


def _pause(ui: Ui, snapshot: Snapshot) -> Step:
    return ui, Send("resume" if snapshot.document["status"] == "paused" else "pause", {})


def _agents(change: int) -> Callable[[Ui, Snapshot], Step]:
    def run(ui: Ui, snapshot: Snapshot) -> Step:
        if snapshot.max_agents is None:
            return ui.says("the number of agents is not known", is_bad=True), None
        return ui, Send("set_max_agents", {"maxAgents": max(1, snapshot.max_agents + change)})

    return run


def _asks(prompt: str) -> Callable[[Ui, Snapshot], Step]:
    return lambda ui, snapshot: (replace(ui, mode="prompt", prompt=prompt, typed=Typed(), first=""), None)


def _shows(mode: str) -> Callable[[Ui, Snapshot], Step]:
    return lambda ui, snapshot: (replace(ui, mode=mode), None)


COMMANDS = {
    "a": Command("answer", "answer the question or conflict of this task, else the oldest; 1 to 9: that one", _answer),
    "o": Command("output", "what this task's agent prints, as it prints it (or Enter); Esc: back", _output),
    "p": Command("pause", "pause: start nothing new; again: go on", _pause),
    "c": Command("cancel", "cancel this task and what depends on it", _asks("cancel")),
    "r": Command("rerun", "run this task again, and what depends on it", _asks("rerun")),
    "n": Command("new task", "add a task, by typing what is to be done", _asks("task")),
    "m": Command("message", "tell this task's agent something", _asks("message")),
    "+": Command("agents", "one agent more at once", _agents(1)),
    "-": Command("", "one agent less at once", _agents(-1)),
    "P": Command("", "change this task's priority", _asks("priority")),
    "b": Command("budget", "change the budget", _asks("budget")),
    "?": Command("help", "these keys", _shows("help")),
    "q": Command("leave", "leave, or cancel the execution (or Ctrl-C; twice: leave at once)", _shows("leave")),
}
