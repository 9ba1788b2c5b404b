"""Checker of Go: go vet."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from activities.checkers.checker import Checker, Job, Message, Output, Place, relative

_LINE = re.compile(r"(?:vet: )?(?P<path>\S.*?\.go):(?P<line>\d+)(?::\d+)?: (?P<text>.*)")
_CYCLE = ": import cycle not allowed"


def _command(place: Place, job: Job) -> list[str]:
    folders = {os.path.relpath(os.path.dirname(path) or ".", job.folder or ".") for path in job.files}
    return [*place.program, "vet", *(sorted(f"./{each}" for each in folders) or ["./..."])]


def _read(place: Place, job: Job, output: Output) -> Iterator[Message]:
    lines = output.err.splitlines()
    found = list(filter(None, map(_LINE.fullmatch, lines)))
    cycles = [line.strip() for line in lines if line.endswith(_CYCLE)]
    for line in cycles:
        yield Message(job.config or "go.mod", 0, "cycle", line)
    if output.code and not found and not cycles:
        raise output.failure()
    for each in found:
        path = relative(each["path"], place, job)
        if path is not None:
            yield Message(path, int(each["line"]), "vet", each["text"])


GO_VET = Checker(
    name="go-vet",
    language="Go",
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
    decides=True,
    takes_files=True,
    unread=re.compile(r"no required module provides|cannot find (module|package)|is not in std|missing go.sum entry"),
    module_folder=True,
    homes={"GOMODCACHE": "go/pkg/mod"},
    readable=("go/pkg/mod",),
)
