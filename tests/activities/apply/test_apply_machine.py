"""A user and deliveries at work on one repository, at random: the tree is always what a dictionary says."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from activities.apply.journal import Journal
from activities.apply.undo import undo
from epw.core.errors import Refused, UndoBlocked
from tests.activities.apply.test_apply import Delivery
from tests.support import make_repository, sh

PATHS = ["a", "b", "dir/a", "dir/b", "dir/deep/c", "other", "é ü"]
Entry = tuple[str, str, int]


def entries(root: Path) -> dict[str, Entry]:
    """Each path of the tree: its kind, content and mode."""
    found: dict[str, Entry] = {}
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if name != ".git"]
        links = [name for name in names if Path(folder, name).is_symlink()]
        for name in [*files, *links]:
            path = Path(folder, name)
            relative = str(path.relative_to(root))
            if path.is_symlink():
                found[relative] = ("link", os.readlink(path), 0)
            else:
                found[relative] = ("file", path.read_text(), path.stat().st_mode & 0o777)
    return found


class Workspace(RuleBasedStateMachine):
    """The oracle is a dictionary of what each path must hold, kept by hand in every rule."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="epw-machine-"))
        self.path = make_repository(self.folder / "work", {"a": "a\n", "dir/a": "da\n", "other": "o\n"})
        self.oracle = entries(self.path)
        self.delivery: Delivery | None = None
        self.applied: dict[str, Entry] | None = None
        self.delivered: set[str] = set()
        """Paths that the delivery has changed."""
        self.edited: dict[str, Entry] = {}
        """Edits of the user since the delivery, by path."""
        self.number = 0

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _free(self, name: str) -> bool:
        """Whether a file can be put at a path: nothing above it is a file, and it is no directory."""
        parents = [str(parent) for parent in Path(name).parents]
        inside = [each for each in self.oracle if each.startswith(f"{name}/")]
        return not inside and not any(parent in self.oracle for parent in parents) and not (self.path / name).is_dir()

    @precondition(lambda self: self.applied is None)
    @rule(
        name=st.sampled_from(PATHS),
        text=st.sampled_from(["x\n", "y\n", "1\n2\n3\n"]),
        mode=st.sampled_from([0o644, 0o600, 0o755]),
    )
    def write(self, name: str, text: str, mode: int) -> None:
        if not self._free(name):
            return
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_text(text)
        target.chmod(mode)
        self.oracle[name] = ("file", text, mode)

    @precondition(lambda self: self.applied is None)
    @rule(name=st.sampled_from(PATHS))
    def link(self, name: str) -> None:
        if self._free(name):
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).unlink(missing_ok=True)
            (self.path / name).symlink_to("somewhere")
            self.oracle[name] = ("link", "somewhere", 0)

    @precondition(lambda self: self.applied is None)
    @rule(name=st.sampled_from(PATHS))
    def delete(self, name: str) -> None:
        if name in self.oracle:
            (self.path / name).unlink()
            del self.oracle[name]

    @precondition(lambda self: self.applied is None)
    @rule(name=st.sampled_from(PATHS), new=st.sampled_from(PATHS))
    def rename(self, name: str, new: str) -> None:
        if name in self.oracle and self._free(new) and name != new:
            (self.path / new).parent.mkdir(parents=True, exist_ok=True)
            os.replace(self.path / name, self.path / new)
            self.oracle[new] = self.oracle.pop(name)

    @rule()
    def commit(self) -> None:
        sh(self.path, "git", "add", "-A")
        sh(self.path, "git", "commit", "-qm", "user", "--allow-empty")

    @precondition(lambda self: self.applied is None)
    @rule()
    def begin(self) -> None:
        """An execution takes its snapshot; the user goes on."""
        self.number += 1
        self.delivery = Delivery(self.folder / f"d{self.number}", self.path)
        self.base = dict(self.oracle)

    @precondition(lambda self: self.delivery is not None and self.applied is None)
    @rule(changes=st.dictionaries(st.sampled_from(PATHS), st.sampled_from(["agent\n", None]), min_size=1, max_size=4))
    def apply(self, changes: dict[str, str | None]) -> None:
        """The agents' change arrives: all of it, or nothing."""
        assert self.delivery is not None
        base = {
            name: text if kind == "file" and not mode & 0o100 else "" for name, (kind, text, mode) in self.base.items()
        }
        # What is as in the base is no change, whatever the user has made of it since.
        wanted = {name: text for name, text in changes.items() if text != base.get(name)}
        after = dict(self.base)
        for name in wanted:
            after.pop(name, None)
        for name, text in wanted.items():
            if text is not None:
                if any(each.startswith(f"{name}/") for each in after) or any(
                    str(p) in after for p in Path(name).parents
                ):
                    return
                after[name] = ("file", text, 0o644)
        if any(text and name in self.base and name not in self.oracle for name, text in wanted.items()):
            # The user has moved or deleted it: git follows a file to its new name, this oracle does not.
            return
        before = dict(self.oracle)
        try:
            self.delivery.apply(self.delivery.head(wanted))
        except Refused:
            assert self.oracle != self.base, "refused, though the user had done nothing"
            self.delivery = None
            return
        for name, text in wanted.items():
            if text is None:
                assert name not in entries(self.path)
                self.oracle.pop(name, None)
            else:
                kept = before[name][2] if name in before and before[name][0] == "file" else 0o644
                was_executable = self.base.get(name, ("", "", 0))[2] & 0o100
                mode = kept & ~0o111 if was_executable else kept
                self.oracle[name] = ("file", text, mode)
        self.applied, self.delivered, self.edited = before, set(wanted), {}

    @precondition(lambda self: self.applied is not None)
    @rule(name=st.sampled_from(PATHS), text=st.sampled_from(["user since\n", "agent\n"]))
    def edit_what_was_delivered(self, name: str, text: str) -> None:
        """The user goes on in the tree with the agents' files, or beside them."""
        if name in self.oracle and self.oracle[name][0] == "file":
            (self.path / name).write_text(text)
            self.oracle[name] = ("file", text, self.oracle[name][2])
            self.edited[name] = self.oracle[name]

    @precondition(lambda self: self.applied is not None)
    @rule(cut=st.integers(0, 3))
    def roll_back(self, cut: int) -> None:
        """Undone, also after being killed in the middle of undoing."""
        assert self.delivery is not None
        assert self.applied is not None
        journal = Journal.read(self.delivery.folder)
        theirs = {name for name in self.edited if name in self.delivered}
        if journal is not None:
            partial = Journal(**{**vars(journal), "steps": journal.steps[cut:]})
            try:
                undo(partial)
            except UndoBlocked:
                assert theirs, "nobody touched it"
        try:
            self.delivery.undo()
            assert not theirs, "undone over what the user did since"
        except UndoBlocked as blocked:
            told = blocked.commands
            assert theirs, told
            # All else is undone; what is the user's by now stays, and so does what undoes it by hand.
            shutil.rmtree(self.delivery.folder)
            for left in self.path.glob(".epw-*"):
                shutil.rmtree(left)
        self.oracle = {**self.applied, **self.edited}
        self.applied = self.delivery = None

    @precondition(lambda self: self.applied is not None)
    @rule()
    def keep(self) -> None:
        assert self.delivery is not None
        self.delivery.clean_up()
        self.applied = self.delivery = None

    @invariant()
    def the_tree_is_what_the_oracle_says(self) -> None:
        if hasattr(self, "oracle"):
            found = {name: entry for name, entry in entries(self.path).items() if not name.startswith(".epw-")}
            assert found == self.oracle


Workspace.TestCase.settings = settings(
    max_examples=int(os.environ.get("EPW_EXAMPLES", "15")),
    stateful_step_count=20,
    deadline=None,
    database=None,
    derandomize="EPW_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
TestWorkspace = Workspace.TestCase
