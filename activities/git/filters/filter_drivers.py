"""Content filters (git-lfs, git-crypt, …): the user's own drivers, as they were configured at the start.

git runs a driver for each file whose attributes name it: `clean` on the way into the repository, `smudge` on the way
out, or one `process` for both. They are run as in the user's repository: there is their key, there their large files
are stored. A driver that fails is never passed over, since then the clear text would be stored.
"""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Unpack

from activities.git.command import REGULAR, GitLocation, display_path, git, records, run_git
from epw.core import failures
from epw.core.errors import GitError, TaskFailed

NOTHING = "000000"
"""The mode of what is not there."""
_COMMANDS = ("clean", "smudge", "process")
_SETTING = re.compile(r"filter\.(.+)\.(clean|smudge|process)", re.DOTALL)
_USERS = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "GNUPGHOME",
    "SSH_AUTH_SOCK",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_LFS_SKIP_SMUDGE",
)
"""Variables of the user's by which drivers find their settings."""
_OURS = (
    "GIT_INDEX_FILE GIT_CONFIG_PARAMETERS GIT_CONFIG_GLOBAL GIT_CONFIG_NOSYSTEM GIT_ATTR_NOSYSTEM GIT_OPTIONAL_LOCKS"
    " GIT_NO_REPLACE_OBJECTS GIT_TERMINAL_PROMPT GIT_PREFIX LC_ALL"
)
_FAILED = re.compile(
    r"(?:smudge|clean) filter '?([^'\n]+?)'? failed|external filter|filter-process|git-filter-client|remote end hung up"
)
NO_SECRET = ("lfs",)
"""FilterDrivers that hide nothing: a file may leave them."""
_COMMAND_BEGINS = "GIT_INDEX_FILE"
_HELP = {
    "lfs": "; install it (git lfs install) and get its files (git lfs pull)",
    "git-crypt": "; unlock it (git-crypt unlock)",
}

Changed = tuple[str, str, str]
"""A path, its mode before and its mode now."""
FilterDrivers = dict[str, dict[str, str]]
"""By name: the commands `clean`, `smudge` and `process`, as the user's settings have them."""


def drivers(settings: Mapping[str, Sequence[str]]) -> FilterDrivers:
    """Those that the user has configured."""
    found: FilterDrivers = {}
    for name, values in settings.items():
        setting = _SETTING.fullmatch(name)
        # `git -c` reads a name up to the first equals sign.
        if setting and values[-1] and not {"=", "\n"} & set(setting[1]):
            found.setdefault(setting[1], {})[setting[2]] = values[-1]
    return found


def users_environment() -> dict[str, str]:
    """What of the environment drivers go by."""
    return {name: os.environ[name] for name in _USERS if name in os.environ}


def config(of: FilterDrivers, git_dir: Path, work_tree: Path | None, environment: Mapping[str, str]) -> list[str]:
    """The settings by which our git runs the drivers as the user's git would, for `git -c`."""
    before = _entering(git_dir, work_tree, environment) if of else ""
    found = []
    for name, commands in of.items():
        for kind, command in commands.items():
            # Of `clean` and `smudge` git expands `%f`.
            prefix = before if kind == "process" else before.replace("%", "%%")
            found.append(f"filter.{name}.{kind}={prefix}{command}")
        found.append(_required(name))
    return found


def _required(name: str) -> str:
    """The setting that every driver has."""
    return f"filter.{name}.required=true"


def _entering(git_dir: Path, work_tree: Path | None, environment: Mapping[str, str]) -> str:
    """Shell text that goes into the user's repository."""
    place = {"GIT_DIR": str(git_dir), **({"GIT_WORK_TREE": str(work_tree)} if work_tree is not None else {})}
    there = shlex.quote(str(work_tree or git_dir))
    named = " ".join(f"{name}={shlex.quote(value)}" for name, value in {**environment, **place}.items())
    return f"unset {_OURS}; cd {there} && export {named} && "


def named_by(
    paths: Sequence[str], settings: Sequence[str], *, of_index: bool = False, **place: Unpack[GitLocation]
) -> dict[str, str]:
    """The driver of each path that has one, as the attributes in the work tree say, or those in the index."""
    if not paths:
        return {}
    asked = b"".join(os.fsencode(path) + b"\0" for path in paths)
    argv = ("check-attr", *(["--cached"] if of_index else []), "-z", "--stdin", "filter")
    fields = records(git(*argv, **place, config=settings, stdin=asked))
    rows = zip(fields[::3], fields[2::3], strict=True)
    return {path: value for path, value in rows if value not in ("unspecified", "unset", "set", "")}


@dataclass
class Settled:
    """What became of changed files that are for a driver, or were before."""

    is_changed: bool = False
    """Some have their old blobs again, or are not in the index any more."""
    in_clear: list[str] = field(default_factory=list)
    """Paths that would be stored in clear: in the index they are as before, new ones are not in it."""
    failures: list[TaskFailed] = field(default_factory=list)
    """Why: `FilterMissing`, the user has not configured the driver; `FilterLost`, attributes or a name have changed."""


def settle(
    before: str,
    changes: Sequence[Changed],
    settings: Sequence[str],
    *,
    known: Path | None = None,
    **place: Unpack[GitLocation],
) -> Settled:
    """Give files that only a driver has encoded anew their old blobs again, and leave out what would be in clear.

    `changes`: what differs between the tree `before` and the index. `known`: an index of before; what its attributes
    leave to a driver is not to be stored in clear now.
    """
    settled = Settled()
    named = named_by([path for path, _, new in changes if new in REGULAR], settings, **place)
    missing = [(path, name) for path, name in named.items() if not has_driver(name, settings)]
    if missing:
        path, name = missing[0]
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        told = f"{display_path(path)}{more} is for the filter {name!r}, which is not configured here{_help(name)}"
        settled.failures.append(TaskFailed(failures.FILTER_MISSING, told))
        settled.in_clear += [path for path, _ in missing]
    driven = named.keys() - set(settled.in_clear)
    modified = [path for path, old, _ in changes if path in driven and old in REGULAR]
    same = [path for path in modified if is_as_before(f"{before}:{path}", path, settings, **place)]
    if known is not None:
        same += _left_alone(settled, before, changes, named, settings, known, **place)
    new = {path for path, old, _ in changes if old == NOTHING}
    for path in dict.fromkeys([*same, *settled.in_clear]):
        if path in new:
            git("update-index", "--force-remove", "-z", "--stdin", **place, stdin=os.fsencode(f"{path}\0"))
        else:
            entry = git("ls-tree", "-z", before, "--", f":(top,literal){path}", git_dir=place["git_dir"])
            git("update-index", "-z", "--index-info", **place, stdin=entry)
        settled.is_changed = True
    return settled


def _left_alone(
    settled: Settled,
    before: str,
    changes: Sequence[Changed],
    named: Mapping[str, str],
    settings: Sequence[str],
    known: Path,
    **place: Unpack[GitLocation],
) -> list[str]:
    """Files that lost their driver, and that nobody has changed otherwise; others would be in clear."""
    there = [path for path, _, new in changes if new in REGULAR]
    old = [path for path, mode, _ in changes if mode in REGULAR]
    git_dir = place["git_dir"]
    earlier = named_by(old, settings, of_index=True, git_dir=git_dir, index=known)
    lost = {path: name for path, name in earlier.items() if named.get(path) != name}
    if not lost:
        return []
    same: list[str] = []
    in_clear: dict[str, str] = {}
    with attributes_of(known, git_dir) as then:
        for path, name in lost.items():
            clear = decoded(f"{before}:{path}", path, settings, **then)
            if path in there and clear and _holds(place["work_tree"] / path, clear):
                same.append(path)
            elif path in there and name not in NO_SECRET:
                in_clear[path] = f"{display_path(path)} was encoded by the filter {name!r}"
            elif clear and name not in NO_SECRET:
                plain = (each for each in there if each not in named)
                for moved in (each for each in plain if _holds(place["work_tree"] / each, clear)):
                    in_clear[moved] = (
                        f"{display_path(moved)} is what {display_path(path)} was, which the filter {name!r} encoded"
                    )
    if in_clear:
        told = f"{next(iter(in_clear.values()))}, and would be stored in clear now"
        settled.failures.append(TaskFailed(failures.FILTER_LOST, told))
        settled.in_clear += in_clear
    return [path for path in same if path not in in_clear]


@contextmanager
def attributes_of(index: Path, git_dir: Path) -> Iterator[GitLocation]:
    """A work tree with the attributes of an index, and nothing else: files of others are not gone by."""
    with tempfile.TemporaryDirectory(prefix="epw-") as folder:
        place = GitLocation(git_dir=git_dir, work_tree=Path(folder), index=index)
        files = git("ls-files", "-z", "--", ":(glob)**/.gitattributes", **place)
        git("checkout-index", "-z", "--stdin", **place, stdin=files)
        yield place


def encoded(content: bytes, path: str, settings: Sequence[str], **place: Unpack[GitLocation]) -> str | None:
    """The name of a new object that holds what the driver of a path makes of a content; None where it fails."""
    argv = ("hash-object", "-w", "--stdin", f"--path={path}")
    done = run_git(*argv, **place, config=settings, stdin=content, codes=(0, 1, 128))
    return done.stdout.decode().strip() if done.returncode == 0 else None


def has_driver(name: str, settings: Sequence[str]) -> bool:
    """Whether the user has configured it."""
    return _required(name) in settings


def decoded(blob: str, path: str, settings: Sequence[str], **place: Unpack[GitLocation]) -> bytes | None:
    """What the driver of a path makes of a blob; None where it fails."""
    argv = ("cat-file", "--filters", f"--path={path}", blob)
    done = run_git(*argv, **place, config=settings, codes=(0, 128))
    return done.stdout if done.returncode == 0 else None


def _holds(file: Path, content: bytes | None) -> bool:
    is_file = content is not None and not file.is_symlink() and file.is_file()
    return is_file and file.stat().st_size == len(content or b"") and file.read_bytes() == content


def is_as_before(blob: str, path: str, settings: Sequence[str], **place: Unpack[GitLocation]) -> bool:
    """Whether the file is what its driver makes of a blob: it need not make the same of the same twice."""
    return _holds(place["work_tree"] / path, decoded(blob, path, settings, **place))


def in_clear(
    view: Path,
    introduced: Iterable[tuple[str, str, str]],
    settings: Sequence[str],
    *,
    known: Path,
    **place: Unpack[GitLocation],
) -> str | None:
    """Of files of a git directory (mode, object, path) one that its driver has not encoded; None where there is none.

    By the attributes in the work tree, and those of the index `known`.
    """
    found = {(path, name) for _, name, path in introduced}
    paths = sorted({path for path, _ in found})
    named = named_by(paths, settings, of_index=True, git_dir=place["git_dir"], index=known)
    named |= named_by(paths, settings, **place)
    there = GitLocation(git_dir=view, work_tree=place["work_tree"], index=place["index"])
    for path, name in sorted(found):
        if named.get(path, NO_SECRET[0]) not in NO_SECRET:
            content = git("cat-file", "blob", name, git_dir=view)
            # What drivers do with content that is not theirs: pass it on, drop it, or fail.
            if content and decoded(name, path, settings, **there) in (content, b"", None):
                return path
    return None


def failed(error: GitError) -> str | None:
    """In words, where a driver has failed; None: it was something else."""
    matches = list(_FAILED.finditer(error.stderr))
    found = next((each for each in matches if each[1]), matches[0] if matches else None)
    if found is None:
        return None
    # git tells the commands that it ran, which are long: what the driver itself said is of use.
    said = [line for line in error.stderr.splitlines() if line.strip() and _COMMAND_BEGINS not in line]
    name = found[1] or next((each for each in _HELP if each in error.stderr), "")
    which = f"the filter {name!r}" if name else "a filter"
    return f"{which} failed: {' / '.join(said[-3:])[:400]}{_help(name)}"


def check(base: str, at: Mapping[str, str], settings: Sequence[str], **place: Unpack[GitLocation]) -> None:
    """Try each driver on one of its files (`at`: by driver); raises `GitError` where it fails."""
    for path in at.values():
        git("cat-file", "--filters", f"--path={path}", f"{base}:{path}", **place, config=settings)


def first_files(of: FilterDrivers, settings: Sequence[str], **place: Unpack[GitLocation]) -> dict[str, str]:
    """By driver: one file of the index that its attributes leave to it."""
    found: dict[str, str] = {}
    for name in of:
        if re.fullmatch(r"[\w.-]+", name):
            listed = records(git("ls-files", "-z", "--", f":(attr:filter={name})", **place, config=settings))
            found |= dict(zip([name], listed, strict=False))
    return found


def _help(name: str) -> str:
    return _HELP.get(name, "")
