"""Defaults of plans: a project's `epw.toml` and the user's own `config.toml`, in words of the plan.

A project's file may come with a clone, from anybody. So it has no field that runs a command, passes a variable on,
reaches further or weakens a sandbox, and of two limits the lower holds.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError

from epw.client.project import SETTINGS_NAME, find_up
from epw.client.source_text import invalid, read_text
from epw.core.backends import BACKENDS
from epw.core.errors import InvalidPlan, Problem, Unavailable
from epw.core.plan.model import Plan
from epw.core.plan.outgoing import MAX_RULES, NoticeRule, check_notices
from epw.core.plan.parts import BackendName, Constraints, EnvironmentName, Host, PlanPart
from epw.core.plan.wording import did_you_mean, problem_of

_BY_STRENGTH = ("none", "process", "landlock", "auto", "bubblewrap")
_OF_TASKS = ("agent", "model")
_OTHERS_MAY_WRITE = 0o022
_Part = TypeVar("_Part", bound=PlanPart)


class ProjectDefaults(PlanPart):
    """What a project's file may say."""

    agent: BackendName | None = None
    """Who does the tasks that name no agent and bring no command."""
    model: str | None = Field(default=None, min_length=1)
    """The model of those tasks."""
    strategy: Literal["conservative", "aggressive"] | None = None
    max_agents: int | None = Field(default=None, ge=1, le=1000)
    deliver: Literal["branch", "none"] | None = None
    sandbox: Literal["auto", "bubblewrap"] | None = None
    constraints: Constraints = Constraints()


class UserDefaults(ProjectDefaults):
    """What the user's own file may say."""

    deliver: Literal["branch", "apply", "none"] | None = None  # type: ignore[assignment]
    sandbox: Literal["none", "process", "landlock", "bubblewrap", "auto"] | None = None  # type: ignore[assignment]
    network: bool | list[Host] | None = None
    pass_env: list[EnvironmentName] | None = None
    notify: list[NoticeRule] | None = Field(default=None, max_length=MAX_RULES)
    """Whom to tell of what, beside the rules of each plan."""


@dataclass(frozen=True)
class Defaults:
    """Values for what a plan leaves out, and the file that each is from, by its name in a plan."""

    values: UserDefaults
    sources: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, environment: Mapping[str, str] | None = None) -> Defaults:
        """Read the project's file, from `folder` up to the top of its repository, and the user's.

        Raises `InvalidPlan` for what they cannot say, `Unavailable` for a file of the user's that others can write.
        """
        ours, theirs = user_file(os.environ if environment is None else environment), find_up(folder, SETTINGS_NAME)
        user, project = UserDefaults(), ProjectDefaults()
        if ours.is_file():
            _check_own(ours)
            user = _read(ours, UserDefaults, ours)
        if theirs is not None:
            project = _read(theirs, ProjectDefaults, ours)
        sources = dict.fromkeys(map(_alias, user.model_fields_set), ours)
        if theirs is not None:
            sources |= dict.fromkeys(map(_alias, project.model_fields_set), theirs)
        return cls(_joined(user, project), sources)

    def fill(self, document: Any) -> tuple[Any, list[str]]:
        """A plan's document with what it leaves out, and for people the names, values and files of what was added."""
        if not isinstance(document, dict):
            return document, []
        # The user's list is for all plans on all machines: each passes on what is set there.
        passed = self.values.pass_env and [name for name in self.values.pass_env if name in os.environ]
        others = self.values.model_copy(update={**dict.fromkeys(_OF_TASKS), "pass_env": passed or None})
        filled = _filled(document, others)
        if self.values.notify and isinstance(document.get("notify"), list):
            filled["notify"] = [*document["notify"], *_written(self.values.notify)]
        added = {name for name in filled if filled[name] != document.get(name)}
        given = {name: getattr(self.values, name) for name in _OF_TASKS if name not in document}
        given = {name: value for name, value in given.items() if value is not None}
        if given and "agent" not in document and isinstance(document.get("tasks"), list):
            filled["tasks"] = [{**given, **row} if _needs_agent(row) else row for row in document["tasks"]]
            added |= set(given) if filled["tasks"] != document["tasks"] else set()
        shown = sorted(added, key=list(map(_alias, UserDefaults.model_fields)).index)
        return filled, [f"{name}{_shown(given.get(name, filled.get(name)))}: {self.sources[name]}" for name in shown]


def user_file(environment: Mapping[str, str]) -> Path:
    """Place of the user's own file: `$EPW_CONFIG`, else below `$XDG_CONFIG_HOME` or `~/.config`."""
    if named := environment.get("EPW_CONFIG"):
        return Path(named)
    home = environment.get("HOME") or os.path.expanduser("~")
    return Path(environment.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "epw", "config.toml")


def _read(path: Path, model: type[_Part], ours: Path) -> _Part:
    try:
        document = tomllib.loads(read_text(str(path)))
    except tomllib.TOMLDecodeError as error:
        raise invalid(str(path), f"is not valid TOML: {error}") from None
    known = {name: _alias(name) for name in model.model_fields}
    problems = [
        Problem(str(path), f"{key}: {_why_not(key, known.values(), ours)}")
        for key in document
        if key not in known and key not in known.values()
    ]
    if problems:
        raise InvalidPlan(problems)
    try:
        read = model.model_validate(document)
    except ValidationError as error:
        found = [problem_of(details, document) for details in error.errors()]
        raise InvalidPlan([Problem(str(path), str(each)) for each in found]) from None
    if wrong := list(check_notices(getattr(read, "notify", None) or [])):
        raise InvalidPlan([Problem(str(path), str(each)) for each in wrong])
    return read


def _why_not(key: str, known: Any, ours: Path) -> str:
    if key in map(_alias, UserDefaults.model_fields) or key in UserDefaults.model_fields:
        return f"a project's file cannot set this; your own can, {ours}, or the plan"
    if key in map(_alias_of_plan, Plan.model_fields) or key in Plan.model_fields:
        return f"has its place in a plan; here are {', '.join(known)}"
    return f"is not known{did_you_mean(key, known)}; here are {', '.join(known)}"


def _check_own(path: Path) -> None:
    status = path.stat()
    if status.st_uid not in (os.geteuid(), 0) or status.st_mode & _OTHERS_MAY_WRITE:
        raise Unavailable(f"others can write {path}, which says how agents are run: chmod go-w {path}, as its owner")


def _joined(user: UserDefaults, project: ProjectDefaults) -> UserDefaults:
    """The project's values before the user's; the stronger sandbox, the lower limits."""
    values = {name: getattr(project, name) for name in project.model_fields_set}
    if "constraints" in values:
        values["constraints"] = _lower(user.constraints, project.constraints)
    if values.get("sandbox") and user.sandbox:
        values["sandbox"] = max(user.sandbox, values["sandbox"], key=_BY_STRENGTH.index)
    return user.model_copy(update=values)


def _lower(ours: _Part, theirs: _Part) -> _Part:
    """Limits of both; where both have one, the lower."""
    found: dict[str, Any] = {}
    for name in type(ours).model_fields:
        one, other = getattr(ours, name), getattr(theirs, name)
        if one is None or other is None:
            found[name] = one if other is None else other
        elif isinstance(one, PlanPart):
            found[name] = _lower(one, other)
        else:
            found[name] = one if isinstance(one, str) else min(one, other)
    return ours.model_copy(update=found)


def _filled(document: dict[str, Any], part: PlanPart) -> dict[str, Any]:
    """A document with each value of a part that it leaves out."""
    filled = dict(document)
    for name, info in type(part).model_fields.items():
        value, alias = getattr(part, name), info.alias or name
        present = next((each for each in (alias, name) if each in filled), None)
        if isinstance(value, PlanPart):
            inside = filled.get(present) if present is not None else {}
            if isinstance(inside, dict) and (made := _filled(inside, value)):
                filled[present or alias] = made
        elif value is not None and present is None:
            filled[alias] = _written(value)
    return filled


def _written(value: Any) -> Any:
    """A value as a document has it."""
    parts = value if isinstance(value, list) else []
    return [each.model_dump(exclude_unset=True) if isinstance(each, PlanPart) else each for each in parts] or value


def _needs_agent(row: Any) -> bool:
    """Whether nothing in a task's document says who does it."""
    choosing = ("agent", *(each.default_for for each in BACKENDS.values() if each.default_for))
    return isinstance(row, dict) and not any(row.get(each) is not None for each in choosing)


def _shown(value: Any) -> str:
    is_nested = isinstance(value, dict) or (isinstance(value, list) and any(isinstance(each, dict) for each in value))
    return "" if is_nested else f" {value}"


def _alias(name: str) -> str:
    return UserDefaults.model_fields[name].alias or name


def _alias_of_plan(name: str) -> str:
    return Plan.model_fields[name].alias or name
