"""Checker of SQL: statements that SQLite runs in an empty database in memory."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from activities.checkers import sql_statements
from activities.checkers.checker import Checker, Job, Message, Output, Place, relative

_LINE = re.compile(r"(?P<path>.+?\.sql):(?P<line>\d+): (?P<text>.*)")


def _command(place: Place, job: Job) -> list[str]:
    # The program's text, as its file may lie where a sandbox shows nothing.
    return [*place.program, "-I", "-c", Path(sql_statements.__file__).read_text(), "."]


def _read(place: Place, job: Job, output: Output) -> Iterator[Message]:
    if output.code:
        raise output.failure()
    for found in filter(None, map(_LINE.fullmatch, output.out.splitlines())):
        path = relative(found["path"], place, job)
        if path is not None:
            yield Message(path, int(found["line"]), "sql", found["text"])


SQLITE = Checker(
    name="sqlite",
    language="SQL",
    suffixes=(".sql",),
    configs=(),
    programs=(sys.executable, "python3"),
    command=_command,
    read=_read,
    needs_config=False,
)
