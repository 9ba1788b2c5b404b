"""Save what an agent has made, and describe it in the attempt's outcome."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

from activities.agents.base import AgentOutcome, Completed
from activities.attempt.agent_repository import keep_commits, left_behind
from activities.attempt.attempt import Attempt
from activities.attempt.directory import AttemptDirectory
from activities.attempt.executed_later import executed_later
from activities.attempt.keep import keep_ignored
from activities.attempt.limits import is_disk_full
from activities.conflicts.semantic.tree_check import warm_symbol_cache
from activities.conflicts.textual.case_collisions import case_collisions
from activities.git.command import display_path, list_paths
from activities.git.secret_files import secrets_among
from activities.system.directories import size_of
from epw.core import failures
from epw.core.errors import GitError, TaskFailed
from epw.core.globs import matches
from epw.core.messages import Failure, TaskOutcome

MAX_MESSAGE = 1000
_MAX_UNDECLARED = 10
_MAX_NAMED = 5


def save_change(attempt: Attempt, ending: AgentOutcome | TaskFailed, at: int, max_kept_bytes: int) -> TaskOutcome:
    """Save the attempt's change and its kept files; the outcome is `failed` where that cannot be done. Blocking.

    `at`: time of the commits, epoch seconds. `max_kept_bytes`: of all kept files of the execution together.
    """
    with contextlib.ExitStack() as using:
        try:
            using.enter_context(attempt.directory.hub.in_use())
        except (GitError, OSError) as error:
            return _not_saved(attempt.directory, error)
        return _saved(attempt, ending, at, max_kept_bytes)


def _saved(attempt: Attempt, ending: AgentOutcome | TaskFailed, at: int, max_kept_bytes: int) -> TaskOutcome:
    directory, context = attempt.directory, attempt.context
    base, files = directory.run.base, context.task.files
    try:
        commit, paths = directory.save(at)
        links = directory.work_tree.links_out(base, commit) if commit and base else []
        if isinstance(ending, Completed):
            _keep_reads(directory, ending.reads)
            _warm_symbol_cache(directory, commit)
    except (TaskFailed, GitError, OSError, ValueError) as error:
        return _not_saved(directory, error)
    failed = directory.findings.failure()
    if links and not failed and not isinstance(ending, TaskFailed):
        named = ", ".join(display_path(link) for link in links[:_MAX_NAMED])
        directory.mark_saved()
        failure = Failure.of(failures.UNSAFE_SYMLINK, f"links that leave the workspace do not land: {named}")
        return TaskOutcome(kind="failed", failure=failure, commit=commit, files_changed=len(paths))
    left = left_behind(directory, commit, at, attempt.reporter.redact)
    directory.mark_saved()
    keeps_commits = context.plan.commits == "keep" and base and not failed
    not_kept = keep_commits(directory, commit, attempt.reporter.redact) if commit and keeps_commits else None
    has_ended = isinstance(ending, Completed | TaskFailed)
    kept, keep_warnings = keep_ignored(attempt, at, paths, max_kept_bytes) if has_ended else ([], [])
    undeclared = [path for path in paths if files and not any(matches(pattern, path) for pattern in files)]
    return TaskOutcome(
        kind="failed" if failed else "completed",
        failure=Failure.of(failed.kind, str(failed)[:MAX_MESSAGE]) if failed else None,
        # A command would make the same files again, which the filter would lose again.
        final=failed is not None
        and (failed.final or (context.backend.runs_command and failed.kind is failures.FILTER_LOST)),
        commit=commit,
        files_changed=len(paths),
        undeclared=[display_path(path) for path in undeclared[:_MAX_UNDECLARED]],
        risky=executed_later(directory.hub, base, commit, paths) if commit and base else [],
        left_behind=left,
        warnings=[
            *directory.findings.warnings(),
            *(f"left behind, not landed: {each.kind} {each.name}" for each in left),
            *_case_warnings(directory, commit, paths),
            *_secret_warnings(directory, commit, paths),
            *([not_kept] if not_kept else []),
            *([] if kept else _ignored_warnings(directory, commit)),
            *keep_warnings,
        ],
    )


def _not_saved(directory: AttemptDirectory, error: Exception) -> TaskOutcome:
    """Outcome of an attempt whose change could not be saved; its directory stays, unless the disk is full."""
    other = failures.DISK_FULL if is_disk_full(error) else failures.SAVE_FAILED
    kind = error.kind if isinstance(error, TaskFailed) else other
    final = isinstance(error, TaskFailed) and error.final
    message = str(error)[:MAX_MESSAGE]
    if kind is failures.DISK_FULL or not directory.tree.is_dir():
        directory.mark_saved()
    else:
        message += f"; what it has made is kept in {directory.path} until it can be saved"
    before = directory.findings.before
    return TaskOutcome(kind="failed", failure=Failure.of(kind, message), final=final, warnings=before)


def _keep_reads(directory: AttemptDirectory, names: Sequence[str]) -> None:
    """Record the files of the directory that the agent has read, for landings beside it."""
    tree = os.path.realpath(directory.tree)
    paths = (os.path.normpath(os.path.join(tree, name.replace(str(directory.tree), tree, 1))) for name in names)
    inside = [os.path.relpath(path, tree) for path in paths if path.startswith(f"{tree}/")]
    directory.execution.keep_reads(directory.run.task_id, inside)


def _warm_symbol_cache(directory: AttemptDirectory, commit: str | None) -> None:
    """Read the symbols that the landing of the change will need."""
    if commit is not None and directory.run.base is not None:
        with contextlib.suppress(GitError, ValueError, RecursionError):
            warm_symbol_cache(directory.hub, directory.run.base, commit)


def _case_warnings(directory: AttemptDirectory, commit: str | None, paths: Sequence[str]) -> Iterator[str]:
    """A warning of changed names that are one file where case or the form of accents does not count."""
    if commit is None or directory.run.base is None:
        return
    pairs = case_collisions(directory.hub, commit, paths, [directory.run.base])[:_MAX_NAMED]
    if pairs:
        named = ", ".join(f"{display_path(one)} and {display_path(two)}" for one, two in pairs)
        yield f"{named} are one file on many machines"


def _secret_warnings(directory: AttemptDirectory, commit: str | None, paths: Sequence[str]) -> Iterator[str]:
    """A warning of new files that look like secrets."""
    base, found = directory.run.base, secrets_among(directory.tree, paths)
    new = [path for path in found if commit and base and not directory.hub.has_any(base, [path])]
    if new:
        yield f"adds {list_paths(new)}, secret by name or content: look at it before you publish the branch"


def _ignored_warnings(directory: AttemptDirectory, commit: str | None) -> Iterator[str]:
    """A warning where git ignores everything that the agent has made, so that nothing lands."""
    if commit is not None or directory.run.base is None:
        return
    made = directory.ignored_by_agent()[:_MAX_NAMED]
    if made:
        named = ", ".join(f"{display_path(path)} ({size_of(directory.tree / path) / 1e6:.1f} MB)" for path in made)
        yield f"only what git ignores was made, and does not land: {named}"
