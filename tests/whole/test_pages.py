"""The commands of the documents, run: getting started as a whole, those of other pages in a project made here."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from epw.service.connection import connected
from epw.settings import Settings
from tests import forked
from tests.whole.test_documents import PAGES, ROOT, blocks, commands

GETTING_STARTED = ROOT / "docs/getting-started.md"
STREAM = ROOT / "tests/activities/agents/streams/claude-cli.jsonl"
PROJECT = """
git init --quiet --initial-branch main .
git config user.name Ada
git config user.email ada@example.org
cat > plan.yaml <<'END'
workspace: .
tasks:
  - id: TASK
    description: Greet
    run: echo hello | tee hello.txt
  - id: api
    description: Greet again
    run: echo hello > api.txt
END
git add .
git commit --quiet --message first
for branch in A B feature; do git branch $branch; done
epw up > ../up.log &
trap 'kill -INT %1; wait' EXIT
until grep -q Ctrl-C ../up.log; do kill -0 %1; sleep 0.1; done
epw run plan.yaml --id ID
"""
ELSEWHERE = {
    "epw codec": "serves until it is stopped: tests/service/test_payload_encryption.py",
    "epw up": "runs beside the others here",
    "epw worker ": "works until it is stopped: tests/whole/test_fleet.py",
    "epw workers --current": "takes the work away from the others here: tests/whole/test_fleet.py",
    "epw pr": "needs a remote: tests/cli/test_pull_requests.py",
    "epw plan": "a model writes the plan: tests/cli/test_planning.py",
    "epw import": "takes files of other programs: tests/importers",
    "epw analyze specs": "takes files of other programs: tests/importers",
    "epw run specs": "takes files of other programs: tests/importers",
    "epw run tasks.md": "takes files of other programs: tests/importers",
}
"""Commands that are not run here, by how they begin, and why."""


@pytest.fixture
def shell(tmp_path: Path) -> Callable[[str], Path]:
    """Runs a script as a user who has `epw`, and Claude Code with a login; the user's home."""
    programs, home = tmp_path / "bin", tmp_path / "user"
    for folder in (programs, home):
        folder.mkdir()
    (programs / "epw").write_text(f'#!/bin/sh\nexec {shlex.join(forked.program())} "$@"\n')
    (programs / "claude").write_text(f"#!/bin/sh\ncat > \"made-$EPW_TASK_ID\"\ncat <<'END'\n{STREAM.read_text()}END\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    env = {"PATH": path, "HOME": str(home), "LANG": "C.UTF-8", "CLAUDE_CODE_OAUTH_TOKEN": "token-of-nobody-0123456789"}

    def run(script: str) -> Path:
        argv = ["bash", "-euxo", "pipefail", "-c", script]
        done = subprocess.run(argv, cwd=home, env=env, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return home

    return run


async def test_getting_started_runs_as_it_is_written(shell: Callable[[str], Path], tmp_path: Path) -> None:
    # Else each of its commands would start a server and end it.
    async with connected(Settings(tmp_path / "user/.local/state/epw")):
        home = await asyncio.to_thread(shell, "\n".join(blocks(GETTING_STARTED, "sh")))
    files = {path.name for path in (home / "shop").iterdir()}
    assert {"plan.yaml", "shop.py", "test_shop.py"} < files
    assert len([name for name in files if name.startswith("made-")]) == 3


def test_commands_of_the_other_pages_run(shell: Callable[[str], Path]) -> None:
    lines = commands([path for path in PAGES if path != GETTING_STARTED])
    run = [line for line in lines if not line.startswith(tuple(ELSEWHERE))]
    assert len(run) > 10
    shell("\n".join(["mkdir project", "cd project", PROJECT, *run]))
