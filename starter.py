"""The command line: `python starter.py --help`, installed as `epw`."""

from __future__ import annotations

# First: until then every process of the user's can read what this one was started with, its key for one.
from service import startup

startup.prepare()

import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from commands.analysis import analyze_command
from commands.artifacts import artifacts
from commands.control import answer, cancel, list_executions, pause, resolve, resume, status
from commands.doctor import doctor
from commands.env import env
from commands.executions import run, start, watch_command
from commands.gc import gc
from commands.planning import plan_command
from commands.redrive import retry
from commands.session import leave, printable
from commands.storage import salvage
from commands.up import up
from workflows.errors import InvalidRequest

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
            leave(InvalidRequest.exit_code)
    try:
        app(standalone_mode=True)
    except SystemExit as ended:
        # An exit code that is a text is a message, as Python's own SystemExit has it.
        leave(ended.code if isinstance(ended.code, int) else int(bool(ended.code)))
    sys.exit(0)


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


if __name__ == "__main__":
    main()
