"""Every command of the list is there, and its line of help is what its own help begins with."""

from __future__ import annotations

import importlib
import inspect
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import epw
from epw.cli.commands import COMMANDS, Commands
from tests.command_line import ROOT, Cli


@pytest.fixture
def cli(tmp_path: Path, temporal_binary: str) -> Cli:
    return Cli(tmp_path, temporal_binary)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_of_a_command_is_how_its_own_help_begins(name: str) -> None:
    module, _, function = COMMANDS[name][0].partition(":")
    own = " ".join((inspect.getdoc(getattr(importlib.import_module(f"epw.cli.{module}"), function)) or "").split())
    assert own.startswith(COMMANDS[name][1].rstrip(".")), own


def test_help_imports_neither_temporal_nor_a_command() -> None:
    """Else it takes half a second."""
    look = "import sys; import epw.cli.main; print(*sorted({each.split('.')[0] for each in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not set(loaded.split()) & {"temporalio", "networkx", "anthropic", "tree_sitter", "pydantic", "rich"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_of_a_command_is_one_that_it_takes(name: str) -> None:
    example = COMMANDS[name].example.split(" > ")[0].removeprefix('eval "$(').removesuffix(')"')
    words = shlex.split(example.removeprefix("claude mcp add epw -- "))
    assert words[:2] == ["epw", name]
    assert Commands(name="epw").get_command(None, name).make_context(name, words[2:])


@pytest.mark.parametrize(
    "usage", ["run [OPTIONS] [PLAN | TASK...]", "answer [OPTIONS] ID [QUESTION] TEXT", "gc [OPTIONS] [ID...]"]
)
def test_arguments_are_named_in_plain_words(cli: Cli, usage: str) -> None:
    assert cli(usage.split()[0], "-h").stdout.splitlines()[0] == f"Usage: starter.py {usage}"


def test_the_version_is_that_of_the_package(cli: Cli) -> None:
    assert cli("--version").stdout == f"epw {epw.__version__}\n"


def test_a_shell_completes_commands_and_options(cli: Cli) -> None:
    def completed(line: str) -> list[str]:
        words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), "_EPW_COMPLETE": "complete_bash"}
        program = "import sys; sys.argv = ['epw']; from epw.cli.main import main; main()"
        argv = [sys.executable, "-c", program]
        return subprocess.run(argv, cwd=ROOT, env={**cli.env, **words}, capture_output=True, text=True).stdout.split()

    assert completed("epw re") == ["report", "resolve", "resume", "retry"]
    assert "--resume" in completed("epw run --")
