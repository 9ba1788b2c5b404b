"""Command line: `python starter.py --help`, installed as `epw`."""

from __future__ import annotations

# First: until then every process of the user's can read what this one was started with, its key for one.
from epw.service import startup

startup.prepare()

import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from epw.cli.analyze import analyze_command
from epw.cli.artifacts import artifacts
from epw.cli.control import answer, cancel, list_executions, pause, resolve, resume, status
from epw.cli.doctor import doctor
from epw.cli.env import env
from epw.cli.executions import run, start, watch_command
from epw.cli.gc import gc
from epw.cli.plan import plan_command
from epw.cli.retry import retry
from epw.cli.session import exit_process, printable
from epw.cli.storage import salvage
from epw.cli.up import up
from epw.core.errors import InvalidRequest

app = typer.Typer(
    name="epw",
    help="Run coding agents in parallel, durably: a plan of tasks, merged and delivered.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
_COMMANDS: dict[str, Callable[..., Any]] = {
    "run": run,
    "start": start,
    "watch": watch_command,
    "status": status,
    "list": list_executions,
    "answer": answer,
    "resolve": resolve,
    "pause": pause,
    "resume": resume,
    "cancel": cancel,
    "retry": retry,
    "salvage": salvage,
    "artifacts": artifacts,
    "gc": gc,
    "analyze": analyze_command,
    "plan": plan_command,
    "doctor": doctor,
    "up": up,
    "env": env,
}
for name, command in _COMMANDS.items():
    app.command(name)(command)


def main() -> None:
    """Run a command; its exit code is the contract's."""
    # What is written into the state directory is its owner's alone.
    os.umask(0o077)
    for argument in sys.argv[1:]:
        # Bytes that are no UTF-8 are no text for a server; as the name of a file they are right.
        if not _is_text(argument) and not os.path.lexists(argument):
            print(f"epw: an argument is not valid UTF-8 text: {printable(argument)}", file=sys.stderr)
            exit_process(InvalidRequest.exit_code)
    try:
        app(standalone_mode=True)
    except SystemExit as ended:
        # An exit code that is a text is a message, as Python's own SystemExit has it.
        exit_process(ended.code if isinstance(ended.code, int) else int(bool(ended.code)))
    sys.exit(0)


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True
