"""Every command of the list is there, and its line of help is what its own help begins with."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest

from epw.cli.commands import COMMANDS
from tests.command_line import ROOT


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
