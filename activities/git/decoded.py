"""Contents of files as people see them: those that a content filter has encoded are decoded."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from activities.git import filters
from activities.git.command import git
from activities.git.hub import Hub


def files_as_seen(
    hub: Hub, commit: str, settings: Sequence[str], wanted: Sequence[tuple[str, str]]
) -> list[bytes | None]:
    """As `Hub.files`, by the attributes of `commit`; what its driver cannot decode stays as it is stored."""
    contents = hub.files(wanted)
    with tempfile.TemporaryDirectory(prefix="epw-") as scratch:
        index = Path(scratch, "index")
        git("read-tree", commit, git_dir=hub.path, index=index)
        with filters.attributes_of(index, hub.path) as place:
            named = filters.named_by(list(dict.fromkeys(path for _, path in wanted)), settings, **place)
            for at, (name, path) in enumerate(wanted):
                if path in named and contents[at] is not None:
                    seen = filters.decoded(f"{name}:{path}", path, settings, **place)
                    contents[at] = contents[at] if seen is None else seen
    return contents
