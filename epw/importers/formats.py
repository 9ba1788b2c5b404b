"""The formats that are read, and the choice among them."""

from __future__ import annotations

from epw.core.errors import InvalidRequest, Problem
from epw.core.plan.validate import too_deep
from epw.core.plan.wording import did_you_mean
from epw.importers.checklist import CHECKLIST
from epw.importers.github_issues import GITHUB_ISSUES
from epw.importers.goals import GOALS
from epw.importers.make_list import MAKE_LIST
from epw.importers.model import Choices, ForeignFile, Format, Imported, Match
from epw.importers.open_spec import OPEN_SPEC
from epw.importers.outline_plan import imported
from epw.importers.spec_kit import SPEC_KIT
from epw.importers.spec_to_tasks import SPEC_TO_TASKS
from epw.importers.task_executor import TASK_EXECUTOR
from epw.importers.task_master import TASK_MASTER
from epw.importers.task_rows import is_plan

FORMATS = {
    each.name: each
    for each in (
        SPEC_KIT,
        TASK_MASTER,
        OPEN_SPEC,
        GITHUB_ISSUES,
        CHECKLIST,
        MAKE_LIST,
        TASK_EXECUTOR,
        SPEC_TO_TASKS,
        GOALS,
    )
}
"""Formats by name."""
BESIDE = tuple(dict.fromkeys(name for each in FORMATS.values() for name in each.beside))
"""Relative paths of files that some format reads beside its own."""


def recognise(file: ForeignFile) -> Format | None:
    """The format of a file; None for a plan of ours, and for what no format knows.

    Raises `InvalidPlan` where two formats are equally sure.
    """
    if is_plan(file.value) or too_deep(file.value):
        return None
    asked = [each for each in FORMATS.values() if (file.is_prose if each.is_prose else file.value is not None)]
    matches = {each.name: each.recognise(file) for each in asked}
    best = max(matches.values(), default=Match.NO)
    found = [each for each in asked if matches[each.name] is best]
    if best is Match.NO:
        return None
    if len(found) > 1:
        signs = "; ".join(f"{each.name} ({each.sign})" for each in found)
        message = f"can be several things: {signs}. Say which: `epw import --from {found[0].name} FILE > ../plan.yaml`"
        raise file.invalid([Problem("", message)])
    return found[0]


def format_named(name: str) -> Format:
    """The format of that name; raises `InvalidRequest`."""
    if name not in FORMATS:
        raise InvalidRequest(f"--from must be one of: {', '.join(FORMATS)}{did_you_mean(name, FORMATS)}")
    return FORMATS[name]


def import_file(file: ForeignFile, form: Format, choices: Choices) -> Imported:
    """The plan document of a file of this format; raises `InvalidPlan`, and `InvalidRequest` for a useless choice."""
    for name in ("tag", "order"):
        if getattr(choices, name) is not None and name not in form.choices:
            raise InvalidRequest(f"--{name} has no meaning for {form.title}")
    if not form.is_prose and form.recognise(file) is Match.NO:
        raise file.invalid([Problem("", f"is not {form.title}, which has: {form.sign}")])
    return imported(file, form, form.read(file, choices))


def signs() -> str:
    """What each format is recognised by, for the message of a file that none of them knows."""
    return "\n".join(f"- {each.name}: {each.sign}" for each in FORMATS.values())
