"""`report`: what an execution did, ended or not, to read and to hand on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from activities.system.atomic_write import write_atomically
from activities.system.file_modes import user_umask
from epw.cli.layout import width
from epw.cli.options import JSON_OPTION, ExecutionId
from epw.cli.output import print_json, printable
from epw.cli.session import run_connected
from epw.client.report import report_of
from epw.core.errors import InvalidRequest
from epw.rendering.markdown import markdown
from epw.rendering.text import text
from epw.service.connection import Connection
from epw.settings import Settings

_NARROWEST, _WIDEST, _FOR_FILES = 60, 250, 100
_STDOUT = "-"


def report(
    execution_id: ExecutionId,
    html: Annotated[
        str | None, typer.Option("--html", metavar="FILE", help="Write a page that needs nothing else (-: print it).")
    ] = None,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Markdown, as `epw pr` has it.")] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """What an execution did, as text, Markdown, JSON or a page: so far, where it goes on."""

    async def command(settings: Settings, connection: Connection) -> int:
        if sum((html is not None, as_markdown, as_json)) > 1:
            raise InvalidRequest("give one of --html, --markdown and --json")
        if html is not None and html != _STDOUT and not Path(html).absolute().parent.is_dir():
            raise InvalidRequest(f"--html {html!r}: there is no folder {str(Path(html).absolute().parent)!r}")
        if html is not None and Path(html).is_dir():
            raise InvalidRequest(f"--html names a file, and {html!r} is a folder")
        has_diffs = as_json or html is not None
        found = await report_of(settings, connection, execution_id, has_diffs=has_diffs)
        if as_json:
            print_json(found)
        elif html is not None:
            # Its templates take a while to import, and nothing else needs them.
            from epw.rendering.page import page

            content = page(found).encode("utf-8", "replace")
            if html == _STDOUT:
                sys.stdout.buffer.write(content)
            else:
                write_atomically(Path(html), content, mode=0o666 & ~user_umask())
                print(printable(f"{html}: {max(1, round(len(content) / 1000)):,} kB, for any browser"), flush=True)
        elif as_markdown:
            print(markdown(found).encode("utf-8", "replace").decode(), end="", flush=True)
        else:
            columns = width() if sys.stdout.isatty() else _FOR_FILES
            print(text(found, min(_WIDEST, max(_NARROWEST, columns))), end="", flush=True)
        return 0

    run_connected(command, as_json=as_json)
