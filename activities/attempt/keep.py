"""`keep`: ignored results of an attempt that are kept in the hub beside its change."""

from __future__ import annotations

from collections.abc import Sequence

from activities.attempt.attempt import Attempt
from activities.git import kept_files
from activities.git.command import display_path
from activities.git.filters import filter_drivers
from activities.git.task_commits import trailers
from activities.system import file_lock
from activities.system.directories import walk
from epw.core.errors import GitError
from epw.core.globs import matches
from epw.core.naming import slug


def keep_ignored(attempt: Attempt, at: int, changed: Sequence[str], max_bytes: int) -> tuple[list[str], list[str]]:
    """Keep the files that `keep` of the plan and the task names; returns their paths, and warnings.

    They replace those of earlier attempts of the task. `changed`: paths of the attempt's change, which land.
    `max_bytes`: of all kept files of the execution together.
    """
    directory, task = attempt.directory, attempt.context.task
    globs, hub, execution, run = attempt.context.plan.kept_of(task), directory.hub, directory.execution, directory.run
    if not globs or not directory.tree.is_dir():
        return [], []
    work_tree = directory.work_tree
    if run.base is None:
        every = (f"{folder.path}/{name}".lstrip("/") for folder in walk(directory.tree) for name in folder.files)
        found = [path for path in every if any(matches(glob, path) for glob in globs)]
        named = dict[str, str]()
    else:
        in_clear = directory.findings.in_clear
        found = [path for path in work_tree.ignored_files(globs) if path not in in_clear]
        named = filter_drivers.drivers_of(found, work_tree.settings, **work_tree.place)
    secret = {path: name for path, name in named.items() if name not in filter_drivers.NO_SECRET}
    paths, made = [path for path in found if path not in secret], [*found, *changed]
    unmet = [glob for glob in task.keep if not any(matches(glob, path) for path in made)]
    warnings = [f"keep: nothing was made that {', '.join(unmet)} names"] if unmet else []
    warnings += [
        f"keep: {display_path(path)} is for the filter {name!r}, and would be in clear" for path, name in secret.items()
    ]
    message = f"{run.task_id}: kept\n\n{trailers(execution.workflow_id, run.task_id, run.attempt)}"
    prefix = execution.ref("kept")
    ref = "/".join((prefix, slug(run.task_id), execution.run_key[:8], directory.own_key))
    with file_lock.exclusive(execution.path / "kept.lock"):
        try:
            others = kept_files.newest(hub, prefix)
            before = others.pop(slug(run.task_id), None)
            used = sum(file["bytes"] for files in kept_files.listed(hub, list(others.values())) for file in files)
            if paths or before:
                warnings += kept_files.keep(hub, ref, message, at, directory.tree, paths, (max_bytes - used, max_bytes))
        except (GitError, OSError) as error:
            warnings.append(f"keep: nothing was kept: {' '.join(str(error).split())[:300]}")
    return paths, warnings
