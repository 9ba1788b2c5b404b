"""Drivers of content filters (git-lfs, git-crypt, …): the user's own, as they were configured at the start.

git runs a driver for each file whose attributes name it: `clean` on the way into the repository, `smudge` on the way
out, or one `process` for both. Drivers run in the user's repository, which has their keys and large files. A driver
that fails is never ignored: git would store the clear text. See gitattributes(5), "filter".
"""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Unpack

from activities.git.command import GitLocation, git, nul_separated, records, run_git
from epw.core.errors import GitError

_COMMANDS = ("clean", "smudge", "process")
_SETTING = re.compile(r"filter\.(.+)\.(clean|smudge|process)", re.DOTALL)
_USERS = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "GNUPGHOME", "SSH_AUTH_SOCK"),
    *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_LFS_SKIP_SMUDGE"),
)
"""Variables of the user by which drivers find their settings."""
_UNSET = (
    "GIT_INDEX_FILE GIT_CONFIG_PARAMETERS GIT_CONFIG_GLOBAL GIT_CONFIG_NOSYSTEM GIT_ATTR_NOSYSTEM GIT_OPTIONAL_LOCKS"
    " GIT_NO_REPLACE_OBJECTS GIT_TERMINAL_PROMPT GIT_PREFIX LC_ALL"
)
_FAILED = re.compile(
    r"(?:smudge|clean) filter '?([^'\n]+?)'? failed|external filter|filter-process|git-filter-client|remote end hung up"
)
NO_SECRET = ("lfs",)
"""Drivers that keep no content secret: a file may lose them."""
_COMMAND_BEGINS = "GIT_INDEX_FILE"
_HELP = {
    "lfs": "; install it (git lfs install) and get its files (git lfs pull)",
    "git-crypt": "; unlock it (git-crypt unlock)",
}

DriverCommands = dict[str, dict[str, str]]
"""Commands of drivers, by name: `clean`, `smudge` and `process`, from the user's settings."""


def drivers(settings: Mapping[str, Sequence[str]]) -> DriverCommands:
    """The drivers that the user has configured."""
    found: DriverCommands = {}
    for name, values in settings.items():
        setting = _SETTING.fullmatch(name)
        # `git -c` reads a name up to the first equals sign.
        if setting and values[-1] and not {"=", "\n"} & set(setting[1]):
            found.setdefault(setting[1], {})[setting[2]] = values[-1]
    return found


def users_environment() -> dict[str, str]:
    """The variables of this process's environment that drivers may need."""
    return {name: os.environ[name] for name in _USERS if name in os.environ}


def config(of: DriverCommands, git_dir: Path, work_tree: Path | None, environment: Mapping[str, str]) -> list[str]:
    """Settings for `git -c` by which our git runs the drivers as the user's git would."""
    before = _enter_repository(git_dir, work_tree, environment) if of else ""
    found = []
    for name, commands in of.items():
        for kind, command in commands.items():
            # git expands `%f` in `clean` and `smudge`.
            prefix = before if kind == "process" else before.replace("%", "%%")
            found.append(f"filter.{name}.{kind}={prefix}{command}")
        found.append(_required(name))
    return found


def _required(name: str) -> str:
    """The setting that every configured driver has."""
    return f"filter.{name}.required=true"


def _enter_repository(git_dir: Path, work_tree: Path | None, environment: Mapping[str, str]) -> str:
    """Shell text that enters the user's repository before a driver's command."""
    place = {"GIT_DIR": str(git_dir), **({"GIT_WORK_TREE": str(work_tree)} if work_tree is not None else {})}
    directory = shlex.quote(str(work_tree or git_dir))
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in {**environment, **place}.items())
    return f"unset {_UNSET}; cd {directory} && export {variables} && "


def drivers_of(
    paths: Sequence[str], settings: Sequence[str], *, of_index: bool = False, **place: Unpack[GitLocation]
) -> dict[str, str]:
    """Names of drivers by path, for paths that have one: from attributes in the work tree, or in the index."""
    if not paths:
        return {}
    argv = ("check-attr", *(["--cached"] if of_index else []), "-z", "--stdin", "filter")
    fields = records(git(*argv, **place, config=settings, stdin=nul_separated(paths)))
    rows = zip(fields[::3], fields[2::3], strict=True)
    return {path: value for path, value in rows if value not in ("unspecified", "unset", "set", "")}


@contextmanager
def attributes_of(index: Path, git_dir: Path) -> Iterator[GitLocation]:
    """A temporary work tree with the attributes of an index and nothing else, such as an agent's `.gitattributes`."""
    with tempfile.TemporaryDirectory(prefix="epw-") as folder:
        place = GitLocation(git_dir=git_dir, work_tree=Path(folder), index=index)
        files = git("ls-files", "-z", "--", ":(glob)**/.gitattributes", **place)
        git("checkout-index", "-z", "--stdin", **place, stdin=files)
        yield place


@contextmanager
def attributes_of_tree(tree: str, git_dir: Path) -> Iterator[GitLocation]:
    """A temporary work tree with the attributes of a tree and nothing else."""
    with tempfile.TemporaryDirectory(prefix="epw-") as scratch:
        index = Path(scratch, "index")
        git("read-tree", tree, git_dir=git_dir, index=index)
        with attributes_of(index, git_dir) as place:
            yield place


def encoded(content: bytes, path: str, settings: Sequence[str], **place: Unpack[GitLocation]) -> str | None:
    """Id of a new blob with a content as the driver of a path encodes it; None if the driver fails."""
    argv = ("hash-object", "-w", "--stdin", f"--path={path}")
    done = run_git(*argv, **place, config=settings, stdin=content, codes=(0, 1, 128))
    return done.stdout.decode().strip() if done.returncode == 0 else None


def has_driver(name: str, settings: Sequence[str]) -> bool:
    """Whether the settings configure a driver."""
    return _required(name) in settings


def decoded(blob: str, path: str, settings: Sequence[str], **place: Unpack[GitLocation]) -> bytes | None:
    """Content of a blob as the driver of a path decodes it; None if the driver fails."""
    argv = ("cat-file", "--filters", f"--path={path}", blob)
    done = run_git(*argv, **place, config=settings, codes=(0, 128))
    return done.stdout if done.returncode == 0 else None


def holds(file: Path, content: bytes | None) -> bool:
    """Whether a regular file has this content."""
    is_file = content is not None and not file.is_symlink() and file.is_file()
    return is_file and file.stat().st_size == len(content or b"") and file.read_bytes() == content


def is_as_before(blob: str, path: str, settings: Sequence[str], **place: Unpack[GitLocation]) -> bool:
    """Whether a file is what its driver decodes from a blob; encoding it again may give another blob."""
    return holds(place["work_tree"] / path, decoded(blob, path, settings, **place))


def failure_message(error: GitError) -> str | None:
    """Message for the user if a driver caused git's error; None if something else did."""
    matches = list(_FAILED.finditer(error.stderr))
    found = next((each for each in matches if each[1]), matches[0] if matches else None)
    if found is None:
        return None
    # git reports the commands that it ran, which are long: only the driver's own messages are useful.
    lines = [line for line in error.stderr.splitlines() if line.strip() and _COMMAND_BEGINS not in line]
    name = found[1] or next((each for each in _HELP if each in error.stderr), "")
    which = f"the filter {name!r}" if name else "a filter"
    return f"{which} failed: {' / '.join(lines[-3:])[:400]}{help_for(name)}"


def check(base: str, at: Mapping[str, str], settings: Sequence[str], **place: Unpack[GitLocation]) -> None:
    """Run each driver on one of its files (`at`: path by driver); raises `GitError` if it fails."""
    for path in at.values():
        git("cat-file", "--filters", f"--path={path}", f"{base}:{path}", **place, config=settings)


def first_files(of: DriverCommands, settings: Sequence[str], **place: Unpack[GitLocation]) -> dict[str, str]:
    """One file of the index for each driver that attributes name, by driver."""
    found: dict[str, str] = {}
    for name in of:
        if re.fullmatch(r"[\w.-]+", name):
            listed = records(git("ls-files", "-z", "--", f":(attr:filter={name})", **place, config=settings))
            found |= dict(zip([name], listed, strict=False))
    return found


def help_for(name: str) -> str:
    """Advice to a user about a well-known driver; else empty."""
    return _HELP.get(name, "")
