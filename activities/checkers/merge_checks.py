"""Checks of a merge by the languages' own checkers: what they say of the merge and of neither side."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from activities.checkers.checker import Checker, CheckerFailed, Job, Message
from activities.checkers.differential import new_messages, relevant, wording
from activities.checkers.tree_runner import TreeRunner
from activities.conflicts.semantic.sides import Finding
from activities.git.changes import changed_paths, paths_in
from activities.git.hub import Hub
from activities.system.atomic_write import write_atomically
from activities.system.concurrency import in_thread

_MAX_MESSAGES = 10_000
_MIN_LARGE = 1_000
"""From so many files of a language on, a checker looks only at what the changes can concern, if it can."""
_MAX_FOCUS = 500


def concerned(checkers: Mapping[str, Checker], sides: Sequence[Collection[str]]) -> list[str]:
    """Names of the checkers that read something of what each side has changed."""
    # A change has few files, what has landed many.
    smallest_first = sorted(sides, key=len)
    return [name for name, each in checkers.items() if all(any(map(each.concerns, side)) for side in smallest_first)]


def decided(finding: Finding, checkers: Iterable[Checker]) -> bool:
    """Whether some of the checkers decide about a conflict that symbols show."""
    return not finding.is_data and any(
        each.decides and each.concerns(finding.path) and each.concerns(finding.other) for each in checkers
    )


@dataclass(frozen=True)
class MergeSides:
    """Commits of a merge: where both sides began, the sides, and the merge of them; of a head, both sides are it."""

    base: str
    ours: str
    theirs: str
    merged: str

    @property
    def known(self) -> tuple[str, ...]:
        """Those whose messages are not new, the one that is asked first before the others."""
        return (self.base,) if self.ours == self.theirs else (self.theirs, self.ours)


@dataclass
class CheckerReport:
    """Result of one checker: its new messages, or the `problem` because of which it said nothing."""

    checker: str
    findings: list[Message] = field(default_factory=list)
    problem: str | None = None
    milliseconds: int = 0
    runs: int = 0
    """Trees that it has read; others were known."""


@dataclass(frozen=True)
class MergeChecks:
    """Checkers for the merges of one hub; what they said of a tree is kept in `results`."""

    hub: Hub
    checkers: Mapping[str, Checker]
    results: Path

    def concerned(self, base: str, ours: str, theirs: str) -> list[str]:
        """Names of the checkers of which both sides have changed files. Blocking."""
        return concerned(self.checkers, [changed_paths(self.hub, base, side) for side in (ours, theirs)])

    async def check(self, runner: TreeRunner, sides: MergeSides, names: Sequence[str]) -> list[CheckerReport]:
        """Run checkers on a merge, and where they find something, on its sides."""
        changed = {
            path
            for side in (sides.ours, sides.theirs)
            for path in await in_thread(changed_paths, self.hub, sides.base, side)
        }
        tree = await in_thread(paths_in, self.hub, sides.merged)
        reports = [await self._check(runner, sides, self.checkers[name], changed, set(tree)) for name in names]
        return [each for each in reports if each is not None]

    async def remaining(
        self, runner: TreeRunner, commit: str, earlier: Sequence[Sequence[str]]
    ) -> list[tuple[str, Message]]:
        """Messages of an earlier conflict that a checker still has; `earlier`: checker, path, rule, text of each."""
        tree, found = set(await in_thread(paths_in, self.hub, commit)), []
        for name in dict.fromkeys(row[0] for row in earlier if row[0] in self.checkers):
            checker, report = self.checkers[name], CheckerReport(name)
            rows = [row for row in earlier if row[0] == name]
            wordings = {wording(Message(path, 0, rule, text)) for _, path, rule, text in rows}
            with contextlib.suppress(CheckerFailed):
                paths = {path for _, path, _, _ in rows}
                for job in checker.jobs(tree, paths):
                    job = job._replace(files=tuple(sorted(paths))) if checker.each_alone else job
                    messages = await self._messages(runner, checker, job, commit, report)
                    found += [(name, each) for each in messages if wording(each) in wordings]
        return list(dict.fromkeys(found))

    async def _check(
        self, runner: TreeRunner, sides: MergeSides, checker: Checker, changed: Collection[str], tree: Collection[str]
    ) -> CheckerReport | None:
        """Its report; None where no project asks for it."""
        used = partial(self._is_used, runner, checker, sides, tree)
        jobs = await in_thread(lambda: list(filter(used, checker.jobs(tree, changed))))
        if not jobs:
            return None
        result, began = CheckerReport(checker.name), time.perf_counter()
        focus = await in_thread(self._focus, sides.merged, checker, changed, tree)
        for whole in jobs:
            job = whole._replace(files=tuple(path for path in focus if path.startswith(f"{whole.folder}/".lstrip("/"))))
            if checker.each_alone and not job.files:
                continue
            try:
                result.findings += await self._new_messages(runner, sides, checker, job, result)
            except CheckerFailed as error:
                # One project that cannot be read hides nothing of the others.
                result.problem = f"{job.folder}: {error}" if job.folder else str(error)
        result.findings = list(dict.fromkeys(result.findings))
        result.milliseconds = round((time.perf_counter() - began) * 1000)
        return result

    def _is_used(
        self, runner: TreeRunner, checker: Checker, sides: MergeSides, tree: Collection[str], job: Job
    ) -> bool:
        """Whether a project uses a checker, and brings it where it has to."""

        def file(path: str) -> bytes | None:
            return self.hub.file(sides.merged, path) if path in tree else None

        is_asked = checker.is_asked_for(job.folder, file)
        return is_asked and (checker.asked_for is None or runner.brings(checker, job))

    def _focus(self, merged: str, checker: Checker, changed: Collection[str], tree: Collection[str]) -> list[str]:
        """In a large tree the changed files and those that name a changed module; empty: all are looked at."""
        read = [path for path in changed if path in tree and path.endswith(checker.suffixes)]
        if checker.each_alone:
            return sorted(read)
        if not checker.takes_files or sum(path.endswith(checker.suffixes) for path in tree) < _MIN_LARGE:
            return []
        named = self.hub.files_with(merged, checker.modules(changed), checker.suffixes, _MAX_FOCUS)
        found = {*named, *read}
        return sorted(found) if len(found) < _MAX_FOCUS else []

    async def _new_messages(
        self, runner: TreeRunner, sides: MergeSides, checker: Checker, job: Job, result: CheckerReport
    ) -> list[Message]:
        contents = [cache(partial(self._content, commit)) for commit in (sides.merged, *sides.known)]
        merged = await self._messages(runner, checker, job, sides.merged, result)
        if checker.unread is not None and any(checker.unread.search(each.text) for each in merged):
            for side in sides.known:
                self._require_read(checker, await self._messages(runner, checker, job, side, result), result)
        found: list[Message] = await in_thread(lambda: list(relevant(checker, merged, contents[0])))
        known: list[list[Message]] = []
        for number, side in enumerate(sides.known):
            if not found:
                break
            said = await self._messages(runner, checker, job, side, result)
            self._require_read(checker, said, result)
            known.append(said)
            found = await in_thread(new_messages, checker, found, known, contents[: number + 2])
        return found

    def _require_read(self, checker: Checker, said: Iterable[Message], result: CheckerReport) -> None:
        """Note where a checker does not read all of a side; raises `CheckerFailed` where it reads nothing else."""
        told = next((each.text for each in said if checker.unread and checker.unread.search(each.text)), None)
        if told is None:
            return
        if not checker.reads_on:
            raise CheckerFailed(f"reads nothing: {told}"[:300])
        result.problem = result.problem or f"reads only a part: {told}"[:300]

    async def _messages(
        self, runner: TreeRunner, checker: Checker, job: Job, commit: str, result: CheckerReport
    ) -> list[Message]:
        """Messages about a tree; from `results` where it was read before."""
        tree = await in_thread(self.hub.tree_of, commit)
        program = await in_thread(runner.identity, checker, job)
        key = hashlib.sha256(json.dumps([tree, *job, *program]).encode()).hexdigest()[:40]
        path = self.results / f"{key}.json"
        if path.is_file():
            known: list[list[Any]] = json.loads(path.read_bytes())
            return [Message(*row) for row in known]
        found = await runner.messages(checker, job, commit)
        if len(found) > _MAX_MESSAGES:
            raise CheckerFailed(f"says more than {_MAX_MESSAGES} things")
        result.runs += 1
        self.results.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, json.dumps(found).encode(), survives_power_loss=False)
        return found

    def _content(self, commit: str, path: str) -> bytes:
        return self.hub.file(commit, path) or b""
