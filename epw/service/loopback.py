"""Listening sockets of servers on this machine, for this machine alone."""

from __future__ import annotations

import os
import socket

from epw.core.errors import Unavailable


def listen(port: int) -> socket.socket:
    """Listen at a port of 127.0.0.1, 0 for any free one; raises `Unavailable` where it is taken."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        why, remedy = os.strerror(error.errno or 0), "give another --port, or 0 for any free one"
        raise Unavailable(f"port {port} of 127.0.0.1 cannot be used ({why}): {remedy}") from None
