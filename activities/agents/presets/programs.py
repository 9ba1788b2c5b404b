"""The programs of presets on this machine: where they are, which version, whether there is a login."""

from __future__ import annotations

import shutil

from activities.agents import login_files
from activities.processes.program_version import program_version
from epw.core import failures
from epw.core.errors import TaskFailed
from epw.core.presets.preset import Preset


def missing(preset: Preset) -> str | None:
    """Message for a user where the program is not on PATH; else None."""
    if shutil.which(preset.program) is not None:
        return None
    return f"agent {preset.name} needs {preset.title}: `{preset.program}` is not on PATH; install it ({preset.install})"


def path_of(preset: Preset) -> str:
    """Path of the program; raises `TaskFailed` where there is none."""
    found = shutil.which(preset.program)
    if found is None:
        raise TaskFailed(failures.AGENT_UNAVAILABLE, missing(preset) or preset.program, final=True)
    return found


def described(preset: Preset) -> str:
    """Version and login of a program here, or how it is installed."""
    path = shutil.which(preset.program)
    if path is None:
        return f"not installed: {preset.install}"
    login = login_files.described(preset.login)
    return f"{program_version(path) or 'does not say its version'}; login: {login}"
