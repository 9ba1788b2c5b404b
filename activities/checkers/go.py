"""Checker of Go: go vet."""

from __future__ import annotations

import re
from collections.abc import Iterator

from activities.checkers.checker import Checker, CheckerFailed, Job, Message, Output, Place, relative

_LINE = re.compile(r"(?:vet: )?(?P<path>\S.*?\.go):(?P<line>\d+)(?::\d+)?: (?P<text>.*)")


def _command(place: Place, job: Job) -> list[str]:
    return [*place.program, "vet", "./..."]


def _read(place: Place, job: Job, output: Output) -> Iterator[Message]:
    found = list(filter(None, map(_LINE.fullmatch, output.err.splitlines())))
    if output.code and not found:
        raise CheckerFailed(f"ended with {output.code}: {output.err.strip()[-300:]}")
    for each in found:
        path = relative(each["path"], place, job)
        if path is not None:
            yield Message(path, int(each["line"]), "vet", each["text"])


GO_VET = Checker(
    name="go-vet",
    suffixes=(".go",),
    configs=("go.mod",),
    programs=("go",),
    command=_command,
    read=_read,
    variables={
        "GOCACHE": "{cache}/build",
        "GOFLAGS": "-mod=readonly",
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "GOTELEMETRY": "off",
    },
    shares_cache=True,
    homes={"GOMODCACHE": "go/pkg/mod"},
    readable=("go/pkg/mod",),
)
