"""What a sandbox has to show of a program, however it is installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from activities.sandbox.program import folders_of


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = Path(os.path.realpath(tmp_path)) / "user"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def link(path: Path, target: Path | str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    return str(path)


def shown(found: list[str], home: Path) -> set[str]:
    """Those below the home."""
    return {os.path.relpath(each, home) for each in found if each.startswith(f"{home}/")}


def test_a_link_to_a_version_shows_the_versions(home: Path) -> None:
    program(home / ".local/share/claude/versions/2.1.1")
    found = folders_of(link(home / ".local/bin/claude", "../share/claude/versions/2.1.1"))
    assert shown(found, home) == {".local/bin", ".local/share/claude/versions"}


def test_a_package_of_node_shows_what_it_imports(home: Path) -> None:
    program(home / ".npm/lib/node_modules/@openai/codex/bin/codex.js", "#!/usr/bin/env sh\n")
    found = folders_of(link(home / ".npm/bin/codex", "../lib/node_modules/@openai/codex/bin/codex.js"))
    assert shown(found, home) == {".npm/bin", ".npm/lib/node_modules"}
    assert any(os.path.basename(each) in ("sh", "dash", "bash", "busybox") for each in found)


def test_a_python_tool_shows_its_environment_and_interpreter(home: Path) -> None:
    tool, python = home / ".local/share/pipx/venvs/aider", home / ".pyenv/versions/3.12/bin/python3"
    program(python)
    program(tool / "bin/aider", f"#!{tool}/bin/python\n")
    link(tool / "bin/python", python)
    (tool / "pyvenv.cfg").write_text(f"home = {python.parent}\nversion = 3.12\n")
    found = folders_of(link(home / ".local/bin/aider", tool / "bin/aider"))
    assert {".local/share/pipx/venvs/aider", ".pyenv/versions/3.12"} <= shown(found, home)


@pytest.mark.parametrize("place", ["agent", "bin/agent", ".local/bin/agent"])
def test_a_file_of_its_own_shows_nothing_beside_it(home: Path, place: str) -> None:
    program(home / place)
    assert shown(folders_of(str(home / place)), home) == {place}


def test_no_program_shows_the_home(home: Path) -> None:
    program(home / "tool")
    for each in (str(home / "tool"), link(home / "other", "tool"), link(home / ".bin/loop", "loop"), sys.executable):
        assert not {str(home), str(home.parent), "/"} & set(folders_of(each))
