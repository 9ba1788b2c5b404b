"""Git repositories of an agent: made for it, and searched for what it left there when it has ended."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from activities.attempt.directory import AttemptDirectory
from activities.attempt.nested_repositories import Findings, part_of
from activities.git import agent_clone, own_commits
from activities.git.agent_repository import LeftCommit, Refuse
from activities.git.command import display_path, display_paths
from activities.git.filters import clear_text
from activities.git.merge_attributes import ATTRIBUTES
from activities.git.task_commits import trailers
from epw.core.errors import GitError
from epw.core.messages import LeftBehind
from epw.core.naming import slug


def add_repositories(directory: AttemptDirectory) -> None:
    """Make the agent's own `.git` in the checked out directory and in each submodule."""
    repositories = directory.repositories
    work_tree = repositories.at_start()
    for path, each in repositories.made.items():
        agent_clone.create(
            directory.tree / path / ".git",
            each.commit,
            directory.hub,
            repositories.workspace_of(each),
            refs=repositories.refs_of(each),
            index=part_of(work_tree, path).fresh_index,
        )


def keep_commits(directory: AttemptDirectory, change: str, redact: Callable[[str], str]) -> str | None:
    """Keep the agent's own commits for a saved change; returns why not, where it has some that cannot be kept.

    One reason is a message that `redact` changes: it holds a secret, and would land with the branch.
    """
    hub, start = directory.hub, directory.repositories.made[""].commit
    is_encoded = directory.work_tree.is_filtered()

    def refuse(view: Path, start: str, last: str) -> str | None:
        found = own_commits.refusal(view, start, last, change, is_encoded=is_encoded)
        return found or own_commits.secret_message(view, start, last, redact)

    try:
        last = directory.findings.agents[""].own_commits(refuse)
        if last is not None:
            own_commits.keep_range(hub, directory.execution.ref("commits"), change, start, last)
    except (GitError, OSError, ValueError) as error:
        return f"its commits land as one: {' '.join(redact(str(error)).split())[:200]}"
    return None


def left_behind(
    directory: AttemptDirectory, commit: str | None, at: int, redact: Callable[[str], str]
) -> list[LeftBehind]:
    """Work in the agent's repositories that is neither in a file nor in `commit`; refs in the hub keep it.

    `redact`: removes secrets from names that the agent has chosen.
    """
    if directory.run.base is None:
        return []
    findings = directory.findings
    found = [LeftBehind(kind="repository within", name=display_path(path)) for path in findings.opened]
    for path, each in findings.picked.items() if commit is None else ():
        name = f"{display_path(path)} is at {each.commit[:12]}, with the same files as before: it stays where it was"
        found.append(LeftBehind(kind="HEAD", name=name))
    for path, repository in findings.agents.items():
        if not (directory.tree / path / ".git").exists():
            continue
        try:
            head, lefts = repository.left_commits(
                _refuse(directory, findings, path), lands=bool(path) or commit is not None
            )
            if head is not None and path not in findings.picked:
                name = f"{path or '.'} is at {head}, which does not go on from the start: what that lacks is gone"
                found.append(LeftBehind(kind="HEAD", name=name))
            clear = [replace(left, name=redact(left.name), subject=redact(left.subject)) for left in lefts]
            found += [_keep(directory, f"{len(found)}.{n}", left, path, at) for n, left in enumerate(clear)]
        except (GitError, OSError, ValueError) as error:
            found.append(
                LeftBehind(kind="repository", name=f"{path or '.'} could not be read: {redact(str(error))}"[:200])
            )
    return found


def _refuse(directory: AttemptDirectory, findings: Findings, path: str) -> Refuse:
    """A function that says why a commit of the repository at `path` is not kept: it may hold in clear what a filter is
    to encode."""
    top = findings.work_tree or directory.repositories.at_start()
    tree, out = part_of(top, path), findings.in_clear

    def refuse(view: Path, start: str, last: str) -> str | None:
        if not tree.is_encoded:
            return None
        found = list(own_commits.introduced_files(view, start, last))
        clear = clear_text.in_clear(view, found, tree.settings, known=tree.fresh_index, **tree.place)
        if clear is not None:
            return f"not kept: {display_path(clear)} is in clear there, which a filter is to encode"
        touched = [each for _, _, each in found]
        if out and any(os.path.join(path, each) in out or os.path.basename(each) == ATTRIBUTES for each in touched):
            return "not kept: it may hold in clear what a filter is to encode"
        return None

    return refuse


def _keep(directory: AttemptDirectory, number: str, left: LeftCommit, path: str, at: int) -> LeftBehind:
    hub, execution, run = directory.hub, directory.execution, directory.run
    name = f"{path}: {left.name}" if path else left.name
    if left.commit is None:
        return LeftBehind(kind=left.kind, name=display_path(name)[:500])
    files = [f"{path}/{file}" if path else file for file in left.files]
    lines = trailers(execution.workflow_id, run.task_id, run.attempt)
    message = f"{run.task_id}: left behind, {left.kind} {name}: {left.subject}\n\n{lines}"
    # As one commit on the start, to be read as a patch; the agent's own commits are kept beside it.
    change = hub.commit(hub.tree_of(left.commit), [left.start], message, execution.workspace(), at)
    place = (slug(run.task_id), execution.run_key[:8], f"{directory.own_key}.{number}")
    hub.update_ref(execution.ref("left", *place), change)
    hub.update_ref(execution.ref("history", *place), left.commit)
    return LeftBehind(kind=left.kind, name=display_path(name), files=display_paths(files), commit=change)
