"""Landlock: rights that a thread gives up for itself and all that it starts, also as root, and never gets back.

A domain of its own keeps a process from inspecting others (`/proc/PID/environ`, `mem`, `fd`, ptrace) and from
signalling them; restricted to folders, it reaches no other files. https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable
from functools import cache

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38
_MIN_ABI = 2
"""In version 1 a domain forbids moving files between directories."""

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_BLOCK = 1 << 11
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_RIGHTS_OF_ABI = {2: 1 << 14, 3: 1 << 15, 4: 1 << 15, 5: 1 << 16}
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_READ_RIGHTS = _EXECUTE | _READ_FILE | _READ_DIR
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2
ABI_OF_SCOPES = 6
"""First version (Linux 6.12) in which a domain keeps its processes from signalling others."""


@cache
def abi() -> int:
    """Version of the kernel's Landlock; 0 where there is none, or one too old."""
    if sys.platform != "linux":
        return 0
    found = int(_libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION)))
    return found if found >= _MIN_ABI else 0


def isolate() -> None:
    """Put this thread into a domain of its own that restricts no files; does nothing without Landlock."""
    if abi() >= ABI_OF_SCOPES:
        _restrict(_ruleset(0, _SCOPE_SIGNALS))
    elif abi():
        # A domain must restrict something: the creation of block devices, which no agent needs.
        ruleset = _ruleset(_MAKE_BLOCK | _REFER, 0)
        _allow(ruleset, "/", _MAKE_BLOCK | _REFER)
        _restrict(ruleset)


def restrict_files(readable: Iterable[str | os.PathLike[str]], writable: Iterable[str | os.PathLike[str]]) -> None:
    """Do as `isolate`, and restrict this thread to the files in these folders. Raises `OSError` without Landlock."""
    if not abi():
        raise OSError("this kernel has no Landlock")
    handled = _RIGHTS_OF_ABI[min(abi(), max(_RIGHTS_OF_ABI))] - 1
    scopes = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if abi() >= ABI_OF_SCOPES else 0
    ruleset = _ruleset(handled, scopes)
    for path in readable:
        _allow(ruleset, path, _READ_RIGHTS & handled)
    for path in writable:
        _allow(ruleset, path, handled)
    _restrict(ruleset)


def _ruleset(files: int, scopes: int) -> int:
    # struct landlock_ruleset_attr: files, network, scopes; older kernels know a shorter one.
    attributes = struct.pack("QQQ", files, 0, scopes)[: 24 if scopes else 8]
    return _checked(_libc().syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0)))


def _allow(ruleset: int, path: str | os.PathLike[str], rights: int) -> None:
    """Allow rights below a path; one that does not exist is skipped."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                rights &= _FILE_RIGHTS
            rule = struct.pack("=Qi", rights, descriptor)
            _checked(_libc().syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, ctypes.c_uint32(0)))
        finally:
            os.close(descriptor)


def _restrict(ruleset: int) -> None:
    try:
        # Required by Landlock, except of root: setuid programs that it starts gain no rights.
        _checked(_libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(_libc().syscall(_RESTRICT_SELF, ruleset, ctypes.c_uint32(0)))
    finally:
        os.close(ruleset)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
