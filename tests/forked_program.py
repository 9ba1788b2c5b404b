"""Has `starter.py` forked by tests/forked.py: `python forked_program.py SOCKET ARGUMENT...`; imports little."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from typing import Any


def main(path: str, *argv: str) -> int:
    """Exit code of the command; streams, variables and directory are this process's."""
    wanted = os.memfd_create("request")
    os.write(wanted, json.dumps({"argv": argv, "env": dict(os.environ), "cwd": os.getcwd()}).encode())
    os.lseek(wanted, 0, os.SEEK_SET)
    ended, told = os.pipe()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asked:
        asked.connect(path)
        socket.send_fds(asked, [b"."], [wanted, 0, 1, 2, told])
    for each in (wanted, told):
        os.close(each)
    with os.fdopen(ended) as answers:
        pid = int(answers.readline())

        def pass_on(number: int, _: Any) -> None:
            os.kill(pid, number)

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, pass_on)
        return int(answers.readline())


if __name__ == "__main__":
    code = main(*sys.argv[1:])
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)
