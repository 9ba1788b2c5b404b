"""Start of the command line: a command imports what it needs, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line import ROOT

HEAVY = {"temporalio", "networkx", "pydantic", "yaml", "rich", "anthropic", "tree_sitter", "psutil", "claude_agent_sdk"}
ONLINE = {"temporalio", "pydantic", "rich", "psutil"}


def epw(*arguments: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, *options, str(ROOT / "starter.py"), *arguments]
    env = {"PATH": os.environ["PATH"]}
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)


def heavy_imports(*arguments: str) -> set[str]:
    """Heavy packages that a command imports until its end."""
    done = epw(*arguments, options=("-X", "importtime"))
    assert done.returncode == 0, done.stderr
    return {name for name in re.findall(r"^import time:.*\| +(\w+)$", done.stderr, re.MULTILINE) if name in HEAVY}


def test_analyze_needs_no_temporal(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text('{"tasks": [{"id": "a", "description": "x"}]}')
    assert heavy_imports("analyze", str(plan)) <= {"networkx", "pydantic", "yaml", "rich"}


@pytest.mark.parametrize("command", ["status", "list", "env", "gc"])
def test_a_command_that_asks_the_server_reads_no_graph_and_no_model(command: str) -> None:
    assert heavy_imports(command, "--help") <= ONLINE


def test_a_misspelt_command_gets_a_suggestion() -> None:
    done = epw("analize")
    assert done.returncode == 2
    assert "Did you mean 'analyze'?" in done.stderr


@pytest.mark.parametrize("module", ["server_supervisor", "walled_server"])
def test_what_keeps_a_server_up_holds_no_model_in_memory(module: str) -> None:
    argv = [sys.executable, "-c", f"import sys, epw.service.{module}; print(*sys.modules)"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert HEAVY & set(done.stdout.split()) == {"psutil"}
