"""Checker of Protocol Buffers: protoc."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path

from activities.checkers.checker import Checker, Job, Message, Output, Place
from activities.system.directories import walk

_IMPORT = re.compile(r'^\s*import\s+(?:public\s+|weak\s+)?"([^"\n]+)"', re.MULTILINE)
_LINE = re.compile(r"(?P<path>[^:\n]+\.proto):(?:(?P<line>\d+):\d+:)? (?P<text>.*)")
_WARNING = re.compile(r"warning: |.*\bis unused\.")


def _command(place: Place, job: Job) -> list[str]:
    texts = _texts(place.folder(job))
    roots = _roots(texts)
    named = [_virtual(path, roots) for path in sorted(texts)]
    return [*place.program, *(f"-I{each or '.'}" for each in roots), f"--descriptor_set_out={os.devnull}", *named]


def _texts(top: Path) -> dict[str, str]:
    found = {}
    for folder in walk(top):
        for name in folder.files:
            if name.endswith(".proto") and "node_modules" not in folder.path.split("/"):
                path = os.path.join(folder.path, name)
                found[path] = (top / path).read_text(errors="replace")
    return found


def _roots(texts: Mapping[str, str]) -> list[str]:
    """Folders that imports begin at: what stands before an import in the path of the file that it means."""
    found: dict[str, None] = {}
    for path, text in sorted(texts.items()):
        for name in _IMPORT.findall(text):
            above = os.path.dirname(path)
            places = [each for each in texts if each == name or each.endswith(f"/{name}")]
            # The file that shares the longest way with the one that imports it.
            best = max(places, key=lambda each: len(_shared(above, each)), default=None)
            if best is not None:
                found[best.removesuffix(name).rstrip("/")] = None
    return sorted({*found, ""}, key=len, reverse=True)


def _shared(folder: str, path: str) -> list[str]:
    """The folders that both are in, from the top."""
    pairs = zip(folder.split("/"), path.split("/"), strict=False)
    return [one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]


def _virtual(path: str, roots: list[str]) -> str:
    root = next(each for each in roots if not each or path.startswith(f"{each}/"))
    return path.removeprefix(root).lstrip("/")


def _read(place: Place, job: Job, output: Output) -> Iterator[Message]:
    found = [each for each in map(_LINE.fullmatch, output.err.splitlines()) if each is not None]
    if output.code and not found:
        raise output.failure()
    texts = _texts(place.folder(job))
    paths = {_virtual(path, _roots(texts)): path for path in texts}
    for each in found:
        path = paths.get(each["path"], each["path"])
        if not _WARNING.match(each["text"]):
            yield Message(os.path.join(job.folder, path), int(each["line"] or 0), "protoc", each["text"])


PROTOC = Checker(
    name="protoc",
    language="Protocol Buffers",
    suffixes=(".proto",),
    configs=(),
    programs=("protoc",),
    command=_command,
    read=_read,
    needs_config=False,
    # Of an interface that is not here, nothing is known; the rest is read.
    unread=re.compile(r"File not found|was not found or had errors"),
    reads_on=True,
)
