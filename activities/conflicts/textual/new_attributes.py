"""Files that land beside new attributes: one side has them in clear, and by the other's a driver is to encode them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial

from activities.conflicts.textual.encoded_files import FilterDrivers
from activities.git.changes import Blobs
from activities.git.command import REGULAR, git, named, records
from activities.git.filters import filter_drivers
from activities.git.hub import File
from activities.git.merge import ATTRIBUTES
from epw.core.landing import ConflictFound


@dataclass
class EncodedTree:
    """`tree`: with what was encoded; by driver, the paths that were in clear until now, and those that stay so."""

    tree: str
    encoded: dict[str, list[str]] = field(default_factory=dict)
    left: dict[str, list[str]] = field(default_factory=dict)
    attributes: Sequence[str] = ()
    """The files of attributes that were changed."""

    def advice(self, task_id: str, touched_by: Callable[[Sequence[str]], Sequence[str]]) -> list[ConflictFound]:
        """What a person is to know: a secret was stored before it was known to be one, or still is.

        `touched_by`: the tasks that have landed changes of some paths.
        """
        found = []
        for name, paths in self.left.items():
            told = f"landed in clear: the filter {name!r}, of attributes that came at the same time, could not encode"
            found.append(self._about(task_id, touched_by, paths, told))
        for name, paths in self.encoded.items():
            if name not in filter_drivers.NO_SECRET:
                told = (
                    f"landed encoded by the filter {name!r}, of attributes that came at the same time; in the history"
                )
                found.append(
                    self._about(task_id, touched_by, paths, f"{told} of the branch is a commit with it in clear")
                )
        return found

    def _about(
        self, task_id: str, touched_by: Callable[[Sequence[str]], Sequence[str]], paths: Sequence[str], told: str
    ) -> ConflictFound:
        others = [each for each in touched_by([*paths, *self.attributes]) if each != task_id]
        said = f"{', '.join(named(paths))} {told}"
        return ConflictFound(kind="hazard", tasks=[task_id, *others], paths=named(paths), description=said[:1000])


def encode_by_new_attributes(
    drivers: FilterDrivers, commits: Sequence[str], changed: Sequence[Blobs], tree: str
) -> EncodedTree:
    """The tree of a merge, as its own attributes would have it stored.

    `changed`: what each of the two `commits` has changed. Of a file that was there before, and that neither has
    changed, nothing is done: as git does it.
    """
    attributes = [path for side in changed for path in side if path.split("/")[-1] == ATTRIBUTES]
    if not attributes:
        return EncodedTree(tree)
    wrote = [
        (commit, [path for path, (_, blob) in side.items() if blob])
        for commit, side in zip(commits, changed, strict=True)
    ]
    with drivers.of_tree(tree) as place:
        wanted = filter_drivers.named_by([path for _, paths in wrote for path in paths], drivers.settings, **place)
        if not wanted:
            return EncodedTree(tree)
        for commit, paths in wrote:
            # What its own attributes leave to the driver is encoded already.
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
    rows = records(git("ls-tree", "-r", "-z", "--full-tree", tree, git_dir=drivers.hub.path)) if paths else []
    entries = (row.split("\t", 1) for row in rows)
    told = ((path, entry.split(" ")) for entry, path in entries if path in paths)
    return {path: (mode, blob) for path, (mode, _, blob) in told if mode in REGULAR}
