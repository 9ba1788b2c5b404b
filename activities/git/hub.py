"""Hub: our own bare repository for a workspace, self-contained, never garbage-collected by git on its own."""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from activities.git import broken_refs, object_lifetime
from activities.git.command import ABSENT, Difference, differences, git, records, run_git, text
from activities.git.workspace import Workspace
from activities.system import file_lock
from epw.core.errors import Fenced, GitError, Unavailable

File = tuple[str, bytes | str]
"""Mode of a file, and its content or the id of the blob that holds it."""
_PLAIN = ("--no-color", "--no-ext-diff", "--no-textconv")
_EPW = {f"GIT_{role}_{key}": "epw" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}


class Hub:
    """Refs, commits and files of one hub."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def created(cls, path: Path) -> Hub:
        """The hub at a path, created if missing."""
        if path.is_dir():
            return cls(path)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Several processes may do this at once: each makes a whole hub, and the first rename wins.
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            new = Path(scratch, "hub")
            git("init", "--quiet", "--bare", "--shared=0600", "--template=", str(new), cwd=path.parent)
            for each in (new, *new.rglob("*")):
                each.chmod(0o700 if each.is_dir() else 0o600)
            with contextlib.suppress(OSError):
                new.rename(path)
        return cls(path)

    def check_intact(self) -> None:
        """Raise `Unavailable` if this is no longer a repository: a disk or a person has damaged it."""
        done = run_git("rev-parse", "--is-bare-repository", git_dir=self.path, codes=(0, 128))
        if text(done.stdout) != "true":
            moved = f"mv {shlex.quote(str(self.path))} {shlex.quote(str(self.path))}.damaged"
            raise Unavailable(f"{self.path} is damaged; move it away ({moved}): a new one is made from the workspace")

    def locked(self) -> AbstractContextManager[None]:
        """Hold the hub's lock, which one holder at a time can have; waits for it."""
        return file_lock.exclusive(self.path / "epw.lock")

    def resolve(self, revision: str) -> str | None:
        """The commit that a ref or id names; None if the hub does not have it."""
        arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        return text(git(*arguments, git_dir=self.path, codes=(0, 1, 128))) or None

    def tree_of(self, commit: str) -> str:
        """The tree of a commit; for a tree, the tree itself."""
        return self.trees_of([commit])[0]

    def trees_of(self, commits: Sequence[str]) -> list[str]:
        """The trees of commits, as `tree_of`, with one git process at most."""
        found = {each: self._header(each, b"tree") for each in commits}
        if unread := [each for each, tree in found.items() if tree is None]:
            listed = git("rev-parse", *(f"{each}^{{tree}}" for each in unread), git_dir=self.path)
            found |= dict(zip(unread, text(listed).split("\n"), strict=True))
        return [found[each] or "" for each in commits]

    def parent_of(self, commit: str) -> str:
        """The first parent: for a task's change, the head that the task started from."""
        return self._header(commit, b"parent") or text(git("rev-parse", f"{commit}^", git_dir=self.path))

    def _header(self, commit: str, name: bytes) -> str | None:
        """Value of a commit's header, read from its loose object without a git process; None if that fails."""
        try:
            loose = zlib.decompress((self.path / "objects" / commit[:2] / commit[2:]).read_bytes())
        except (OSError, zlib.error):
            return None
        kind, _, content = loose.partition(b"\0")
        lines = content.split(b"\n\n", 1)[0].split(b"\n") if kind.startswith(b"commit ") else []
        return next((text(line[len(name) + 1 :]) for line in lines if line.startswith(name + b" ")), None)

    def is_ancestor(self, commit: str, of: str) -> bool:
        """Whether `of` holds `commit` in its history; False if either is missing."""
        argv = ("merge-base", "--is-ancestor", commit, of)
        return run_git(*argv, git_dir=self.path, codes=(0, 1, 128)).returncode == 0

    def commits_between(self, base: str, head: str) -> list[str]:
        """The commits that `head` holds and `base` does not."""
        return text(git("rev-list", f"{base}..{head}", git_dir=self.path)).split()

    def update_ref(self, ref: str, commit: str) -> None:
        """Set a ref, whatever it was before."""
        git("update-ref", ref, commit, git_dir=self.path)

    def move_ref(self, ref: str, commit: str, expected: str) -> None:
        """Compare and swap a ref from `expected`, or from not being there, to `commit`; raises `Fenced` otherwise."""
        try:
            git("update-ref", ref, commit, expected, git_dir=self.path)
        except GitError:
            now = self.resolve(ref)
            if now == commit:
                return
            if now is not None:
                raise Fenced(f"{ref} is at {now}, not at {expected}: another run of the execution moved it") from None
            git("update-ref", ref, commit, ABSENT, git_dir=self.path)

    def newest_of(self, prefix: str) -> str | None:
        """The commit of the last ref beneath a prefix, in version order; None without any."""
        listed = git("for-each-ref", "--sort=version:refname", "--format=%(objectname)", prefix, git_dir=self.path)
        return text(listed).split("\n")[-1] or None

    def delete_refs(self, prefix: str) -> None:
        """Delete every ref beneath a prefix."""
        listed = git("for-each-ref", "--format=delete %(refname)", prefix, git_dir=self.path)
        git("update-ref", "--stdin", git_dir=self.path, stdin=listed)

    def size_of(self, prefix: str) -> int:
        """Bytes on disk of the objects that only refs beneath a prefix reach."""
        others = f"--exclude={prefix}/*"
        arguments = ("rev-list", "--disk-usage", "--objects", f"--glob={prefix}/*", "--not", others, "--all")
        return int(text(git(*arguments, git_dir=self.path)) or 0)

    def in_use(self) -> AbstractContextManager[int]:
        """Keep what no ref reaches yet; for whoever makes objects, until they have a ref. Many may hold it."""
        return object_lifetime.in_use(self.path)

    def collect_garbage(self, before: Callable[[], int]) -> bool:
        """Delete objects that no ref reaches, as `object_lifetime.collect`; broken refs do not stop it."""
        try:
            return object_lifetime.collect(self.path, before)
        except GitError as error:
            if not broken_refs.is_sign(error) or not broken_refs.set_aside(self.path):
                raise
            return object_lifetime.collect(self.path, before)

    def commit(self, tree: str, parents: Sequence[str], message: str, author: Workspace | None, at: int) -> str:
        """Make a commit that depends on its arguments alone, so the same arguments give the same commit.

        `author`: the workspace whose user it is by; None: epw. `at`: its time, epoch seconds.
        """
        identity = author.author if author else _EPW
        date = {"GIT_AUTHOR_DATE": f"@{at} +0000", "GIT_COMMITTER_DATE": f"@{at} +0000"}
        arguments = ["commit-tree", tree]
        for parent in parents:
            arguments += ["-p", parent]
        created = git(*arguments, git_dir=self.path, environment={**identity, **date}, stdin=message.encode())
        return text(created)

    def empty_tree(self) -> str:
        """The tree without files, stored in the hub."""
        return text(git("hash-object", "-t", "tree", "-w", "--stdin", git_dir=self.path))

    def empty_commit(self) -> str:
        """The base of a change without a workspace."""
        return self.commit(self.empty_tree(), [], "epw: no workspace", None, 0)

    def siblings(self, base: str, ours: str, theirs: str) -> tuple[str, str]:
        """Commits of two trees whose merge base has the tree of `base` (git 2.38 has no --merge-base).

        Each argument is a commit or a tree.
        """
        parent = self.commit(self.tree_of(base), [], "base", None, 0)
        return (
            self.commit(self.tree_of(ours), [parent], "ours", None, 0),
            self.commit(self.tree_of(theirs), [parent], "theirs", None, 0),
        )

    def names(self, tree: str, paths: Sequence[str] = ()) -> list[str]:
        """Names at the top of a tree, or those of `paths` that it has (`folder/`: what is in the folder)."""
        return records(git("ls-tree", "--name-only", "-z", tree, *(("--", *paths) if paths else ()), git_dir=self.path))

    def entries(self, tree: str) -> list[tuple[str, str, str]]:
        """Mode, object and path of everything in a tree but folders."""
        found = []
        for row in records(git("ls-tree", "-r", "-z", "--full-tree", tree, git_dir=self.path)):
            head, path = row.split("\t", 1)
            mode, _, name = head.split(" ")
            found.append((mode, name, path))
        return found

    def has(self, name: str) -> bool:
        """Whether an object is there."""
        return run_git("cat-file", "-e", name, git_dir=self.path, codes=(0, 1, 128)).returncode == 0

    def diff(self, before: str, after: str) -> bytes:
        """Differences of two commits as a unified diff; of binary files only that they differ."""
        return git("diff", *_PLAIN, before, after, git_dir=self.path)

    def diff_of_blobs(self, before: str, after: str) -> bytes:
        """Differences of two blobs, without lines around them."""
        return git(
            "diff", *_PLAIN, "--unified=0", "--diff-algorithm=myers", before, after, git_dir=self.path, codes=(0, 1)
        )

    def diff_files(self, before: str, after: str) -> list[Difference]:
        """The paths that differ between two commits or trees, without rename detection."""
        return differences(git("diff-tree", "-r", "--no-renames", "--raw", "-z", before, after, git_dir=self.path))

    def blob(self, name: str) -> bytes:
        """Content of a blob."""
        return git("cat-file", "blob", name, git_dir=self.path)

    def store_blob(self, content: bytes) -> str:
        """Store a content; the id of its blob."""
        return text(git("hash-object", "-w", "--stdin", git_dir=self.path, stdin=content))

    def sizes(self, blobs: Sequence[str]) -> list[int]:
        """Bytes of each blob."""
        listed = "".join(f"{each}\n" for each in blobs).encode()
        found = git("cat-file", "--batch-check=%(objectsize)", git_dir=self.path, stdin=listed)
        return [int(each) for each in found.split()]

    def file(self, commit: str, path: str) -> bytes | None:
        """Content of a file (for a link: its target) in a commit; None if there is no such file."""
        done = run_git("cat-file", "blob", f"{commit}:{path}", git_dir=self.path, codes=(0, 128))
        return done.stdout if done.returncode == 0 else None

    def blobs(self, names: Sequence[str]) -> list[bytes]:
        """Contents of blobs, with one git process; raises `ValueError` if one is missing."""
        found = [content for content in self._objects(names) if content is not None]
        if len(found) < len(names):
            raise ValueError(f"{len(names) - len(found)} of {len(names)} objects are no blobs of {self.path}")
        return found

    def commits(self, names: Sequence[str]) -> list[bytes]:
        """Contents of commits, headers and message, with one git process; raises `ValueError` if one is missing."""
        found = [content for content in self._objects(names, b"commit") if content is not None]
        if len(found) < len(names):
            raise ValueError(f"{len(names) - len(found)} of {len(names)} objects are no commits of {self.path}")
        return found

    def files(self, wanted: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """Contents of files by commit or tree and path, with one git process; None for a missing file."""
        listed = self._objects([f"{commit}:{path}" for commit, path in wanted if "\n" not in path])
        return [self.file(commit, path) if "\n" in path else next(listed) for commit, path in wanted]

    def _objects(self, names: Sequence[str], kind: bytes = b"blob") -> Iterator[bytes | None]:
        """Contents of named objects, with one git process; None for what is missing or of another kind."""
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
            yield content if head[1] == kind else None

    def files_with(self, tree: str, words: Collection[str], suffixes: Sequence[str], most: int) -> list[str]:
        """The first `most` paths with one of the suffixes whose text has one of the words."""
        patterns = [f":(glob)**/*{suffix}" for suffix in suffixes]
        arguments = ("grep", "--name-only", "-z", "-w", "-F", "-I", "--no-color", "-f", "-", tree, "--", *patterns)
        wanted = os.fsencode("".join(f"{word}\n" for word in words))
        listed = records(git(*arguments, git_dir=self.path, codes=(0, 1), stdin=wanted))
        return [path.partition(":")[2] for path in listed[:most]]

    def has_any(self, tree: str, paths: Collection[str]) -> bool:
        """Whether one of the paths is in a tree, as a file or a directory."""
        return bool(paths and git("ls-tree", tree, "--", *paths, git_dir=self.path))

    def with_files(self, tree: str, files: Mapping[str, File | None]) -> str:
        """A tree with these files replaced or added; None removes a file."""
        with tempfile.TemporaryDirectory(prefix="epw-") as scratch:
            index = Path(scratch, "index")
            git("read-tree", tree, git_dir=self.path, index=index)
            lines = []
            for path, file in files.items():
                mode, name = "0", ABSENT
                if file is not None:
                    mode, content = file
                    name = content if isinstance(content, str) else self.store_blob(content)
                lines.append(os.fsencode(f"{mode} {name}\t{path}\0"))
            git("update-index", "-z", "--index-info", git_dir=self.path, index=index, stdin=b"".join(lines))
            return text(git("write-tree", git_dir=self.path, index=index))
