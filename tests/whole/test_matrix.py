"""Each kind of repository through each ending: what git itself would have made of it, or refused at once."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import time
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from activities.git.hub import Hub
from activities.state.state_directory import StateDirectory
from tests import forked
from tests.activities.git.test_filters import clear_text
from tests.by_hand import ENVIRONMENT, Seen, added, blobs, content, edit, git, in_tree, status, stored
from tests.command_line import Cli, wait_for
from tests.kinds import KINDS, Kind
from tests.matrix import OUTCOMES, PAGE, REFUSED, RIGHT, found, page
from tests.repositories import relocated
from tests.site import Site
from tests.support import statuses, tasks

_SECONDS = 90.0
_REFUSED_WITHIN_SECONDS = 20.0
_BRANCH = re.compile(r"(?:^|/)\.git/(?:modules/.+/)?(?:logs/)?refs/heads/epw/")
_COMMAND = re.compile(r": git (?!says)|\(git |use \"\w+\"")


class Refused(Exception):
    """The execution was refused as it should be, if at all."""


class Cell:
    """A kind of repository in a folder of its own, and what is run in it."""

    def __init__(self, site: Site, kind: Kind, pristine: Path, workspace: str, folder: Path) -> None:
        self.kind, self.site, self.folder = kind, site, folder
        self.cli: Cli = replace(site.cli, environment=ENVIRONMENT)
        self.root = relocated(pristine, folder / "work")
        self.within = workspace
        self.path = self.root / workspace
        self.ran, self.go = folder / "ran", folder / "go"
        self.numbers = 0
        if kind.git:
            subprocess.run(["git", "status"], cwd=self.path, capture_output=True, check=False)
        self.before = Seen.of(self.root)
        self.untouched = relocated(self.root, folder / "untouched")

    def rows(self, edits: dict[str, str], *more: dict[str, Any]) -> list[dict[str, Any]]:
        count = f"echo $EPW_TASK_ID >> {self.ran}"
        rows = [*({"id": name, "run": run} for name, run in edits.items()), *more]
        return tasks(*({**row, "run": f"{count}; {row['run']}"} for row in rows))

    def plan(self, rows: list[dict[str, Any]], **more: Any) -> str:
        file = self.folder / f"plan{self.number()}.json"
        # Nobody is there to be asked.
        document = {"workspace": str(self.path), "onConflict": ["merge", "retry"], "tasks": rows, **more}
        file.write_text(json.dumps(document))
        return str(file)

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def run(self, *arguments: str, code: int, asked: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        """The document of a command that ends with this code; raises `Refused` where it was right to refuse."""
        pid = self.folder / f"pid{self.number()}"
        for each in asked or []:
            each["kill"] = [str(pid) if victim == "command" else victim for victim in each.get("kill", [])]
        env = {**self.cli.env, "EPW_FAILPOINT": json.dumps(asked or [])}
        began = time.monotonic()
        done = forked.run([*arguments, "--json"], env, _SECONDS, started=partial(_note, pid))
        out, err = done.stdout, done.stderr
        seconds = time.monotonic() - began
        if done.returncode == 2:
            self.check_refusal(json.loads(out), seconds)
        told = f"{arguments}: {done.returncode}\n{_told(out)}\n{err[-3000:]}"
        assert done.returncode == code, told
        for each in asked or []:
            assert Path(each["mark"]).exists(), f"never came to {each['name']}: {told}"
        document: dict[str, Any] = json.loads(out) if out else {}
        return document

    def check_refusal(self, document: dict[str, Any], seconds: float) -> None:
        (problem,) = document["error"]["problems"]
        assert "\n" not in problem["message"], problem
        assert _COMMAND.search(problem["message"]), f"names no command: {problem}"
        assert seconds < _REFUSED_WITHIN_SECONDS, f"tried again and again, for {seconds:.1f} s"
        assert not self.ran.exists(), self.ran.read_text()
        assert Seen.of(self.root) == self.before
        raise Refused

    def by_hand(self, *edits: str) -> tuple[Path, set[str]]:
        """A second workspace of the kind, in which a person made these edits, and the files that they changed."""
        twin = relocated(self.untouched, self.folder / f"by-hand{self.number()}")
        began = Seen.of(twin)
        edit(twin / self.within, edits)
        return twin / self.within, began.changed(Seen.of(twin), modes=self.kind.modes)

    def check_work_tree(self, *edits: str) -> None:
        """The work tree has what these edits make by hand, and nothing else is changed."""
        theirs, changed = self.by_hand(*edits)
        # Of git's own state nothing may differ, of files what a person would have changed.
        assert self.before.changed(Seen.of(self.root)) == changed, "I4"
        names = [str(Path(name).relative_to(self.within)) for name in changed]
        wanted, expected = status(theirs) if self.kind.git else b"", None
        if self.kind.git:
            expected = added(theirs)
        for name in names:
            assert _is_file(self.path / name) == _is_file(theirs / name), name
            if _is_file(theirs / name):
                should = content(expected, name, theirs) if expected is not None else in_tree(theirs, name)
                assert in_tree(self.path, name) == should, name
        if expected is not None:
            assert self.status() == wanted
            assert self.status() == wanted
            self.check_sound()
            probe = relocated(self.root, self.folder / f"probe{self.number()}")
            assert blobs(added(probe / self.within)) == blobs(expected)

    def check_branch(self, branch: str, *edits: str) -> None:
        """The branch has what these edits make by hand, and nothing but it is new."""
        theirs, _ = self.by_hand(*edits)
        began = stored(theirs, "HEAD") if self.has_head() else {}
        changed = self.before.changed(Seen.of(self.root))
        assert all(_BRANCH.search(name) for name in changed), changed
        expected, delivered = added(theirs), stored(self.path, branch)
        assert blobs(delivered) == blobs(expected)
        for name in expected:
            if name not in began or blobs(began)[name] != blobs(expected)[name]:
                assert content(delivered, name, self.path) == content(expected, name, theirs), name
        self.check_sound()

    def status(self) -> bytes:
        """Status by the user's git, which may update its index."""
        said, now = status(self.path), Seen.of(self.root)
        noted = {name: value for name, value in now.files.items() if name.endswith("/index")}
        self.before = Seen({**self.before.files, **noted})
        return said

    def has_head(self) -> bool:
        return (
            subprocess.run(["git", "rev-parse", "-q", "--verify", "HEAD"], cwd=self.path, check=False).returncode == 0
        )

    def check_untouched(self) -> None:
        """Bytes, modes and times, index, HEAD, refs and configuration are as they were."""
        assert self.before.changed(Seen.of(self.root)) == set()
        if self.kind.git:
            assert self.status() == status(self.untouched / self.within)
            self.check_sound()

    def check_sound(self) -> None:
        for repository in (self.path, *(file.parent for file in self.path.rglob(".git") if file.parent != self.path)):
            git(repository, "fsck", "--full")

    def check_ending(self) -> None:
        """Nothing of ours is left in the workspace, the hub is sound, and no clear text is stored."""
        assert not list(self.root.rglob(".epw-*"))
        hub = Hub(StateDirectory(self.site.cli.home).hub(str(self.path))).path
        git(hub, "fsck", "--full")
        if self.kind.secret:
            wait_for(lambda: self._clear() == [])

    def _clear(self) -> list[str]:
        try:
            return clear_text(self.site.cli.home, self.path / ".git")
        except FileNotFoundError as error:
            return [str(error)]

    def asked(self, name: str, **more: Any) -> dict[str, Any]:
        return self.site.ask(name, **more)


def _is_file(path: Path) -> bool:
    return path.is_symlink() or path.is_file()


def _note(file: Path, process_id: int) -> None:
    file.write_text(json.dumps({"pid": process_id}))


def _told(out: str) -> str:
    try:
        document = json.loads(out)
    except ValueError:
        return out[-2000:]
    errors = {row["taskId"]: row["error"] for row in document.get("results", []) if row["error"]}
    about = [document.get(key) for key in ("status", "error", "delivery", "conflicts")]
    return f"{about} {errors}"[:4000]


def _branch(cell: Cell, name: str) -> None:
    edits = cell.kind.edits()
    document = cell.run("run", cell.plan(cell.rows(edits), deliver="branch"), "--id", name, code=0)
    assert document["status"] == "succeeded"
    cell.check_branch(document["delivery"]["branch"], *edits.values())


def _apply(cell: Cell, name: str) -> None:
    edits, later = cell.kind.edits(), cell.kind.later()
    cell.run("run", cell.plan(cell.rows(edits), deliver="apply"), "--id", name, code=0)
    cell.check_work_tree(*edits.values())
    cell.run("run", cell.plan(cell.rows(later), deliver="apply"), "--id", f"{name}-2", code=0)
    cell.check_work_tree(*edits.values(), *later.values())


def _roll_back(cell: Cell, name: str) -> None:
    edits = cell.kind.edits()
    fails = {"id": "fails", "run": "exit 1", "dependsOn": list(edits)}
    document = cell.run("run", cell.plan(cell.rows(edits, fails), deliver="apply"), "--id", name, code=1)
    assert document["status"] == "rolled_back", document
    assert all(status == "succeeded" for task, status in statuses(document).items() if task != "fails")
    cell.check_untouched()
    # It is delivered, and only then comes the end.
    for deliver in ("apply", "branch") if cell.kind.git else ("apply",):
        again = f"{name}-{deliver}"
        cancelled = [cell.asked("deliver.done", run=cell.site.temporal("workflow", "cancel", "-w", again))]
        arguments = ("run", cell.plan(cell.rows(edits), deliver=deliver), "--id", again)
        document = cell.run(*arguments, code=4, asked=cancelled)
        assert document["status"] == "cancelled", document
        cell.check_untouched()


def _kill(cell: Cell, name: str) -> None:
    edits = cell.kind.edits()
    everyone = ["command", "worker"]
    first = [cell.asked("save.committed", kill=everyone)]
    cell.run("run", cell.plan(cell.rows(edits), deliver="apply"), "--id", name, code=-9, asked=first)
    second = [cell.asked("deliver.step", kill=everyone)]
    cell.run("run", "--resume", name, code=-9, asked=second)
    document = cell.run("run", "--resume", name, code=0)
    assert document["status"] == "succeeded"
    cell.check_work_tree(*edits.values())


def _retry(cell: Cell, name: str) -> None:
    edits, last = cell.kind.edits(), cell.kind.last()
    fails = {"id": "fails", "run": f"test -e {cell.go}; {last}"}
    plan = cell.plan(cell.rows(edits, fails), deliver="apply", strategy="aggressive")
    document = cell.run("run", plan, "--id", name, code=1)
    assert document["status"] == "partial", document
    cell.check_work_tree(*edits.values())
    cell.go.touch()
    document = cell.run("retry", name, "--id", f"{name}-2", code=0)
    again = {row["taskId"] for row in document["results"] if not row.get("reused")}
    # A change that does not fit what is there by now is made again.
    assert again - ({"top", "bottom"} if cell.kind.opaque else set()) == {"fails"}, document["results"]
    cell.check_work_tree(*edits.values(), last)


_ENDINGS = dict(zip(OUTCOMES, (_branch, _apply, _roll_back, _kill, _retry), strict=True))


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One workspace of each kind, made once."""

    @cache
    def made(kind: Kind) -> tuple[Path, str]:
        root = tmp_path_factory.mktemp("kind") / "r"
        root.mkdir()
        return root, str(kind.build(root).relative_to(root))

    return made


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: re.sub(r"\W+", "-", kind.name).strip("-"))
@pytest.mark.parametrize("ending", OUTCOMES)
async def test_a_cell_of_the_table_is_as_the_page_says(
    site: Site, tmp_path: Path, pristine: Any, kind: Kind, ending: str
) -> None:
    if kind.program is not None and shutil.which(kind.program) is None:
        pytest.skip(f"{kind.program} is not installed (Debian: apt-get install {kind.program})")
    root, workspace = pristine(kind)
    cell = Cell(site, kind, root, workspace, tmp_path)
    name = f"{KINDS.index(kind)}-{ending}"

    def verdict() -> str:
        try:
            _ENDINGS[ending](cell, name)
            cell.check_ending()
        except Refused:
            return REFUSED
        return RIGHT

    recorded = found(kind.name, ending)
    if recorded in (RIGHT, REFUSED):
        assert await asyncio.to_thread(verdict) == recorded
    else:
        with pytest.raises(AssertionError):
            await asyncio.to_thread(verdict)


def test_the_page_has_the_table() -> None:
    assert PAGE.read_text() == page(PAGE.read_text()), "python -m tests.matrix"
