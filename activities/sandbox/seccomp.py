"""System calls that no agent needs and that have opened sandboxes: refused by a filter in the kernel (seccomp).

https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from functools import cache

_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_X32 = 0x40000000
_AF_UNIX, _DATAGRAM, _KIND_OF_SOCKET = 1, 2, 0xF
_ALL = 0xFFFFFFFF
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2

_REFUSED = (
    "mount",
    "umount2",
    "pivot_root",
    "open_tree",
    "move_mount",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "add_key",
    "request_key",
    "keyctl",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "setns",
    "swapon",
    "swapoff",
    "reboot",
    "open_by_handle_at",
)
# From asm/unistd.h; those from 424 on have the same number everywhere.
_COMMON = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "mount_setattr": 442,
}
_X86_64 = {
    "socket": 41,
    "socketpair": 53,
    "ptrace": 101,
    "pivot_root": 155,
    "mount": 165,
    "umount2": 166,
    "swapon": 167,
    "swapoff": 168,
    "reboot": 169,
    "init_module": 175,
    "delete_module": 176,
    "kexec_load": 246,
    "add_key": 248,
    "request_key": 249,
    "keyctl": 250,
    "perf_event_open": 298,
    "open_by_handle_at": 304,
    "prlimit64": 302,
    "setns": 308,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "finit_module": 313,
    "kexec_file_load": 320,
    "bpf": 321,
    "userfaultfd": 323,
}
_AARCH64 = {
    "umount2": 39,
    "mount": 40,
    "pivot_root": 41,
    "kexec_load": 104,
    "init_module": 105,
    "delete_module": 106,
    "ptrace": 117,
    "reboot": 142,
    "socket": 198,
    "socketpair": 199,
    "add_key": 217,
    "request_key": 218,
    "keyctl": 219,
    "swapon": 224,
    "swapoff": 225,
    "perf_event_open": 241,
    "prlimit64": 261,
    "open_by_handle_at": 265,
    "setns": 268,
    "process_vm_readv": 270,
    "process_vm_writev": 271,
    "finit_module": 273,
    "bpf": 280,
    "userfaultfd": 282,
    "kexec_file_load": 294,
}
_MACHINES = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64)}


def filter_program(level: str) -> bytes | None:
    """The filter of a sandbox level as the kernel reads it (`struct sock_filter[]`).

    None for a machine whose calls are not known here. A refused call fails with EPERM (sockets: EACCES), one of another
    kind of machine (32 bits) with ENOSYS. At `process` only what would end other processes is refused; at `landlock`
    also sockets of this machine, but for pairs that lead nowhere else.
    """
    known = _MACHINES.get(platform.machine())
    if known is None:
        return None
    architecture, numbers = known
    lines = [
        _line(_LOAD, _ARCHITECTURE_AT),
        _line(_EQUAL, architecture, 1, 0),
        _line(_RETURN, _ERROR | errno.ENOSYS),
        _line(_LOAD, _NUMBER_AT),
        _line(_AT_LEAST, _X32, 0, 1),
        _line(_RETURN, _ERROR | errno.ENOSYS),
    ]
    # A limit of CPU time set for another process is a signal to it; who sets his own names process 0.
    for half in (_argument(2), _argument(2) + 4):
        lines += _rule(numbers["prlimit64"], [(_argument(0), _ALL, 0, False), (half, _ALL, 0, False)], errno.EPERM)
    if level != "process":
        for name in _REFUSED:
            lines += _rule(({**_COMMON, **numbers})[name], [], errno.EPERM)
    if level == "landlock":
        unix = (_argument(0), _ALL, _AF_UNIX, True)
        lines += _rule(numbers["socket"], [unix], errno.EACCES)
        # Of a pair of datagram sockets each sends to whom it likes.
        lines += _rule(numbers["socketpair"], [unix, (_argument(1), _KIND_OF_SOCKET, _DATAGRAM, True)], errno.EACCES)
    return b"".join([*lines, _line(_RETURN, _ALLOW)])


def restrict(level: str) -> None:
    """Put this thread, and all that it starts, under the filter of a level; no program brings them more rights.

    Raises `OSError`.
    """
    code = filter_program(level)
    if code is None:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    held = ctypes.create_string_buffer(code)
    # struct sock_fprog: how many instructions, and where.
    asked = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(held))
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, asked, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "this kernel takes no filter of system calls")


@cache
def filter_path() -> str | None:
    """Where a program can read the filter, while this process runs; None: there is none for this machine."""
    code = filter_program("bubblewrap")
    if code is None or not hasattr(os, "memfd_create"):
        return None
    descriptor = os.memfd_create("epw-seccomp")
    os.write(descriptor, code)
    return f"/proc/{os.getpid()}/fd/{descriptor}"


def _rule(number: int, checks: list[tuple[int, int, int, bool]], error: int) -> list[bytes]:
    """Lines that refuse a call where each check holds: what at an offset, masked, is (or is not) a value."""
    body = [_line(_RETURN, _ERROR | error)]
    for offset, mask, value, is_equal in reversed(checks):
        past = len(body)
        jump = _line(_EQUAL, value, 0, past) if is_equal else _line(_EQUAL, value, past, 0)
        body = [_line(_LOAD, offset), _line(_AND, mask), jump, *body]
    return [_line(_LOAD, _NUMBER_AT), _line(_EQUAL, number, 0, len(body)), *body]


def _argument(number: int) -> int:
    """Where the lower half of an argument stands in `struct seccomp_data`."""
    return 16 + 8 * number


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
