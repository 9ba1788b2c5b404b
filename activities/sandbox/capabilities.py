"""Capabilities by which root's processes look into others whatever Landlock says, taken from what a thread starts."""

from __future__ import annotations

import ctypes
import os

_PR_CAPBSET_DROP = 24
_SYS_MODULE, _SYS_RAWIO, _SYS_PTRACE, _SYS_ADMIN = 16, 17, 19, 21
_PERFMON, _BPF, _CHECKPOINT_RESTORE = 38, 39, 40
_LOOKING = (_SYS_MODULE, _SYS_RAWIO, _SYS_PTRACE, _SYS_ADMIN, _PERFMON, _BPF, _CHECKPOINT_RESTORE)


def drop_inspection_capabilities() -> None:
    """From the next program on this thread and all that it starts never have them; no matter for an ordinary user.

    The kernel lets who has CAP_PERFMON or CAP_SYS_ADMIN read `/proc/PID/environ`, ptrace allowed or not.
    """
    if os.geteuid() == 0:
        for capability in _LOOKING:
            ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
