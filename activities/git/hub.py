"""The hub: our own bare repository for a workspace, self-contained, never garbage-collected by git itself."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from activities.git.command import git, run_git, text
from activities.git.workspace import Workspace
from workflows.errors import Fenced, GitError
from workflows.naming import slug

_TASK_TRAILER = "Epw-Task"
_NOTHING = "0" * 40


class Hub:
    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, home: Path, name: str) -> Hub:
        """The hub of a workspace (by its real path), made where it does not exist."""
        path = cls.at(home, name).path
        if not (path / "HEAD").exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            git("init", "--quiet", "--bare", "--template=", str(path), cwd=path.parent)
            git("config", "core.sharedRepository", "0600", git_dir=path)
        return cls(path)

    @classmethod
    def at(cls, home: Path, name: str) -> Hub:
        """The hub of a workspace, whether it exists or not."""
        return cls(home / "hubs" / f"{slug(os.path.realpath(name))}.git")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone among the processes that use this hub."""
        with open(self.path / "epw.lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def fetch(self, workspace: Workspace, commit: str, ref: str) -> None:
        """Copy a commit of the user's, with its history, into the hub and keep it by a ref."""
        if run_git("cat-file", "-e", commit, git_dir=self.path, codes=(0, 1, 128)).returncode == 0:
            self.update_ref(ref, commit)
            return
        git(
            "fetch",
            "--quiet",
            "--no-tags",
            "--update-shallow",
            "--no-write-fetch-head",
            f"--upload-pack={_trusting(workspace)} upload-pack",
            workspace.path,
            f"+{commit}:{ref}",
            git_dir=self.path,
            config=["fetch.fsckObjects=false"],
        )

    def push(self, workspace: Workspace, source: str, target: str, expected: str) -> str | None:
        """Set one ref in the user's repository, if it still holds `expected` (empty: is not there).

        None, or why the user's repository refused. No hook of the user's runs.
        """
        done = run_git(
            "push",
            "--porcelain",
            "--quiet",
            "--no-verify",
            f"--force-with-lease={target}:{expected}",
            f"--receive-pack={_trusting(workspace)} -c core.hooksPath=/dev/null -c receive.autogc=false"
            " -c gc.auto=0 -c maintenance.auto=false -c core.fsmonitor=false -c core.logAllRefUpdates=false"
            " -c core.alternateRefsCommand=true receive-pack",
            workspace.path,
            f"{source}:{target}",
            git_dir=self.path,
            codes=(0, 1, 128),
        )
        if done.returncode == 0:
            return None
        lines = (done.stdout + done.stderr).decode(errors="replace").splitlines()
        told = [line.strip() for line in lines if line.startswith(("!", "error:", "fatal:", "remote:"))]
        return "; ".join(told)[:600] or f"git push ended with {done.returncode}"

    def resolve(self, revision: str) -> str | None:
        """The commit of a ref or id; None where it is not here."""
        arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        return text(git(*arguments, git_dir=self.path, codes=(0, 1, 128))) or None

    def tree_of(self, commit: str) -> str:
        return text(git("rev-parse", f"{commit}^{{tree}}", git_dir=self.path))

    def parent_of(self, commit: str) -> str:
        """The first parent: for a task's change, the head that the task started from."""
        return text(git("rev-parse", f"{commit}^", git_dir=self.path))

    def update_ref(self, ref: str, commit: str) -> None:
        git("update-ref", ref, commit, git_dir=self.path)

    def move_ref(self, ref: str, commit: str, expected: str) -> None:
        """Compare and swap: from `expected`, or from nothing, to `commit`; raises `Fenced` otherwise."""
        now = self.resolve(ref)
        if now == commit:
            return
        if now not in (expected, None):
            raise Fenced(f"{ref} is at {now}, not at {expected}: another run of the execution moved it")
        try:
            git("update-ref", ref, commit, now or _NOTHING, git_dir=self.path)
        except GitError as error:
            raise Fenced(f"{ref} was moved by another run: {error.stderr}") from None

    def commit(self, tree: str, parents: Sequence[str], message: str, author: Workspace | None, at: int) -> str:
        """A commit that depends on nothing but its arguments: made twice, it is the same one."""
        who = author.author if author else _EPW
        date = {"GIT_AUTHOR_DATE": f"@{at} +0000", "GIT_COMMITTER_DATE": f"@{at} +0000"}
        arguments = ["commit-tree", tree]
        for parent in parents:
            arguments += ["-p", parent]
        made = git(*arguments, git_dir=self.path, environment={**who, **date}, stdin=message.encode())
        return text(made)

    def empty_commit(self) -> str:
        """The base of a change without a workspace."""
        tree = text(git("hash-object", "-t", "tree", "-w", "--stdin", git_dir=self.path))
        return self.commit(tree, [], "epw: no workspace", None, 0)

    def siblings(self, parent: str, ours: str, theirs: str) -> tuple[str, str]:
        """Commits of two trees with a merge base of our choice (git 2.38 has no --merge-base); any tree-ish."""
        base = self.commit(self.tree_of(parent), [], "base", None, 0)
        return (
            self.commit(self.tree_of(ours), [base], "ours", None, 0),
            self.commit(self.tree_of(theirs), [base], "theirs", None, 0),
        )

    def tasks_that_touched(self, since: str, head: str, paths: Sequence[str]) -> list[str]:
        """Tasks whose landed changes between two commits touch one of the paths, oldest first."""
        listed = git(
            "log",
            "--reverse",
            f"--format=%(trailers:key={_TASK_TRAILER},valueonly)",
            f"{since}..{head}",
            "--",
            *(f":(top,literal){path}" for path in paths),
            git_dir=self.path,
        )
        tasks = [unquote(line) for line in text(listed).split("\n") if line]
        return list(dict.fromkeys(tasks))


_EPW = {f"GIT_{role}_{key}": "epw" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}


def trailers(execution_id: str, task_id: str, attempt: int | None) -> str:
    """The lines that say whose work a commit is; a merge commit belongs to no attempt."""
    named = {"Epw-Execution": execution_id, _TASK_TRAILER: task_id, "Epw-Attempt": attempt}
    lines = [f"{name}: {quote(str(value), safe=' /:@+,~')}\n" for name, value in named.items() if value is not None]
    return "".join(lines)


def _trusting(workspace: Workspace) -> str:
    """`git` for the user's side of a transfer, where our own `-c` does not reach."""
    quoted = ("'" + each.replace("'", "'\\''") + "'" for each in workspace.safe_directories)
    return "git " + " ".join(f"-c safe.directory={each}" for each in quoted)
