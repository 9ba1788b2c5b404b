"""Sandbox levels of an attempt's processes, and what of the machine each level shows them.

- `none`: everything that the user's own programs have.
- `process`: a home of its own; other processes can be neither inspected nor signalled (where there is Landlock).
- `landlock`: the system's files, read-only, and its own; no Unix sockets of this machine's services.
- `bubblewrap`: as `landlock`, in namespaces of its own: nothing else is visible; a network of its own.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

from activities.sandbox import capabilities, landlock, seccomp
from activities.sandbox.network.namespace import Namespace
from epw.core.backends import DefaultSandbox
from epw.core.errors import Unavailable
from epw.core.plan.model import Plan
from epw.core.plan.preset_rules import hidden_home

_PROBE_SECONDS = 10
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
_ETC = (
    *("alternatives", "bash.bashrc", "ca-certificates", "ca-certificates.conf", "crypto-policies", "debian_version"),
    *("fonts", "gitconfig", "group", "host.conf", "hosts", "inputrc", "java-*", "ld.so.cache", "ld.so.conf"),
    *("ld.so.conf.d", "localtime", "locale.alias", "locale.conf", "magic", "mailcap", "mime.types", "npmrc"),
    *("nsswitch.conf", "os-release", "passwd", "pip.conf", "pki/tls", "pki/ca-trust", "perl", "profile", "profile.d"),
    *("protocols", "python*", "resolv.conf", "rpc", "services", "shells", "ssl", "terminfo", "timezone", "wgetrc"),
    "xattr.conf",
)
_PRIVATE = ("/etc/ssl/private", "/etc/pki/tls/private", "/usr/local/etc")
"""Parts of the system's folders that are hidden."""
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "fd", "stdin", "stdout", "stderr")
_PROCESSORS = "/sys/devices/system/cpu"
# Processes of root may write there without any capability: the kernel checks only the user id.
_KERNEL_SETTINGS = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/acpi", "/proc/scsi")
_SCRATCH = ("/tmp", "/var/tmp", "/run")
_SAFE_FILES = ("version", "env", "pyvenv.cfg")
"""Files beside a tool's folders that its programs need and that hold no secrets."""
_BIN_NAMES = ("bin", "sbin", "shims")
_BESIDE_BIN = ("include", "lib", "lib64", "libexec", "share", "pyvenv.cfg")
_NAMESPACES = ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
_FILTER_FD = 9
"""File descriptor from which bubblewrap reads its filter of system calls."""


def level(plan: Plan, default: DefaultSandbox) -> str:
    """Sandbox level of a plan's processes: the one that it names, `default` where it says `auto`."""
    if plan.demands_bubblewrap:
        return "bubblewrap"
    if plan.sandbox != "auto":
        return plan.sandbox
    return strongest(bubblewrap_problem(), landlock.abi()) if default == "strongest" else default


def strongest(bubblewrap_problem: str | None, abi: int) -> str:
    """Strongest level of a machine with this reason against bubblewrap, if any, and this version of Landlock, or 0."""
    if bubblewrap_problem is None:
        return "bubblewrap"
    return "landlock" if abi else "process"


def require_sandbox(plan: Plan) -> None:
    """Check that this machine offers the level that a plan demands or a model's shell needs; raises `Unavailable`."""
    if plan.demands_bubblewrap and (missing := bubblewrap_problem()):
        raise Unavailable(f'the plan needs sandbox "bubblewrap": {missing}')
    if plan.sandbox == "landlock" and not landlock.abi():
        raise Unavailable('the plan needs sandbox "landlock": this kernel has none (Linux 5.19 or newer)')
    if (
        plan.sandbox == "auto"
        and plan.has_models
        and sys.platform == "linux"
        and strongest(bubblewrap_problem(), landlock.abi()) == "process"
    ):
        raise Unavailable(
            f"a model's shell needs a sandbox, and this machine has none: {bubblewrap_problem()}; its kernel has no"
            " Landlock. Install bubblewrap, or say `sandbox: process` in the plan"
        )
    if plan.sandbox == "auto" and plan.has_models and "HOME" in plan.pass_env:
        found = strongest(bubblewrap_problem(), landlock.abi())
        if found != "process":
            raise Unavailable(f"passEnv: {hidden_home(found)}")


def thread_setup(level: str, *, own: Sequence[Path], readable: Sequence[Path]) -> Callable[[], None] | None:
    """Setup of a thread before it starts a process of this level; None where there is none.

    `own`: folders that the process may write to. `readable`: folders that it may read besides the system's.
    """
    if level == "process" and landlock.abi():
        return _isolate
    if level == "landlock":
        return partial(_restrict, tuple(own), tuple(readable))
    return None


def _isolate() -> None:
    landlock.isolate()
    seccomp.restrict("process")
    capabilities.drop_inspection_capabilities()


def _without(path: str, private: Sequence[str]) -> list[str]:
    """A folder without what is private: itself, or the entries that remain."""
    if path in private:
        return []
    if not any(each.startswith(f"{path}/") for each in private):
        return [path]
    inner = (os.path.join(path, name) for name in os.listdir(path))
    return [each for name in inner for each in _without(name, private)]


def _restrict(own: Sequence[Path], readable: Sequence[Path]) -> None:
    devices = [f"/dev/{name}" for name in _DEVICES]
    system = [*_SYSTEM, *_etc(), *_programs(), _PROCESSORS, "/proc"]
    # Landlock has no exceptions within a folder: such a folder is replaced by its entries.
    visible = [each for path in system for each in _without(path, _PRIVATE)]
    landlock.restrict_files([*visible, *readable], [*own, *devices])
    capabilities.drop_inspection_capabilities()
    # Landlock restricts no connection to a Unix socket, even in a folder that it hides.
    seccomp.restrict("landlock")


@cache
def bubblewrap_problem() -> str | None:
    """Reason why bubblewrap cannot be used here; None where it works."""
    program = shutil.which("bwrap")
    if program is None:
        return "bubblewrap is not installed (Debian: apt-get install bubblewrap)"
    try:
        with Namespace.create(0) as namespace:
            argv = bubblewrap_argv(["true"], own=[], readable=[], cwd=Path("/"), namespace=namespace)
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not work here: {error}"
    return None if done.returncode == 0 else f"bubblewrap does not work here: {done.stderr.strip()[:200]}"


def bubblewrap_argv(
    argv: Sequence[str], *, own: Sequence[Path], readable: Sequence[Path], cwd: Path, namespace: Namespace | None
) -> list[str]:
    """The command in a sandbox that holds the system's folders, read-only, and its `own`, writable, and nothing else.

    It has no capabilities, a user id other than root's, and no way to gain any. `readable`: folders that it may read
    besides. `namespace`: its network; None for no network.
    """
    filter_path = seccomp.filter_path()
    options = [] if filter_path is None else ["sh", "-c", f'exec "$@" {_FILTER_FD}< "$0"', filter_path]
    options += [] if namespace is None else namespace.argv_prefix()
    options += ["bwrap", "--die-with-parent", *_NAMESPACES, *(["--unshare-net"] if namespace is None else [])]
    options += [] if filter_path is None else ["--seccomp", str(_FILTER_FD)]
    options += _system()
    for folder in readable:
        options += ["--ro-bind-try", str(folder), str(folder)]
    for folder in own:
        options += ["--bind-try", str(folder), str(folder)]
    return [*options, "--remount-ro", "/", "--chdir", str(cwd), "--", *argv]


@cache
def _system() -> tuple[str, ...]:
    """Options for what every bubblewrap sandbox shows of the machine."""
    options = ["--cap-drop", "ALL", *_identity_options(), *_userns_options()]
    for path in _SYSTEM:
        if os.path.islink(path):
            options += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            options += ["--ro-bind", path, path]
    for path in _SCRATCH:
        options += ["--tmpfs", path]
    options += ["--dev", "/dev", "--proc", "/proc", "--ro-bind-try", _PROCESSORS, _PROCESSORS]
    for path in (each for each in _KERNEL_SETTINGS if os.path.exists(each)):
        options += ["--ro-bind", path, path]
    for path in (*_etc(), *_programs()):
        options += ["--ro-bind", path, path]
    for path in _secrets():
        options += ["--ro-bind", "/dev/null", path] if os.path.isfile(path) else ["--tmpfs", path]
    return tuple(options)


def _identity_options() -> list[str]:
    """Give root's sandbox the id of another user: the kernel and programs grant user 0 more than others."""
    if os.geteuid() != 0:
        return []
    known = {entry.pw_uid: entry.pw_gid for entry in pwd.getpwall()}
    user = 1000 if 1000 in known else max(known)
    return ["--uid", str(user), "--gid", str(known[user])]


@cache
def _userns_options() -> list[str]:
    """Forbid nested user namespaces, which grant capabilities, where bubblewrap can (from 0.8 on)."""
    option = "--disable-userns"
    argv = ["bwrap", "--unshare-user", option, "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"]
    done = subprocess.run(argv, capture_output=True, timeout=_PROBE_SECONDS, check=False)
    return [option] if done.returncode == 0 else []


def _etc() -> list[str]:
    """Files of /etc that programs need and that hold no secrets; a link is replaced by its target."""
    return [str(path) for name in _ETC for path in sorted(Path("/etc").glob(name)) if path.exists()]


@cache
def _programs() -> tuple[str, ...]:
    """Folders of programs outside the system's: those of PATH, and the interpreter's."""
    entries = [*os.environ.get("PATH", "").split(os.pathsep), sys.prefix, sys.base_prefix]
    found: dict[str, None] = {}
    for entry in entries:
        for folder in dict.fromkeys((entry, os.path.realpath(entry))):
            outside = os.path.isabs(folder) and not any(f"{folder}/".startswith(f"{each}/") for each in _SYSTEM)
            if outside and os.path.isdir(folder):
                found |= dict.fromkeys(_installation(folder))
    return tuple(found)


def _installation(folder: str) -> list[str]:
    """A folder of programs with what it needs beside it, and nothing else that may be there, such as a home."""
    parent, name = os.path.split(folder)
    home = os.path.realpath(os.path.expanduser("~"))
    grandparent, tool = os.path.split(parent)
    if name not in _BIN_NAMES:
        return [folder]
    if grandparent == "/opt" or (tool.startswith(".") and tool != ".local" and parent != home):
        # /opt/tool for /opt/tool/bin, ~/.tool for ~/.tool/bin.
        return [parent] if grandparent == "/opt" else _folders_of(parent)
    beside = [os.path.join(parent, each) for each in _BESIDE_BIN] if tool != ".local" else []
    return [folder, *(each for each in beside if os.path.exists(each))]


def _folders_of(tool: str) -> list[str]:
    """The folders of `~/.tool`; files beside them are settings, and may be credentials."""
    entries = [entry for entry in os.scandir(tool) if entry.is_dir() or entry.name in _SAFE_FILES]
    return sorted(entry.path for entry in entries)


def _secrets() -> list[str]:
    """Credentials in folders of programs, and the system's private folders."""
    found = [str(path) for folder in _programs() for path in Path(folder).glob("credentials*")]
    return found + [path for path in _PRIVATE if os.path.isdir(path)]


def setup_argv(level: str, *, own: Sequence[Path], readable: Sequence[Path]) -> list[str]:
    """First words of a command that enters this level by itself, where a library starts it on a thread of its own."""
    if thread_setup(level, own=own, readable=readable) is None:
        return []
    folders = (os.pathsep.join(map(str, each)) for each in (own, readable))
    return [sys.executable, "-I", str(Path(__file__).with_name("enter_sandbox.py")), level, *folders, "--"]
