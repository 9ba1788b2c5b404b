"""What the product says, beside what is measured from outside: by git, files, the clock, processes, the server."""

from __future__ import annotations

import base64
import json
import os
import platform
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.command_line import Cli, wait_for
from tests.site import Site
from tests.support import make_repository, sh

_VERIFY = "echo checking; test ! -e bad"
_STAMP = 'stamp() {{ date +%s.%N | sed "s/^/$EPW_TASK_ID $1 /" >> {notes}; }}; stamp begin\n'
_ROWS = {
    "a": "sleep 0.4; echo 1 > a1; echo 1 > a2",
    "b": "sleep 0.3; echo 1 > bad",
    "c": "sleep 0.2; echo 2 >> a1",
    "d": "echo deep; [ -e {folder}/tried ] || {{ touch {folder}/tried; exit 3; }}; echo 1 > d1",
}


@dataclass
class Ran:
    """An execution from outside: what `run` printed, its repository, and what its tasks noted in a file."""

    cli: Cli
    folder: Path
    out: str
    code: int
    began: float
    ended: float
    stamps: list[tuple[str, str, float]] = field(default_factory=list)

    @property
    def repository(self) -> Path:
        return self.folder / "repo"

    def git(self, *arguments: str) -> str:
        return sh(self.repository, "git", *arguments).strip()

    @cached_property
    def document(self) -> Any:
        return self.cli.json("status", "words")

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.cli.temporal_cli("workflow", "show", "-w", "words"))["events"]
        return found

    @cached_property
    def described(self) -> Any:
        return json.loads(self.cli.temporal_cli("workflow", "describe", "-w", "words"))

    @cached_property
    def doctor(self) -> dict[str, dict[str, Any]]:
        return {each["name"]: each for each in self.cli.json("doctor")["checks"]}

    def said(self, pattern: str) -> str:
        """The first group of a sentence in what `run` printed."""
        found = re.search(pattern, self.out)
        assert found is not None, f"{pattern} is not in\n{self.out}"
        return found[1]

    def cell(self, task: str, column: int) -> str:
        """A cell of the table of tasks."""
        line = next(line for line in self.out.splitlines() if re.match(rf"│ {task} ", line))
        return line.split("│")[column + 1].strip()

    def row(self, task: str) -> Any:
        return next(row for row in self.document["results"] if row["taskId"] == task)

    def times(self, task: str) -> list[tuple[float, float]]:
        """Beginning and end of each run of a task, as it noted them itself."""
        mine = [(word, at) for each, word, at in self.stamps if each == task]
        return [(at, end) for (word, at), (_, end) in pairwise(mine) if word == "begin"]

    @property
    def runs(self) -> list[tuple[float, float]]:
        return [each for task in _ROWS for each in self.times(task)]

    def seconds(self) -> float:
        """Time from the start to the close of the workflow, by the server."""
        first, last = (datetime.fromisoformat(self.events[at]["eventTime"]) for at in (0, -1))
        return (last - first).total_seconds()


@pytest.fixture(scope="module")
def ran(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("words")
    repository, notes = make_repository(folder / "repo"), folder / "notes"
    (repository / "mine.txt").write_text("not committed\n")
    (repository / ".env").write_text("TOKEN=abcdefghijklmnop\n")
    begin, finish = _STAMP.format(notes=notes), "trap 'stamp end' EXIT\n"
    rows = [
        {"id": name, "description": f"do {name}", "run": f"{begin}{finish}{run.format(folder=folder)}"}
        for name, run in _ROWS.items()
    ]
    rows[2] |= {"dependsOn": ["a"]}  # type: ignore[dict-item]
    plan = {"workspace": str(repository), "strategy": "aggressive", "maxAgents": 2, "verify": _VERIFY, "tasks": rows}
    path = folder / "the plan.json"
    path.write_text(json.dumps(plan))
    began = time.time()
    done = site.cli("run", str(path), "--id", "words", code=None)
    ran = Ran(site.cli, folder, done.stdout + done.stderr, done.returncode, began, time.time())
    fields = (line.split() for line in notes.read_text().splitlines())
    ran.stamps = [(task, word, float(at)) for task, word, at in fields]
    return ran


Sentence = Callable[[Ran], tuple[Any, Any]]
SENTENCES: dict[str, Sentence] = {
    "execution: ID": lambda ran: (
        ran.said(r"execution: (\S+)"),
        ran.described["workflowExecutionInfo"]["execution"]["workflowId"],
    ),
    "Temporal Web UI: ADDRESS": lambda ran: (
        urllib.request.urlopen(ran.said(r"Temporal Web UI \(.*\): (\S+)")).status,
        200,
    ),
    "ID: partial": lambda ran: (
        ran.said(r"\nwords: (\w+)"),
        "partial" if ran.git("branch", "--list", "epw/words") and "bad" not in delivered(ran) else "?",
    ),
    "exit code 1 of what is partial": lambda ran: (ran.code, 1),
    "Temporal has it as COMPLETED": lambda ran: (
        ran.described["workflowExecutionInfo"]["status"],
        "WORKFLOW_EXECUTION_STATUS_COMPLETED",
    ),
    "list: its status": lambda ran: (
        [row["status"] for row in ran.cli.json("list") if row["executionId"] == "words"],
        ["partial"],
    ),
    "a landed": lambda ran: (ran.cell("a", 2), str("a1" in delivered(ran))),
    "b did not land": lambda ran: (ran.cell("b", 2), str("bad" in delivered(ran))),
    "a has changed 2 files": lambda ran: (int(ran.cell("a", 5)), len(changed(ran, "a"))),
    "d took 2 attempts": lambda ran: (int(ran.cell("d", 3)), len(ran.times("d"))),
    "b failed by VerifyFailed": lambda ran: (ran.cell("b", 6), "VerifyFailed" if not passes(ran, "b") else "?"),
    "a: time": lambda ran: (
        True,
        spent(ran, "a") <= ran.row("a")["duration"] / 1000 <= ran.ended - ran.began,
    ),
    "4 tasks": lambda ran: (int(ran.said(r"(\d+) tasks: ")), len({task for task, _, _ in ran.stamps})),
    "3 parallel": lambda ran: (int(ran.said(r"(\d+) parallel")), len([task for task in _ROWS if task != "c"])),
    "1 sequential": lambda ran: (int(ran.said(r"(\d+) sequential")), 1),
    "N of 2 agents used": lambda ran: (int(ran.said(r"(\d+) of 2 agents used")), len(agents(ran))),
    "at most N at once": lambda ran: (True, overlap(ran) <= int(ran.said(r"at most (\d+) at once")) <= 2),
    "it took N s": lambda ran: (
        float(ran.said(r"\n([\d.]+) s; one after")),
        pytest.approx(ran.seconds(), abs=max(0.3, ran.seconds() / 10)),
    ),
    "one after another N s": lambda ran: (
        True,
        sum(end - begin for begin, end in ran.runs) - 0.1
        <= float(ran.said(r"one after another it would have been ([\d.]+) s"))
        <= sum(end - begin for begin, end in ran.runs) + 2 * len(ran.runs),
    ),
    "the speedup is their ratio": lambda ran: (
        float(ran.said(r"speedup ([\d.]+)")),
        pytest.approx(
            ran.document["metrics"]["sequentialDuration"] / ran.document["metrics"]["totalDuration"], abs=0.006
        ),
    ),
    "1 retried": lambda ran: (int(ran.said(r"(\d+) retried")), len(ran.times("d")) - 1),
    "1 run again after conflicts": lambda ran: (
        int(ran.said(r"(\d+) run again after conflicts")),
        len(ran.times("b")) - 1,
    ),
    "1 failed": lambda ran: (int(ran.said(r"(\d+) failed")), len(_ROWS) - len(landed(ran))),
    "no run after the worker had ended": lambda ran: (
        "the worker had ended" in ran.out,
        any(each.get("activityTaskStartedEventAttributes", {}).get("attempt", 1) > 1 for each in ran.events),
    ),
    "verify passed, without b": lambda ran: (
        ran.said(r"verify `(.*)`: passed \([\d.]+ s\), without b"),
        _VERIFY if passes(ran, "epw/words") else "?",
    ),
    "verify failed with exit code 1": lambda ran: (
        int(ran.said(r"verify `.*` failed with exit code (\d+): laid to b")),
        verify(ran, "b"),
    ),
    "a red verify is told once, and once where it happened": lambda ran: (
        len(re.findall(r"verify `.*` (?:failed|ended) with", ran.out)),
        2,
    ),
    "saved: 1 changed file": lambda ran: (int(ran.said(r"saved: (\d+) changed file")), len(changed(ran, "b"))),
    "saved: the commit": lambda ran: (
        hub(ran, "rev-parse", ran.said(r"saved: .* \((\w+)\)")),
        hub(ran, "rev-parse", ran.row("b")["commit"]),
    ),
    "delivered: the branch": lambda ran: (
        ran.said(r"delivered: branch (\S+),"),
        ran.git("branch", "--list", "epw/*", "--format=%(refname:short)"),
    ),
    "N files, and M that were not committed": lambda ran: (
        sum(
            map(
                int,
                re.findall(r"(\d+) files?", ran.said(r"delivered: branch \S+, (.*)")),
            )
        ),
        len(ran.git("diff", "--name-only", "main", "epw/words").splitlines()),
    ),
    "1 that was not committed": lambda ran: (
        int(ran.said(r"and (\d+) file that you had not committed")),
        len([each for each in delivered(ran) if (ran.repository / each).exists()]),
    ),
    "left out: .env": lambda ran: (
        ran.said(r"\n  left out: (\S+):"),
        next(each for each in ran.git("status", "--short").split() if each == ".env" and each not in delivered(ran)),
    ),
    "left out, before the start": lambda ran: (
        ran.said(r"warning: left out: (\S+):"),
        ".env" if ".env" not in hub(ran, "ls-tree", "-r", "--name-only", ran.document["delivery"]["base"]) else "?",
    ),
    "the landing order": lambda ran: (
        set(ran.document["landingOrder"]),
        landed(ran),
    ),
    "diff: the change": lambda ran: (
        ran.cli("diff", "words").stdout.count("\n+1"),
        ran.git("diff", ran.document["delivery"]["base"], "epw/words").count("\n+1"),
    ),
    "salvage: every saved change": lambda ran: (
        {row["taskId"] for row in ran.cli.json("salvage", "words")},
        set(hub(ran, "for-each-ref", "--format=%(contents:subject)", "refs/epw").replace(":", " ").split())
        & set(_ROWS),
    ),
    "logs: what d printed": lambda ran: (
        ran.cli("logs", "words", "d").stdout.count("deep"),
        len(ran.times("d")),
    ),
    "next: commit your own, then merge": lambda ran: (
        "mine.txt" in ran.said(r"\n  (git .*add .*mine.txt.*commit)"),
        merges(ran),
    ),
    "retry: what is taken over, and that the plan's file has changed": lambda ran: retried(ran),
    "doctor: git": lambda ran: (
        ran.doctor["git"]["found"].split()[0],
        ".".join(sh(ran.folder, "git", "--version").split()[2].split(".")[:2]),
    ),
    "doctor: Python": lambda ran: (platform.python_version() in ran.doctor["epw"]["found"], True),
    "doctor: the state directory": lambda ran: (
        ran.doctor["state directory"]["found"],
        f"{ran.cli.home} ({os.stat(ran.cli.home).st_mode & 0o777:o})",
    ),
    "doctor: free disk": lambda ran: (
        int(ran.doctor["free disk"]["found"].split()[0]),
        pytest.approx(shutil.disk_usage(ran.cli.home).free // 2**20, rel=0.1),
    ),
    "doctor: no worker": lambda ran: (ran.doctor["worker"]["ok"], bool(workers(ran))),
}


def delivered(ran: Ran) -> list[str]:
    """Files of the branch that HEAD did not have."""
    return ran.git("diff", "--name-only", "main", "epw/words").splitlines()


def landed(ran: Ran) -> set[str]:
    """Tasks with a file in the branch; c has changed one of a's."""
    found = {each[0] for each in delivered(ran) if each[0] in _ROWS and each != "bad"}
    return found | ({"c"} if "2" in ran.git("show", "epw/words:a1").split() else set())


def hub(ran: Ran, *arguments: str) -> str:
    (path,) = (ran.cli.home / "hubs").glob("*.git")
    return sh(ran.folder, "git", "--git-dir", str(path), *arguments).strip()


def changed(ran: Ran, task: str) -> list[str]:
    commit = ran.row(task)["commit"]
    return hub(ran, "diff", "--name-only", f"{commit}^", commit).splitlines()


def verify(ran: Ran, what: str) -> int:
    """Exit code of the plan's `verify` on a branch, or on the saved change of a task."""
    place = ran.folder / f"tree-{what.replace('/', '-')}"
    if not place.exists():
        place.mkdir()
        archive = place / "archive.tar"
        if what in _ROWS:
            hub(ran, "archive", "--output", str(archive), ran.row(what)["commit"])
        else:
            ran.git("archive", "--output", str(archive), what)
        sh(place, "tar", "xf", str(archive))
    return subprocess.run(["bash", "-c", _VERIFY], cwd=place, check=False, stdout=subprocess.DEVNULL).returncode


def passes(ran: Ran, what: str) -> bool:
    return verify(ran, what) == 0


def agents(ran: Ran) -> set[bytes]:
    """Agents by the inputs of the activities that the server has."""
    found = set()
    for event in ran.events:
        for payload in event.get("activityTaskScheduledEventAttributes", {}).get("input", {}).get("payloads", []):
            found |= set(re.findall(rb'"agent_?[iI]d":"(agent-\d+)"', base64.b64decode(payload["data"])))
    return found


def overlap(ran: Ran) -> int:
    """The most runs of tasks that went on at one moment."""
    return max(sum(begin <= at < end for begin, end in ran.runs) for at, _ in ran.runs)


def spent(ran: Ran, task: str) -> float:
    return sum(end - begin for begin, end in ran.times(task))


def workers(ran: Ran) -> list[int]:
    """Worker processes of the state directory."""
    found = []
    for each in psutil.process_iter(["cmdline", "environ"]):
        with_home = (each.info["environ"] or {}).get("EPW_HOME") == str(ran.cli.home)
        if with_home and "epw.service.worker_process" in (each.info["cmdline"] or []):
            found.append(each.pid)
    return found


def merges(ran: Ran) -> bool:
    """Whether the printed commands, one after the other, bring the branch into the user's own, in a clone."""
    clone = ran.folder / "clone"
    shutil.copytree(ran.repository, clone)
    for pattern in (r"\n  (git .*? && git .*?commit)", r"\n  (git .*?merge epw/words)"):
        command = ran.said(pattern).replace(str(ran.repository), str(clone)).replace("commit", "commit -m mine")
        sh(clone, "bash", "-c", command)
    return (clone / "d1").exists() and not (clone / "bad").exists()


def retried(ran: Ran) -> tuple[Any, Any]:
    path = ran.folder / "the plan.json"
    plan = json.loads(path.read_text())
    path.write_text(json.dumps({**plan, "maxAgents": 1}))
    notes = (ran.folder / "notes").read_text()
    done = ran.cli("retry", "words", "--id", "again", code=None)
    new = {line.split()[0] for line in (ran.folder / "notes").read_text().removeprefix(notes).splitlines()}
    told = re.search(r"taken over from words: (\d) of 4 tasks", done.stderr)
    assert told is not None, done.stderr
    assert f"{path} has changed since: this runs the plan as it was started" in done.stderr
    return int(told[1]), len(_ROWS) - len(new)


@pytest.mark.parametrize("words", SENTENCES)
def test_what_is_said_is_so(words: str, ran: Ran) -> None:
    told, is_so = SENTENCES[words](ran)
    assert told == is_so


def test_forty_sentences_are_held() -> None:
    assert len(SENTENCES) >= 40


def test_the_clock_of_each_line_is_that_of_the_machine(ran: Ran) -> None:
    moments = re.findall(r"^(\d\d:\d\d:\d\d) ", ran.out, re.MULTILINE)
    first, last = (datetime.fromtimestamp(each).strftime("%H:%M:%S") for each in (ran.began, ran.ended))
    assert moments
    assert first > last or all(first <= each <= last for each in moments)


def test_no_worker_is_left_after_the_command(ran: Ran) -> None:
    assert wait_for(lambda: not workers(ran))
