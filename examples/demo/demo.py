"""`make demo`: makes a small repository with uncommitted work in it and runs plan.yaml on it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from examples.repository import make_repository  # noqa: E402

PLAYGROUND = ROOT / ".demo"
SHOP = '''"""A small shop."""

VERSION = "1.0"


def welcome(name: str) -> str:
    """What a customer hears first."""
    return "Hello"


def stock() -> list[str]:
    """What there is."""
    return ["apples", "pears"]


def farewell(name: str) -> str:
    """What a customer hears last."""
    return "Bye"
'''


def make_workspace(path: Path) -> None:
    """A repository with one commit, one uncommitted and one untracked file."""
    files = {"shop.py": SHOP, "prices.json": '{"apple": 30, "pear": 45}', ".gitignore": "__pycache__/\n"}
    make_repository(path, files, "A small shop")
    (path / "prices.json").write_text('{"apple": 30, "pear": 45, "plum": 12}')
    (path / "notes.txt").write_text("untracked, and yet every agent sees it\n")


def main() -> int:
    make_workspace(PLAYGROUND / "repo")
    env = {**os.environ, "EPW_HOME": str(PLAYGROUND / "home")}
    plan = str(ROOT / "examples/demo/plan.yaml")
    code = subprocess.run([sys.executable, str(ROOT / "starter.py"), "run", plan], env=env, check=False).returncode
    shown = subprocess.run(
        ["git", "log", "--graph", "--oneline", "--branches"],
        cwd=PLAYGROUND / "repo",
        check=True,
        capture_output=True,
        text=True,
    )
    print(f"\nThe branches of {PLAYGROUND / 'repo'} (its work tree, index and HEAD are as they were):\n{shown.stdout}")
    print("Look at it in the Temporal Web UI: EPW_HOME=.demo/home .venv/bin/epw up")
    return code


if __name__ == "__main__":
    sys.exit(main())
