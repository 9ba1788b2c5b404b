"""User's own git settings, of all scopes, for one directory. Reading them runs nothing."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from activities.git.command import records
from activities.git.git_directory import common_directory

_REMOTE = re.compile(r"(?:remote\.(.+)\.(?:url|fetch)|branch\.(?:.+)\.(?:remote|merge))", re.DOTALL)
_MERGE_DRIVER = re.compile(r"merge\.(.+)\.driver", re.DOTALL)
_PROMISOR = re.compile(r"remote\.(.+)\.promisor", re.DOTALL)
_CREDENTIALS = re.compile(r"^(\w+://)[^/@]*:[^/@]*@|^(https?://)[^/@]*@")
_NO_PUSH = "epw-delivers-what-you-commit:"
"""In place of an address to push to: git shows it to an agent that tries."""
_CONFIG_BY_VARIABLES = re.compile(r"GIT_CONFIG_(COUNT|KEY_\d+|VALUE_\d+)")
_PASSED_VARIABLES = (
    *("PATH", "HOME", "XDG_CONFIG_HOME"),
    *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_PARAMETERS"),
)
# Settings that decide what a file's content or an ignored file is; none of them runs anything.
_CONTENT_SETTINGS = ("core.autocrlf", "core.eol", "core.filemode", "core.ignorecase", "core.symlinks")


_AUTHOR = (("author_name", "name", "epw"), ("author_email", "email", "epw@localhost"))


class UserSettings:
    """Settings by name, each with its values in git's order, so that the last one holds."""

    def __init__(self, values: dict[str, list[str]]) -> None:
        self.values = values

    @classmethod
    def read(cls, directory: Path) -> UserSettings:
        """Read the output of `git config --list` in a directory."""
        env = {name: os.environ[name] for name in _PASSED_VARIABLES if name in os.environ}
        # Settings by variables: GIT_CONFIG_COUNT, GIT_CONFIG_KEY_0, GIT_CONFIG_VALUE_0, …
        env |= {name: value for name, value in os.environ.items() if _CONFIG_BY_VARIABLES.fullmatch(name)}
        listed = subprocess.run(
            ["git", "config", "--null", "--list"], cwd=directory, env=env, capture_output=True, check=False
        )
        values: dict[str, list[str]] = {}
        for record in records(listed.stdout):
            name, _, value = record.partition("\n")
            values.setdefault(name, []).append(value)
        return cls(values)

    def last(self, name: str, default: str) -> str:
        """The value of a setting that holds."""
        return self.values.get(name, [default])[-1]

    @property
    def author(self) -> dict[str, Any]:
        """`author_name` and `author_email` of new commits."""
        return {name: self.last(f"user.{key}", default) for name, key, default in _AUTHOR}

    @property
    def content(self) -> list[str]:
        """Settings for `git -c` that decide what a file's content or an ignored file is."""
        return [f"{name}={self.values[name][-1]}" for name in _CONTENT_SETTINGS if name in self.values]

    @property
    def merge_drivers(self) -> dict[str, str]:
        """Commands of merge drivers, by name."""
        found = ((_MERGE_DRIVER.fullmatch(name), values[-1]) for name, values in self.values.items())
        return {match[1]: command for match, command in found if match}

    def safe_directories(self, directory: Path) -> list[str]:
        """Repositories of other users that git may enter; root, who became it by sudo, may enter the caller's."""
        is_sudo_caller = os.geteuid() == 0 and os.environ.get("SUDO_UID") == str(directory.stat().st_uid)
        safe = [*self.values.get("safe.directory", []), *([os.path.realpath(directory)] if is_sudo_caller else [])]
        # A fetch enters the repository by its git directory, which git checks under that name.
        return safe + [f"{each}/.git" for each in safe if each.startswith("/") and not each.endswith(("/*", "/.git"))]

    @property
    def promisor(self) -> str | None:
        """The remote from which a partial clone fetches objects that it lacks; None if it is not a partial clone."""
        enabled = (name for name, values in self.values.items() if "true" in values)
        found = next((match[1] for match in map(_PROMISOR.fullmatch, enabled) if match), None)
        return found or next(iter(self.values.get("extensions.partialclone", [])), None)

    @property
    def remotes(self) -> list[str]:
        """Remotes and what branches follow, for `git -c`; addresses without credentials, pushes disabled."""
        found, names = [], dict[str, None]()
        for name, values in self.values.items():
            remote = _REMOTE.fullmatch(name)
            if remote is None or "=" in name:
                continue
            for value in values:
                found.append(f"{name}={_CREDENTIALS.sub(lambda match: match[1] or match[2], value)}")
            if remote[1]:
                names[remote[1]] = None
        return [*found, *(f"remote.{name}.pushurl={_NO_PUSH}" for name in names)]

    def excludes(self, git_dir: Path) -> str:
        """Ignore patterns of the user and of a repository, weakest first, as one file's text."""
        return "\n".join(filter(None, (self._global("core.excludesfile", "ignore"), info_file(git_dir, "exclude"))))

    @property
    def attributes(self) -> str:
        """Attributes of the machine and of the user, weakest first, as one file's text."""
        system = "" if "GIT_ATTR_NOSYSTEM" in os.environ else _text(Path("/etc/gitattributes"))
        return f"{system}\n{self._global('core.attributesfile', 'attributes')}".strip("\n")

    def _global(self, setting: str, default: str) -> str:
        config_home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
        return _text(Path(os.path.expanduser(self.last(setting, os.path.join(config_home, "git", default)))))


def info_file(git_dir: Path, name: str) -> str:
    """Text of a file in a repository's `info`; empty if missing."""
    return _text(common_directory(git_dir) / "info" / name)


def object_folders(objects: Path) -> list[str]:
    """A repository's folder of objects, and the absolute ones that it borrows from."""
    listed = _text(objects / "info/alternates").splitlines()
    return [str(objects), *(each for each in listed if each.startswith("/"))]


def large_object_folders(objects: Sequence[str], storage: str) -> list[str]:
    """Folders in which Git LFS finds its objects: in its `storage` (empty: `lfs`), and beside borrowed objects."""
    own, *others = (os.path.dirname(each) for each in objects)
    return [os.path.join(own, storage or "lfs", "objects"), *(os.path.join(each, "lfs/objects") for each in others)]


def _text(file: Path) -> str:
    return file.read_text(errors="replace") if file.is_file() else ""
