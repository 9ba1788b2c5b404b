"""The driver of Git LFS by which our git works: the user's own, except that it fetches nothing.

git starts one process for all files and talks to it in packets (gitattributes(5), "Long Running Filter Process"). This
is that process. It decodes a pointer whose object the user has, and leaves one whose object is not there; everything
else it hands on to the user's own process. That one cannot do it: told not to fetch (`GIT_LFS_SKIP_SMUDGE`,
`lfs.fetchexclude`), it leaves pointers of objects that it has, too. Of a file's content one packet is held at a time.

Started by its path, with nothing of the project imported. Arguments: the user's command, and the stores.
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
"""Bytes, as Git LFS has it."""
_POINTER = re.compile(rb"version [^\n]+\n(ext-\d[^\n]+\n)*oid sha256:([0-9a-f]{64})\r?\nsize (\d{1,18})\s*")
_DELAY = b"capability=delay\n"
_DONE = b"status=success\n"


def driver(process: str, stores: Sequence[str]) -> str:
    """Shell text that starts it, for git's `filter.lfs.process`. `process`: the user's own; `stores`: see `Pointer`."""
    # Isolated: no module that lies about, or that PYTHONPATH has, is run in place of Python's own.
    return shlex.join([sys.executable, "-I", "-S", __file__, process, *stores])


class Pointer(NamedTuple):
    """What Git LFS stores in place of a file: the name and the size of its object."""

    name: str
    size: int
    is_extended: bool
    """Whether the object is what extensions have made of the file."""

    @classmethod
    def read(cls, content: bytes) -> Pointer | None:
        """None: the content is no pointer."""
        match = _POINTER.fullmatch(content) if len(content) < MAX_POINTER_BYTES else None
        return cls(match[2].decode(), int(match[3]), bool(match[1])) if match else None

    def object_in(self, stores: Iterable[str]) -> str | None:
        """The file that is its object; None where no store (`.git/lfs/objects`, say) has all of it."""
        places = (os.path.join(store, self.name[:2], self.name[2:4], self.name) for store in stores)
        return next((each for each in places if os.path.isfile(each) and os.path.getsize(each) == self.size), None)


class _Peer:
    """The other end of packets, each of which ends with an empty one."""

    def __init__(self, reads: IO[bytes], writes: IO[bytes]) -> None:
        self._reads, self._writes = reads, writes

    def packets(self) -> Iterator[bytes]:
        """Those of the list that comes next; raises `EOFError` where the other end has gone."""
        while size := int(self._taken(4), 16):
            yield self._taken(size - 4)

    def _taken(self, size: int) -> bytes:
        found = self._reads.read(size)
        if len(found) < size:
            raise EOFError
        return found

    def send(self, packets: Iterable[bytes]) -> None:
        """A list of packets."""
        for packet in packets:
            self._writes.write(b"%04x" % (len(packet) + 4))
            self._writes.write(packet)
        self._writes.write(b"0000")

    def flush(self) -> None:
        self._writes.flush()


def _serve(git: _Peer, theirs: _Peer, stores: Sequence[str]) -> None:
    """Answer git until it goes; raises `EOFError` then."""
    _greet(git, theirs)
    while True:
        request = list(git.packets())
        content = git.packets()
        begin: list[bytes] = []
        if b"command=smudge\n" in request:
            begin = _beginning(content)
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
    """Versions, then what both can do; git waits for each file by itself (without `delay`)."""
    for _ in ("versions", "capabilities"):
        theirs.send(packet for packet in list(git.packets()) if packet != _DELAY)
        theirs.flush()
        git.send(list(theirs.packets()))
        git.flush()


def _answer(git: _Peer, theirs: _Peer) -> None:
    """Hand on what the user's process says of a file, and its content."""
    status = list(theirs.packets())
    git.send(status)
    if _DONE in status:
        git.send(theirs.packets())
        git.send(theirs.packets())
    git.flush()


def _beginning(content: Iterator[bytes]) -> list[bytes]:
    """So much of a content that a pointer would be whole."""
    found, size = [], 0
    for packet in content:
        found.append(packet)
        size += len(packet)
        if size >= MAX_POINTER_BYTES:
            break
    return found


def _decoded(content: bytes, stores: Sequence[str]) -> Iterator[bytes] | None:
    """What a pointer stands for, in packets; None where that is the user's process to say."""
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
    # It ends with git, or with the user's process, which has said why.
    with (
        contextlib.suppress(EOFError, BrokenPipeError),
        subprocess.Popen(["sh", "-c", process], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started,
    ):
        assert started.stdin is not None
        assert started.stdout is not None
        _serve(_Peer(sys.stdin.buffer, sys.stdout.buffer), _Peer(started.stdout, started.stdin), stores)


if __name__ == "__main__":
    main()
