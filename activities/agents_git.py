"""An attempt's own repositories: made for its agent, and looked at when it has ended."""

from __future__ import annotations

from activities.attempt import AttemptDirectory
from activities.git import commits, private
from activities.git.command import named, shown
from activities.git.hub import trailers
from activities.git.left_behind import Left
from workflows.errors import GitError
from workflows.messages import LeftBehind
from workflows.naming import slug


def add_repositories(directory: AttemptDirectory) -> None:
    """Give the filled directory, and each submodule's, the agent's own `.git`."""
    execution, hub, tree = directory.execution, directory.hub, directory.tree
    workspace, index = execution.workspace(), directory.work_tree.fresh_index
    start, pointers = directory.lowered
    private.make(tree / ".git", start, hub, workspace, refs=execution.refs(), index=index, pointers=pointers)
    for path, commit in pointers.items():
        module = workspace.modules[path]
        private.make(tree / path / ".git", commit, hub, module, refs=execution.refs(path), index=None)


def keep_commits(directory: AttemptDirectory, change: str) -> str | None:
    """Keep the agent's own commits behind a saved change; why not, where it has some."""
    hub, (start, _) = directory.hub, directory.lowered
    try:
        last = directory.agents_repositories()[""].own_commits()
        if last is None:
            return None
        if directory.work_tree.is_filtered() and (path := commits.in_passing(hub, start, last, change)):
            return f"its commits land as one: {shown(path)} is stored by a filter, and one of them has it otherwise"
        commits.keep(hub, directory.execution.ref("commits"), change, start, last)
    except (GitError, OSError, ValueError) as error:
        return f"its commits land as one: {' '.join(str(error).split())[:200]}"
    return None


def left_behind(directory: AttemptDirectory, at: int) -> list[LeftBehind]:
    """What the agent did with its own git that is in no file: kept by refs of its own, and named."""
    if directory.run.base is None:
        return []
    found = [LeftBehind(kind="repository within", name=shown(path)) for path in directory.opened]
    for path, repository in directory.agents_repositories().items():
        if not (directory.tree / path / ".git").exists():
            continue
        try:
            head, lefts = repository.left()
            if head is not None:
                name = f"{path or '.'} is at {head}, which does not go on from the start: what that lacks is gone"
                found.append(LeftBehind(kind="HEAD", name=name))
            found += [_keep(directory, f"{len(found)}.{n}", left, path, at) for n, left in enumerate(lefts)]
        except (GitError, OSError, ValueError) as error:
            found.append(LeftBehind(kind="repository", name=f"{path or '.'} could not be read: {error}"[:200]))
    return found


def _keep(directory: AttemptDirectory, number: str, left: Left, path: str, at: int) -> LeftBehind:
    hub, execution, run = directory.hub, directory.execution, directory.run
    name = f"{path}: {left.name}" if path else left.name
    whose = trailers(execution.workflow_id, run.task_id, run.attempt)
    message = f"{run.task_id}: left behind, {left.kind} {name}: {left.subject}\n\n{whose}"
    # As a change of the attempt's, which is a patch; its commits as they are beside it.
    change = hub.commit(hub.tree_of(left.commit), [left.start], message, execution.workspace(), at)
    place = (slug(run.task_id), execution.run_key[:8], f"{directory.own_key}.{number}")
    hub.update_ref(execution.ref("left", *place), change)
    hub.update_ref(execution.ref("history", *place), left.commit)
    files = [f"{path}/{file}" if path else file for file in left.files]
    return LeftBehind(kind=left.kind, name=shown(name), files=named(files), commit=change)
