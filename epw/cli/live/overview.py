"""The screen of an execution: the whole, what waits for a person, the tasks, what comes next, keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from rich.text import Text

from activities.system.server_time import server_ms
from epw.cli.layout import duration
from epw.cli.live.lines import ASKS, BAD, BOLD, DIM, GOOD, LIVE, Part, amount, bar, flow, line, plain
from epw.cli.live.prompts import PROMPTS
from epw.cli.live.snapshot import Snapshot
from epw.cli.live.steps import COMMANDS, Ui
from epw.cli.live.table import mark_of, table
from epw.cli.live.typed import Typed
from epw.cli.show_running import waits_for
from epw.core.amounts import count, dollars
from epw.core.report.spending import in_words
from epw.rendering.forecast import time_left

_SMALL = 14
"""Lines under which only the most important is shown."""
_MAX_SUMMARY = 20
_STATUS = {"running": LIVE, "paused": ASKS}


def overview(snapshot: Snapshot, ui: Ui, width: int, height: int, now: int) -> list[Text]:
    """At most so many lines of at most so many cells; `now`: epoch milliseconds."""
    is_small = height < _SMALL
    top = head(snapshot, width, now, most=2 if is_small else 4)
    top += [] if is_small else _critical_path(snapshot, width)
    top += _waiting(snapshot, width, most=2 if is_small else max(2, height // 5))
    bottom = [] if is_small else [*_warnings(snapshot, width), *_lists(snapshot, width)]
    bottom += last_lines(snapshot, ui, width)
    room = height - len(top) - len(bottom)
    rows = table(snapshot, ui.task(snapshot), width, room, max(0, now - snapshot.at))
    return [*top, *rows, *[line()] * (room - len(rows)), *bottom][:height]


def head(snapshot: Snapshot, width: int, now: int, most: int) -> list[Text]:
    """How far the execution is, when it probably ends, and what it has cost."""
    document, numbers = snapshot.document, snapshot.numbers
    status, passed = document["status"], max(0, now - snapshot.at)
    parts: list[Part] = [
        (snapshot.id, BOLD),
        (status, _STATUS.get(status, "")),
        f"{snapshot.ended} of {count(len(document['results']), 'task')}",
        f"{bar(numbers['percent'], 10)} {numbers['percent']:.0f} %",
        f"{duration(numbers['elapsedMs'] + passed)} so far",
    ]
    if left := time_left(numbers, passed):
        parts.append(left)
    if (eta := numbers.get("eta")) is not None and not eta.get("guessed"):
        end = datetime.fromtimestamp((snapshot.at + eta["leftMs"]) / 1000)
        parts.append(f"ends {end:%H:%M}" if eta["leftMs"] < 12 * 3_600_000 else f"ends {end:%a %H:%M}")
    parts += _spending(snapshot)
    if snapshot.max_agents is not None:
        running_now = sum(row["status"] == "running" for row in document["results"])
        parts.append(f"{running_now} of {snapshot.max_agents} agents")
    return flow(parts, width, most)


def _spending(snapshot: Snapshot) -> list[Part]:
    numbers = snapshot.numbers
    cost, tokens, parts = numbers["costUSD"], numbers["tokens"], list[Part]()
    if cost is not None or snapshot.max_cost is not None:
        parts.append(_share(cost or 0.0, snapshot.max_cost, dollars))
    if tokens is not None or snapshot.max_tokens is not None:
        parts.append(_share(tokens or 0, snapshot.max_tokens, lambda value: f"{amount(value)} tokens"))
    return [*parts, *([in_words(numbers["inDoubt"])] if "inDoubt" in numbers else [])]


def _share(used: float, most: float | None, words: Callable[[float], str]) -> Part:
    """What was used, beside what may be."""
    if not most:
        return words(used)
    return f"{words(used)} of {words(most)} ({100 * used / most:.0f} %)", BAD if used >= 0.8 * most else ""


def _critical_path(snapshot: Snapshot, width: int) -> list[Text]:
    """The longest path, from the last task of it that has ended."""
    path = [task for task in snapshot.critical_path if task in snapshot.by_id]
    ended = [n for n, task in enumerate(path) if snapshot.by_id[task]["status"] == "succeeded"]
    first = ended[-1] if ended else 0
    if not path or first == len(path) - 1:
        return []
    parts: list[Part] = [("critical path: ", DIM), "… → " if first else ""]
    for n, task in enumerate(path[first:]):
        sign, style = mark_of(snapshot.by_id[task])
        report = snapshot.live.get(task)
        percent = f" {report.percent:.0f} %" if report is not None and report.percent else ""
        parts += [" → " if n else "", (sign, style), f" {task}{percent}"]
    return [line(*parts, width=width)]


def _waiting(snapshot: Snapshot, width: int, most: int) -> list[Text]:
    """What a person can answer, with the key and the command."""
    made, shown = list[Text](), snapshot.waiting[:most]
    for number, each in enumerate(shown, 1):
        key = f"[{number}]" if number < 10 else "[a]"
        words = "conflict" if each.kind == "conflict" else "asks"
        parts: list[Part] = [(f"? {key} {each.task_id} {words} {each.id}", ASKS), f": {each.text}"]
        command = f"  {each.command(snapshot.id)}"
        whole = line(*parts)
        if whole.cell_len + len(command) <= width:
            whole.append(command, DIM)
        whole.truncate(width, overflow="ellipsis")
        made.append(whole)
    more = len(snapshot.waiting) - len(shown)
    return [*made, *([line((f"  and {more} more wait for you", ASKS), width=width)] if more > 0 else [])]


def _warnings(snapshot: Snapshot, width: int) -> list[Text]:
    found = snapshot.warnings
    made = [line(("! ", BAD), each, width=width) for each in found[:2]]
    return [*made, *([line((f"  and {len(found) - 2} more warnings", DIM), width=width)] if len(found) > 2 else [])]


def _lists(snapshot: Snapshot, width: int) -> list[Text]:
    """What ended last, and what comes next."""
    ended = [row for row in snapshot.rows if row["finishedAt"] is not None]
    later = [row["taskId"] for row in snapshot.rows if row["status"] in ("ready", "pending")]
    made = list[Text]()
    if ended:
        signs = [part for row in ended[:12] for part in (mark_of(row), f" {row['taskId']}  ")]
        made.append(line(("done: ", DIM), *signs, width=width))
    if later:
        made.append(line(("next: ", DIM), ", ".join(later[:20]), width=width))
    return made


def last_lines(snapshot: Snapshot, ui: Ui, width: int) -> list[Text]:
    """What has come of the last action, then what is asked for or the keys."""
    said = [line((ui.said, BAD if ui.is_bad else GOOD), width=width)] if ui.said else []
    if ui.mode == "prompt":
        prompt = PROMPTS[ui.prompt]
        asks = prompt.then if ui.first else prompt.asks.format(task=ui.task(snapshot))
        return [*said, typing(f"{asks}: ", ui.typed, width)]
    if ui.mode == "leave":
        leave = "d: stop, go on later" if ui.own_worker else "d: leave, it goes on"
        return [*said, line(("leave? ", ASKS), f"{leave}   c: cancel it   Esc: stay", width=width)]
    if not snapshot.document["results"]:
        return [*said, line(("q leave", DIM), width=width)]
    return [*said, *keys(["1-9 a answer"] if snapshot.waiting else [], width)]


def keys(first: Sequence[str], width: int) -> list[Text]:
    """The keys of the list, in one line: those of help and leaving in any case."""
    last = "  ".join(f"{key} {COMMANDS[key].words}" for key in ("?", "q"))
    names = [f"{key} {each.words}" for key, each in COMMANDS.items() if each.words and key not in ("a", "?", "q")]
    made = flow([*first, "↑↓", *names], width - len(last) - 2, 1, "  ")[0]
    made.append(f"  {last}")
    made.stylize(DIM)
    return [made]


def typing(label: str, typed: Typed, width: int) -> Text:
    """A label and the line that is being typed, with its cursor; its end where it is too long."""
    room = max(10, width - len(label) - 1)
    begin = max(0, typed.at - room + 1)
    before, under, rest = typed.text[begin : typed.at], typed.text[typed.at : typed.at + 1], typed.text[typed.at + 1 :]
    return line((label, ASKS), before, (under or " ", "reverse"), rest, width=width)


def plain_summary(snapshot: Snapshot) -> list[str]:
    """How things stand, in lines without colours: what runs and what waits, with the commands that answer it."""
    width = 10_000
    found = [row for row in snapshot.rows if row["status"] in ("running", "waiting")]
    rows, more = found[:_MAX_SUMMARY], len(found) - _MAX_SUMMARY
    return [
        *(each.plain for each in head(snapshot, width, snapshot.at, most=1)),
        *(f"  {mark_of(row)[0]} {plain(row['taskId'])}: {plain(waits_for(row) or row['status'])}" for row in rows),
        *([f"  and {more} more that run or wait"] if more > 0 else []),
        *(each.plain for each in _waiting(snapshot, width, most=len(snapshot.waiting))),
    ]


def now_ms() -> int:
    return server_ms()
