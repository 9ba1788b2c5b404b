"""`include`: ignored files of the workspace, or kept by earlier tasks, that are copied into an attempt's directory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from activities.attempt.attempt import Attempt
from activities.attempt.included_secrets import know_included
from activities.git import kept_files
from activities.system.copying import copy_path, put_link
from activities.system.directories import is_without_links
from epw.core import failures
from epw.core.errors import InvalidPlan, Problem, TaskFailed
from epw.core.globs import matches, may_overlap
from epw.core.naming import slug
from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import Plan, Task

_NOT_ON_A_URL = (
    "is not on a git URL, which has no ignored files: make it by `setup`, or pass what it holds by `passEnv`"
)


def check_included(plan: Plan, workspace: Path | None) -> None:
    """Raises `InvalidPlan` for an entry that neither the workspace has nor an earlier task keeps; None: a git URL."""
    graph = TaskGraph.of_plan(plan)
    named = [("include", plan.include, plan.tasks)]
    named += [
        (f"tasks[{index}].include", task.include, _before(plan, graph, task))
        for index, task in enumerate(plan.tasks)
        if task.include
    ]
    problems = []
    for where, names, suppliers in named:
        for position, name in enumerate(names):
            why = _unusable(workspace, name) if workspace is not None else _NOT_ON_A_URL
            if why is not None and not any(_may_keep(plan, task, name) for task in suppliers):
                problems.append(Problem(f"{where}[{position}]", f"{name} {why}"))
    if problems:
        raise InvalidPlan(problems)


def copy_included(attempt: Attempt) -> list[str]:
    """Copy the entries of the plan and the task, whose secrets the attempt knows then.

    Returns the commits from which kept files were copied.

    Raises `TaskFailed`: `IncludeMissing` for a task's own entry that nothing has made, `UnsafeInclude` where a link is
    in the way.
    """
    directory, task, tree = attempt.directory, attempt.context.task, attempt.directory.tree
    names = attempt.context.plan.included_in(task)
    if not names:
        return []
    found = []
    if directory.run.base is not None:
        known = directory.execution.workspace()
        workspace = Path(known.path)
        found = [name for name in names if known.url is None and _unusable(workspace, name) is None]
        links = list[tuple[Path, Path]]()
        for name in found:
            links += copy_path((workspace / name).resolve(), _target(tree, name), overwrite=True)
        for link, place in links:
            _put(link, place, [(workspace.resolve(), tree)])
    chosen = _kept(attempt, names)
    commits = list(dict.fromkeys(chosen.values()))
    try:
        for commit in commits:
            kept_files.write(directory.hub, commit, tree, {path for path in chosen if chosen[path] == commit})
    except OSError as error:
        raise TaskFailed(failures.UNSAFE_INCLUDE, f"include: {error.strerror}", final=True) from None
    landed = directory.work_tree.tracked() if directory.run.base is not None else []
    for name in task.include:
        if name not in found and not any(matches(name, path) for path in (*chosen, *landed)):
            raise TaskFailed(failures.INCLUDE_MISSING, f"include: no task before this one has made {name}")
    know_included(attempt)
    return commits


def _kept(attempt: Attempt, names: Sequence[str]) -> dict[str, str]:
    """The commit of each wanted kept file, by path; of several tasks that keep it, the last one's.

    A file that a task got from an earlier one and did not keep again is gone.
    """
    directory, plan = attempt.directory, attempt.context.plan
    graph, hub = TaskGraph.of_plan(plan), directory.hub
    before = _before(plan, graph, attempt.context.task)
    suppliers = [task for task in before if any(_may_keep(plan, task, name) for name in names)]
    newest = kept_files.newest(hub, directory.execution.ref("kept")) if suppliers else {}
    suppliers = [task for task in suppliers if slug(task.id) in newest]
    lists = kept_files.listed(hub, [newest[slug(task.id)] for task in suppliers])
    chosen: dict[str, str] = {}
    for task, files in zip(suppliers, lists, strict=True):
        paths = {file["path"] for file in files}
        folders = {folder for path in paths for folder in _parents(path)}
        earlier = {newest[slug(each)] for each in graph.ancestors(task.id) if slug(each) in newest}
        had = [*plan.included_in(task)] if paths else []
        chosen = {
            path: commit
            for path, commit in chosen.items()
            if path not in folders
            and not paths.intersection(_parents(path))
            and not (commit in earlier and any(matches(name, path) for name in had))
        }
        wanted = [path for path in sorted(paths) if any(matches(name, path) for name in names)]
        chosen |= dict.fromkeys(wanted, newest[slug(task.id)])
    return chosen


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: number + 1]) for number in range(len(parts))]


def _before(plan: Plan, graph: TaskGraph, task: Task) -> list[Task]:
    """The direct and indirect dependencies of a task, in topological order; of `verify` and checkers, all tasks."""
    known = {each.id: each for each in plan.tasks}
    ancestors = set(graph.ancestors(task.id)) if task.id in known else set(known)
    return [known[task_id] for task_id in graph.topological_order if task_id in ancestors]


def _may_keep(plan: Plan, task: Task, name: str) -> bool:
    return any(may_overlap(glob, name) for glob in plan.kept_of(task))


def _unusable(workspace: Path, name: str) -> str | None:
    """Reason why an entry cannot be copied from the workspace; None: it can be."""
    if not (workspace / name).exists():
        return f"is not in {workspace}"
    if not is_without_links(workspace, os.path.dirname(os.path.normpath(name))):
        return "lies behind a link"
    if workspace.resolve().is_relative_to(leads_to := (workspace / name).resolve()):
        return f"leads to {leads_to}, which holds the workspace"
    return None


def _target(tree: Path, name: str) -> Path:
    """The path in the tree, with its parents made; raises `TaskFailed` for a link on the way, which could lead out."""
    parent = tree
    for part in Path(name).parent.parts:
        parent = parent / part
        if parent.is_symlink():
            raise TaskFailed(failures.UNSAFE_INCLUDE, f"{name}: {part} is a link in the checkout")
        parent.mkdir(exist_ok=True)
    return tree / name


def _put(link: Path, place: Path, copies: Sequence[tuple[Path, Path]]) -> None:
    """Put a link, or a copy of its target, at `place`, so that no link leads from the attempt to the user's files.

    `copies`: directories (the workspace first), each with its copy in the attempt. A link to something that has been
    copied leads to the copy; of other links the target is copied. Two kinds stay as they are: a link to a program
    elsewhere, which may need the files beside it, and one to a directory that holds what is copied.
    """
    leads_to = link.resolve()
    for source, copy in reversed(copies):
        if (
            leads_to.is_relative_to(source)
            and (there := copy / leads_to.relative_to(source))
            and os.path.lexists(there)
        ):
            put_link(os.path.relpath(there, place.parent), place)
            return
    workspace, _ = copies[0]
    is_program = leads_to.is_file() and os.access(leads_to, os.X_OK) and not leads_to.is_relative_to(workspace)
    if not leads_to.exists() or is_program or any(source.is_relative_to(leads_to) for source, _ in copies):
        put_link(os.readlink(link) if not leads_to.exists() else str(leads_to), place)
        return
    for inner, beneath in list(copy_path(leads_to, place, overwrite=True)):
        _put(inner, beneath, [*copies, (leads_to, place)])
