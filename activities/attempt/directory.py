"""The directory of one attempt: made for it, saved from it, and what is known of its end.

`tree` is the agent's; `home` and `tmp` are private to it; the index of our git and the record lie beside.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from threading import Lock

from activities.agents.base import Input, Warnings, Work
from activities.agents.environment import tell
from activities.attempt.executed_later import executed_later
from activities.attempt.merge_directory import BothSides
from activities.attempt.nested_repositories import Left, Repositories
from activities.attempt.worktree_pool import WorktreePool
from activities.conflicts.semantic.tree_check import warm_symbol_cache
from activities.conflicts.textual.case_collisions import case_collisions
from activities.conflicts.textual.encoded_files import FilterDrivers
from activities.git.changes import changed_paths
from activities.git.command import display_path
from activities.git.hub import Hub, trailers
from activities.git.merge import carry_over
from activities.git.tree import WorkTree
from activities.sandbox.levels import level
from activities.state.execution_store import ExecutionStore, write_atomically
from activities.state.heartbeat import Heartbeat
from activities.state.plan_source import Running
from activities.system.concurrency import in_thread
from activities.system.directories import Trash, size_of
from epw.core import failures
from epw.core.errors import GitError, TaskFailed
from epw.core.messages import Produced, Saved, TaskOutcome, TaskRun
from epw.core.naming import slug
from epw.core.plan.model import Task

READY = "ready"
_MAX_IGNORED = 5
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AttemptDirectory:
    execution: ExecutionStore
    run: TaskRun
    tries: int
    left: Left = field(default_factory=Left, compare=False, repr=False)
    _saving: Lock = field(default_factory=Lock, compare=False, repr=False)

    @property
    def key(self) -> str:
        """Unique by attempt, question round and try: a zombie's directory is never its successor's."""
        return self.run.resume.directory if self.run.resume and self.tries == 1 else self.own_key

    @property
    def own_key(self) -> str:
        return f"{self.run.attempt}.{self.run.round}.{self.tries}"

    @property
    def path(self) -> Path:
        return self.execution.attempts() / slug(self.run.task_id) / self.key

    @property
    def tree(self) -> Path:
        return self.path / "tree"

    @property
    def marker(self) -> str:
        return f"{self.execution.attempt_key(self.run.task_id)}/{self.own_key}"

    @property
    def deaths(self) -> Path:
        """Counts the workers that died under this task."""
        return self.execution.path / "deaths" / self.execution.run_key[:8] / slug(self.run.task_id)

    @property
    def _conversation(self) -> str:
        """Its folder's name: where a task runs again because its change did not merge, another one."""
        return f"{slug(self.run.task_id)}~{self.run.reruns}" if self.run.reruns else slug(self.run.task_id)

    @property
    def spares(self) -> WorktreePool:
        return WorktreePool(self.execution.attempts() / ".spare", Trash(self.execution.home))

    @property
    def work_tree(self) -> WorkTree:
        """As it was filled; for the submodules in it, see `repositories`."""
        start = self.path / "start"
        if self.run.base is None or not start.is_file():
            return WorkTree(self.hub, self.tree, self.path / "index", self.execution.checkout_settings())
        return self.repositories.at_start()

    @property
    def repositories(self) -> Repositories:
        return Repositories(self.execution, self.hub, self.tree, self.path / "index", self.start)

    @property
    def start(self) -> str:
        """The commit that the directory was filled from."""
        return (self.path / "start").read_text()

    @property
    def hub(self) -> Hub:
        # Without a workspace the change is kept all the same, on an empty base.
        return Hub(Path(self.run.hub)) if self.run.hub else Hub.without_workspace(self.execution.home)

    def _outcome_path(self, tries: int) -> Path:
        name = f"{slug(self.run.task_id)}.{self.run.attempt}.{self.run.round}.{tries}.json"
        return self.execution.path / "outcomes" / self.execution.run_key[:8] / name

    def work(self, running: Running, task: Task, heartbeat: Heartbeat) -> Work:
        """The attempt as its agent sees it."""
        agents = self.execution.path / "agents"
        relocks = bool(self.run.dispute and self.run.dispute.relock)
        return Work(
            round=self.run.round,
            state=agents / self.execution.run_key[:8] / self._conversation,
            dispute=self.run.dispute,
            hunks=self.execution.conflict(self.run.dispute.found_with).get("hunks", []) if self.run.dispute else [],
            disputed=self.both_sides.marked if self.both_sides else [],
            beside=self.both_sides.told() if self.both_sides else [],
            ledger=agents / "ledger.json",
            save=self._checkpoint,
            model=self.run.model or "",
            inputs=[self._input(each) for each in self.run.inputs],
            after=self.run.after,
            raised=self.run.budget,
            plan=running.plan,
            task=task,
            strategy=running.strategy,
            execution_id=self.execution.workflow_id,
            agent_id=self.run.agent_id,
            attempt=self.run.attempt,
            tries=self.tries,
            answer=self.run.answer,
            tree=self.tree,
            home=self.path / "home",
            temporary=self.path / "tmp",
            events=self.path / "events.jsonl",
            output=self.execution.log(f"{slug(task.id)}.{self.run.attempt}"),
            marker=self.marker,
            # What makes files anew runs what models may have written.
            sandbox=level(
                running.plan, "claude" if relocks and running.plan.has_models else running.plan.agent_of(task)
            ),
            state_directory=self.execution.home,
            readable=[self.hub.path, *map(Path, self.execution.workspace().objects)] if self.run.base else [],
            report=partial(tell, running.plan, heartbeat),
            warnings=Warnings(heartbeat.warn),
        )

    def outcome(self) -> TaskOutcome | None:
        """How this attempt ended, if an earlier try of the activity got that far."""
        earlier = (self._outcome_path(tries) for tries in range(self.tries - 1, 0, -1))
        found = next((path for path in earlier if path.is_file()), None)
        return TaskOutcome.model_validate_json(found.read_bytes()) if found else None

    def keep_outcome(self, outcome: TaskOutcome) -> None:
        self.execution.keep_id()
        write_atomically(self._outcome_path(self.tries), outcome.model_dump_json().encode())

    def siblings(self) -> list[Path]:
        """The directories of this task's attempts that are there, oldest first."""
        try:
            return sorted(self.path.parent.iterdir(), key=lambda each: made_at(each.name))
        except FileNotFoundError:
            return []

    @cached_property
    def both_sides(self) -> BothSides | None:
        """Where the agent is to merge them: the head and the task's earlier change."""
        other, base = self._disputed_change, self.run.base
        if not other or not base:
            return None
        return BothSides(self.hub, base, other, self.run.task_id, FilterDrivers.of(self.execution, self.hub))

    @property
    def _disputed_change(self) -> str | None:
        return self.run.dispute.commit if self.run.dispute else None

    def saved_ref(self, key: str) -> str:
        """Where what was saved of an attempt of this task is."""
        return self.execution.ref("tasks", slug(self.run.task_id), self.execution.run_key[:8], key)

    async def _checkpoint(self) -> None:
        try:
            await in_thread(partial(self.save, int(time.time()), opens=False))
        except (TaskFailed, GitError, OSError, ValueError) as error:
            # Only a help for who takes over: the agent's work goes on, and is saved at its end.
            _log.debug("no checkpoint of %s: %s", self.run.task_id, error)

    def _input(self, produced: Produced) -> Input:
        commit = produced.commit
        paths = changed_paths(self.hub, self.hub.parent_of(commit), commit) if commit else []
        return Input(produced.task_id, produced.summary, [display_path(path) for path in paths])

    def open_to_agent(self, *, furnished: bool = False) -> None:
        """The directory is the agent's from now on; `furnished`: `setup` or `include` have changed it."""
        if furnished:
            write_atomically(self.path / "ignored", json.dumps(self.work_tree.ignored()).encode())
            work_tree = self.work_tree
            start_tree, _ = work_tree.write_tree(self.start)
            if work_tree.failures:
                raise work_tree.failures[0]
            write_atomically(self.path / "start-tree", start_tree.encode())
        self.is_ready()

    def is_ready(self) -> None:
        """The directory is as its agent is to find it."""
        (self.path / READY).touch()

    def save(self, at: int, *, opens: bool = True, keeps: bool = True) -> tuple[str | None, list[str]]:
        """The change as one commit on the head it started from, and its paths; None where nothing changed.

        `opens`: what the agent made unreadable, and repositories that it made inside, become plain, for good; else
        the tree is left alone, and `TaskFailed` raised where not all of it can be saved, which `left` tells otherwise.
        `keeps`: it is the attempt's saved work from now on.
        """
        with self._saving:
            commit, paths = self._save(at, opens=opens)
            if commit is not None and keeps:
                self.hub.update_ref(self.saved_ref(self.own_key), commit)
            return commit, paths

    def _save(self, at: int, *, opens: bool) -> tuple[str | None, list[str]]:
        hub, base = self.hub, self.run.base
        if self.tree.is_symlink() or not self.tree.is_dir():
            raise TaskFailed(failures.DIRECTORY_LOST, "the agent removed or replaced its directory")
        if opens and not os.access(self.tree, os.R_OK | os.X_OK):
            self.work_tree.make_readable()
        if base is None and not any(self.tree.iterdir()):
            return None, []
        if base is None:
            base = hub.empty_commit()
        work_tree, record, found = self.work_tree, "", []
        if self.run.base is not None:
            repositories = self.repositories
            work_tree = repositories.now(base, opens=opens)
            record, found = repositories.trailer(), repositories.failures
            if opens:
                self.left.agents, self.left.picked = repositories.agents, repositories.picked
        tree, paths = work_tree.write_tree(base, opens=opens)
        found = [*found, *work_tree.failures]
        if found and not opens:
            raise found[0]
        if opens:
            self.left.opened, self.left.failures, self.left.work_tree = work_tree.opened, found, work_tree
        recorded = self.path / "start-tree"
        if recorded.is_file() and recorded.read_text() != hub.tree_of(self.start):
            tree = carry_over(hub, recorded.read_text(), tree, self.start)
            paths = changed_paths(hub, base, tree)
        if self.both_sides and (own := self.both_sides.taken_out(tree)) != tree:
            tree, paths = own, changed_paths(hub, base, own)
        if not paths:
            return None, []
        whose = trailers(self.execution.workflow_id, self.run.task_id, self.run.attempt)
        message = f"{self.run.task_id}\n\n{whose}{record}"
        author = self.execution.workspace() if self.run.base else None
        merges = [self._disputed_change] if self._disputed_change and opens else []
        return hub.commit(tree, [base, *merges], message, author, at), paths

    def only_ignored(self, commit: str | None) -> str | None:
        """Where all that the agent has made is ignored by git, so that nothing of it lands: what it is."""
        if commit is not None or self.run.base is None:
            return None
        recorded = self.path / "ignored"
        before = json.loads(recorded.read_bytes()) if recorded.is_file() else []
        made = [path for path in self.work_tree.ignored() if path not in before][:_MAX_IGNORED]
        told = [f"{display_path(path)} ({size_of(self.tree / path) / 1e6:.1f} MB)" for path in made]
        return f"only what git ignores was made, and does not land: {', '.join(told)}" if told else None

    def alike(self, commit: str | None, paths: Sequence[str]) -> str | None:
        """Of changed names those that are one now where case or the form of accents does not count."""
        if commit is None or self.run.base is None:
            return None
        pairs = case_collisions(self.hub, commit, paths, [self.run.base])
        told = ", ".join(f"{display_path(one)} and {display_path(two)}" for one, two in pairs[:_MAX_IGNORED])
        return f"{told} are one file on many machines" if told else None

    def links_out(self, commit: str | None) -> list[str]:
        """Links of a saved change that would lead whoever has it out of the workspace."""
        return [] if commit is None or self.run.base is None else self.work_tree.links_out(self.run.base, commit)

    def executed_later(self, commit: str | None, paths: Sequence[str]) -> list[str]:
        """What of a saved change other programs execute unasked."""
        if commit is None or self.run.base is None:
            return []
        return executed_later(self.hub, self.run.base, commit, paths)

    def keep_reads(self, names: Sequence[str]) -> None:
        """What the agent has looked into, in its directory, for whoever lands beside it."""
        tree = os.path.realpath(self.tree)
        whole = (os.path.normpath(os.path.join(tree, name.replace(str(self.tree), tree, 1))) for name in names)
        inner = [os.path.relpath(path, tree) for path in whole if path.startswith(f"{tree}/")]
        self.execution.keep_reads(self.run.task_id, inner)

    def warm_symbol_cache(self, commit: str | None) -> None:
        """What landing a saved change will look at."""
        if commit is not None and self.run.base is not None:
            with contextlib.suppress(GitError, ValueError, RecursionError):
                warm_symbol_cache(self.hub, self.run.base, commit)

    def saved(self, commit: str | None) -> Saved:
        """How a later attempt finds this one's work."""
        return Saved(directory=self.key, commit=commit, base=self.run.base)

    def retire(self) -> Path | None:
        """As `remove`, but for an attempt that left no process: its directory is put by; where it is now."""
        spare = self.spares.keep(self.path) if self.run.base is not None and self.tree.is_dir() else None
        self.remove()
        return spare

    def drop(self, spare: Path) -> None:
        """Delete a directory that was put by and that nobody took."""
        self.spares.drop(spare)
        self._tidy()

    def remove(self) -> None:
        """Delete the directory, those of earlier tries with it; the change is in the hub."""
        # Never a later one: a worker that froze and wakes up would take it from its successor.
        for each in self.siblings():
            if made_at(each.name) <= made_at(self.own_key):
                Trash(self.execution.home).take(each)
        self._tidy()

    def _tidy(self) -> None:
        with contextlib.suppress(OSError):
            # Empty only when no other attempt is there.
            for folder in (self.path.parent, self.spares.folder):
                with contextlib.suppress(FileNotFoundError):
                    folder.rmdir()
            self.execution.attempts().rmdir()
            self.execution.attempts().parent.rmdir()


def made_at(key: str) -> list[int]:
    """When a directory was made, among those of its task."""
    return [int(part) for part in key.split(".")]
