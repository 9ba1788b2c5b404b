"""Script that runs SQL files in an empty SQLite database in memory, one a program, and prints what fails.

`python sql_statements.py FOLDER`. Files that define tables come first, in the order of their names. A dialect that
SQLite does not know fails on both sides of a merge alike, and counts for nothing.
"""

from __future__ import annotations

import os
import re
import sqlite3
import sys
from collections.abc import Iterator

_DEFINES = re.compile(r"\b(CREATE|ALTER|DROP)\s+(TABLE|INDEX|UNIQUE|VIEW|TRIGGER)\b", re.IGNORECASE)
_KINDS = frozenset(
    {"database", "db", "ddl", "migrate", "migrations", "schema", "schemas", "sql", "tables", "versions", "views"}
)
_NUMBERS = re.compile(r"(\d+)")
_DOWN = re.compile(r"(^|[._/-])(down|rollback|undo)([._/-]|$)", re.IGNORECASE)


def main(top: str) -> None:
    """Run every statement; one that fails is printed as `path:line: message`."""
    texts = dict(_texts(top))
    tops = {_program_of(path) for path in texts if _DEFINES.search(texts[path])}
    tops = tops if len(tops) > 1 else {""}
    programs: dict[str, list[str]] = {}
    for path in texts:
        above = [each for each in tops if not each or path.startswith(f"{each}/")]
        programs.setdefault(max(above, key=len, default=""), []).append(path)
    for paths in programs.values():
        _run({path: texts[path] for path in paths})


def _program_of(path: str) -> str:
    """The folder of the program whose tables a file defines."""
    above = path.split("/")[:-1]
    kind = next((number for number, each in enumerate(above) if each.lower() in _KINDS), len(above))
    return "/".join(above[:kind])


def _run(texts: dict[str, str]) -> None:
    """Run the files of one program."""
    defining = sorted((path for path in texts if _DEFINES.search(texts[path])), key=_by_number)
    database = sqlite3.connect(":memory:")
    for path in (*defining, *sorted(texts.keys() - set(defining), key=_by_number)):
        for line, statement in _statements(texts[path]):
            try:
                database.execute(statement).fetchall()
            except sqlite3.Error as error:
                # Files for several systems may each have a table of one name.
                if not str(error).endswith("already exists"):
                    print(f"{path}:{line}: {error}")
    database.close()


def _texts(top: str) -> Iterator[tuple[str, str]]:
    for folder, folders, names in os.walk(top):
        folders[:] = [each for each in folders if not each.startswith(".") and each != "node_modules"]
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), top)
            if name.endswith(".sql") and not _DOWN.search(path):
                with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                    yield path, file.read()


def _by_number(path: str) -> list[tuple[int, str]]:
    """Sort key that takes numbers in a path for numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _NUMBERS.split(path)]


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Statements, with the line in which each begins."""
    waiting: list[str] = []
    first = 1
    for number, line in enumerate(text.splitlines(), 1):
        for part in re.split(r"(?<=;)", line):
            if not waiting and not part.strip():
                continue
            first = first if waiting else number
            waiting.append(part)
            if sqlite3.complete_statement("\n".join(waiting)):
                yield first, "\n".join(waiting)
                waiting = []
        if waiting:
            waiting.append("\n")
    if "".join(waiting).strip():
        yield first, "\n".join(waiting)


if __name__ == "__main__":
    main(sys.argv[1])
