"""Missing objects in a hub: what the URL has comes back, what is lost is named, and nobody else is held up."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from activities.git import broken_refs, transfer
from activities.git.hub import Hub
from activities.git.object_lifetime import collect
from activities.git.url_git import UrlGit
from activities.git.url_refs import UrlRefs
from activities.git.url_workspace import fetch_branches
from activities.git.workspace import Workspace
from tests.repositories import bare_repository
from tests.support import make_repository


def commit_of(hub: Hub, name: str) -> str:
    tree = hub.with_files(hub.empty_tree(), {name: ("100644", f"{name}\n".encode())})
    return hub.commit(tree, [], name, None, 0)


def delete(hub: Hub, name: str) -> None:
    (hub.path / "objects" / name[:2] / name[2:]).unlink()


def kept_on(hub: Hub, origin: Path) -> UrlRefs:
    return UrlRefs(hub, UrlGit(hub.path, f"file://{origin}"), "refs/epw/x", "refs/heads/kept/x", hub.path / "url.lock")


@pytest.mark.parametrize("what", ["commit", "blob"])
def test_what_the_url_has_comes_back_and_what_it_has_not_is_named(tmp_path: Path, what: str) -> None:
    hub, origin = Hub.created(tmp_path / "hub.git"), bare_repository(tmp_path, {"a": "1\n"})
    refs = kept_on(hub, origin)
    fetch_branches(refs.git)
    pushed, alone, sound = (commit_of(hub, name) for name in ("pushed", "alone", "sound"))
    hub.update_ref("refs/epw/x/tasks/pushed", pushed)
    refs.push(owns=True)
    hub.update_ref("refs/epw/x/tasks/alone", alone)
    hub.update_ref("refs/epw/other/tasks/sound", sound)
    for commit in (pushed, alone):
        delete(hub, commit if what == "commit" else hub.entries(commit)[0][1])
    assert refs.git.mend()
    assert hub.file(hub.resolve("refs/epw/x/tasks/pushed") or "", "pushed") == b"pushed\n"
    assert hub.resolve("refs/on-url/x/tasks/pushed") == pushed
    assert hub.resolve("refs/epw/other/tasks/sound") == sound
    assert broken_refs.lost(hub.path) == {"refs/epw/x/tasks/alone": alone}
    assert "refs/epw/x/tasks/alone" in broken_refs.sentence(broken_refs.lost(hub.path))
    assert not refs.git.mend()
    assert collect(hub.path, lambda: int(time.time()) + 1000)


def test_a_push_leaves_out_what_is_lost(tmp_path: Path) -> None:
    hub, origin = Hub.created(tmp_path / "hub.git"), bare_repository(tmp_path, {"a": "1\n"})
    refs, lost, made = kept_on(hub, origin), commit_of(hub, "lost"), commit_of(hub, "made")
    hub.update_ref("refs/epw/x/tasks/lost", lost)
    hub.update_ref("refs/epw/x/tasks/made", made)
    delete(hub, hub.entries(lost)[0][1])
    refs.push(owns=True)
    assert refs.git.refs("refs/heads/kept/*") == {"refs/heads/kept/x/tasks/made": made}


def test_broken_refs_of_a_directorys_hub_stop_neither_a_collection_nor_a_start(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo", {"f": "1\n"})
    hub, workspace = Hub.created(tmp_path / "hub.git"), Workspace.read(str(repository))
    head = workspace.head or ""
    transfer.fetch(hub, workspace, head, "refs/epw/x/base")
    delete(hub, hub.entries(head)[0][1])
    assert hub.collect_garbage(lambda: int(time.time()) - 1000)
    assert broken_refs.lost(hub.path) == {"refs/epw/x/base": head}
    # The commit is here, and not all of what it reaches.
    transfer.fetch(hub, workspace, head, "refs/epw/y/base")
    assert hub.file(head, "f") == b"1\n"
    broken_refs.put_back(hub.path)
    assert broken_refs.lost(hub.path) == {}
    assert hub.resolve("refs/epw/x/base") == head
    delete(hub, hub.entries(head)[0][1])
    assert transfer.mend(hub, workspace)
    assert hub.file(head, "f") == b"1\n"
    assert set(broken_refs.lost(hub.path)) == set()
