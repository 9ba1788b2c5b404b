"""Creation of an agent's own repository: the `.git` of its directory, like a clone of the user's at the commit.

It has the user's branches, tags and remotes, and borrows the objects of the hub and of the user. An agent can change
its configuration, so we never obey it.
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
    """The user's branches, tags and remote-tracking refs as the text of a `packed-refs` file."""
    if workspace.kind != "git":
        return ""
    form = "%(objectname) %(refname)%(if)%(*objectname)%(then)%0a^%(*objectname)%(end)"
    listed = text(workspace.git("for-each-ref", f"--format={form}", *_KNOWN))
    return f"# pack-refs with: peeled fully-peeled sorted \n{listed}\n" if listed else ""


def alternates(hub: Hub, workspace: Workspace) -> str:
    """Text of `objects/info/alternates`: the folders that it borrows objects from."""
    return "".join(f"{each}\n" for each in (hub.path / "objects", *workspace.objects))


def create(
    private: Path,
    commit: str,
    hub: Hub,
    workspace: Workspace,
    *,
    refs: Path,
    index: Path,
) -> None:
    """Create the repository at `private`, on the user's branch at `commit`.

    `refs`: a packed-refs file of the user's refs; `index`: the index of the checkout.
    """
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
    (private / "info/exclude").write_text(workspace.ignored, errors="surrogateescape")
    if workspace.attributes or workspace.info_attributes:
        # The last ones are stronger.
        (private / "info/attributes").write_text(f"{workspace.attributes}\n{workspace.info_attributes}\n")
    # History that only the hub lacks is in the objects that it borrows from the user.
    if shallow := dict.fromkeys(workspace.shallow) if workspace.objects else _lines(hub.path / "shallow"):
        (private / "shallow").write_text("".join(f"{each}\n" for each in shallow))
    shutil.copyfile(index, private / "index")
    own = (f"user.name={workspace.author_name}", f"user.email={workspace.author_email}", "submodule.active=.")
    (private / "config").write_text(_as_file([*_CONFIG, *own, *workspace.remotes, *workspace.checkout_settings]))


def _lines(path: Path) -> dict[str, None]:
    return dict.fromkeys(path.read_text().split()) if path.is_file() else {}


def _as_file(settings: Sequence[str]) -> str:
    """Settings in the form of `git -c` as the text of a configuration file."""
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
