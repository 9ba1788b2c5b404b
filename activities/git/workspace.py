"""The user's repository, as we read it: where it is, who works in it, what its settings say of content."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from activities.git.command import git, records, run_git, text
from activities.git.filters import filter_drivers, large_files
from epw.core.errors import GitError, InvalidPlan, Problem
from epw.core.plan.model import Message, Plan

# Settings of the user's that decide what a file's content or an ignored file is; none of them runs anything.
_CONTENT_SETTINGS = ("core.autocrlf", "core.eol", "core.filemode", "core.ignorecase", "core.symlinks")


_REMOTE = re.compile(r"(?:remote\.(.+)\.(?:url|fetch)|branch\.(?:.+)\.(?:remote|merge))", re.DOTALL)
_CREDENTIALS = re.compile(r"^(\w+://)[^/@]*:[^/@]*@|^(https?://)[^/@]*@")
_NO_PUSH = "epw-delivers-what-you-commit:"
"""In place of an address to push to: git names it where somebody tries."""
_CONFIG_BY_VARIABLES = re.compile(r"GIT_CONFIG_(COUNT|KEY_\d+|VALUE_\d+)")


class Workspace(Message):
    """What is known of a workspace after looking at it; kept with the execution."""

    path: str
    kind: Literal["git", "directory"] = "git"
    git_dir: str = ""
    head: str | None = None
    """The commit that HEAD names; None for a repository without commits, and for a plain directory."""
    branch: str | None = None
    """The branch that HEAD is on; None where it is on none."""
    remotes: list[str] = []
    """Of the user's settings: remotes, without credentials, and what branches follow."""
    objects: list[str] = []
    """Folders of the user's objects, which agents' repositories borrow."""
    promisor: str | None = None
    """The remote that has what a partial clone lacks; None: it is none."""
    shallow: list[str] = []
    """Commits where the user's history ends."""
    bare: bool = False
    author_name: str
    author_email: str
    content_settings: list[str]
    filters: dict[str, dict[str, str]] = {}
    """The drivers of content filters, by name."""
    filter_environment: dict[str, str] = {}
    large_objects: list[str] = []
    """Folders of Git LFS objects that the user has: its own, and those of repositories that it borrows from."""
    is_encoded: bool = False
    """Whether filters apply to some of its files."""
    attributes: str = ""
    """Of the machine and of the user, for all repositories: weaker than those in the tree."""
    info_attributes: str = ""
    """Of the user's for this repository: stronger than those in the tree."""
    safe_directories: list[str] = []
    modules: dict[str, Workspace] = {}
    """Its submodules that have files, those within others too, by path."""
    excludes: str
    """Ignore patterns of the user's that do not stand in the tree."""

    @classmethod
    def read(cls, path: str) -> Workspace:
        """Look at a directory; raises `InvalidPlan` with one readable line where it cannot be used."""
        directory = Path(path)
        if not directory.is_dir():
            raise _unusable(f"{path} is not a directory on this machine")
        settings = _user_settings(directory)
        safe = settings.get("safe.directory", []) + _of_sudo(directory)
        # A fetch enters the repository by its own directory, which git asks for by that name.
        safe += [f"{each}/.git" for each in safe if each.startswith("/") and not each.endswith(("/*", "/.git"))]
        try:
            answer = git(
                "rev-parse",
                "--is-bare-repository",
                "--absolute-git-dir",
                cwd=directory,
                config=[f"safe.directory={each}" for each in safe],
            )
        except GitError as error:
            if "dubious ownership" in error.stderr:
                raise _unusable(f"{path} belongs to another user; allow it by git's safe.directory") from None
            if "not a git repository" not in error.stderr or os.path.lexists(directory / ".git"):
                look = f"git -C {shlex.quote(path)} status"
                raise _unusable(f"{path}: git says: {' '.join(error.stderr.split())}; look: {look}") from None
            return cls(
                path=path, kind="directory", branch="main", **_author(settings), content_settings=[], excludes=""
            )
        bare, git_dir = text(answer).split("\n", 1)
        if settings.get("extensions.objectformat", ["sha1"])[-1] != "sha1":
            copy = f"git init COPY && git -C {shlex.quote(path)} fast-export --all | git -C COPY fast-import"
            raise _unusable(f"{path} names its objects by SHA-256, which is not available yet; use a copy: {copy}")
        workspace = cls(
            path=path,
            git_dir=git_dir,
            head=None,
            bare=bare == "true",
            **_author(settings),
            content_settings=[f"{name}={settings[name][-1]}" for name in _CONTENT_SETTINGS if name in settings],
            promisor=_promisor(settings),
            filters=filter_drivers.drivers(settings),
            filter_environment=filter_drivers.users_environment(),
            attributes=_attributes(settings),
            info_attributes=_info(Path(git_dir), "attributes"),
            safe_directories=safe,
            excludes=_excludes(settings, Path(git_dir)),
        )
        workspace._check_usable()
        head = workspace.git("rev-parse", "--verify", "--quiet", "HEAD^{commit}", codes=(0, 1))
        branch = workspace.git("symbolic-ref", "--quiet", "--short", "HEAD", codes=(0, 1))
        shallow = workspace.git_path("shallow")
        objects = _borrowed(workspace.git_path("objects"))
        found = {
            "head": text(head) or None,
            "branch": text(branch) or None,
            "remotes": _remotes(settings),
            "objects": objects,
            "large_objects": _large_objects(objects, settings.get("lfs.storage", [""])[-1]),
            "shallow": shallow.read_text().split() if shallow.is_file() else [],
            "is_encoded": workspace._has_encoded() if not workspace.bare else bool(workspace.filters),
        }
        return workspace.model_copy(update=found)

    def _has_encoded(self) -> bool:
        listed = ("ls-files", "--cached", "--others", "--exclude-standard", "-z")
        return bool(self.git(*listed, "--", ":(top,exclude,attr:!filter)"))

    @property
    def filter_settings(self) -> list[str]:
        """What makes our git run the user's drivers."""
        work_tree = None if self.bare else Path(self.path)
        drivers = dict(self.filters)
        if self.large_objects and "process" in drivers.get("lfs", {}):
            ours = large_files.driver(drivers["lfs"]["process"], self.large_objects)
            drivers["lfs"] = {**drivers["lfs"], "process": ours}
        return filter_drivers.config(drivers, Path(self.git_dir), work_tree, self.filter_environment)

    @property
    def checkout_settings(self) -> list[str]:
        """What decides on the content of a file that is checked out, or saved."""
        return [*self._only("core.autocrlf", "core.eol", "core.filemode"), *self.filter_settings]

    @property
    def ignores_case(self) -> bool:
        """Whether its file system takes names for one that differ in case only."""
        return "core.ignorecase=true" in self.content_settings

    @property
    def line_ends(self) -> list[str]:
        return self._only("core.autocrlf", "core.eol")

    def _only(self, *names: str) -> list[str]:
        return [each for each in self.content_settings if each.partition("=")[0] in names]

    def settings_in(self, folder: Path) -> list[str]:
        """What decides on the user's own files: which are ignored, and how content is stored; written to a folder."""
        exclude, attributes = folder / "exclude", folder / "attributes"
        exclude.write_text(self.excludes)
        attributes.write_text(self.attributes)
        files = [f"core.excludesFile={exclude}", f"core.attributesFile={attributes}"]
        return [*self.content_settings, *files, *self.filter_settings]

    @property
    def default_delivery(self) -> str:
        return "branch" if self.kind == "git" else "apply"

    def check_delivery(self, plan: Plan) -> None:
        """Raise `InvalidPlan` for a delivery or a base that this kind of workspace cannot have."""
        problems = []
        if self.kind == "directory" and plan.deliver == "branch":
            problems.append(Problem("deliver", f'"branch" needs a git repository; {self.path} is none: use "apply"'))
        if self.kind == "directory" and plan.base is not None:
            problems.append(Problem("base", f"needs a git repository; {self.path} is none"))
        if self.bare and plan.deliver == "apply":
            problems.append(Problem("deliver", f'"apply" needs a work tree; {self.path} is a bare repository'))
        if plan.base is not None and plan.deliver == "apply":
            problems.append(Problem("deliver", '"apply" brings changes to the work tree as it is; leave `base` out'))
        deliver = plan.deliver or self.default_delivery
        place = Path(self.path) if deliver == "apply" else self.git_path("objects") if self.kind == "git" else None
        if deliver in ("apply", "branch") and place is not None and not os.access(place, os.W_OK):
            problems.append(Problem("deliver", f'{place} is read-only, so nothing can be delivered: use "none"'))
        if deliver == "branch" and self.kind == "git" and self._has_branch("epw"):
            told = 'a branch "epw" stands in the way of the branches epw/<id>: rename it, or use another `deliver`'
            problems.append(Problem("deliver", told))
        if problems:
            raise InvalidPlan(problems)

    def for_new_submodule(self) -> Workspace:
        """What holds for a submodule that the user does not have: nothing that is this repository's own."""
        own = ("head", "branch", "remotes", "objects", "shallow", "modules", "info_attributes")
        return self.model_copy(update={name: Workspace.model_fields[name].get_default() for name in own})

    def _has_branch(self, name: str) -> bool:
        return bool(self.git("rev-parse", "--verify", "--quiet", f"refs/heads/{name}", codes=(0, 1, 128)))

    def leaving_out(self, folder: Path) -> Workspace:
        """As it is, without a folder of ours that lies in it."""
        root, ours = os.path.realpath(self.path), os.path.realpath(folder)
        if not ours.startswith(root + os.sep):
            return self
        return self.model_copy(update={"excludes": f"{self.excludes}\n/{os.path.relpath(ours, root)}/\n"})

    def git(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> bytes:
        """A reading git command in the user's repository."""
        safe = [f"safe.directory={each}" for each in self.safe_directories]
        return git(*arguments, cwd=Path(self.path), config=safe, codes=codes)

    def at(self, ref: str) -> Workspace:
        """As if HEAD were on a ref of the user's; raises `InvalidPlan` where that names no commit."""
        branch = ref.removeprefix("refs/heads/") if self._has_branch(ref.removeprefix("refs/heads/")) else None
        return self.model_copy(update={"head": self._commit_of(ref), "branch": branch})

    def _commit_of(self, ref: str) -> str:
        found = self.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}", codes=(0, 1))
        if not found:
            raise InvalidPlan([Problem("base", f"{ref!r} names no commit in {self.path}")])
        return text(found)

    def git_path(self, name: str) -> Path:
        """Where the user's repository keeps one of its files (linked worktrees differ)."""
        return (Path(self.path) / text(self.git("rev-parse", "--git-path", name))).absolute()

    @property
    def author(self) -> dict[str, str]:
        """The environment that makes commits the workspace user's."""
        names = {"NAME": self.author_name, "EMAIL": self.author_email}
        return {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in names.items()}

    def _check_usable(self) -> None:
        if self.bare:
            return
        top = text(self.git("rev-parse", "--show-toplevel"))
        if os.path.realpath(top) != os.path.realpath(self.path):
            raise _unusable(f"{self.path} lies inside the repository {top}; give that one")
        if self.git("ls-files", "--unmerged"):
            raise _unusable(f"{self.path} has unmerged files; finish or abort the merge first")


def _unusable(message: str) -> InvalidPlan:
    return InvalidPlan([Problem("workspace", message)])


def _of_sudo(directory: Path) -> list[str]:
    """As git does: root, who became it by sudo, may use the repositories of who he was."""
    is_theirs = os.geteuid() == 0 and os.environ.get("SUDO_UID") == str(directory.stat().st_uid)
    return [os.path.realpath(directory)] if is_theirs else []


def _user_settings(directory: Path) -> dict[str, list[str]]:
    """The user's own git settings, all scopes. `git config --list` reads files and runs nothing."""
    kept = (
        "PATH",
        "HOME",
        "XDG_CONFIG_HOME",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_SYSTEM",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_PARAMETERS",
    )
    env = {name: os.environ[name] for name in kept if name in os.environ}
    # Settings by variables: GIT_CONFIG_COUNT, GIT_CONFIG_KEY_0, GIT_CONFIG_VALUE_0, …
    env |= {name: value for name, value in os.environ.items() if _CONFIG_BY_VARIABLES.fullmatch(name)}
    listed = subprocess.run(
        ["git", "config", "--null", "--list"], cwd=directory, env=env, capture_output=True, check=False
    )
    settings: dict[str, list[str]] = {}
    for record in records(listed.stdout):
        name, _, value = record.partition("\n")
        settings.setdefault(name, []).append(value)
    return settings


def _author(settings: dict[str, list[str]]) -> dict[str, Any]:
    return {
        "author_name": settings.get("user.name", ["epw"])[-1],
        "author_email": settings.get("user.email", ["epw@localhost"])[-1],
    }


def _promisor(settings: Mapping[str, Sequence[str]]) -> str | None:
    """The remote that a partial clone fetches from what it lacks."""
    true = (name for name, values in settings.items() if "true" in values)
    named = (re.fullmatch(r"remote\.(.+)\.promisor", name, re.DOTALL) for name in true)
    found = next((match[1] for match in named if match), None)
    return found or next(iter(settings.get("extensions.partialclone", [])), None)


def _remotes(settings: Mapping[str, Sequence[str]]) -> list[str]:
    """The user's remotes and what their branches follow, for `git -c`; no address has credentials in it."""
    found, names = [], dict[str, None]()
    for name, values in settings.items():
        remote = _REMOTE.fullmatch(name)
        if remote is None or "=" in name:
            continue
        for value in values:
            found.append(f"{name}={_CREDENTIALS.sub(lambda match: match[1] or match[2], value)}")
        if remote[1]:
            names[remote[1]] = None
    return [*found, *(f"remote.{name}.pushurl={_NO_PUSH}" for name in names)]


def _excludes(settings: dict[str, list[str]], git_dir: Path) -> str:
    """The user's global and private ignore patterns, weakest first, as one file's text."""
    return "\n".join(filter(None, (_global(settings, "core.excludesfile", "ignore"), _info(git_dir, "exclude"))))


def _attributes(settings: dict[str, list[str]]) -> str:
    """The machine's and the user's, weakest first."""
    system = "" if "GIT_ATTR_NOSYSTEM" in os.environ else _text(Path("/etc/gitattributes"))
    return f"{system}\n{_global(settings, 'core.attributesfile', 'attributes')}".strip("\n")


def _global(settings: dict[str, list[str]], setting: str, default: str) -> str:
    config_home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    named = settings.get(setting, [os.path.join(config_home, "git", default)])[-1]
    return _text(Path(os.path.expanduser(named)))


def _info(git_dir: Path, name: str) -> str:
    common = text(run_git("rev-parse", "--git-common-dir", git_dir=git_dir, codes=(0, 128)).stdout)
    return _text(Path(git_dir, common or ".", "info", name))


def _borrowed(objects: Path) -> list[str]:
    """The folder, and those that it borrows from itself by their full names."""
    listed = _text(objects / "info/alternates").splitlines()
    return [str(objects), *(each for each in listed if each.startswith("/"))]


def _large_objects(objects: Sequence[str], storage: str) -> list[str]:
    """Where Git LFS looks for its own: in its storage, and beside the objects that are borrowed."""
    own, *others = (os.path.dirname(each) for each in objects)
    return [os.path.join(own, storage or "lfs", "objects"), *(os.path.join(each, "lfs/objects") for each in others)]


def _text(file: Path) -> str:
    return file.read_text(errors="replace") if file.is_file() else ""
