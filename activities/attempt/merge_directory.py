"""What an agent is given that is to bring two sides together: their merge, and beside it what has no lines to merge."""

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
from activities.git.merge import Merge, Stage, hunks, merge
from activities.git.tree import WorkTree
from activities.system.directories import is_without_links

_NOT_IN_NAMES = re.compile(r"[^\w.-]+")
_MAX_NAME_LENGTH = 40
_LANDED = "landed"


class Beside(NamedTuple):
    """A side of a file, in a file of its own."""

    name: str
    path: str
    stage: Stage


class BothSides:
    def __init__(self, hub: Hub, head: str, change: str, task_id: str, drivers: FilterDrivers) -> None:
        """`head`: what has landed; `change`: the task's."""
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
        # The markers in an encoded file would be decoded with it.
        encoded = self._drivers.named(merged.tree, merged.paths)
        can = (path for path in merged.paths if path not in (*merged.binary, *encoded) and not merged.what)
        return [path for path in can if hunks(self._hub, merged.tree, path)]

    @cached_property
    def tree(self) -> str:
        """The merge; what has no lines to merge is as it landed, or, where that has none, as the task had it."""
        merged, files = self.merged, dict[str, File | None]()
        for path, stages in self._unmarked():
            sides = {stage.number: stage for stage in stages}
            either = sides.get("2") or sides.get("3")
            if either is not None and not self._hub.has_any(merged.tree, [f"{path}/"]):
                files[path] = either.mode, either.blob
        files = {**dict.fromkeys(merged.aside), **files}
        return self._hub.with_files(merged.tree, files) if files else merged.tree

    @cached_property
    def beside(self) -> list[Beside]:
        """The sides of what has no lines to merge, under names that nothing has; they never land."""
        return [
            Beside(self._free(f"{path}~{self._labels[stage.number]}"), path, stage)
            for path, stages in self._unmarked()
            for stage in stages
            if stage.number in self._labels and stage.mode in (LINK, *REGULAR)
        ]

    def told(self) -> list[str]:
        """What is to be decided, a line for each path."""
        lines = []
        for path, stages in self._unmarked():
            there = {stage.number: stage for stage in stages}
            sides = []
            for number in self._labels:
                name = next((each.name for each in self.beside if (each.path, each.stage.number) == (path, number)), "")
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

    def put(self, work_tree: WorkTree) -> None:
        """Write them into a directory that holds the merge, decoded as everything in it."""
        place = GitLocation(git_dir=self._hub.path, work_tree=work_tree.path, index=work_tree.index)
        for name, path, stage in self.beside:
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

    def taken_out(self, tree: str) -> str:
        """A tree without them."""
        names = [each.name for each in self.beside]
        return self._hub.with_files(tree, dict.fromkeys(names)) if self._hub.has_any(tree, names) else tree

    def _unmarked(self) -> Iterator[tuple[str, list[Stage]]]:
        """What a side has moved stands under both names already."""
        moved = {path for _, paths in self.merged.moved for path in paths}
        for path, stages in self.merged.stages.items():
            if path not in self.marked and path not in moved:
                yield path, stages

    def _free(self, name: str) -> str:
        while self._hub.has_any(self.tree, [name]):
            name += "~"
        return name
