"""How far an attempt's processes are kept apart: which level, and bubblewrap's part of it (CONTRACT section 2)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from activities.limits.network.namespace import Namespace
from workflows.errors import Unavailable
from workflows.plan import MODELS, Plan

_PROBE_SECONDS = 10
# Sockets of services, and files of other programs.
_EMPTIED = ("/run", "/tmp", "/var/tmp")
_HOMES = ("/home", "/root")
_BINARIES = ("bin", "sbin", "shims")
_NAMESPACES = ("--unshare-user-try", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")


def level(plan: Plan, agent: str) -> str:
    """What an agent's processes get: as the plan says; `auto`: the strongest there is where a model drives them."""
    if plan.demands_bubblewrap:
        return "bubblewrap"
    if plan.sandbox != "auto":
        return plan.sandbox
    return "bubblewrap" if agent in MODELS and lacks_bubblewrap() is None else "process"


@cache
def lacks_bubblewrap() -> str | None:
    """Why there is no bubblewrap here; null: there is, and it works."""
    program = shutil.which("bwrap")
    if program is None:
        return "bubblewrap is not installed (Debian: apt-get install bubblewrap)"
    try:
        with Namespace.made(0) as namespace:
            argv = bubblewrapped(["true"], hidden=None, own=[], readable=[], cwd=Path("/"), namespace=namespace)
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not work here: {error}"
    return None if done.returncode == 0 else f"bubblewrap does not work here: {done.stderr.strip()[:200]}"


def require_bubblewrap() -> None:
    """Raises `Unavailable` where a plan demands it and there is none."""
    if missing := lacks_bubblewrap():
        raise Unavailable(f'the plan needs sandbox "bubblewrap": {missing}')


def bubblewrapped(
    argv: Sequence[str],
    *,
    hidden: Path | None,
    own: Sequence[Path],
    readable: Sequence[Path],
    cwd: Path,
    namespace: Namespace | None,
) -> list[str]:
    """The command in a sandbox: a read-only system without homes and sockets; `own` are its folders to write in.

    `hidden`: the state directory, of which it sees only those and the `readable`. `namespace`: its network; null: none.
    """
    options = [] if namespace is None else namespace.entering()
    options += ["bwrap", "--die-with-parent", *_NAMESPACES, *(["--unshare-net"] if namespace is None else [])]
    options += _system()
    options += ["--tmpfs", str(hidden)] if hidden is not None else []
    for folder in readable:
        options += ["--ro-bind-try", str(folder), str(folder)]
    for folder in own:
        options += ["--bind-try", str(folder), str(folder)]
    return [*options, "--chdir", str(cwd), "--", *argv]


@cache
def _system() -> tuple[str, ...]:
    """The machine as every sandbox shows it: read-only, homes and sockets empty, programs there."""
    options = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    hidden = [path for path in dict.fromkeys((*_EMPTIED, *_HOMES, _home())) if os.path.isdir(path)]
    for path in hidden:
        options += ["--tmpfs", path]
    programs = _programs(hidden)
    for path in programs:
        options += ["--ro-bind", path, path]
    for path in _secrets(programs):
        options += ["--ro-bind", "/dev/null", path]
    return tuple(options)


def _home() -> str:
    return os.path.realpath(os.path.expanduser("~"))


def _programs(hidden: Sequence[str]) -> list[str]:
    """Folders of programs that lie where all else is hidden: of PATH, and the interpreter's."""
    entries = [*os.environ.get("PATH", "").split(os.pathsep), sys.prefix, sys.base_prefix]
    found: dict[str, None] = {}
    for entry in entries:
        for folder in (entry, os.path.realpath(entry)):
            root = next((root for root in hidden if folder.startswith(f"{root}/")), None)
            if root is not None and os.path.isdir(folder):
                found[_installation(folder, root)] = None
    return list(found)


def _installation(folder: str, root: str) -> str:
    """What a folder of programs needs besides itself: `~/.tool` for `~/.tool/bin`, but no whole home."""
    parent, name = os.path.split(folder)
    own = name in _BINARIES and os.path.basename(parent).startswith(".") and os.path.basename(parent) != ".local"
    return parent if own and parent != root else folder


def _secrets(programs: Sequence[str]) -> list[str]:
    """Files in folders of programs that are nobody's business."""
    return [str(path) for folder in programs for path in Path(folder).glob("credentials*") if path.is_file()]
