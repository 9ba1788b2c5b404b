"""The user's repository or directory as it was read: where it is, who works in it, what its settings say of content."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Literal

from activities.git.command import git, records, run_git, text
from activities.git.filters import filter_drivers, large_files
from activities.git.git_directory import git_directory, path_in, unusable
from activities.git.secret_files import ignoring, untracked_secrets
from activities.git.user_settings import UserSettings, info_file, large_object_folders, object_folders
from epw.core.errors import InvalidPlan, Problem
from epw.core.naming import HIDDEN_REFS
from epw.core.plan.model import Plan
from epw.core.plan.parts import Message
from epw.core.plan.wording import did_you_mean

_MAX_PATHSPECS = 50


class Workspace(Message):
    """Facts about a workspace at the time it was read; kept with the execution."""

    path: str
    real_path: str = ""
    """With its links followed when it was read; empty in notes of an older version."""
    kind: Literal["git", "directory"] = "git"
    url: str | None = None
    """The git URL that it is; its hub on this host then stands for it, a bare repository like a clone."""
    url_refs: str = HIDDEN_REFS
    """Where on the URL the refs of the execution are."""
    git_dir: str = ""
    head: str | None = None
    """The commit of HEAD; None for a repository without commits, and for a plain directory."""
    branch: str | None = None
    """The branch of HEAD; None if HEAD is detached."""
    remotes: list[str] = []
    """Settings of the user's remotes and of what branches follow, without credentials; `shallow`: history's ends."""
    objects: list[str] = []
    """Folders of the user's objects, which agents' repositories borrow."""
    promisor: str | None = None
    """The remote that has the objects that a partial clone lacks; None: it is not a partial clone."""
    shallow: list[str] = []
    bare: bool = False
    author_name: str
    author_email: str
    content_settings: list[str]
    filters: dict[str, dict[str, str]] = {}
    """Drivers of content filters, by name."""
    filter_environment: dict[str, str] = {}
    merge_drivers: dict[str, str] = {}
    """Commands of merge drivers, by name; none of them is run."""
    large_objects: list[str] = []
    """Folders of Git LFS objects: the repository's own, and those of repositories that it borrows from."""
    is_encoded: bool = False
    """Whether filters apply to some of its files."""
    attributes: str = ""
    """Attributes of machine and user for all repositories: weaker than those in the tree."""
    info_attributes: str = ""
    """Attributes of the user for this repository: stronger than those in the tree."""
    safe_directories: list[str] = []
    modules: dict[str, Workspace] = {}
    """Submodules that have files, nested ones too, by path."""
    excludes: str
    left_out: list[str] = []
    """Untracked files that look like secrets; `excludes`: the user's ignore patterns that are not in the tree."""

    @classmethod
    def read(cls, path: str) -> Workspace:
        """Read a directory; raises `InvalidPlan` with one readable line if it cannot be a workspace."""
        directory = Path(path)
        if not directory.is_dir():
            raise unusable(f"{path} is not a directory on this machine")
        settings, real_path = UserSettings.read(directory), os.path.realpath(path)
        safe = settings.safe_directories(directory)
        found = git_directory(directory, safe)
        if found is None:
            return cls(
                path=path,
                real_path=real_path,
                kind="directory",
                branch="main",
                **settings.author,
                content_settings=[],
                excludes="",
            )
        git_dir, is_bare = found
        if settings.last("extensions.objectformat", "sha1") != "sha1":
            copy = f"git init COPY && git -C {shlex.quote(path)} fast-export --all | git -C COPY fast-import"
            raise unusable(f"{path} names its objects by SHA-256, which is not available yet; use a copy: {copy}")
        workspace = cls(
            path=path,
            real_path=real_path,
            git_dir=str(git_dir),
            bare=is_bare,
            **settings.author,
            content_settings=settings.content,
            remotes=settings.remotes,
            promisor=settings.promisor,
            filters=filter_drivers.drivers(settings.values),
            filter_environment=filter_drivers.users_environment(),
            merge_drivers=settings.merge_drivers,
            attributes=settings.attributes,
            info_attributes=info_file(git_dir, "attributes"),
            safe_directories=safe,
            excludes=settings.excludes(git_dir),
        )
        workspace._check_usable()
        return workspace._with_content(settings.last("lfs.storage", ""))

    def _with_content(self, lfs_storage: str) -> Workspace:
        """Complete it with what is in the repository: HEAD, objects, files for filters."""
        head = self.git("rev-parse", "--verify", "--quiet", "HEAD^{commit}", codes=(0, 1))
        branch = self.git("symbolic-ref", "--quiet", "--short", "HEAD", codes=(0, 1))
        shallow = self.git_path("shallow")
        objects = object_folders(self.git_path("objects"))
        found = {
            "head": text(head) or None,
            "branch": text(branch) or None,
            "objects": objects,
            "large_objects": large_object_folders(objects, lfs_storage),
            "shallow": shallow.read_text().split() if shallow.is_file() else [],
            "is_encoded": self._has_encoded() if not self.bare else bool(self.filters),
            "left_out": [] if self.bare else untracked_secrets(Path(self.path), self.excludes, self.trust),
        }
        return self.model_copy(update=found)

    def _check_usable(self) -> None:
        if self.bare:
            return
        top = text(self.git("rev-parse", "--show-toplevel"))
        if os.path.realpath(top) != os.path.realpath(self.path):
            raise unusable(f"{self.path} lies inside the repository {top}; give that one")
        if self.git("ls-files", "--unmerged"):
            raise unusable(f"{self.path} has unmerged files; finish or abort the merge first")

    def _has_encoded(self) -> bool:
        listed = ("ls-files", "--cached", "--others", "--exclude-standard", "-z")
        return bool(self.git(*listed, "--", ":(top,exclude,attr:!filter)"))

    @property
    def ignored(self) -> str:
        """Ignore patterns that are not in the tree: the user's, and those of what is left out."""
        return self.excludes + ignoring(self.left_out)

    @property
    def place(self) -> str:
        """What the user calls it: its URL, or its path."""
        return self.url or self.path

    def at_hub(self, hub: Path) -> Workspace:
        """A git URL, with its hub on this host, and for its filters the variables of the user here."""
        large, variables = large_object_folders([str(hub / "objects")], ""), filter_drivers.users_environment()
        more = {"large_objects": large, "filter_environment": variables} if self.filters else {}
        return self.model_copy(update={"path": str(hub), "real_path": str(hub), "git_dir": str(hub), **more})

    @property
    def leads_elsewhere(self) -> bool:
        """Whether its path leads to another place than when it was read: a folder was replaced by a link."""
        return bool(self.real_path) and os.path.realpath(self.path) != self.real_path

    @property
    def trust(self) -> list[str]:
        """Settings by which git enters the repository, whoever owns it."""
        return [f"safe.directory={each}" for each in self.safe_directories]

    @property
    def filter_settings(self) -> list[str]:
        """Settings by which our git runs the user's drivers."""
        work_tree = None if self.bare else Path(self.path)
        drivers = dict(self.filters)
        if self.large_objects and "process" in drivers.get("lfs", {}):
            ours = large_files.driver(drivers["lfs"]["process"], self.large_objects)
            drivers["lfs"] = {**drivers["lfs"], "process": ours}
        return filter_drivers.config(drivers, Path(self.git_dir), work_tree, self.filter_environment)

    @property
    def checkout_settings(self) -> list[str]:
        """Settings that decide on the content of a file that is checked out or saved."""
        return [*self._only("core.autocrlf", "core.eol", "core.filemode"), *self.filter_settings]

    @property
    def ignores_case(self) -> bool:
        """Whether its file system takes names that differ in case only for the same name."""
        return "core.ignorecase=true" in self.content_settings

    @property
    def line_ends(self) -> list[str]:
        """Settings that decide on the ends of lines."""
        return self._only("core.autocrlf", "core.eol")

    def _only(self, *names: str) -> list[str]:
        return [each for each in self.content_settings if each.partition("=")[0] in names]

    def settings_in(self, folder: Path) -> list[str]:
        """Settings for the user's own files: which are ignored, how content is stored; needs files in `folder`."""
        exclude, attributes = folder / "exclude", folder / "attributes"
        exclude.write_text(self.ignored, errors="surrogateescape")
        attributes.write_text(self.attributes)
        files = [f"core.excludesFile={exclude}", f"core.attributesFile={attributes}"]
        return [*self.content_settings, *files, *self.filter_settings]

    @property
    def author(self) -> dict[str, str]:
        """Environment that makes commits the workspace user's."""
        names = {"NAME": self.author_name, "EMAIL": self.author_email}
        return {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in names.items()}

    @property
    def default_delivery(self) -> str:
        """Delivery of a plan that names none."""
        if self.url is not None:
            return "push"
        return "branch" if self.kind == "git" else "apply"

    def check_delivery(self, plan: Plan) -> None:
        """Raise `InvalidPlan` for a delivery or a base that this kind of workspace cannot have."""
        problems = []
        if self.kind == "directory" and plan.deliver == "branch":
            problems.append(Problem("deliver", f'"branch" needs a git repository; {self.path} is none: use "apply"'))
        if self.kind == "directory" and plan.base is not None:
            problems.append(Problem("base", f"needs a git repository; {self.path} is none"))
        if self.kind == "directory" and plan.pull_request is not None:
            problems.append(Problem("pullRequest", f"needs a git repository; {self.path} is none"))
        if self.bare and plan.deliver == "apply":
            problems.append(Problem("deliver", f'"apply" needs a work tree; {self.path} is a bare repository'))
        if plan.base is not None and plan.deliver == "apply":
            problems.append(Problem("deliver", '"apply" brings changes to the work tree as it is; leave `base` out'))
        deliver = plan.deliver or self.default_delivery
        place = Path(self.path) if deliver == "apply" else self.git_path("objects") if self.kind == "git" else None
        if deliver in ("apply", "branch") and place is not None and not os.access(place, os.W_OK):
            problems.append(Problem("deliver", f'{place} is read-only, so nothing can be delivered: use "none"'))
        if deliver == "branch" and self.kind == "git" and self.resolve_ref("refs/heads/epw"):
            message = 'a branch "epw" stands in the way of the branches epw/<id>: rename it, or use another `deliver`'
            problems.append(Problem("deliver", message))
        if problems:
            raise InvalidPlan(problems)

    def for_new_submodule(self) -> Workspace:
        """Facts that hold for a submodule that the user does not have: without those of this repository alone."""
        own = ("head", "branch", "remotes", "objects", "shallow", "modules", "info_attributes", "left_out")
        return self.model_copy(update={name: Workspace.model_fields[name].get_default() for name in own})

    def leaving_out(self, folder: Path) -> Workspace:
        """The workspace without a folder of ours that lies in it."""
        root, ours = os.path.realpath(self.path), os.path.realpath(folder)
        if not ours.startswith(root + os.sep):
            return self
        return self.model_copy(update={"excludes": f"{self.excludes}\n/{os.path.relpath(ours, root)}/\n"})

    def at(self, ref: str) -> Workspace:
        """The workspace as if HEAD were on a ref of the user's; raises `InvalidPlan` if that names no commit."""
        found = self.resolve_ref(f"{ref}^{{commit}}")
        if found is None:
            names = text(self.git("for-each-ref", "--format=%(refname:short)")).splitlines()
            raise InvalidPlan([Problem("base", f"{ref!r} names no commit in {self.path}{did_you_mean(ref, names)}")])
        name = ref.removeprefix("refs/heads/")
        branch = name if self.resolve_ref(f"refs/heads/{name}") else None
        return self.model_copy(update={"head": found, "branch": branch, "left_out": []})

    def git(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> bytes:
        """Output of a git command that reads the user's repository."""
        return git(*arguments, cwd=Path(self.path), config=self.trust, codes=codes)

    def git_path(self, name: str) -> Path:
        """Path of one of the repository's own files (linked worktrees differ)."""
        return path_in(Path(self.git_dir), name, Path(self.path), self.trust)

    def resolve_ref(self, ref: str) -> str | None:
        """The object that a ref of the user's names; None if there is no such ref. Raises `GitError`."""
        asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", ref)
        return text(self.git(*asked, codes=(0, 1, 128))) or None

    def head_holds(self, commit: str) -> bool:
        """Whether HEAD has a commit in its history."""
        arguments = ("merge-base", "--is-ancestor", commit, "HEAD")
        return run_git(*arguments, git_dir=Path(self.git_dir), codes=(0, 1, 128)).returncode == 0

    def refs_hold(self, commit: str) -> bool:
        """Whether the history of any ref of the user's has a commit."""
        of_url = ("refs/remotes", "refs/tags") if self.url is not None else ()
        return bool(self.git("for-each-ref", "--count=1", f"--contains={commit}", *of_url, codes=(0, 1, 128, 129)))

    def file_names(self, *, tracked: bool = True) -> list[str]:
        """Files that git tracks (unless `tracked` is false), and those that it neither tracks nor ignores."""
        return records(self.git("ls-files", "-z", *["--cached"] * tracked, "--others", "--exclude-standard"))

    def skipped(self) -> set[str]:
        """Paths that the user's index has and a sparse checkout leaves out (`skip-worktree`)."""
        entries = (entry.partition(" ") for entry in records(self.git("ls-files", "-z", "-t")))
        return {path for tag, _, path in entries if tag == "S"}

    def overlooks_any(self, paths: list[str]) -> bool:
        """Whether git is told not to look at one of the first paths (`assume-unchanged`, `skip-worktree`)."""
        pathspecs = (f":(top,literal){path}" for path in paths[:_MAX_PATHSPECS])
        listed = records(self.git("ls-files", "-v", "-z", "--", *pathspecs))
        return any(entry[0].islower() or entry[0] == "S" for entry in listed)
