"""Files that one of the user's filter drivers encodes (git-lfs, git-crypt), merged as text.

Decoded content stays in memory, and is encoded by the same driver. A driver may encode one content differently each
time, so the result of a merge is kept: a repeated landing makes the same head.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from activities.conflicts.structural.regions import is_clean
from activities.git.command import REGULAR, GitLocation
from activities.git.filters import filter_drivers
from activities.git.hub import Hub
from activities.git.merge import LFS, Merge, Stage
from activities.git.merge_attributes import ATTRIBUTES
from activities.git.merge_file import merge_texts
from activities.state.execution_store import ExecutionStore
from activities.system.atomic_write import write_atomically

_MAX_BYTES = 50_000_000


@dataclass(frozen=True)
class FilterDrivers:
    """Filter drivers of the user.

    `settings`: git's settings `filter.*`, as `name=value`; `memory`: folder of the execution for encoded objects.
    """

    hub: Hub
    settings: Sequence[str]
    memory: Path

    @classmethod
    def of(cls, execution: ExecutionStore, hub: Hub) -> FilterDrivers:
        """The drivers of an execution's workspace."""
        return cls(hub, execution.checkout_settings(), execution.path / "encoded")

    @property
    def _exist(self) -> bool:
        return any(each.startswith("filter.") for each in self.settings)

    def join(self, merged: Merge) -> None:
        """Resolve, in `merged`, the conflicts of files whose decoded sides are text and merge line by line."""
        can = [path for path, stages in merged.stages.items() if _is_changed_by_both(stages)]
        if not can or not self._exist or any(path.split("/")[-1] == ATTRIBUTES for path in merged.paths):
            return
        with self.of_tree(merged.tree) as place:
            named = filter_drivers.drivers_of(can, self.settings, **place)
            can = [path for path in can if filter_drivers.has_driver(named.get(path, ""), self.settings)]
            found = {path: self._joined(path, merged.stages[path], place) for path in can}
        joined = {path: (_mode(merged.stages[path]), blob) for path, blob in found.items() if blob is not None}
        if joined:
            merged.tree = self.hub.with_files(merged.tree, joined)
            merged.settle(joined)

    def named(self, tree: str, paths: Sequence[str]) -> dict[str, str]:
        """The driver of each path that has one, by the attributes of a tree."""
        if not paths:
            return {}
        with self.of_tree(tree) as place:
            return filter_drivers.drivers_of(paths, self.settings, **place)

    @contextmanager
    def of_tree(self, tree: str) -> Iterator[GitLocation]:
        """A location for git commands in which the attributes of a tree hold."""
        with filter_drivers.attributes_of_tree(tree, self.hub.path) as place:
            yield place

    def files_as_seen(self, commit: str, wanted: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """As `Hub.files`, decoded by the attributes of `commit`; content that no driver can decode stays as stored."""
        contents = self.hub.files(wanted)
        if not wanted or not self._exist:
            return contents
        with self.of_tree(commit) as place:
            named = filter_drivers.drivers_of(list(dict.fromkeys(path for _, path in wanted)), self.settings, **place)
            for at, (name, path) in enumerate(wanted):
                if path in named and contents[at] is not None:
                    seen = filter_drivers.decoded(f"{name}:{path}", path, self.settings, **place)
                    contents[at] = contents[at] if seen is None else seen
        return contents

    def encoded(
        self, key: Sequence[str], content: Callable[[], bytes | None], path: str, place: GitLocation
    ) -> str | None:
        """The encoded object of a content, always the same one for a key; None without a content, or where it fails."""
        file = self.memory / hashlib.sha256(json.dumps([path, *key]).encode()).hexdigest()[:32]
        known = file.read_text() if file.is_file() else ""
        if known and self.hub.has(known):
            return known
        found = content()
        made = filter_drivers.encoded(found, path, self.settings, **place) if found is not None else None
        if made is not None:
            write_atomically(file, made.encode())
        return made

    def _joined(self, path: str, stages: Sequence[Stage], place: GitLocation) -> str | None:
        """The encoded merge of a file; None where its decoded sides do not merge."""
        blobs = {stage.number: stage.blob for stage in stages}
        return self.encoded([blobs[number] for number in "123"], lambda: self._merged(path, blobs, place), path, place)

    def _merged(self, path: str, blobs: dict[str, str], place: GitLocation) -> bytes | None:
        sides = [filter_drivers.decoded(blobs[number], path, self.settings, **place) for number in "123"]
        texts = [each for each in sides if each is not None and len(each) <= _MAX_BYTES and b"\0" not in each]
        # Still a pointer of git-lfs: the file was not fetched.
        if len(texts) < len(sides) or any(each.startswith(LFS) for each in texts):
            return None
        marked = merge_texts(*texts)
        return marked if marked is not None and is_clean(marked) else None


def _is_changed_by_both(stages: Sequence[Stage]) -> bool:
    return {stage.number for stage in stages} == set("123") and all(stage.mode in REGULAR for stage in stages)


def _mode(stages: Sequence[Stage]) -> str:
    modes = {stage.number: stage.mode for stage in stages}
    return modes["3"] if modes["2"] == modes["1"] else modes["2"]
