"""Files that one side has in clear while new attributes of the other side assign them to a filter driver."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial

from activities.conflicts.textual.encoded_files import FilterDrivers
from activities.git.changes import Blobs
from activities.git.command import REGULAR, display_paths
from activities.git.filters import filter_drivers
from activities.git.hub import File
from activities.git.merge_attributes import ATTRIBUTES
from epw.core.landing import ConflictFound


@dataclass
class EncodedTree:
    """Result of `encode_by_new_attributes`: the tree, and paths by driver."""

    tree: str
    encoded: dict[str, list[str]] = field(default_factory=dict)
    """Paths that were in clear until now."""
    left: dict[str, list[str]] = field(default_factory=dict)
    """Paths that stay in clear: the driver is missing, or failed."""
    attributes: Sequence[str] = ()
    """Changed files `.gitattributes`."""

    def advice(self, task_id: str, touched_by: Callable[[Sequence[str]], Sequence[str]]) -> list[ConflictFound]:
        """Hazards for a person to see: secrets that the branch's history, or its head, holds in clear.

        `touched_by`: gives the tasks that have landed changes of some paths.
        """
        found = []
        for name, paths in self.left.items():
            text = f"landed in clear: the filter {name!r}, of attributes that came at the same time, could not encode"
            found.append(self._hazard(task_id, touched_by, paths, text))
        for name, paths in self.encoded.items():
            if name not in filter_drivers.NO_SECRET:
                text = (
                    f"landed encoded by the filter {name!r}, of attributes that came at the same time; in the history"
                    " of the branch is a commit with it in clear"
                )
                found.append(self._hazard(task_id, touched_by, paths, text))
        return found

    def _hazard(
        self, task_id: str, touched_by: Callable[[Sequence[str]], Sequence[str]], paths: Sequence[str], text: str
    ) -> ConflictFound:
        others = [each for each in touched_by([*paths, *self.attributes]) if each != task_id]
        description = f"{', '.join(display_paths(paths))} {text}"
        return ConflictFound(
            kind="hazard", tasks=[task_id, *others], paths=display_paths(paths), description=description[:1000]
        )


def encode_by_new_attributes(
    drivers: FilterDrivers, commits: Sequence[str], changed: Sequence[Blobs], tree: str
) -> EncodedTree:
    """The tree of a merge with its files encoded as its own attributes say.

    `changed`: the changes of each of the two `commits`. As in git, files that neither has changed stay as they are.
    """
    attributes = [path for side in changed for path in side if path.split("/")[-1] == ATTRIBUTES]
    if not attributes:
        return EncodedTree(tree)
    wrote = [
        (commit, [path for path, (_, blob) in side.items() if blob])
        for commit, side in zip(commits, changed, strict=True)
    ]
    with drivers.of_tree(tree) as place:
        wanted = filter_drivers.drivers_of([path for _, paths in wrote for path in paths], drivers.settings, **place)
        if not wanted:
            return EncodedTree(tree)
        for commit, paths in wrote:
            # Files that the commit's own attributes assign to the driver are encoded already.
            own = drivers.named(commit, [path for path in paths if path in wanted])
            wanted = {path: name for path, name in wanted.items() if own.get(path) != name}
        found, files = EncodedTree(tree, attributes=attributes), dict[str, File | None]()
        for path, (mode, blob) in _regular(drivers, tree, wanted).items():
            made = None
            if filter_drivers.has_driver(wanted[path], drivers.settings):
                made = drivers.encoded([wanted[path], blob], partial(drivers.hub.blob, blob), path, place)
            if made is None:
                found.left.setdefault(wanted[path], []).append(path)
            elif made != blob:
                found.encoded.setdefault(wanted[path], []).append(path)
                files[path] = mode, made
    if files:
        found.tree = drivers.hub.with_files(tree, files)
    return found


def _regular(drivers: FilterDrivers, tree: str, paths: Collection[str]) -> dict[str, tuple[str, str]]:
    """Mode and blob of those paths that are files in a tree."""
    entries = drivers.hub.entries(tree) if paths else []
    return {path: (mode, blob) for mode, blob, path in entries if path in paths and mode in REGULAR}
