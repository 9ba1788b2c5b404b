"""Small files in a hub, each by a ref of its own: what activities on several hosts hand each other."""

from __future__ import annotations

from collections.abc import Mapping

from activities.git.command import git, text
from activities.git.hub import Hub

_NAME = "content"


def store(hub: Hub, ref: str, content: bytes) -> None:
    """Keep a content by a ref; the same content makes the same commit."""
    with hub.in_use():
        entry = f"100644 blob {hub.store_blob(content)}\t{_NAME}\n".encode()
        tree = text(git("mktree", git_dir=hub.path, stdin=entry))
        hub.update_ref(ref, hub.commit(tree, [], "epw: a file of an execution", None, 0))


def read(hub: Hub, commits: Mapping[str, str]) -> dict[str, bytes]:
    """Contents by name, given the commits that hold them."""
    found = hub.files([(commit, _NAME) for commit in commits.values()])
    return {name: content for name, content in zip(commits, found, strict=True) if content is not None}
