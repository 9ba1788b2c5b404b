"""The command line: `python starter.py --help`, installed as `epw`."""

from __future__ import annotations

# First: until then every process of the user's can read what this one was started with, its key for one.
from service import own_environment

own_environment.hide()

import sys
from collections.abc import Callable
from typing import Any

import typer

from commands.analysis import analyze_command
from commands.control import answer, cancel, list_executions, pause, resolve, resume, status
from commands.doctor import doctor
from commands.env import env
from commands.executions import run, start, watch_command
from commands.gc import gc
from commands.planning import plan_command
from commands.redrive import retry
from commands.session import leave
from commands.storage import salvage
from commands.up import up

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
    try:
        app(standalone_mode=True)
    except SystemExit as ended:
        # An exit code that is a text is a message, as Python's own SystemExit has it.
        leave(ended.code if isinstance(ended.code, int) else int(bool(ended.code)))
    sys.exit(0)


if __name__ == "__main__":
    main()
