"""Commits of tasks in the hub: the trailers that name their task, and what they say about who changed what."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from activities.git.command import git, records, text
from activities.git.hub import Hub

_EXECUTION_TRAILER = "Epw-Execution"
_TASK_TRAILER = "Epw-Task"
_ATTEMPT_TRAILER = "Epw-Attempt"
_MAX_ARGUMENTS = 500


def trailers(execution_id: str, task_id: str, attempt: int | None) -> str:
    """Lines of a commit message that name the execution, task and attempt; a merge commit belongs to no attempt."""
    fields = {_EXECUTION_TRAILER: execution_id, _TASK_TRAILER: task_id, _ATTEMPT_TRAILER: attempt}
    lines = [f"{name}: {quote(str(value), safe=' /:@+,~')}\n" for name, value in fields.items() if value is not None]
    return "".join(lines)


def read_trailers(message: bytes) -> dict[str, str]:
    """Trailers of a commit's message that name execution, task and attempt, as they stand there."""
    lines = text(message).rstrip().rpartition("\n\n")[2].split("\n")
    found = dict(line.split(": ", 1) for line in lines if ": " in line)
    return {name: found[name] for name in (_EXECUTION_TRAILER, _TASK_TRAILER, _ATTEMPT_TRAILER) if name in found}


def is_landing(trailers: Mapping[str, str]) -> bool:
    """Whether a commit with two parents is the merge with which a change landed.

    A change that was made on a conflict has a second parent too: the one that had not merged.
    """
    return _ATTEMPT_TRAILER not in trailers


def task_of(trailers: Mapping[str, str]) -> str:
    """The task that trailers name."""
    return unquote(trailers.get(_TASK_TRAILER, ""))


def message_of_change(hub: Hub, commit: str) -> str:
    """Message of a change; of a merge with which one landed, that of the change."""
    (content,) = hub.commits([commit])
    headers, _, message = content.partition(b"\n\n")
    parents = [text(line[7:]) for line in headers.split(b"\n") if line.startswith(b"parent ")]
    if len(parents) > 1 and is_landing(read_trailers(message)):
        return message_of_change(hub, parents[1])
    return text(message)


def saved_work(hub: Hub, prefix: str) -> list[dict[str, Any]]:
    """`{taskId, attempt, commit, subject}` of each commit that a ref beneath `prefix` names, oldest first."""
    # All trailers at once: git 2.39 mixes up two fields of one key each.
    form = "%(objectname) %(contents:subject)%00%(contents:trailers)%00"
    listed = text(git("for-each-ref", "--sort=version:refname", f"--format={form}", prefix, git_dir=hub.path))
    rows: dict[str, dict[str, Any]] = {}
    fields = listed.split("\0")
    for head, lines in zip(fields[:-1:2], fields[1::2], strict=True):
        found = dict(line.split(": ", 1) for line in lines.splitlines() if ": " in line)
        task, attempt = unquote(found.get(_TASK_TRAILER, "")), int(found.get(_ATTEMPT_TRAILER, 0))
        commit, _, subject = head.strip().partition(" ")
        rows[commit] = {"taskId": task, "attempt": attempt, "commit": commit, "subject": subject}
    return list(rows.values())


def landings(hub: Hub, base: str, head: str) -> dict[str, str]:
    """By task, the commit with which its change landed: against its first parent, it is the change as it was merged."""
    form = f"--format=%H %(trailers:key={_TASK_TRAILER},valueonly)%x00"
    listed = text(git("log", "--first-parent", "--reverse", form, f"{base}..{head}", git_dir=hub.path))
    rows = (entry.strip().partition(" ") for entry in listed.split("\0") if entry.strip())
    return {unquote(task.strip()): commit for commit, _, task in rows if task.strip()}


def landed_since(hub: Hub, since: str, head: str, beside: Collection[str]) -> dict[str, str] | None:
    """As `landings`, without those of `beside`; None: not all of these have landed since then."""
    found = landings(hub, since, head) if since != head else {}
    if not found.keys() >= {*beside}:
        return None
    return {task: commit for task, commit in found.items() if task not in beside}


def changes_of_tasks(hub: Hub, since: str, head: str) -> dict[str, list[str]]:
    """Paths that each task changed in its commits between two commits; merge commits do not count."""
    form = f"--format=%x01%(trailers:key={_TASK_TRAILER},valueonly)%x02"
    arguments = ("log", "--reverse", "--no-merges", "--no-renames", "--name-only", "-z", form, f"{since}..{head}")
    found: dict[str, list[str]] = {}
    for entry in git(*arguments, git_dir=hub.path).split(b"\x01")[1:]:
        task, _, paths = entry.partition(b"\x02")
        found.setdefault(unquote(text(task.strip())), []).extend(records(paths.strip(b"\n\0")))
    return found


def tasks_that_touched(hub: Hub, since: str, head: str, paths: Sequence[str]) -> list[str]:
    """Ids of tasks with a commit between two commits that changes one of the paths, oldest first."""
    tasks: dict[str, None] = {}
    for start in range(0, len(paths), _MAX_ARGUMENTS):
        pathspecs = (f":(top,literal){path}" for path in paths[start : start + _MAX_ARGUMENTS])
        form = f"--format=%(trailers:key={_TASK_TRAILER},valueonly)"
        listed = git("log", "--reverse", form, f"{since}..{head}", "--", *pathspecs, git_dir=hub.path)
        tasks |= dict.fromkeys(unquote(line) for line in text(listed).split("\n") if line)
    return list(tasks)


def patch(hub: Hub, commit: str) -> bytes:
    """A commit as a patch for `git am` or `git apply`."""
    return git("format-patch", "--stdout", "--binary", "-1", commit, git_dir=hub.path)


def task_of_line(hub: Hub, since: str, head: str, path: str, line: int) -> str | None:
    """The task whose commit between two commits gave a line of a file its present form; None: none of them."""
    found = git(
        "blame", "--porcelain", "-L", f"{line},{line}", f"{since}..{head}", "--", path, git_dir=hub.path, codes=(0, 128)
    )
    headers = text(found).split("\n")
    if not headers[0] or "boundary" in headers:
        return None
    return _task_of(hub, headers[0].split(" ")[0])


def task_of_name(hub: Hub, since: str, head: str, path: str, name: str) -> str | None:
    """The last task with a commit between two commits in which a file has more or fewer mentions of a word."""
    form = f"--format=%(trailers:key={_TASK_TRAILER},valueonly)"
    word = ("--pickaxe-regex", rf"-S\b{name}\b")
    arguments = ("log", "-1", "--no-merges", form, *word, f"{since}..{head}", "--", f":(top,literal){path}")
    return unquote(text(git(*arguments, git_dir=hub.path)).strip()) or None


def _task_of(hub: Hub, commit: str) -> str | None:
    form = f"--format=%(trailers:key={_TASK_TRAILER},valueonly)"
    return unquote(text(git("log", "-1", form, commit, git_dir=hub.path)).strip()) or None
