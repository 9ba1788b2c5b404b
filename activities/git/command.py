"""Git subprocesses: the one way to call git, with our own configuration and without hooks, filters or prompts."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, TypedDict, Unpack

from activities.system.file_modes import user_umask
from epw.core.amounts import few
from epw.core.errors import GitError, Unavailable

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""Id of the tree without files; git knows it without storing it."""
ABSENT = "0" * 40
"""Id of an object or ref that is not there."""
ABSENT_MODE = "000000"
GITLINK = "160000"
LINK = "120000"
REGULAR = ("100644", "100755")
MIN_VERSION = (2, 38)
MAX_NAMED = 10
_MAX_NAMED_LENGTH = 200
OWN_CONFIG = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.quotePath=false",
    "core.alternateRefsCommand=true",
    "gc.auto=0",
    "maintenance.auto=false",
    "receive.autogc=false",
    "protocol.allow=never",
    "protocol.file.allow=always",
    "submodule.recurse=false",
    "diff.ignoreSubmodules=dirty",
    "diff.renames=false",
    "advice.addEmbeddedRepo=false",
    "commit.gpgSign=false",
)
"""Settings of every git command of ours: nothing of the user's runs."""


class GitLocation(TypedDict, total=False):
    """Directories of a git command; none is taken from the environment."""

    git_dir: Path
    work_tree: Path
    index: Path
    cwd: Path
    objects: Path
    """Folder to which new objects are written, instead of `git_dir`; the objects there can still be read."""


def git(
    *arguments: str,
    config: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    codes: Sequence[int] = (0,),
    holds: Sequence[int] = (),
    **place: Unpack[GitLocation],
) -> bytes:
    """Standard output of `git ARGUMENTS`; raises `GitError` for an exit code not in `codes`."""
    done = run_git(*arguments, config=config, environment=environment, stdin=stdin, codes=codes, holds=holds, **place)
    return done.stdout


def run_git(
    *arguments: str,
    config: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    codes: Sequence[int] = (0,),
    holds: Sequence[int] = (),
    **place: Unpack[GitLocation],
) -> subprocess.CompletedProcess[bytes]:
    """As `git`; returns the exit code and standard error too. `holds`: descriptors of locks that it keeps."""
    done = subprocess.run(
        _argv(arguments, config),
        env=_environment(place) | dict(environment or {}),
        input=b"" if stdin is None else stdin,
        capture_output=True,
        check=False,
        umask=user_umask(),
        cwd=_folder(place),
        pass_fds=tuple(holds),
    )
    if done.returncode not in codes:
        raise GitError(list(arguments), done.returncode, done.stderr.decode(errors="replace"))
    return done


@contextmanager
def piped_git(
    *arguments: str, config: Sequence[str] = (), **place: Unpack[GitLocation]
) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Run `git ARGUMENTS` while the block runs, for content too large for memory; yields its input and its output.

    Raises `GitError` if it fails, at the latest when the block has ended.
    """
    with tempfile.TemporaryFile() as errors, contextlib.ExitStack() as opened:
        process = subprocess.Popen(
            _argv(arguments, config),
            env=_environment(place),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            umask=user_umask(),
            cwd=_folder(place),
        )
        assert process.stdin is not None
        assert process.stdout is not None
        opened.enter_context(process.stdout)
        try:
            is_cut = True
            # A git that ends before its input does has reported why.
            with contextlib.suppress(BrokenPipeError):
                yield process.stdin, process.stdout
                process.stdin.close()
                is_cut = False
        except BaseException:
            process.kill()
            raise
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            code = process.wait()
        if code or is_cut:
            errors.seek(0)
            raise GitError(list(arguments), code, errors.read().decode(errors="replace"))


def _argv(arguments: Sequence[str], config: Sequence[str]) -> list[str]:
    return ["git", *(part for setting in (*OWN_CONFIG, *config) for part in ("-c", setting)), *arguments]


def _folder(place: GitLocation) -> Path | None:
    return place.get("work_tree") or place.get("git_dir") or place.get("cwd")


def text(output: bytes) -> str:
    """Output of one line, without its end."""
    return output.decode("utf-8", "surrogateescape").rstrip("\n")


def nul_separated(paths: Iterable[str]) -> bytes:
    """Paths as input for git with `-z`."""
    return b"".join(os.fsencode(path) + b"\0" for path in paths)


def records(output: bytes) -> list[str]:
    """Fields of an output with `-z`."""
    return [part.decode("utf-8", "surrogateescape") for part in output.split(b"\0") if part]


class Difference(NamedTuple):
    """A path that differs between two trees; a side that is not there has `ABSENT_MODE` and `ABSENT`."""

    path: str
    old_mode: str
    mode: str
    old: str
    new: str
    status: str


def differences(output: bytes) -> list[Difference]:
    """Output with `--raw -z`, without rename detection, as records."""
    fields = records(output)
    entries = zip(fields[::2], fields[1::2], strict=True)
    return [Difference(path, *entry.strip().removeprefix(":").split(" ")) for entry, path in entries]


def display_path(path: str) -> str:
    """A path for messages and documents: bytes that are not UTF-8 become escapes (`\\xe9`)."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def display_paths(paths: Sequence[str], most: int = MAX_NAMED) -> list[str]:
    """The first `most` paths for messages and the history, each cut to a bounded length."""
    return [display_path(path)[:_MAX_NAMED_LENGTH] for path in paths[:most]]


def list_paths(paths: Sequence[str], most: int = 5) -> str:
    """The first `most` paths in one line, and the number of the others."""
    return few(map(display_path, paths), most)


def version() -> tuple[int, ...] | None:
    """Major and minor version of git; None without git."""
    try:
        words = text(git("version")).split()
    except (FileNotFoundError, GitError):
        return None
    return tuple(int(part) for part in words[2].split(".")[:2] if part.isdigit())


def require_git() -> None:
    """Raise `Unavailable` if git is missing or too old to merge outside a work tree."""
    found = version()
    if found is None or found < MIN_VERSION:
        wanted = f"git {dotted(MIN_VERSION)} or newer is needed, found {dotted(found)}"
        raise Unavailable(f"{wanted}: install it, or put it on PATH")


def dotted(numbers: tuple[int, ...] | None) -> str:
    """A version as text."""
    return ".".join(map(str, numbers)) if numbers else "none"


def _environment(place: GitLocation) -> dict[str, str]:
    # Inherits nothing: a GIT_* variable or a HOME of the caller would bring its configuration along.
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
    }
    variables = {"GIT_DIR": "git_dir", "GIT_WORK_TREE": "work_tree", "GIT_INDEX_FILE": "index"}
    if "objects" in place:
        readable = place["git_dir"] / "objects"
        env |= {"GIT_OBJECT_DIRECTORY": str(place["objects"]), "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(readable)}
    return env | {name: str(place[key]) for name, key in variables.items() if key in place}  # type: ignore[literal-required]
