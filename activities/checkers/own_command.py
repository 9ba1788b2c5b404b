"""Checker of a plan's own: a command, and the form of what it prints."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from activities.checkers.checker import Checker, CheckerFailed, Job, Message, Output, Place, relative
from epw.core.globs import matches
from epw.core.plan.parts import CheckCommand

NAME = "command"
_MAX_SHOWN = 60
_LINE = re.compile(r"(?P<path>[^\s:][^:]*):(?P<line>\d+):(?:\d+:)?\s*(?P<text>.+)")


def own_command(check: CheckCommand) -> Checker:
    """The checker of a plan's command."""

    def concerns(path: str) -> bool:
        return not check.files or any(matches(glob, path) for glob in check.files)

    def read(place: Place, job: Job, output: Output) -> Iterator[Message]:
        try:
            yield from _READERS[check.parse](place, job, output)
        except CheckerFailed as error:
            shown = check.command if len(check.command) <= _MAX_SHOWN else f"{check.command[:_MAX_SHOWN]}…"
            raise CheckerFailed(f"`{shown}` {error}") from None

    def command(place: Place, job: Job) -> list[str]:
        return [*place.program, "-euo", "pipefail", "-c", check.command]

    return Checker(
        name=NAME,
        language="any",
        suffixes=(),
        configs=(),
        programs=("bash",),
        command=command,
        read=read,
        needs_config=False,
        reads=concerns,
    )


def _read_lines(place: Place, job: Job, output: Output) -> Iterator[Message]:
    said = False
    for line in (*output.out.splitlines(), *output.err.splitlines()):
        found = _LINE.fullmatch(line.strip())
        path = relative(found["path"], place, job) if found else None
        if found and path is not None:
            said = True
            yield Message(path, int(found["line"]), NAME, found["text"])
    if output.code and not said:
        raise output.failure()


def _read_sarif(place: Place, job: Job, output: Output) -> Iterator[Message]:
    try:
        for run in json.loads(output.out)["runs"]:
            for result in run["results"]:
                where = result["locations"][0]["physicalLocation"]
                path = relative(where["artifactLocation"]["uri"].removeprefix("file://"), place, job)
                line = where.get("region", {}).get("startLine", 0)
                if path is not None:
                    yield Message(path, line, result.get("ruleId") or NAME, result["message"]["text"])
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise CheckerFailed(f"ended with {output.code} and printed no SARIF ({error!r})") from None


_READERS: dict[str, Callable[[Place, Job, Output], Iterator[Message]]] = {"lines": _read_lines, "sarif": _read_sarif}
