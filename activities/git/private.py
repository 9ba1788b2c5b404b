"""An agent's own repository: the `.git` of its directory, as the user's clone would have it at the commit.

It knows the branches, tags and remotes of the user's, and borrows the objects of the hub and of the user. What it is
configured with is the agent's to change, so we never obey it.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from activities.git.command import text
from activities.git.hub import Hub
from activities.git.workspace import Workspace

_CONFIG = (
    "core.repositoryformatversion=0",
    "core.filemode=true",
    "core.bare=false",
    "core.logallrefupdates=true",
    "gc.auto=0",
    "maintenance.auto=false",
)
_KNOWN = ("refs/heads", "refs/tags", "refs/remotes")


def borrowed_refs(workspace: Workspace) -> str:
    """The user's branches, tags and remote-tracking names, as git packs them."""
    if workspace.kind != "git":
        return ""
    form = "%(objectname) %(refname)%(if)%(*objectname)%(then)%0a^%(*objectname)%(end)"
    listed = text(workspace.git("for-each-ref", f"--format={form}", *_KNOWN))
    return f"# pack-refs with: peeled fully-peeled sorted \n{listed}\n" if listed else ""


def alternates(hub: Hub, workspace: Workspace) -> str:
    """Where its objects are that are not its own."""
    return "".join(f"{each}\n" for each in (hub.path / "objects", *workspace.objects))


def make(
    private: Path,
    commit: str,
    hub: Hub,
    workspace: Workspace,
    *,
    refs: Path,
    index: Path,
) -> None:
    """Make it, on a branch at `commit`. `refs`: a file of those to borrow. `index`: of the checkout."""
    for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "info"):
        (private / folder).mkdir(parents=True, exist_ok=True)
    if refs.is_file() and refs.stat().st_size:
        shutil.copyfile(refs, private / "packed-refs")
    if workspace.branch is None:
        (private / "HEAD").write_text(f"{commit}\n")
    else:
        (private / "HEAD").write_text(f"ref: refs/heads/{workspace.branch}\n")
        head = private / "refs/heads" / workspace.branch
        head.parent.mkdir(parents=True, exist_ok=True)
        head.write_text(f"{commit}\n")
    (private / "objects/info/alternates").write_text(alternates(hub, workspace))
    (private / "info/exclude").write_text(workspace.excludes)
    if workspace.attributes or workspace.info_attributes:
        # The stronger ones last.
        (private / "info/attributes").write_text(f"{workspace.attributes}\n{workspace.info_attributes}\n")
    # What is cut off in the hub alone is in the objects that it borrows of the user's.
    if shallow := dict.fromkeys(workspace.shallow) if workspace.objects else _lines(hub.path / "shallow"):
        (private / "shallow").write_text("".join(f"{each}\n" for each in shallow))
    shutil.copyfile(index, private / "index")
    own = (f"user.name={workspace.author_name}", f"user.email={workspace.author_email}", "submodule.active=.")
    (private / "config").write_text(_as_file([*_CONFIG, *own, *workspace.remotes, *workspace.checkout_settings]))


def _lines(path: Path) -> dict[str, None]:
    return dict.fromkeys(path.read_text().split()) if path.is_file() else {}


def _as_file(settings: Sequence[str]) -> str:
    """Settings as `git -c` takes them, in the syntax of a configuration file."""
    lines = []
    for setting in settings:
        name, _, value = setting.partition("=")
        section, _, rest = name.partition(".")
        subsection, _, key = rest.rpartition(".")
        lines.append(f"[{section}{f' {_quoted(subsection)}' if subsection else ''}]\n\t{key} = {_quoted(value)}\n")
    return "".join(lines)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
