"""Git LFS driver for our git: the user's own, except that it fetches nothing.

git starts one process for all files and exchanges packets with it (gitattributes(5), "Long Running Filter Process").
This is that process. It decodes a pointer whose object the user has, and leaves one whose object is missing; everything
else it passes on to the user's own process. That one alone does not do: with fetching disabled (`GIT_LFS_SKIP_SMUDGE`,
`lfs.fetchexclude`) it also leaves pointers whose objects it has. Memory holds one packet of a file's content at a time.

Started by its path; imports nothing of the project. Arguments: the user's command, and the stores.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import IO, NamedTuple

_MAX_PACKET_BYTES = 65516
MAX_POINTER_BYTES = 1024
"""Limit of Git LFS itself."""
_POINTER = re.compile(rb"version [^\n]+\n(ext-\d[^\n]+\n)*oid sha256:([0-9a-f]{64})\r?\nsize (\d{1,18})\s*")
_DELAY = b"capability=delay\n"
_DONE = b"status=success\n"


def driver(process: str, stores: Sequence[str]) -> str:
    """Shell text that starts the driver, for git's `filter.lfs.process`. `process`: the user's own command."""
    # Isolated: no module of the directory or of PYTHONPATH is run in place of Python's own.
    return shlex.join([sys.executable, "-I", "-S", __file__, process, *stores])


class Pointer(NamedTuple):
    """Pointer that Git LFS stores in place of a file: name and size in bytes of its object."""

    name: str
    size: int
    is_extended: bool
    """Whether extensions have converted the file to the object."""

    @classmethod
    def read(cls, content: bytes) -> Pointer | None:
        """The pointer that a content is; None if it is none."""
        match = _POINTER.fullmatch(content) if len(content) < MAX_POINTER_BYTES else None
        return cls(match[2].decode(), int(match[3]), bool(match[1])) if match else None

    def object_in(self, stores: Iterable[str]) -> str | None:
        """Path of its object; None if no store (such as `.git/lfs/objects`) has all of it."""
        places = (os.path.join(store, self.name[:2], self.name[2:4], self.name) for store in stores)
        return next((each for each in places if os.path.isfile(each) and os.path.getsize(each) == self.size), None)


class _Peer:
    """Connection to another process that exchanges lists of packets, each list ended by an empty packet."""

    def __init__(self, reads: IO[bytes], writes: IO[bytes]) -> None:
        self._reads, self._writes = reads, writes

    def packets(self) -> Iterator[bytes]:
        """The packets of the next list; raises `EOFError` if the other process has ended."""
        while size := int(self._take(4), 16):
            yield self._take(size - 4)

    def _take(self, size: int) -> bytes:
        found = self._reads.read(size)
        if len(found) < size:
            raise EOFError
        return found

    def send(self, packets: Iterable[bytes]) -> None:
        """Write a list of packets."""
        for packet in packets:
            self._writes.write(b"%04x" % (len(packet) + 4))
            self._writes.write(packet)
        self._writes.write(b"0000")

    def flush(self) -> None:
        self._writes.flush()


def _serve(git: _Peer, theirs: _Peer, stores: Sequence[str]) -> None:
    """Answer git's requests until it ends, which raises `EOFError`."""
    _greet(git, theirs)
    while True:
        request = list(git.packets())
        content = git.packets()
        begin: list[bytes] = []
        if b"command=smudge\n" in request:
            begin = _start_of(content)
            answer = _decoded(b"".join(begin), stores)
            if answer is not None:
                for packets in ([_DONE], answer, []):
                    git.send(packets)
                git.flush()
                continue
        theirs.send(request)
        theirs.send(chain(begin, content))
        theirs.flush()
        _answer(git, theirs)


def _greet(git: _Peer, theirs: _Peer) -> None:
    """Exchange versions, then capabilities; without `delay`, git waits for each file."""
    for _ in ("versions", "capabilities"):
        theirs.send(packet for packet in list(git.packets()) if packet != _DELAY)
        theirs.flush()
        git.send(list(theirs.packets()))
        git.flush()


def _answer(git: _Peer, theirs: _Peer) -> None:
    """Pass the user's process's answer for a file on to git."""
    status = list(theirs.packets())
    git.send(status)
    if _DONE in status:
        git.send(theirs.packets())
        git.send(theirs.packets())
    git.flush()


def _start_of(content: Iterator[bytes]) -> list[bytes]:
    """The first packets of a content: enough to hold a whole pointer."""
    found, size = [], 0
    for packet in content:
        found.append(packet)
        size += len(packet)
        if size >= MAX_POINTER_BYTES:
            break
    return found


def _decoded(content: bytes, stores: Sequence[str]) -> Iterator[bytes] | None:
    """Content of a pointer's object, in packets; None if the user's process has to answer."""
    pointer = Pointer.read(content)
    if pointer is None:
        return None
    file = pointer.object_in(stores)
    if file is None:
        return iter([content])
    return None if pointer.is_extended else _read(open(file, "rb"))


def _read(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while packet := file.read(_MAX_PACKET_BYTES):
            yield packet


def main() -> None:
    process, *stores = sys.argv[1:]
    # Ends with git, or with the user's process, which has reported why.
    with (
        contextlib.suppress(EOFError, BrokenPipeError),
        subprocess.Popen(["sh", "-c", process], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started,
    ):
        assert started.stdin is not None
        assert started.stdout is not None
        _serve(_Peer(sys.stdin.buffer, sys.stdout.buffer), _Peer(started.stdout, started.stdin), stores)


if __name__ == "__main__":
    main()
