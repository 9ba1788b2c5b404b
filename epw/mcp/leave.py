"""What a plan that comes from a model may do: workspaces in allowed folders; everything else by the user's leave.

The list is one of what needs no leave: a field that is added to plans needs it until it is put here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from epw.core.backends import BACKENDS
from epw.core.errors import EpwError, InvalidRequest
from epw.core.plan.git_url import is_url
from epw.core.plan.model import Plan
from epw.core.plan.parts import PlanPart, Simulate
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
        "estimated_cost_usd",
        "estimated_tokens",
        "estimated_requests",
        "priority",
        "context",
        "model",
        "tools",
        "files",
        "reads",
        "constraints",
    ]
)
_HARMLESS_VALUES: dict[str, tuple[Any, ...]] = {
    "checks": ("auto", "off"),
    "deliver": ("branch", "apply", "none", None),
    "network": (False,),
    "on_proposal": ("ask", "refuse"),
    "sandbox": ("auto", "bubblewrap", "landlock"),
}
_ABSOLUTE = re.compile(r"(?<![\w.$~:/-])/[\w.@+~-]+(?:/[\w.@+~-]+)*")
_MAX_SHOWN = 8_000


class NeedsLeave(EpwError):
    """The plan has fields that run commands or widen what agents may reach, and the user has not agreed to them."""

    exit_code = 2


class Leave:
    """Allowed folders, and what the user has agreed to while this server runs."""

    def __init__(self, folders: list[Path], *, allow_commands: bool) -> None:
        self.folders = [folder.resolve() for folder in folders]
        self._allow_commands = allow_commands
        self._agreed: set[tuple[str, str]] = set()

    def check_folder(self, path: str) -> str:
        """The real path of a workspace in an allowed folder, links followed; raises `InvalidRequest`.

        The repository that it belongs to must be in one too, unless the user started the server in the workspace.
        """
        if is_url(path):
            raise InvalidRequest(
                "a git URL as workspace is none that a model may choose: work on a clone in a folder, or have the user "
                "run the plan with `epw run`"
            )
        try:
            real = (self.folders[0] / Path(path).expanduser()).resolve()
            is_inside = self.allows(real)
        except (OSError, RuntimeError, ValueError):
            raise InvalidRequest(f"workspace {path[:200]!r} is no path") from None
        if not is_inside or not (real in self.folders or all(self.allows(each) for each in _repository_of(real))):
            allowed = ", ".join(map(str, self.folders))
            raise InvalidRequest(
                f"workspace {path[:200]!r} is outside the folders that this server may touch ({allowed}); the user can"
                " start it with --folder for another"
            )
        return str(real)

    def allows(self, path: Path) -> bool:
        """Whether a real path lies in an allowed folder."""
        return any(path == folder or folder in path.parents for folder in self.folders)

    def without_outside(self, text: str, known: str) -> str:
        """A text in which paths outside the allowed folders are left out, but for those in `known`."""

        def shown(found: re.Match[str]) -> str:
            path = found[0]
            return path if path in known or self.allows(Path(path)) else "[a path outside]"

        return _ABSOLUTE.sub(shown, text)

    async def check(self, plan: Plan, call: Call) -> None:
        """Ask the user where the plan needs leave; raises `NeedsLeave` where there is none."""
        # The same words mean something else in another workspace.
        place = f"in {_visible(plan.workspace)}" if plan.workspace else "without a workspace"
        wanted = [each for each in needs_leave(plan) if (place, each) not in self._agreed]
        if self._allow_commands or not wanted:
            return
        listed = "\n".join(f"- {_visible(each)}" for each in wanted)
        # What a person is not shown whole, they cannot agree to.
        is_long = len(listed) > _MAX_SHOWN
        question = f"A coding agent wants to run a plan on this machine, {place}, that has:\n{listed}\nAllow it?"
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
        self._agreed.update((place, each) for each in wanted)


def _repository_of(workspace: Path) -> Iterator[Path]:
    """Real paths of the git directory and the common one of a workspace that has its own `.git`."""
    git = workspace / ".git"
    if git.is_file():
        named = git.read_text(errors="replace").partition("gitdir:")[2].strip()
        git = (workspace / named).resolve()
    elif not git.exists():
        return
    yield git.resolve()
    common = git / "commondir"
    if common.is_file():
        yield (git / common.read_text(errors="replace").strip()).resolve()


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
        # A default that is written out counts too: a model that asks for the network means it.
        if name in part.model_fields_set and name not in harmless and not _is_harmless(name, value):
            yield f"{path}{field.alias or name}: {value if isinstance(value, str) else _json(value)}"


def _is_harmless(name: str, value: Any) -> bool:
    """Whether a value of a field that is not on the list needs no leave all the same."""
    if isinstance(value, Simulate):
        # What it writes lands unseen, unlike what a model's agent writes.
        return not value.writes and not value.deletes
    if name == "agent":
        # A preset's program has the user's login within reach of what it runs.
        return value is None or BACKENDS[value].preset is None
    return value in (None, [], {}) or value in _HARMLESS_VALUES.get(name, ())


def _visible(text: str) -> str:
    """Control characters as escapes: they could hide a part of what is shown."""
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)


def _json(value: Any) -> str:
    def document(part: PlanPart) -> Any:
        return part.model_dump(by_alias=True, exclude_unset=True)

    return json.dumps(value, ensure_ascii=False, default=document)
