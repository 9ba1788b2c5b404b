"""Command line: `python starter.py --help`, installed as `epw`."""

from __future__ import annotations

# First: until then every process of the user can read the variables of this one, its API key among them.
from epw.service import startup

startup.prepare()

import os
import sys
from typing import Annotated

import typer

from activities.system.file_modes import restrict_umask
from epw.cli.commands import Commands
from epw.cli.output import exit_process, printable
from epw.core.errors import InvalidRequest
from epw.core.version import __version__

app = typer.Typer(
    name="epw",
    cls=Commands,
    help="Run coding agents in parallel, durably: a plan of tasks, merged and delivered.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`epw COMMAND -h` explains a command. First: epw doctor, epw init, epw run",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"epw {__version__}")
        raise typer.Exit


@app.callback()
def _app(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Typer builds a group only where a callback is registered; the commands come from `Commands`."""


def main() -> None:
    """Run a command; docs/troubleshooting.md lists the exit codes."""
    restrict_umask()
    for argument in sys.argv[1:]:
        # Bytes that are not UTF-8 cannot be sent to a server; as the name of a file they are valid.
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
