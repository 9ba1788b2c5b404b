"""Seccomp filter for system calls that no agent needs and that have opened sandboxes before.

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
_AF_UNIX, _DATAGRAM, _SOCKET_TYPE_MASK = 1, 2, 0xF
_ALL = 0xFFFFFFFF
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2

_DENIED = (
    *("mount", "umount2", "pivot_root", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick"),
    *("mount_setattr", "ptrace", "process_vm_readv", "process_vm_writev", "add_key", "request_key", "keyctl", "bpf"),
    *("perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "kexec_load"),
    *("kexec_file_load", "init_module", "finit_module", "delete_module", "setns", "swapon", "swapoff", "reboot"),
    *("open_by_handle_at",),
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
    """The filter of a sandbox level as a `struct sock_filter[]`; None for an architecture that is not in the table.

    A denied call fails with EPERM (sockets: EACCES), a call of another architecture (32 bits) with ENOSYS. At
    `process` only what would end other processes is denied; at `landlock` also Unix sockets, except stream pairs.
    """
    known = _MACHINES.get(platform.machine())
    if known is None:
        return None
    architecture, numbers = known
    code = [
        _instruction(_LOAD, _ARCHITECTURE_AT),
        _instruction(_EQUAL, architecture, 1, 0),
        _instruction(_RETURN, _ERROR | errno.ENOSYS),
        _instruction(_LOAD, _NUMBER_AT),
        _instruction(_AT_LEAST, _X32, 0, 1),
        _instruction(_RETURN, _ERROR | errno.ENOSYS),
    ]
    # A CPU time limit set for another process ends it by a signal; for the caller itself the process argument is 0.
    for half in (_argument(2), _argument(2) + 4):
        code += _rule(numbers["prlimit64"], [(_argument(0), _ALL, 0, False), (half, _ALL, 0, False)], errno.EPERM)
    if level != "process":
        for name in _DENIED:
            code += _rule(({**_COMMON, **numbers})[name], [], errno.EPERM)
    if level == "landlock":
        unix = (_argument(0), _ALL, _AF_UNIX, True)
        code += _rule(numbers["socket"], [unix], errno.EACCES)
        # A datagram socket of a pair can still send to any other address.
        code += _rule(numbers["socketpair"], [unix, (_argument(1), _SOCKET_TYPE_MASK, _DATAGRAM, True)], errno.EACCES)
    return b"".join([*code, _instruction(_RETURN, _ALLOW)])


def restrict(level: str) -> None:
    """Apply the filter of a level to this thread and all that it starts, where setuid programs then gain no rights.

    Raises `OSError` where the kernel accepts no filter.
    """
    code = filter_program(level)
    if code is None:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(code)
    # struct sock_fprog: number of instructions, and their address.
    argument = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, argument, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "this kernel takes no filter of system calls")


@cache
def filter_path() -> str | None:
    """File from which a program reads the filter while this process runs; None where there is no filter."""
    code = filter_program("bubblewrap")
    if code is None or not hasattr(os, "memfd_create"):
        return None
    descriptor = os.memfd_create("epw-seccomp")
    os.write(descriptor, code)
    return f"/proc/{os.getpid()}/fd/{descriptor}"


def _rule(number: int, checks: list[tuple[int, int, int, bool]], error: int) -> list[bytes]:
    """Instructions that deny a call where all checks hold.

    A check is (offset, mask, value, is_equal): the word at the offset, masked, is or is not the value.
    """
    body = [_instruction(_RETURN, _ERROR | error)]
    for offset, mask, value, is_equal in reversed(checks):
        skip = len(body)
        jump = _instruction(_EQUAL, value, 0, skip) if is_equal else _instruction(_EQUAL, value, skip, 0)
        body = [_instruction(_LOAD, offset), _instruction(_AND, mask), jump, *body]
    return [_instruction(_LOAD, _NUMBER_AT), _instruction(_EQUAL, number, 0, len(body)), *body]


def _argument(number: int) -> int:
    """Offset of the lower half of an argument in `struct seccomp_data`."""
    return 16 + 8 * number


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
