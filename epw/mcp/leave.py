"""What a plan that comes from a model may do: workspaces in allowed folders; everything else by the user's leave.

The list is one of what needs no leave: a field that is added to plans needs it until it is put here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from epw.core.errors import EpwError, InvalidRequest
from epw.core.plan.model import Plan, PlanPart
from epw.mcp.call import Call

_PLAN_FIELDS = frozenset(
    [
        "tasks",
        "name",
        "description",
        "strategy",
        "max_agents",
        "workspace",
        "base",
        "agent",
        "model",
        "atomic",
        "commits",
        "constraints",
        "on_conflict",
        "on_question",
        "simulation",
    ]
)
_TASK_FIELDS = frozenset(
    [
        "id",
        "description",
        "depends_on",
        "estimated_minutes",
        "priority",
        "context",
        "simulate",
        "agent",
        "model",
        "tools",
        "files",
        "reads",
        "constraints",
    ]
)
_HARMLESS_VALUES: dict[str, tuple[Any, ...]] = {
    "deliver": ("branch", "apply", "none", None),
    "network": (False,),
    "sandbox": ("auto", "bubblewrap", "landlock"),
}
_MAX_SHOWN = 8_000


class NeedsLeave(EpwError):
    """The plan has fields that run commands or widen what agents may reach, and the user has not agreed to them."""

    exit_code = 2


class Leave:
    """Allowed folders, and what the user has agreed to while this server runs."""

    def __init__(self, folders: list[Path], *, allow_commands: bool) -> None:
        self.folders = [folder.resolve() for folder in folders]
        self._allow_commands = allow_commands
        self._agreed: set[str] = set()

    def check_folder(self, path: str) -> str:
        """The real path of a folder in an allowed one, links followed; raises `InvalidRequest`."""
        try:
            real = (self.folders[0] / Path(path).expanduser()).resolve()
        except (OSError, RuntimeError, ValueError):
            raise InvalidRequest(f"workspace {path!r} is no path") from None
        if not any(real == folder or folder in real.parents for folder in self.folders):
            allowed = ", ".join(map(str, self.folders))
            raise InvalidRequest(
                f"workspace {path!r} is outside the folders that this server may touch ({allowed}); the user can start"
                " it with --folder for another"
            )
        return str(real)

    async def check(self, plan: Plan, call: Call) -> None:
        """Ask the user where the plan needs leave; raises `NeedsLeave` where there is none."""
        wanted = [each for each in needs_leave(plan) if each not in self._agreed]
        if self._allow_commands or not wanted:
            return
        listed = "\n".join(f"- {_visible(each)}" for each in wanted)
        # What a person is not shown whole, they cannot agree to.
        is_long = len(listed) > _MAX_SHOWN
        question = f"A coding agent wants to run a plan on this machine that has:\n{listed}\nAllow it?"
        answer = None if is_long else await call.ask(question)
        listed = listed[:_MAX_SHOWN]
        if answer is None:
            raise NeedsLeave(
                f"the plan needs the user's leave, and {'it is too long' if is_long else 'this client cannot ask'}:\n"
                f"{listed}\n"
                "The user can start the server as `epw mcp --allow-commands`, or run the plan with `epw run`"
            )
        if not answer:
            raise NeedsLeave(f"the user did not allow:\n{listed}")
        self._agreed.update(wanted)


def needs_leave(plan: Plan) -> list[str]:
    """`path: value` of every field that needs the user's leave."""
    found = list(_fields(plan, "", _PLAN_FIELDS))
    for index, task in enumerate(plan.tasks):
        found += _fields(task, f"tasks[{index}].", _TASK_FIELDS)
    return found


def _fields(part: PlanPart, path: str, harmless: frozenset[str]) -> Iterator[str]:
    """Fields of a part that are set, to something else than nothing, and not on the list."""
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        is_harmless = name in harmless or value in _HARMLESS_VALUES.get(name, ()) or value in (None, [], {})
        # A default that is written out counts too: a model that asks for the network means it.
        if name in part.model_fields_set and not is_harmless:
            yield f"{path}{field.alias or name}: {value if isinstance(value, str) else json.dumps(value)}"


def _visible(text: str) -> str:
    """Control characters as escapes: they could hide a part of what is shown."""
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)
