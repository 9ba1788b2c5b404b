"""Pages that stand in place of the overview: an answer, both sides of a conflict, an agent's output, help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from rich.text import Text

from epw.cli.live.lines import ASKS, BAD, BOLD, DIM, GOOD, cells, flow, line, wrapped
from epw.cli.live.overview import head, overview, typing
from epw.cli.live.snapshot import Snapshot, Waiting
from epw.cli.live.steps import COMMANDS, Ui
from epw.core.report.model import ConflictResult

_MAX_SIDE_LINES = 400


def screen(
    snapshot: Snapshot,
    ui: Ui,
    width: int,
    height: int,
    now: int,
    *,
    output: Sequence[str] = (),
    hunks: Sequence[Mapping[str, Any]] = (),
) -> list[Text]:
    """Lines of the whole screen, at most `height` of at most `width` cells.

    `output`: lines of the selected task's log, for its page; `hunks`: those of the conflict that is answered.
    """
    waiting = ui.answered(snapshot)
    if ui.mode == "answer" and waiting is not None:
        return _answer(snapshot, ui, waiting, hunks, width, height, now)
    if ui.mode == "output":
        return _output(snapshot, ui, output, width, height)
    if ui.mode == "help":
        return _help(width)[:height]
    return overview(snapshot, ui, width, height, now)


def _answer(
    snapshot: Snapshot,
    ui: Ui,
    waiting: Waiting,
    hunks: Sequence[Mapping[str, Any]],
    width: int,
    height: int,
    now: int,
) -> list[Text]:
    top = head(snapshot, width, now, most=1)
    top.append(line((f"? {waiting.task_id} {waiting.kind} {waiting.id}", ASKS), width=width))
    body = wrapped(waiting.text, width)
    if waiting.conflict is not None:
        body += sides(waiting.conflict, hunks, width)
    choices = [
        line((f"  {number}  {each.answer}", BOLD), f"  {each.words}" if each.words else "", width=width)
        for number, each in enumerate(waiting.choices, 1)
    ]
    end = [line((ui.said, BAD if ui.is_bad else GOOD), width=width)] if ui.said else []
    asks = "answer" if waiting.takes_text and not choices else "number or words" if waiting.takes_text else "number"
    end += [typing(f"{asks}: ", ui.typed, width)]
    hints = flow(["Enter: send", "Esc: back", "↑↓: scroll", waiting.command(snapshot.id)], width, 2, "   ")
    for each in hints:
        each.stylize(DIM)
    end += hints
    choices = choices[: max(1, height - len(top) - len(end) - 2)] if choices else []
    room = max(0, height - len(top) - len(choices) - len(end))
    first = max(0, min(ui.scroll, len(body) - room))
    shown = body[first : first + room]
    return [*top, *shown, *[line()] * (room - len(shown)), *choices, *end][:height]


def sides(conflict: ConflictResult, hunks: Sequence[Mapping[str, Any]], width: int) -> list[Text]:
    """The hunks of a conflict, what has landed beside what was to land."""
    own, *others = conflict["tasks"] or ["?"]
    made = [line((f"{each['taskId']}: ", BOLD), each["description"], width=width) for each in conflict["intents"]]
    if not hunks:
        return [*made, line((f"files: {', '.join(conflict['paths'])}", DIM), width=width)]
    half = (width - 3) // 2
    names = [(f"landed: {', '.join(others) or 'before'}", half, BOLD), (f"to land: {own}", half, BOLD)]
    for hunk in hunks:
        place = f"{hunk.get('path', '')}:{hunk.get('line', '')}"
        made.append(line((f"── {place} {hunk.get('message') or hunk.get('what') or ''}", DIM), width=width))
        made.append(line(*cells(names, " │ "), width=width))
        left, right = (_lines(hunk.get(side)) for side in ("ours", "theirs"))
        for ours, theirs in zip_longest(left[:_MAX_SIDE_LINES], right[:_MAX_SIDE_LINES], fillvalue=""):
            is_same = ours == theirs
            styles = ("", "") if is_same else (GOOD, ASKS)
            made.append(line(*cells([(ours, half, styles[0]), (theirs, half, styles[1])], " │ "), width=width))
    return made


def _lines(side: Any) -> list[str]:
    """Lines of one side of a hunk, whatever it is."""
    if side is None or side == "" or side == []:
        return ["(nothing)"]
    if isinstance(side, list):
        return [str(each).rstrip("\n").expandtabs(4) for each in side]
    return str(side).expandtabs(4).splitlines()


def _output(snapshot: Snapshot, ui: Ui, output: Sequence[str], width: int, height: int) -> list[Text]:
    task = ui.task(snapshot) or ""
    row = snapshot.by_id.get(task)
    report = snapshot.live.get(task)
    about = [row["status"] if row is not None else "", (report.operation if report is not None else "") or ""]
    top = line((f"output of {task}", BOLD), *(f" · {each}" for each in about if each), width=width)
    found = [part for each in output for part in wrapped(each, width)]
    room = height - 2
    last = max(min(len(found), room), len(found) - ui.scroll)
    shown = found[max(0, last - room) : last]
    if not found:
        shown = [line(("nothing printed so far, or not on this machine", DIM), width=width)]
    end = line(("Esc: back   ↑↓: scroll   End: follow", DIM), width=width)
    return [top, *shown, *[line()] * (room - len(shown)), end]


def _help(width: int) -> list[Text]:
    made = [line(("keys", BOLD), width=width), line("  ↑ ↓ PgUp PgDn Home End: choose a task", width=width)]
    made += [line((f"  {key}  ", BOLD), each.help, width=width) for key, each in COMMANDS.items()]
    signs = "  signs: ▶ runs  ? asks you  ◷ waits  › ready  · pending  ✓ done  ✗ failed  ■ cancelled  – skipped"
    made += [line(signs, width=width), line(("any key: back", DIM), width=width)]
    return made
