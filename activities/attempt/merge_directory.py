"""Directory of an agent that is to merge two sides: their merge, and side files for what has no lines to merge."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from activities.conflicts.textual.encoded_files import FilterDrivers
from activities.git.command import GITLINK, LINK, REGULAR, GitLocation, display_path
from activities.git.filters import filter_drivers
from activities.git.hub import File, Hub
from activities.git.merge import Merge, Stage, merge
from activities.git.merge_file import hunks
from activities.git.work_tree import WorkTree
from activities.system.directories import is_without_links

_NOT_IN_NAMES = re.compile(r"[^\w.-]+")
_MAX_NAME_LENGTH = 40
_LANDED = "landed"


class SideFile(NamedTuple):
    """One side of a conflicting path, as a file of its own beside it; it never lands."""

    name: str
    path: str
    stage: Stage


class BothSides:
    """The merge of the head and a task's change, with its conflicts."""

    def __init__(self, hub: Hub, head: str, change: str, task_id: str, drivers: FilterDrivers) -> None:
        """`head`: the commit of what has landed; `change`: the task's commit."""
        self.merged: Merge = merge(hub, head, change)
        if not self.merged.clean:
            drivers.join(self.merged)
        self._hub = hub
        self._drivers = drivers
        self._labels = {"2": _LANDED, "3": _NOT_IN_NAMES.sub("-", task_id)[:_MAX_NAME_LENGTH]}

    @cached_property
    def marked(self) -> list[str]:
        """Files with conflict markers."""
        merged = self.merged
        # A filter would decode the markers in an encoded file as well.
        encoded = self._drivers.named(merged.tree, merged.paths)
        texts = (path for path in merged.paths if path not in (*merged.binary, *encoded) and not merged.what)
        return [path for path in texts if hunks(self._hub, merged.tree, path)]

    @cached_property
    def tree(self) -> str:
        """The merged tree; paths without lines to merge are as in the head, or, if missing there, as in the change."""
        merged, files = self.merged, dict[str, File | None]()
        for path, stages in self._unmarked():
            sides = {stage.number: stage for stage in stages}
            side = sides.get("2") or sides.get("3")
            if side is not None and not self._hub.has_any(merged.tree, [f"{path}/"]):
                files[path] = side.mode, side.blob
        files = {**dict.fromkeys(merged.aside), **files}
        return self._hub.with_files(merged.tree, files) if files else merged.tree

    @cached_property
    def side_files(self) -> list[SideFile]:
        """The sides of paths without lines to merge, under unused names."""
        return [
            SideFile(self._unused_name(f"{path}~{self._labels[stage.number]}"), path, stage)
            for path, stages in self._unmarked()
            for stage in stages
            if stage.number in self._labels and stage.mode in (LINK, *REGULAR)
        ]

    def describe_unmergeable(self) -> list[str]:
        """A line for each path without lines to merge: where each of its sides is found."""
        lines = []
        for path, stages in self._unmarked():
            there = {stage.number: stage for stage in stages}
            sides = []
            for number in self._labels:
                name = next(
                    (each.name for each in self.side_files if (each.path, each.stage.number) == (path, number)), ""
                )
                stage = there.get(number)
                what = f"commit {stage.blob}" if stage and stage.mode == GITLINK else display_path(name)
                sides.append(f"{'landed' if number == '2' else 'this task'}: {what if stage else 'has no file there'}")
            lines.append(f"{display_path(path)} ({'; '.join(sides)})")
        for _, paths in self.merged.moved:
            lines.append(
                f"{', '.join(map(display_path, paths))}"
                " (moved by one side; the other has moved or deleted it otherwise)"
            )
        return lines

    def write_side_files(self, work_tree: WorkTree) -> None:
        """Write the side files into a directory that holds the merge, decoded like its other files."""
        place = GitLocation(git_dir=self._hub.path, work_tree=work_tree.path, index=work_tree.index)
        for name, path, stage in self.side_files:
            file = work_tree.path / name
            if not is_without_links(work_tree.path, os.path.dirname(name)) or os.path.lexists(file):
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            if stage.mode == LINK:
                os.symlink(os.fsdecode(self._hub.blob(stage.blob)), file)
                continue
            decoded = filter_drivers.decoded(stage.blob, path, work_tree.settings, **place)
            file.write_bytes(self._hub.blob(stage.blob) if decoded is None else decoded)
            file.chmod(0o755 if stage.mode == REGULAR[1] else 0o644)

    def without_side_files(self, tree: str) -> str:
        names = [each.name for each in self.side_files]
        return self._hub.with_files(tree, dict.fromkeys(names)) if self._hub.has_any(tree, names) else tree

    def _unmarked(self) -> Iterator[tuple[str, list[Stage]]]:
        """Conflicting paths without markers; not those that a side has moved, which the merge has under both names."""
        moved = {path for _, paths in self.merged.moved for path in paths}
        for path, stages in self.merged.stages.items():
            if path not in self.marked and path not in moved:
                yield path, stages

    def _unused_name(self, name: str) -> str:
        while self._hub.has_any(self.tree, [name]):
            name += "~"
        return name
