"""Objects on their way to a ref: no collection deletes them, whoever runs it and whenever."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from activities.git import hub_files
from activities.git.hub import Hub
from activities.git.object_lifetime import collect
from activities.git.url_git import UrlGit
from tests.repositories import bare_repository


def later() -> int:
    """A time by which everything is old."""
    return int(time.time()) + 1000


class CollectedBeforeTheRef(Hub):
    """A hub on which somebody else runs a collection when a commit is made and no ref names it yet."""

    def commit(self, *arguments: Any) -> str:
        made = super().commit(*arguments)
        self.collected = collect(self.path, later, patience_seconds=0)
        return made


def test_what_has_no_ref_yet_outlives_a_collection(tmp_path: Path) -> None:
    hub = CollectedBeforeTheRef(Hub.created(tmp_path / "hub.git").path)
    hub_files.store(hub, "refs/epw/x/files/outcome", b"made")
    assert hub_files.read(hub, {"outcome": hub.resolve("refs/epw/x/files/outcome") or ""}) == {"outcome": b"made"}
    assert not hub.collected
    hub.delete_refs("refs/epw")
    blob = hub.store_blob(b"made")
    assert collect(hub.path, later)
    assert not hub.has(blob)


def test_a_fetch_keeps_collections_out_also_where_its_worker_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child that speaks with the URL has inherited the lock: the parent's end does not release it."""
    origin, hub = bare_repository(tmp_path, {"a": "1\n"}), Hub.created(tmp_path / "hub.git").path
    script, said = tmp_path / "ssh.py", tmp_path / "said"
    script.write_text(
        "import os, sys, time\n"
        f"sys.path.insert(0, {str(Path.cwd())!r})\n"
        "from pathlib import Path\n"
        "from activities.git.object_lifetime import collect\n"
        f"hub = Path({str(hub)!r})\n"
        "locks = [os.readlink(each) for each in Path('/proc', str(os.getppid()), 'fd').iterdir() if each.exists()]\n"
        "is_held = any(each.endswith('epw-use.lock') for each in locks)\n"
        "done = collect(hub, lambda: int(time.time()) + 1000, patience_seconds=0)\n"
        f"Path({str(said)!r}).write_text(f'{{done}} {{is_held}}')\n"
        f"os.execvp('git', ['git', 'upload-pack', {str(origin)!r}])\n"
    )
    monkeypatch.setenv("GIT_SSH_COMMAND", f"{sys.executable} {script}")
    UrlGit(hub, "ssh://host/origin.git").fetch("+refs/heads/*:refs/remotes/origin/*")
    assert said.read_text() == "False True"
    assert collect(hub, later)
    assert Hub(hub).resolve("refs/remotes/origin/main")
