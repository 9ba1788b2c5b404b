"""One way to call git: argv only, our configuration only, nobody's hooks, filters or prompts."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, TypedDict, Unpack

from activities.system.file_modes import user_umask
from epw.core.errors import GitError, Unavailable

EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The tree with nothing in it; git knows it without having it."""
GITLINK = "160000"
LINK = "120000"
REGULAR = ("100644", "100755")
MIN_VERSION = (2, 38)
MAX_NAMED = 10
_MAX_NAMED_LENGTH = 200
_SEALED = (
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


class GitLocation(TypedDict, total=False):
    """Where a git command works; nothing of it is taken from the environment."""

    git_dir: Path
    work_tree: Path
    index: Path
    cwd: Path
    objects: Path
    """Where new objects go, in place of those of `git_dir`, which are there all the same."""


def git(
    *arguments: str,
    config: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    codes: Sequence[int] = (0,),
    **place: Unpack[GitLocation],
) -> bytes:
    """Standard output of `git ARGUMENTS`; raises `GitError` for an exit code not in `codes`."""
    return run_git(*arguments, config=config, environment=environment, stdin=stdin, codes=codes, **place).stdout


def run_git(
    *arguments: str,
    config: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    codes: Sequence[int] = (0,),
    **place: Unpack[GitLocation],
) -> subprocess.CompletedProcess[bytes]:
    """As `git`, with the exit code."""
    done = subprocess.run(
        _argv(arguments, config),
        env=_environment(place) | dict(environment or {}),
        input=b"" if stdin is None else stdin,
        capture_output=True,
        check=False,
        umask=user_umask(),
        cwd=_folder(place),
    )
    if done.returncode not in codes:
        raise GitError(list(arguments), done.returncode, done.stderr.decode(errors="replace"))
    return done


@contextmanager
def piped_git(
    *arguments: str, config: Sequence[str] = (), **place: Unpack[GitLocation]
) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """`git ARGUMENTS` at work, its input and its output, for what is too large to hold.

    Raises `GitError` where it fails, at the latest when the block has ended.
    """
    with tempfile.TemporaryFile() as said, contextlib.ExitStack() as opened:
        process = subprocess.Popen(
            _argv(arguments, config),
            env=_environment(place),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            umask=user_umask(),
            cwd=_folder(place),
        )
        assert process.stdin is not None
        assert process.stdout is not None
        opened.enter_context(process.stdout)
        try:
            is_cut = True
            # What ends before its input does says itself why.
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
            said.seek(0)
            raise GitError(list(arguments), code, said.read().decode(errors="replace"))


def _argv(arguments: Sequence[str], config: Sequence[str]) -> list[str]:
    return ["git", *(part for setting in (*_SEALED, *config) for part in ("-c", setting)), *arguments]


def _folder(place: GitLocation) -> Path | None:
    return place.get("work_tree") or place.get("git_dir") or place.get("cwd")


def text(output: bytes) -> str:
    """git's answer of one line."""
    return output.decode("utf-8", "surrogateescape").rstrip("\n")


def records(output: bytes) -> list[str]:
    """git's `-z` answer."""
    return [part.decode("utf-8", "surrogateescape") for part in output.split(b"\0") if part]


class Difference(NamedTuple):
    """A path that differs between two trees. Of what is not there the mode and the object are zeros."""

    path: str
    old_mode: str
    mode: str
    old: str
    new: str
    status: str


def differences(output: bytes) -> list[Difference]:
    """git's answer with `--raw -z`, without renames."""
    fields = records(output)
    told = zip(fields[::2], fields[1::2], strict=True)
    return [Difference(path, *entry.strip().removeprefix(":").split(" ")) for entry, path in told]


def display_path(path: str) -> str:
    """A path for messages and documents: bytes that are no UTF-8 are written out."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def named(paths: Sequence[str], most: int = MAX_NAMED) -> list[str]:
    """The first few paths, as messages and the history can hold them."""
    return [display_path(path)[:_MAX_NAMED_LENGTH] for path in paths[:most]]


def version() -> tuple[int, ...] | None:
    """git's version; None where there is no git."""
    try:
        words = text(git("version")).split()
    except (FileNotFoundError, GitError):
        return None
    return tuple(int(part) for part in words[2].split(".")[:2] if part.isdigit())


def require_git() -> None:
    """Raise `Unavailable` without a git that can merge outside a work tree."""
    found = version()
    if found is None or found < MIN_VERSION:
        raise Unavailable(f"git {_dotted(MIN_VERSION)} or newer is needed, found {_dotted(found)}")


def _dotted(numbers: tuple[int, ...] | None) -> str:
    return ".".join(map(str, numbers)) if numbers else "none"


def _environment(place: GitLocation) -> dict[str, str]:
    # Built from nothing: a GIT_* variable or a HOME of the caller would bring configuration along.
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
    named = {"GIT_DIR": "git_dir", "GIT_WORK_TREE": "work_tree", "GIT_INDEX_FILE": "index"}
    if "objects" in place:
        there = place["git_dir"] / "objects"
        env |= {"GIT_OBJECT_DIRECTORY": str(place["objects"]), "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(there)}
    return env | {name: str(place[key]) for name, key in named.items() if key in place}  # type: ignore[literal-required]
