"""A state directory is backed up and moved, as the documents say: what has ended is there, what waits goes on."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.command_line import Cli, line_with, stop, wait_for
from tests.support import make_repository, sh, tasks
from tests.whole.test_documents import ROOT, blocks

ASKS = """if [ -z "${EPW_ANSWER:-}" ]; then
echo half > half; echo '{"question": "Which?"}' >> "$EPW_EVENTS"; exit 75; fi
git status --short > status
echo "$EPW_ANSWER" > answer
"""


def test_executions_go_on_in_a_copy_at_another_place(tmp_path: Path, temporal_binary: str) -> None:
    old = Cli(tmp_path / "old", temporal_binary)
    process = old.popen("up")
    line_with(process, "task queue")
    repository = make_repository(tmp_path / "repo", {"f": "1\n"})
    # Only the hub has the commit of this.
    (repository / "f").write_text("uncommitted\n")
    rows = tasks({"id": "done", "run": "echo 2 > f"}, {"id": "asks", "run": ASKS})
    old("start", old.plan({"workspace": str(repository), "tasks": rows}), "--id", "waits")
    wait_for(lambda: [each["status"] for each in old.json("status", "waits")["results"]] == ["succeeded", "waiting"])
    (repository / "f").write_text("1\n")
    lost = tasks({"id": "good", "run": "echo 3 > f"}, {"id": "bad", "run": "exit 1", "dependsOn": ["good"]})
    old("run", old.plan({"workspace": str(repository), "tasks": lost}), "--id", "lost", code=1)
    saved = old.json("salvage", "lost")
    stop(process)

    new = Cli(tmp_path / "far/away/new", temporal_binary)
    (script,) = [each for each in blocks(ROOT / "docs/operations.md", "sh") if "state.tar" in each]
    program = tmp_path / "bin/epw"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/starter.py "$@"\n')
    program.chmod(0o755)
    env = {**new.env, "PATH": f"{program.parent}:{new.env['PATH']}", "FROM": str(old.home), "TO": str(new.home)}
    copied = subprocess.run(["bash", "-euc", script], env=env, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "waits" in copied.stdout
    assert "lost" in copied.stdout
    shutil.rmtree(old.home)
    assert new.json("salvage", "lost") == saved
    process = new.popen("up")
    line_with(process, "task queue")
    # Refused until the worker polls.
    wait_for(lambda: new("answer", "waits", "q1", "this one", code=None).returncode == 0)
    new("watch", "waits")
    document = new.json("status", "waits")
    assert document["status"] == "succeeded"
    branch = document["delivery"]["branch"]
    assert sh(repository, "git", "show", f"{branch}:answer", f"{branch}:f", f"{branch}:half") == "this one\n2\nhalf\n"
    assert sh(repository, "git", "show", f"{branch}:status") == "?? status\n", "its own git works there"
    assert new.json("doctor", "waits")["violations"] == []
    again = new.json("retry", "lost", code=None)
    assert again["results"][0]["reused"]
    stop(process)
    assert not old.home.exists()
