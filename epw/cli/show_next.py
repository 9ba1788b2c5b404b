"""The commands that lead on from an execution that has ended, for people."""

from __future__ import annotations

from pathlib import Path

from epw.cli.layout import width
from epw.cli.output import console_print, print_json
from epw.cli.show import show_result
from epw.client.next_commands import next_commands
from epw.client.saved_changes import KnownExecution
from epw.core.errors import GitError


def show_end(known: KnownExecution, *, as_json: bool) -> None:
    """Print the result of an execution that has ended, and what leads on from it."""
    if as_json:
        print_json(known.document)
    else:
        show_result(known.document)
        show_next(known)


def show_next(known: KnownExecution) -> None:
    """Print a line a command, under `next:`; their purposes only where there is room for all."""
    try:
        found = next_commands(known, Path.cwd())
    except (GitError, OSError):
        # The repository has gone, or cannot be read: the result stands, and where it leads does not.
        return
    if not found:
        return
    console_print("next:")
    longest = max(len(each.command) for each in found)
    has_room = all(longest + len(each.purpose) + 6 <= width() for each in found)
    for each in found:
        console_print(f"  {each.command:<{longest}}  {each.purpose}" if has_room else f"  {each.command}")
