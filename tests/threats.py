"""Threats: what an agent may try, and which levels stop it. `python -m tests.threats` fills docs/security.md."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/security.md"
LEVELS = ("none", "process", "landlock", "bubblewrap")
GOT = "got-it"
_BEGIN, _END = "<!-- made by tests/threats.py -->\n", "<!-- end -->\n"
_CONNECT = "exec 3<> /dev/tcp/{host}/{port} && echo " + GOT
_SOCKET = "import socket; s = socket.socket(socket.AF_UNIX); s.connect({address!r}); print({got!r})"
_DATAGRAM = "import socket; a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); a.sendto(b'x', {datagrams!r})"


@dataclass(frozen=True)
class Threat:
    """`command` prints `got-it` where it succeeds. `{…}`: what the test has laid out."""

    name: str
    what: str
    command: str
    stopped_by: tuple[str, ...]


_ALL, _APART, _KEPT, _STRONGEST = LEVELS, LEVELS[1:], LEVELS[2:], LEVELS[3:]
THREATS = (
    Threat("variables", "variables of the worker that the plan does not pass on", "env | grep {secret}", _ALL),
    Threat("descriptors", "files that the worker has open", "cat <&{descriptor}", _ALL),
    Threat("home", "the worker's `$HOME`", 'test "$HOME" = {home} && echo got-it', _APART),
    Threat("keys", "`~/.ssh` and all else in homes, by its path", "cat {home}/{canary}", _KEPT),
    Threat(
        "proc",
        "variables of other processes, by /proc",
        "cat /proc/*/environ | tr '\\0' '\\n' | grep {secret}",
        _APART,
    ),
    Threat("signals", "signals to other processes", "kill -0 {pid} && echo got-it", _APART),
    Threat(
        "limits",
        "limits that would end other processes",
        "python3 -c 'import resource; resource.prlimit({pid}, resource.RLIMIT_CORE, (0, 0))' && echo got-it",
        _APART,
    ),
    Threat("datagrams", "sockets of services, by datagrams", f'python3 -c "{_DATAGRAM}" && echo got-it', _KEPT),
    Threat("files", "files elsewhere on the machine", "echo x > {elsewhere}/written && echo got-it", _KEPT),
    Threat(
        "workspace",
        "the user's work tree",
        "test -e {workspace}/README.md && echo x > {workspace}/written && echo got-it",
        _KEPT,
    ),
    Threat("names", "names of files elsewhere", "ls {elsewhere} && echo got-it", _KEPT),
    Threat("state", "the state directory, other attempts in it", "cat {state}/host && echo got-it", _KEPT),
    Threat("memory", "shared memory", "cat /dev/shm/{canary}", _STRONGEST),
    Threat("sockets", "sockets of services", f'python3 -c "{_SOCKET.format(address="{socket}", got=GOT)}"', _KEPT),
    Threat("abstract", "abstract sockets", f'python3 -c "{_SOCKET.format(address="{abstract}", got=GOT)}"', _KEPT),
    Threat("services", "services on this machine", _CONNECT.format(host="127.0.0.1", port="{port}"), _STRONGEST),
    Threat(
        "address", "the same by the machine's own address", _CONNECT.format(host="{own}", port="{port}"), _STRONGEST
    ),
)
# As root, whom the kernel otherwise lets do these.
THREATS_BY_ROOT = (
    Threat("shadow", "as root: files that only root may read", "head -c 1 /etc/shadow && echo got-it", _KEPT),
    Threat("kernel", "as root: settings of the kernel", "echo got-it >> {setting} && cat {setting}", _KEPT),
    Threat("uncover", "as root: what mounts hide", "mount -t tmpfs none {cwd} && umount {cwd} && echo got-it", _APART),
    Threat("enter", "as root: other processes' namespaces", "nsenter --target {pid} --net true && echo got-it", _APART),
    Threat(
        "descriptor of another", "as root: what others have open", "readlink /proc/{pid}/fd/0 && echo got-it", _APART
    ),
)
PLACES = (
    "/dev/shm",
    "/etc",
    "/home",
    "/mnt",
    "/opt",
    "/root",
    "/run",
    "/srv",
    "/tmp",
    "/usr/local/etc",
    "/var/cache",
    "/var/lib",
    "/var/tmp",
)
"""Places where an agent can neither read, list, write nor connect to anything, but for `SHARED_BY`."""
SHARED_BY = {"landlock": ("/dev/shm",)}
ALWAYS = (
    ("paths out of the directory by file tools; links that are swapped in", "activities/system/test_rooted_dir.py"),
    (
        "a committed link that leaves the workspace",
        "workflows/test_workflow.py::test_a_link_that_leaves_the_workspace_does_not_land",
    ),
    (
        "hooks, drivers of merges and diffs, settings of git in the workspace",
        "activities/git/test_git.py::test_no_hook_or_driver_of_the_users_runs_but_for_filters",
    ),
    (
        "content filters that an agent configures, or whose program it changes",
        "activities/git/test_filters.py::test_a_driver_that_an_agent_configures_never_runs",
    ),
    (
        "changes that other programs execute unasked (CI, hooks, editors, planted repositories), by a model",
        "workflows/test_approval.py",
    ),
    ("ids and names that are options, paths or shell", "workflows/test_attempts.py::test_odd_ids_are_only_text"),
    (
        "processes that outlive their attempt",
        "activities/processes/test_limits.py::test_a_daemon_without_session_parent_and_environment_ends_with_its_attempt",
    ),
    (
        "a clone whose `epw.toml` would run commands, hand variables on, reach further or weaken the sandbox",
        "client/test_defaults.py::test_a_project_that_comes_with_a_clone_can_run_or_weaken_nothing",
    ),
    (
        "the account's key, for agents, logs, history and results",
        "activities/agents/test_claude.py::test_the_key_is_nowhere",
    ),
    (
        "secrets that a model's shell digs out, on their way to anyone",
        "activities/agents/test_claude_edges.py::test_a_key_that_a_shell_digs_out_is_told_to_nobody",
    ),
    (
        "in `bubblewrap`: hosts that the plan's `network` does not name, this machine and metadata addresses",
        "activities/sandbox/test_network.py",
    ),
)


def table() -> str:
    """The generated part of the page."""
    lines = ["| an agent tries to reach | " + " | ".join(f"`{level}`" for level in LEVELS) + " |"]
    lines.append("|---" * (1 + len(LEVELS)) + "|")
    for threat in (*THREATS, *THREATS_BY_ROOT):
        cells = ("stopped" if level in threat.stopped_by else "–" for level in LEVELS)
        lines.append(f"| {threat.what} | {' | '.join(cells)} |")
    places = ", ".join(f"`{place}`" for place in PLACES)
    lines += [
        "",
        "In `landlock` and `bubblewrap` an agent tries to read, list, write and connect to a socket at each of",
    ]
    lines += [f"{places}, and reaches nothing", "(`landlock` shares `/dev/shm`, which programs need for semaphores)."]
    lines += ["", "At every level stopped:", "", "| | shown by |", "|---|---|"]
    lines += [f"| {what} | `tests/{test}` |" for what, test in ALWAYS]
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """The page with its generated part as it is to be."""
    before, _, rest = text.partition(_BEGIN)
    return before + _BEGIN + table() + _END + rest.partition(_END)[2]


def exists(test: str) -> bool:
    """Whether there is such a test."""
    file, _, name = test.partition("::")
    path = ROOT / "tests" / file
    if not path.is_file():
        return False
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    names = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, functions)]
    return name in names if name else any(each.startswith("test_") for each in names)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
