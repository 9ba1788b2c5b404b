"""Capabilities with which processes of root inspect others in spite of Landlock: dropped for what a thread starts."""

from __future__ import annotations

import ctypes
import os

_PR_CAPBSET_DROP = 24
_SYS_MODULE, _SYS_RAWIO, _SYS_PTRACE, _SYS_ADMIN = 16, 17, 19, 21
_PERFMON, _BPF, _CHECKPOINT_RESTORE = 38, 39, 40
_INSPECTION = (_SYS_MODULE, _SYS_RAWIO, _SYS_PTRACE, _SYS_ADMIN, _PERFMON, _BPF, _CHECKPOINT_RESTORE)


def drop_inspection_capabilities() -> None:
    """Drop them for every program that this thread starts from now on; an ordinary user has none of them.

    With CAP_PERFMON or CAP_SYS_ADMIN the kernel lets a process read `/proc/PID/environ` even where ptrace is denied.
    """
    if os.geteuid() == 0:
        for capability in _INSPECTION:
            ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
