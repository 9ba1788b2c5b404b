"""The hub: our own bare repository for a workspace, self-contained, never garbage-collected by git itself."""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from activities.git.command import git, records, run_git, text
from activities.git.workspace import Workspace
from activities.system import file_lock
from epw.core.errors import Fenced, GitError, Unavailable
from epw.core.naming import slug

_TASK_TRAILER = "Epw-Task"
_ATTEMPT_TRAILER = "Epw-Attempt"
_NOTHING = "0" * 40
_MAX_ARGUMENTS = 500

File = tuple[str, bytes | str]
"""Mode, and content or the name of an object that holds it."""


class Hub:
    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def at(cls, home: Path, workspace: str) -> Hub:
        """The hub of a workspace (by its real path), whether it exists or not."""
        return cls(home / "hubs" / f"{slug(os.path.realpath(workspace))}.git")

    @classmethod
    def of(cls, home: Path, workspace: str) -> Hub:
        """The hub of a workspace, made where it does not exist."""
        return cls.at(home, workspace)._made()

    @classmethod
    def without_workspace(cls, home: Path) -> Hub:
        """The hub for changes that belong to no workspace."""
        return cls(home / "hubs" / "no-workspace.git")._made()

    def _made(self) -> Hub:
        if self.path.is_dir():
            return self
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Several may make it at once: each makes a whole one, and the first rename wins.
        with tempfile.TemporaryDirectory(dir=self.path.parent) as scratch:
            made = Path(scratch, "hub")
            git("init", "--quiet", "--bare", "--shared=0600", "--template=", str(made), cwd=self.path.parent)
            for path in (made, *made.rglob("*")):
                path.chmod(0o700 if path.is_dir() else 0o600)
            with contextlib.suppress(OSError):
                made.rename(self.path)
        return self

    def check_sound(self) -> None:
        """Raises `Unavailable` where this is no repository any more: a disk or a person has damaged it."""
        done = run_git("rev-parse", "--is-bare-repository", git_dir=self.path, codes=(0, 128))
        if text(done.stdout) != "true":
            moved = f"mv {shlex.quote(str(self.path))} {shlex.quote(str(self.path))}.damaged"
            raise Unavailable(f"{self.path} is damaged; move it away ({moved}): a new one is made from the workspace")

    def locked(self) -> AbstractContextManager[None]:
        """Alone among the processes that use this hub."""
        return file_lock.exclusive(self.path / "epw.lock")

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
            *(["--depth=1"] if workspace.promisor else []),  # Of the history a partial clone has not all.
            "--no-write-fetch-head",
            f"--upload-pack={_trusting(workspace)} upload-pack",
            workspace.path,
            f"+{commit}:{ref}",
            git_dir=self.path,
            config=["fetch.fsckObjects=false"],
        )

    def hand_over(self, workspace: Workspace, commit: str, ref: str) -> str | None:
        """Copy a commit into the user's repository and name it by a new ref: objects and that ref, nothing else.

        None, or why the user's repository refused. By a pack, not a fetch: a fetch obeys their remotes and
        `url.*.insteadOf`. None of their hooks runs, and no reflog is begun.
        """
        head = workspace.head and self.resolve(workspace.head)
        known = head and self._in_repository_of(workspace, "cat-file", "-e", head) is None
        wanted = f"{commit}\n" + (f"^{workspace.head}\n" if known else "")
        pack = git("pack-objects", "--revs", "--stdout", "-q", git_dir=self.path, stdin=wanted.encode())
        return (
            self._in_repository_of(workspace, "unpack-objects", "-q", stdin=pack)
            or self._in_repository_of(workspace, "rev-list", "--objects", "--quiet", commit, "--not", "--all")
            or self._in_repository_of(workspace, "update-ref", ref, commit, _NOTHING)
        )

    def take_back(self, workspace: Workspace, commit: str, ref: str) -> str | None:
        """Remove a ref that still is at `commit` from the user's repository; None, or why it refused."""
        return self._in_repository_of(workspace, "update-ref", "-d", ref, commit)

    def _in_repository_of(self, workspace: Workspace, *arguments: str, stdin: bytes | None = None) -> str | None:
        """Run git in the user's repository; None, or its words where it failed."""
        config = ["core.logAllRefUpdates=false"]
        config += [f"safe.directory={each}" for each in workspace.safe_directories]
        try:
            git(*arguments, git_dir=Path(workspace.git_dir), config=config, stdin=stdin)
        except GitError as error:
            return error.stderr[-600:] or str(error)
        return None

    def resolve(self, revision: str) -> str | None:
        """The commit of a ref or id; None where it is not here."""
        arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        return text(git(*arguments, git_dir=self.path, codes=(0, 1, 128))) or None

    def tree_of(self, commit: str) -> str:
        """The tree of a commit; a tree is its own."""
        return self.trees_of([commit])[0]

    def trees_of(self, commits: Sequence[str]) -> list[str]:
        """The trees of commits (a tree is its own), by one process at most."""
        found = {each: self._header(each, b"tree") for each in commits}
        if asked := [each for each, tree in found.items() if tree is None]:
            named = git("rev-parse", *(f"{each}^{{tree}}" for each in asked), git_dir=self.path)
            found |= dict(zip(asked, text(named).split("\n"), strict=True))
        return [found[each] or "" for each in commits]

    def parent_of(self, commit: str) -> str:
        """The first parent: for a task's change, the head that the task started from."""
        return self._header(commit, b"parent") or text(git("rev-parse", f"{commit}^", git_dir=self.path))

    def _header(self, commit: str, name: bytes) -> str | None:
        """A header of a commit that we made, without a process; None where it is not to be had so."""
        try:
            loose = zlib.decompress((self.path / "objects" / commit[:2] / commit[2:]).read_bytes())
        except (OSError, zlib.error):
            return None
        kind, _, content = loose.partition(b"\0")
        lines = content.split(b"\n\n", 1)[0].split(b"\n") if kind.startswith(b"commit ") else []
        return next((text(line[len(name) + 1 :]) for line in lines if line.startswith(name + b" ")), None)

    def update_ref(self, ref: str, commit: str) -> None:
        git("update-ref", ref, commit, git_dir=self.path)

    def move_ref(self, ref: str, commit: str, expected: str) -> None:
        """Compare and swap: from `expected`, or from nothing, to `commit`; raises `Fenced` otherwise."""
        try:
            git("update-ref", ref, commit, expected, git_dir=self.path)
        except GitError:
            now = self.resolve(ref)
            if now == commit:
                return
            if now is not None:
                raise Fenced(f"{ref} is at {now}, not at {expected}: another run of the execution moved it") from None
            git("update-ref", ref, commit, _NOTHING, git_dir=self.path)

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

    def blob(self, name: str) -> bytes:
        return git("cat-file", "blob", name, git_dir=self.path)

    def keep_blob(self, content: bytes) -> str:
        """The name of an object with this content."""
        return text(git("hash-object", "-w", "--stdin", git_dir=self.path, stdin=content))

    def file(self, commit: str, path: str) -> bytes | None:
        """A file's content (a link's: where it leads) in a commit; None where there is none."""
        done = run_git("cat-file", "blob", f"{commit}:{path}", git_dir=self.path, codes=(0, 128))
        return done.stdout if done.returncode == 0 else None

    def blobs(self, names: Sequence[str]) -> list[bytes]:
        """Contents of blobs by name, in one go."""
        found = [content for content in self._objects(names) if content is not None]
        if len(found) < len(names):
            raise ValueError(f"{len(names) - len(found)} of {len(names)} objects are no blobs of {self.path}")
        return found

    def files(self, wanted: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """Contents of files by commit or tree and path, in one go; None where there is no such file."""
        named = self._objects([f"{commit}:{path}" for commit, path in wanted if "\n" not in path])
        return [self.file(commit, path) if "\n" in path else next(named) for commit, path in wanted]

    def _objects(self, names: Sequence[str]) -> Iterator[bytes | None]:
        """Contents of what is named, by one process; None for what is not there or no blob."""
        if not names:
            return
        answer = git("cat-file", "--batch", git_dir=self.path, stdin=os.fsencode("".join(f"{n}\n" for n in names)))
        at = 0
        for _ in names:
            end = answer.index(b"\n", at)
            head, at = answer[at:end].rsplit(b" ", 2), end + 1
            if head[-1] == b"missing" or len(head) < 3 or not head[2].isdigit():
                yield None
                continue
            content = answer[at : at + int(head[2])]
            at += int(head[2]) + 1
            yield content if head[1] == b"blob" else None

    def files_with(self, tree: str, words: Collection[str], suffixes: Sequence[str], most: int) -> list[str]:
        """Paths with one of the suffixes in whose text one of the words occurs (the first few)."""
        patterns = [f":(glob)**/*{suffix}" for suffix in suffixes]
        arguments = ("grep", "--name-only", "-z", "-w", "-F", "-I", "--no-color", "-f", "-", tree, "--", *patterns)
        wanted = os.fsencode("".join(f"{word}\n" for word in words))
        listed = records(git(*arguments, git_dir=self.path, codes=(0, 1), stdin=wanted))
        return [path.partition(":")[2] for path in listed[:most]]

    def has_any(self, tree: str, paths: Collection[str]) -> bool:
        """Whether one of the paths is in a tree, as a file or a directory."""
        return bool(paths and git("ls-tree", tree, "--", *paths, git_dir=self.path))

    def with_files(self, tree: str, files: Mapping[str, File | None]) -> str:
        """A tree with these files (None: without it) in place of its own."""
        with tempfile.TemporaryDirectory(prefix="epw-") as scratch:
            index = Path(scratch, "index")
            git("read-tree", tree, git_dir=self.path, index=index)
            lines = []
            for path, file in files.items():
                mode, name = "0", _NOTHING
                if file is not None:
                    mode, content = file
                    name = content if isinstance(content, str) else self.keep_blob(content)
                lines.append(os.fsencode(f"{mode} {name}\t{path}\0"))
            git("update-index", "-z", "--index-info", git_dir=self.path, index=index, stdin=b"".join(lines))
            return text(git("write-tree", git_dir=self.path, index=index))

    def newest_of(self, prefix: str) -> str | None:
        """The commit of the last ref beneath a prefix, by version order; None without any."""
        listed = git("for-each-ref", "--sort=version:refname", "--format=%(objectname)", prefix, git_dir=self.path)
        return text(listed).split("\n")[-1] or None

    def saved_work(self, prefix: str) -> list[dict[str, Any]]:
        """`{taskId, attempt, commit, subject}` of each saved change beneath a ref, oldest first; each commit once."""
        # All trailers at once: git 2.39 mixes up two fields of one key each.
        form = "%(objectname) %(contents:subject)%00%(contents:trailers)%00"
        listed = text(git("for-each-ref", "--sort=version:refname", f"--format={form}", prefix, git_dir=self.path))
        rows: dict[str, dict[str, Any]] = {}
        fields = listed.split("\0")
        for head, lines in zip(fields[:-1:2], fields[1::2], strict=True):
            found = dict(line.split(": ", 1) for line in lines.splitlines() if ": " in line)
            task, attempt = unquote(found.get(_TASK_TRAILER, "")), int(found.get(_ATTEMPT_TRAILER, 0))
            commit, _, subject = head.strip().partition(" ")
            rows[commit] = {"taskId": task, "attempt": attempt, "commit": commit, "subject": subject}
        return list(rows.values())

    def patch(self, commit: str) -> bytes:
        """A commit as a patch that `git am` and `git apply` take."""
        return git("format-patch", "--stdout", "--binary", "-1", commit, git_dir=self.path)

    def forget(self, prefix: str) -> None:
        """Delete every ref beneath a prefix."""
        listed = git("for-each-ref", "--format=delete %(refname)", prefix, git_dir=self.path)
        git("update-ref", "--stdin", git_dir=self.path, stdin=listed)

    def commits_between(self, base: str, head: str) -> list[str]:
        """The commits that `head` holds and `base` does not."""
        return text(git("rev-list", f"{base}..{head}", git_dir=self.path)).split()

    def size_of(self, prefix: str) -> int:
        """Bytes on disk of the objects that only refs beneath a prefix reach."""
        others = f"--exclude={prefix}/*"
        arguments = ("rev-list", "--disk-usage", "--objects", f"--glob={prefix}/*", "--not", others, "--all")
        return int(text(git(*arguments, git_dir=self.path)) or 0)

    def collect_garbage(self, expire: str) -> None:
        """Drop what no ref reaches any more, as far as it is older than that, in git's words."""
        with self.locked():
            git("repack", "-A", "-d", "-q", f"--unpack-unreachable={expire}", git_dir=self.path)
            git("prune", f"--expire={expire}", git_dir=self.path)
            git("pack-refs", "--all", git_dir=self.path)

    def changes_of_tasks(self, since: str, head: str) -> dict[str, list[str]]:
        """What each task has changed whose work is between two commits, merges apart."""
        form = f"--format=%x01%(trailers:key={_TASK_TRAILER},valueonly)%x02"
        arguments = ("log", "--reverse", "--no-merges", "--no-renames", "--name-only", "-z", form, f"{since}..{head}")
        found: dict[str, list[str]] = {}
        for entry in git(*arguments, git_dir=self.path).split(b"\x01")[1:]:
            task, _, paths = entry.partition(b"\x02")
            found.setdefault(unquote(text(task.strip())), []).extend(records(paths.strip(b"\n\0")))
        return found

    def tasks_that_touched(self, since: str, head: str, paths: Sequence[str]) -> list[str]:
        """Tasks whose landed changes between two commits touch one of the paths, oldest first."""
        tasks: dict[str, None] = {}
        for start in range(0, len(paths), _MAX_ARGUMENTS):
            listed = git(
                "log",
                "--reverse",
                f"--format=%(trailers:key={_TASK_TRAILER},valueonly)",
                f"{since}..{head}",
                "--",
                *(f":(top,literal){path}" for path in paths[start : start + _MAX_ARGUMENTS]),
                git_dir=self.path,
            )
            tasks |= dict.fromkeys(unquote(line) for line in text(listed).split("\n") if line)
        return list(tasks)


_EPW = {f"GIT_{role}_{key}": "epw" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}


def trailers(execution_id: str, task_id: str, attempt: int | None) -> str:
    """The lines that say whose work a commit is; a merge commit belongs to no attempt."""
    named = {"Epw-Execution": execution_id, _TASK_TRAILER: task_id, _ATTEMPT_TRAILER: attempt}
    lines = [f"{name}: {quote(str(value), safe=' /:@+,~')}\n" for name, value in named.items() if value is not None]
    return "".join(lines)


def _trusting(workspace: Workspace) -> str:
    """`git` for the user's side of a fetch, where our own `-c` does not reach."""
    return shlex.join(
        ["git", *(part for each in workspace.safe_directories for part in ("-c", f"safe.directory={each}"))]
    )
