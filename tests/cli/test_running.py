"""Executions that go on, as commands show them: numbers so far, who waits for what, in terminals of any width."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.command_line import Cli, stop, wait_for
from tests.site import Site
from tests.support import tasks

_LONG = "the-parser-of-a-module-with-a-very-long-name-in-the-far-north-of-the-repository"


@contextlib.contextmanager
def running(
    cli: Cli, folder: Path, identifier: str, rows: list[dict[str, Any]], exits: int = 0, **more: Any
) -> Iterator[Path]:
    """An execution whose tasks wait for a file, which the block may create; `exits`: code of its command."""
    go = folder / "go"
    for row in rows:
        row["run"] = row["run"].replace("{go}", str(go))
    process = cli.popen("run", cli.plan({"tasks": tasks(*rows), **more}), "--id", identifier)
    try:
        yield go
        go.touch()
        out, _ = process.communicate(timeout=60)
        assert process.returncode == exits, out
    finally:
        if process.poll() is None:
            stop(process)


def in_terminal(cli: Cli, columns: int, *arguments: str) -> str:
    """What a command prints in a terminal of this width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    argv = [*forked.program(), *arguments]
    process = subprocess.Popen(argv, env={**cli.env, "TERM": "xterm"}, stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    printed = b""
    with contextlib.suppress(OSError):
        while part := os.read(ours, 65_536):
            printed += part
    os.close(ours)
    process.wait(30)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed.decode()).replace("\r\n", "\n")


def reports(percent: int, operation: str) -> str:
    event = {"progress": {"percent": percent, "operation": operation, "files": ["a.py"]}}
    return f"echo '{json.dumps(event)}' >> \"$EPW_EVENTS\"\n"


def test_what_runs_waits_and_is_done_so_far(site: Site, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "writes", "files": ["src/**"], "priority": 9, "estimatedMinutes": 30, "run": reports(40, "editing")},
        {"id": "waits", "files": ["src/a"], "run": "true"},
        {
            "id": "asks",
            "run": 'if [ -z "${EPW_ANSWER:-}" ]; then echo \'{"question": "Which?"}\' >> "$EPW_EVENTS"; exit 75; fi',
        },
        {"id": "done", "run": "true"},
    ]
    rows[0]["run"] += "until [ -e {go} ]; do sleep 0.05; done"
    with running(site.cli, tmp_path, "so far", rows):

        def seen() -> Any:
            said = site.cli("status", "so far", "--json", code=None)
            if said.returncode:
                return None
            found = json.loads(said.stdout)
            rows = {row["taskId"]: row for row in found["results"]}
            told = [each for each in found.get("progress", []) if each["percent"] == 40]
            is_there = rows["done"]["status"] == "succeeded" and rows["asks"]["status"] == "waiting" and told
            return (found, rows) if is_there else None

        document, found = wait_for(seen)
        assert (found["waits"]["waitingFor"], found["waits"]["waitingOn"]) == ("files", ["writes"])
        assert (found["waits"]["agentId"], found["asks"]["agentId"]) == (None, None)
        assert found["writes"]["agentId"] == "agent-1"
        assert found["writes"]["filesModified"] is None
        # 40 % of 30 minutes, and all of one of three tasks of 10.
        assert document["soFar"]["percent"] == pytest.approx(100 * (12 + 10) / 60, abs=0.1)
        assert document["soFar"]["elapsedMs"] > 0
        eta = document["soFar"]["eta"]
        assert 0 < eta["lowMs"] <= eta["leftMs"] <= eta["highMs"]
        assert list(eta["tasks"]) == ["writes"]
        (progress,) = document["progress"]
        assert abs(progress["reportedAt"] / 1000 - time.time()) < 60
        assert 0 < progress["elapsedMs"] <= document["soFar"]["elapsedMs"]
        metrics = document["metrics"]
        assert [metrics[name] for name in ("actualSpeedup", "efficiency", "coordinationOverhead")] == [None] * 3
        told = site.cli("status", "so far").stdout
        assert "waiting (files of writes)" in told
        assert "1 of 4 tasks done · 37 % · " in told
        assert re.search(r"so far · about .* left \(.* to ", told)
        assert "answer by: epw answer 'so far' q1 TEXT" in told
        assert "execution" not in site.cli("answer", "so far", "q1", "this").stderr


def test_a_watcher_reads_each_percent_that_was_reported(site: Site, tmp_path: Path) -> None:
    marks = [tmp_path / f"mark{n}" for n in range(3)]
    run = "".join(
        reports(10 + 27 * n, f"step {n}") + f"until [ -e {mark} ]; do sleep 0.05; done\n"
        for n, mark in enumerate(marks)
    )
    with running(site.cli, tmp_path, "percents", [{"id": "a", "run": run}]):
        wait_for(lambda: not site.cli("status", "percents", code=None).returncode)
        watching = site.cli.popen("watch", "percents")
        assert watching.stdout is not None
        for percent, mark in zip((10, 37, 64), marks, strict=True):
            for line in watching.stdout:
                if f"a: {percent} % · step" in line:
                    break
            else:
                raise AssertionError(f"{percent} % was not told")
            mark.touch()
        out, _ = watching.communicate(timeout=60)
        assert "a: succeeded" in out


def test_every_line_fits_the_terminal_and_ids_keep_both_ends(site: Site, tmp_path: Path) -> None:
    rows = [
        {"id": f"{_LONG}-{n}", "run": reports(30, "reading all of it") + "until [ -e {go} ]; do sleep 0.05; done"}
        for n in range(2)
    ]
    with running(site.cli, tmp_path, "wide", rows):
        wait_for(lambda: "30 %" in site.cli("status", "wide", code=None).stdout)
        seen = {
            columns: [
                in_terminal(site.cli, columns, *words) for words in (("status", "wide"), ("list", "--limit", "3"))
            ]
            for columns in (60, 80, 120, 250)
        }
    for columns, (told, listed) in seen.items():
        for line in (told + listed).splitlines():
            assert len(line) <= columns, line
        assert ("…" in told) == (columns < 200)
        assert "tory-0" in told
        assert "the-pars" in told
        assert ("≈" in told, "agent-1" in told) == (columns >= 80, columns >= 120)
        assert "wide" in listed
        assert " s ago" in listed


def test_lists_are_narrowed(site: Site) -> None:
    site.cli("run", site.cli.plan({"tasks": tasks({"id": "a", "run": "false"})}), "--id", "bad", code=1)
    site.cli("run", site.cli.plan({"tasks": tasks({"id": "a", "run": "true"})}), "--id", "good")
    assert [row["executionId"] for row in site.cli.json("list", "--status", "failed")][:1] == ["bad"]
    assert {row["status"] for row in site.cli.json("list", "--status", "failed", "--status", "succeeded")} <= {
        "failed",
        "succeeded",
    }
    assert len(site.cli.json("list", "-n", "1")) == 1
    assert site.cli.json("list", "--waiting") == []
    assert "did you mean succeeded?" in site.cli("list", "--status", "suceeded", code=2).stderr


def test_without_a_worker_status_and_watch_say_what_goes_on(tmp_path: Path, temporal_binary: str) -> None:
    cli = Cli(tmp_path / "home", temporal_binary)
    cli("start", cli.plan({"tasks": tasks({"id": "a", "run": "true"})}), "--id", "alone")
    shown = cli("status", "alone")
    assert "no worker runs it: `epw run --resume alone`" in shown.stderr
    assert "alone: running (no worker)" in shown.stdout
    assert " left" not in shown.stdout
    assert "running (no worker)" in cli("list").stdout
    watching = cli.popen("watch", "alone")
    assert watching.stdout is not None
    assert any("no worker runs it: `epw run --resume alone`" in line for line in watching.stdout)
    assert cli("run", "--resume", "alone").returncode == 0
    out, _ = watching.communicate(timeout=60)
    assert watching.returncode == 0, out
    cli("start", cli.plan({"tasks": tasks({"id": "a", "run": f"touch {tmp_path}/ran"})}), "--id", "left")
    assert "its cancellation waits for a worker: `epw run --resume left`" in cli("cancel", "left").stderr
    shown = cli("status", "left")
    assert "its cancellation waits for a worker" in shown.stderr
    assert "left: running (no worker, to be cancelled)" in shown.stdout
    assert "is being cancelled, and takes no changes" in cli("cancel", "left", "a", code=2).stderr
    assert cli("run", "--resume", "left", code=4).returncode == 4
    assert not (tmp_path / "ran").exists()
