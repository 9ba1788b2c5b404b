"""How far an attempt's processes are kept apart: which level, and what of the machine each level shows them.

- `none`: everything that the user's own programs have.
- `process`: a home of its own; no look into other processes, no signals to them (by Landlock, where there is one).
- `landlock`: of files the system's, read-only, and its own; no sockets of this machine's services.
- `bubblewrap`: as `landlock`, in namespaces of its own: nothing else is there; a network of its own.
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

_PROBE_SECONDS = 10
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
_ETC = (
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "fonts",
    "gitconfig",
    "group",
    "host.conf",
    "hosts",
    "inputrc",
    "java-*",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "locale.alias",
    "locale.conf",
    "magic",
    "mailcap",
    "mime.types",
    "npmrc",
    "nsswitch.conf",
    "os-release",
    "passwd",
    "pip.conf",
    "pki/tls",
    "pki/ca-trust",
    "perl",
    "profile",
    "profile.d",
    "protocols",
    "python*",
    "resolv.conf",
    "rpc",
    "services",
    "shells",
    "ssl",
    "terminfo",
    "timezone",
    "wgetrc",
    "xattr.conf",
)
_PRIVATE = ("/etc/ssl/private", "/etc/pki/tls/private", "/usr/local/etc")
"""Of the system's folders, what they are not shown with."""
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "fd", "stdin", "stdout", "stderr")
_PROCESSORS = "/sys/devices/system/cpu"
# Root's processes may write there without any capability: the kernel goes by their id.
_SETTINGS_OF_THE_KERNEL = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/acpi", "/proc/scsi")
_SCRATCH = ("/tmp", "/var/tmp", "/run")
_NO_SETTINGS = ("version", "env", "pyvenv.cfg")
"""Files beside a tool's folders that its programs go by."""
_BINARIES = ("bin", "sbin", "shims")
_BESIDE_BINARIES = ("include", "lib", "lib64", "libexec", "share", "pyvenv.cfg")
_NAMESPACES = ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
_FILTER = 9
"""The descriptor by which bubblewrap reads its filter of system calls."""


def level(plan: Plan, default: DefaultSandbox) -> str:
    """The level of a plan's processes: the one that it names; `default` where it says `auto`."""
    if plan.demands_bubblewrap:
        return "bubblewrap"
    if plan.sandbox != "auto":
        return plan.sandbox
    return strongest() if default == "strongest" else default


def strongest() -> str:
    """The strongest level that this machine has."""
    if bubblewrap_problem() is None:
        return "bubblewrap"
    return "landlock" if landlock.abi() else "process"


def require_sandbox(plan: Plan) -> None:
    """Raises `Unavailable` where this machine lacks the level that a plan demands, or that a model's shell needs."""
    if plan.demands_bubblewrap and (missing := bubblewrap_problem()):
        raise Unavailable(f'the plan needs sandbox "bubblewrap": {missing}')
    if plan.sandbox == "landlock" and not landlock.abi():
        raise Unavailable('the plan needs sandbox "landlock": this kernel has none (Linux 5.19 or newer)')
    if plan.sandbox == "auto" and plan.has_models and sys.platform == "linux" and strongest() == "process":
        raise Unavailable(
            f"a model's shell needs a sandbox, and this machine has none: {bubblewrap_problem()}; its kernel has no"
            " Landlock. Install bubblewrap, or say `sandbox: process` in the plan"
        )


def thread_setup(level: str, *, own: Sequence[Path], readable: Sequence[Path]) -> Callable[[], None] | None:
    """What a thread does to itself before it starts a process of this level; None: nothing.

    `own`: folders to write in. `readable`: what it may read besides the system's.
    """
    if level == "process" and landlock.abi():
        return _isolate
    if level == "landlock":
        return partial(_keep_to, tuple(own), tuple(readable))
    return None


def _isolate() -> None:
    landlock.isolate()
    seccomp.restrict("process")
    capabilities.drop_inspection_capabilities()


def _without(path: str, private: Sequence[str]) -> list[str]:
    """A folder, or what is in it where it holds something private."""
    if path in private:
        return []
    if not any(each.startswith(f"{path}/") for each in private):
        return [path]
    inner = (os.path.join(path, name) for name in os.listdir(path))
    return [each for name in inner for each in _without(name, private)]


def _keep_to(own: Sequence[Path], readable: Sequence[Path]) -> None:
    devices = [f"/dev/{name}" for name in _DEVICES]
    system = [*_SYSTEM, *_etc(), *_programs(), _PROCESSORS, "/proc"]
    # It knows no exceptions from a folder: then it is what is in there.
    shown = [each for path in system for each in _without(path, _PRIVATE)]
    landlock.restrict_files([*shown, *readable], [*own, *devices])
    capabilities.drop_inspection_capabilities()
    # Landlock lets nobody read a socket's folder, and everybody connect to it.
    seccomp.restrict("landlock")


@cache
def bubblewrap_problem() -> str | None:
    """Why there is no bubblewrap here; None: there is, and it works."""
    program = shutil.which("bwrap")
    if program is None:
        return "bubblewrap is not installed (Debian: apt-get install bubblewrap)"
    try:
        with Namespace.made(0) as namespace:
            argv = bubblewrap_argv(["true"], own=[], readable=[], cwd=Path("/"), namespace=namespace)
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not work here: {error}"
    return None if done.returncode == 0 else f"bubblewrap does not work here: {done.stderr.strip()[:200]}"


def bubblewrap_argv(
    argv: Sequence[str], *, own: Sequence[Path], readable: Sequence[Path], cwd: Path, namespace: Namespace | None
) -> list[str]:
    """The command in a sandbox of the system's folders, read-only, and its `own`, to write in; nothing else is there.

    It has no capability, an id that is not root's, and no way to any. `readable`: what it may read besides.
    `namespace`: its network; None: none.
    """
    filtered = seccomp.filter_path()
    options = [] if filtered is None else ["sh", "-c", f'exec "$@" {_FILTER}< "$0"', filtered]
    options += [] if namespace is None else namespace.entering()
    options += ["bwrap", "--die-with-parent", *_NAMESPACES, *(["--unshare-net"] if namespace is None else [])]
    options += [] if filtered is None else ["--seccomp", str(_FILTER)]
    options += _system()
    for folder in readable:
        options += ["--ro-bind-try", str(folder), str(folder)]
    for folder in own:
        options += ["--bind-try", str(folder), str(folder)]
    return [*options, "--remount-ro", "/", "--chdir", str(cwd), "--", *argv]


@cache
def _system() -> tuple[str, ...]:
    """The machine as every sandbox shows it."""
    options = ["--cap-drop", "ALL", *_identity(), *_without_namespaces()]
    for path in _SYSTEM:
        if os.path.islink(path):
            options += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            options += ["--ro-bind", path, path]
    for path in _SCRATCH:
        options += ["--tmpfs", path]
    options += ["--dev", "/dev", "--proc", "/proc", "--ro-bind-try", _PROCESSORS, _PROCESSORS]
    for path in (each for each in _SETTINGS_OF_THE_KERNEL if os.path.exists(each)):
        options += ["--ro-bind", path, path]
    for path in (*_etc(), *_programs()):
        options += ["--ro-bind", path, path]
    for path in _secrets():
        options += ["--ro-bind", "/dev/null", path] if os.path.isfile(path) else ["--tmpfs", path]
    return tuple(options)


def _identity() -> list[str]:
    """Root's sandbox has another id: what asks for root by its number finds none."""
    if os.geteuid() != 0:
        return []
    known = {entry.pw_uid: entry.pw_gid for entry in pwd.getpwall()}
    user = 1000 if 1000 in known else max(known)
    return ["--uid", str(user), "--gid", str(known[user])]


@cache
def _without_namespaces() -> list[str]:
    """Where bubblewrap knows how (0.8): in it nobody gets capabilities by a user namespace of his own."""
    option = "--disable-userns"
    tried = ["bwrap", "--unshare-user", option, "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"]
    done = subprocess.run(tried, capture_output=True, timeout=_PROBE_SECONDS, check=False)
    return [option] if done.returncode == 0 else []


def _etc() -> list[str]:
    """Of the system's settings those that programs need, and that hold no secrets."""
    # Of a link, what it leads to stands in its place.
    return [str(path) for name in _ETC for path in sorted(Path("/etc").glob(name)) if path.exists()]


@cache
def _programs() -> tuple[str, ...]:
    """Folders of programs that lie outside the system's: of PATH, and the interpreter's."""
    entries = [*os.environ.get("PATH", "").split(os.pathsep), sys.prefix, sys.base_prefix]
    found: dict[str, None] = {}
    for entry in entries:
        for folder in dict.fromkeys((entry, os.path.realpath(entry))):
            outside = os.path.isabs(folder) and not any(f"{folder}/".startswith(f"{each}/") for each in _SYSTEM)
            if outside and os.path.isdir(folder):
                found |= dict.fromkeys(_installation(folder))
    return tuple(found)


def _installation(folder: str) -> list[str]:
    """What a folder of programs needs besides itself, without what else may lie there: a home, a project."""
    parent, name = os.path.split(folder)
    grandparent, own = os.path.split(parent)
    if name not in _BINARIES:
        return [folder]
    if grandparent == "/opt" or (own.startswith(".") and own != ".local" and parent != _home()):
        # `/opt/tool` for `/opt/tool/bin`.
        return [parent] if grandparent == "/opt" else _folders_of(parent)
    beside = [os.path.join(parent, each) for each in _BESIDE_BINARIES] if own != ".local" else []
    return [folder, *(each for each in beside if os.path.exists(each))]


def _folders_of(tool: str) -> list[str]:
    """Of `~/.tool`, for `~/.tool/bin`: its folders; files beside them are settings, and may be credentials."""
    entries = [entry for entry in os.scandir(tool) if entry.is_dir() or entry.name in _NO_SETTINGS]
    return sorted(entry.path for entry in entries)


def _home() -> str:
    return os.path.realpath(os.path.expanduser("~"))


def _secrets() -> list[str]:
    """What in folders of programs and settings is nobody's business."""
    found = [str(path) for folder in _programs() for path in Path(folder).glob("credentials*")]
    return found + [path for path in _PRIVATE if os.path.isdir(path)]


def setup_argv(level: str, *, own: Sequence[Path], readable: Sequence[Path]) -> list[str]:
    """What a command begins with where a library starts it, on a thread that is not ours to prepare."""
    if thread_setup(level, own=own, readable=readable) is None:
        return []
    folders = (os.pathsep.join(map(str, each)) for each in (own, readable))
    return [sys.executable, "-I", str(Path(__file__).with_name("enter_sandbox.py")), level, *folders, "--"]
